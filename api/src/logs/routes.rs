//! `GET /logs` and `GET /logs/stream`.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use bytes::Bytes;
use futures::stream;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{LogBook, LogFilter, book::severity};
use crate::{
    dto::{LogLine, LogLines, LogQuery},
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
    routes::{Answer, job_id, within},
};

const LIMIT: u32 = 200;
const LIMIT_MAX: u32 = 10_000;
const STREAMS_MAX: usize = 16;
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Lines that come in so short a time are sent together.
const GATHERING: Duration = Duration::from_millis(100);
/// How long a browser waits before it connects again.
const RETRY: &str = "retry: 1000\n\n";
/// Lines in one piece of a stream.
const PIECE_LINES: usize = 500;

/// Bounds the number of streams.
#[derive(Clone)]
pub(crate) struct LogStreams(Arc<Semaphore>);

impl Default for LogStreams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/logs", "Read the log", read)
            .query::<LogQuery>()
            .answers::<LogLines>(StatusCode::OK)
            .problems(&[ProblemKind::UnknownJob]),
        Endpoint::stream("/logs/stream", "Follow the log", follow)
            .query::<LogQuery>()
            .header("Last-Event-ID", "the id of the last line that was seen: what follows is sent")
            .problems(&[ProblemKind::UnknownJob, ProblemKind::TooManyStreams]),
    ]
}

async fn read(book: web::Data<LogBook>, query: web::Query<LogQuery>) -> Answer {
    let (filter, limit) = parse(&query)?;
    let (lines, next) = book.read(&filter, query.after, limit);
    Ok(HttpResponse::Ok().json(LogLines { lines, next }))
}

async fn follow(
    book: web::Data<LogBook>,
    streams: web::Data<LogStreams>,
    query: web::Query<LogQuery>,
    request: HttpRequest,
) -> Answer {
    let slot = streams.0.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("the log is followed {STREAMS_MAX} times: close one of these streams");
        Problem::new(ProblemKind::TooManyStreams, detail)
    })?;
    let (filter, limit) = parse(&query)?;
    let last_event = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = last_event.or(query.after);
    let newest = book.newest();
    let stream = Stream { book, filter, after, limit, newest, is_first: true, _slot: slot };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .streaming(stream::unfold(stream, Stream::next)))
}

fn parse(query: &LogQuery) -> Result<(LogFilter, usize), Problem> {
    let wrong = |detail: String| Problem::new(ProblemKind::InvalidRequest, detail);
    let level = |level: &String| {
        let found = severity(level);
        found.ok_or_else(|| {
            wrong(format!(
                "query parameter `level`: expected error, warn, info, debug or trace, found `{level}`"
            ))
        })
    };
    let limit = within("limit", query.limit.unwrap_or(LIMIT), 1, LIMIT_MAX)?;
    let job = query.job.as_deref().map(job_id).transpose()?;
    let severity = query.level.as_ref().map(level).transpose()?;
    Ok((LogFilter { severity, job: job.map(|job| job.to_string()) }, limit as usize))
}

struct Stream {
    book: web::Data<LogBook>,
    filter: LogFilter,
    after: Option<u64>,
    limit: usize,
    newest: watch::Receiver<u64>,
    is_first: bool,
    _slot: OwnedSemaphorePermit,
}

impl Stream {
    /// The next piece of the body. A reader that is slower than the log misses what is no longer remembered.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            self.newest.mark_unchanged();
            let most = if self.after.is_none() { self.limit } else { PIECE_LINES };
            let (lines, next) = self.book.read(&self.filter, self.after, most);
            self.after = Some(next);
            let is_first = std::mem::take(&mut self.is_first);
            if is_first || !lines.is_empty() {
                let begin = if is_first { RETRY } else { "" };
                let piece = begin.to_owned() + &lines.iter().map(event).collect::<String>();
                return Some((Ok(piece.into()), self));
            }
            match timeout(HEARTBEAT, self.newest.changed()).await {
                Ok(Ok(())) => sleep(GATHERING).await,
                Ok(Err(_)) => return None,
                Err(_) => return Some((Ok(Bytes::from_static(b": heartbeat\n\n")), self)),
            }
        }
    }
}

fn event(line: &LogLine) -> String {
    let json = serde_json::to_string(line).expect("a line has string keys and finite numbers only");
    format!("id: {}\nevent: line\ndata: {json}\n\n", line.seq)
}
