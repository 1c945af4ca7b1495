//! `GET /events`: what has changed, as server-sent events.
//!
//! A stream begins with the present state and then follows [`ControlPlane::changes`]. However often that moves, at
//! most one event is sent per [`GAP_MIN`], and it carries the state of that moment: a slow reader misses states in
//! between, never the last one. Besides states there are `log` events, none of which is left out without a word: their ids
//! let a client that was cut off go on where it was, with `Last-Event-ID`.

use std::{convert::Infallible, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytes::Bytes;
use futures::stream;
use headwater_coordinator::view::FeedPage;
use headwater_core::{
    ids::JobId,
    time::{Clock, SystemClock, TimestampMs},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    dto,
    problem::{Problem, ProblemKind},
    routes::{Control, job_id},
    server::BuildInfo,
};

const GAP_MIN: Duration = Duration::from_millis(200);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again.
const RETRY: &[u8] = b"retry: 1000\n";

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Filter {
    /// Only this job, in full.
    job: Option<String>,
}

struct Stream {
    control: Control,
    build: web::Data<BuildInfo>,
    job: Option<JobId>,
    /// What the client has seen before, if it says so.
    last_id: Option<String>,
    /// The number of the last event of the feed that was sent.
    told: u64,
    changes: watch::Receiver<u64>,
    sent_at: Option<Instant>,
    ended: bool,
}

/// Answers with the stream of the overview, or of one job.
pub(crate) async fn stream(
    control: Control,
    build: web::Data<BuildInfo>,
    filter: web::Query<Filter>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let job = filter.job.as_deref().map(job_id).transpose()?;
    if let Some(job) = job {
        control.job(job).await?;
    }
    let changes = control.changes();
    let last_id = request.headers().get("Last-Event-ID").map(|id| id.to_str().unwrap_or_default().to_owned());
    let stream = Stream { control, build, job, last_id, told: 0, changes, sent_at: None, ended: false };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .streaming(stream::unfold(stream, Stream::next)))
}

impl Stream {
    /// The next piece of the body; `None` once the control plane or the job is gone.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.ended {
            return None;
        }
        if let Some(sent_at) = self.sent_at {
            sleep_until(sent_at + GAP_MIN).await;
            tokio::select! {
                changed = self.changes.changed() => changed.ok()?,
                () = sleep(HEARTBEAT) => return Some((Ok(Bytes::from_static(b": heartbeat\n\n")), self)),
            }
        }
        // Marked as seen before the state is read, so that a change in between is not missed.
        self.changes.borrow_and_update();
        let mut pieces = if self.sent_at.is_none() { self.begin() } else { self.news() };
        pieces.push(match self.state().await {
            Ok(piece) => piece,
            Err(problem) => {
                self.ended = problem.kind() == ProblemKind::UnknownJob;
                event("problem", &problem.body())
            }
        });
        self.sent_at = Some(Instant::now());
        Some((Ok(pieces.concat().into()), self))
    }

    /// What comes before the first state: if the client was here before, what it has missed, or that this is not known.
    fn begin(&mut self) -> Vec<Bytes> {
        let mut pieces = vec![Bytes::from_static(RETRY)];
        let mut page = self.control.told_since(u64::MAX);
        if let Some(last_id) = self.last_id.take() {
            let missed = self.missed_since(&last_id);
            let reason = missed.as_ref().err().map(|reason| (*reason).to_owned());
            pieces.push(event("resume", &dto::Resume { is_complete: missed.is_ok(), reason }));
            page = missed.unwrap_or(page);
        }
        pieces.extend(self.tell(&page));
        pieces
    }

    /// All that was told after the event with this id, or why that is not known.
    fn missed_since(&self, last_id: &str) -> Result<FeedPage, &'static str> {
        let numbers = last_id.split_once('-').and_then(|(process, number)| {
            Some((process.parse::<TimestampMs>().ok()?, number.parse::<u64>().ok()?))
        });
        let (process, number) = numbers.ok_or("the id is none of a server's")?;
        let page = self.control.told_since(number);
        if page.process != process || number > page.newest {
            return Err("the server was started anew since then");
        }
        if page.missed > 0 {
            return Err("too much has happened since then");
        }
        Ok(page)
    }

    /// What was told since the last time.
    fn news(&mut self) -> Vec<Bytes> {
        let page = self.control.told_since(self.told);
        let gap = (page.missed > 0).then(|| event("gap", &dto::Gap { missed: page.missed }));
        gap.into_iter().chain(self.tell(&page)).collect()
    }

    /// The events of a page, and the id of the state that follows: whoever has that has seen them all.
    fn tell(&mut self, page: &FeedPage) -> Vec<Bytes> {
        self.told = page.newest;
        let id = |number: u64| format!("id: {}-{number}\n", page.process);
        let is_meant = |job: JobId| self.job.is_none_or(|only| only == job);
        let told = page.events.iter().filter(|told| is_meant(told.job));
        let log = told.flat_map(|told| {
            [id(told.number).into(), event("log", &dto::LogEvent::of(told.job, &told.event))]
        });
        log.chain([id(page.newest).into()]).collect()
    }

    async fn state(&self) -> Result<Bytes, Problem> {
        let now_ms = SystemClock.now_ms();
        let Some(job) = self.job else {
            let overview = self.control.overview().await?;
            return Ok(event("overview", &dto::Overview::of(&overview, &self.build, now_ms)));
        };
        let details = self.control.job(job).await?;
        let checkpoints = self.control.checkpoints(job).await?;
        let exceptions = self.control.exceptions(job).await?;
        let job = dto::JobEvent {
            job: dto::JobDetails::of(&details, now_ms),
            checkpoints: dto::Checkpoints::of(&checkpoints),
            exceptions: dto::Exceptions::of(&exceptions),
        };
        Ok(event("job", &job))
    }
}

pub(crate) fn event(name: &str, data: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(data).expect("a DTO has string keys and finite numbers only");
    // JSON escapes line breaks, so the data is one line.
    Bytes::from(format!("event: {name}\ndata: {json}\n\n"))
}
