//! `GET /events`: what has changed, as server-sent events.
//!
//! A stream begins with the present state and then follows [`ControlPlane::changes`]. However often that moves, at
//! most one event is sent per [`GAP_MIN`], and it carries the state of that moment: a slow reader misses states in
//! between, never the last one.

use std::{convert::Infallible, sync::Arc, time::Duration};

use actix_web::{HttpResponse, http::header, web};
use bytes::Bytes;
use futures::stream;
use headwater_core::{
    ids::JobId,
    time::{Clock, SystemClock},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
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
const STREAMS_MAX: usize = 64;
/// How long a browser waits before it connects again.
const RETRY: &[u8] = b"retry: 1000\n";

/// Bounds the number of live streams.
#[derive(Clone)]
pub(crate) struct StreamSlots(Arc<Semaphore>);

impl Default for StreamSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS_MAX)))
    }
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Filter {
    /// Only this job, in full.
    job: Option<String>,
}

struct Stream {
    control: Control,
    build: web::Data<BuildInfo>,
    job: Option<JobId>,
    changes: watch::Receiver<u64>,
    sent_at: Option<Instant>,
    ended: bool,
    _slot: OwnedSemaphorePermit,
}

/// Answers with the stream of the overview, or of one job.
pub(crate) async fn stream(
    control: Control,
    build: web::Data<BuildInfo>,
    slots: web::Data<StreamSlots>,
    filter: web::Query<Filter>,
) -> Result<HttpResponse, Problem> {
    let slot = slots.0.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS_MAX} live streams are open: close one");
        Problem::new(ProblemKind::TooManyStreams, detail)
    })?;
    let job = filter.job.as_deref().map(job_id).transpose()?;
    if let Some(job) = job {
        control.job(job).await?;
    }
    let changes = control.changes();
    let stream = Stream { control, build, job, changes, sent_at: None, ended: false, _slot: slot };
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
        let piece = match self.state().await {
            Ok(piece) => piece,
            Err(problem) => {
                self.ended = problem.kind() == ProblemKind::UnknownJob;
                event("problem", &problem.body())
            }
        };
        let is_first = self.sent_at.replace(Instant::now()).is_none();
        let piece = if is_first { [RETRY, &piece].concat().into() } else { piece };
        Some((Ok(piece), self))
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
