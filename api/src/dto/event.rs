//! What happened to jobs, and when.

use headwater_coordinator::view;
use headwater_core::{ids::JobId, secret::hide, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /jobs/{id}/events`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogEvents {
    /// Newest first.
    pub events: Vec<LogEvent>,
}

/// Something that happened to a job.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogEvent {
    /// Its number within the job: it goes up, and begins anew, higher than any before, with each process that the job is in.
    pub id: u64,
    /// The job.
    pub job: String,
    /// When it happened.
    pub at_ms: TimestampMs,
    /// `submitted`, `taken-over`, `state-changed`, `failed`, `restarted`, `checkpoint-triggered`, `checkpoint-failed`,
    /// `cancel-requested`, `restart-requested`, `actor-killed`, `delete-requested`, `delete-failed` or `deleted`.
    pub kind: String,
    /// What happened, for people.
    pub message: String,
    /// Who wanted it, if that is known.
    pub by: Option<String>,
    /// The actor that it is about.
    pub actor: Option<String>,
    /// The checkpoint that it is about.
    pub checkpoint: Option<u64>,
    /// The job's new state.
    pub state: Option<String>,
}

/// A live stream's event `resume`: what became of the wish to go on after `Last-Event-ID`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Resume {
    /// Whether all that was missed follows. If not, only the present state does.
    pub is_complete: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// A live stream's event `gap`: its reader was too slow.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Gap {
    /// How many events were left out.
    pub missed: u64,
}

impl LogEvent {
    /// What clients see of `event`.
    pub fn of(job: JobId, event: &view::JobEventView) -> Self {
        Self {
            id: event.id,
            job: job.to_string(),
            at_ms: event.at_ms,
            kind: event.kind.as_str().to_owned(),
            message: hide(&event.message).into(),
            by: event.by.clone(),
            actor: event.actor.clone(),
            checkpoint: event.checkpoint.map(|checkpoint| checkpoint.0),
            state: event.state.map(|state| state.as_str().to_owned()),
        }
    }
}
