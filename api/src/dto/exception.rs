//! Failures and what came of them.

use headwater_coordinator::view::ExceptionView;
use headwater_core::{secret::hide, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /jobs/{id}/exceptions`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exceptions {
    /// Newest first.
    pub exceptions: Vec<Exception>,
}

/// One failure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Exception {
    /// When the actor died.
    pub at_ms: TimestampMs,
    /// The id of the actor that died.
    pub actor: String,
    /// Its name.
    pub actor_name: String,
    /// The attempt that died, for a subtask.
    pub attempt: Option<u32>,
    /// `error`, `panic`, `stall`, `kill`, `damaged-checkpoint` or `data-loss`.
    pub kind: String,
    /// Of what it died.
    pub message: String,
    /// From the death, or for a stall from the last progress, until the job's master knew, in microseconds; `null` if nobody
    /// can tell.
    pub detected_after_us: Option<u64>,
    /// How the job came back, if it did or is about to.
    pub recovery: Option<Recovery>,
}

/// How a job came back from a failure.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    /// The checkpoint that it went back to; `null` is the beginning.
    pub restored_checkpoint: Option<u64>,
    /// Tasks that were restarted; 0 if a control actor was rebuilt without touching them.
    pub tasks_restarted: usize,
    /// Which: the region of the failed one, that is all that are joined with it by channels.
    pub tasks: Vec<String>,
    /// Records that the restarted sources read again: those between the checkpoint and the place that they had come to, as last
    /// reported; `null` if that is not known, as after the death of the process.
    pub records_replayed: Option<u64>,
    /// From the death until all tasks were running again, in microseconds.
    pub running_after_us: Option<u64>,
    /// From the death until the first record was processed, in microseconds.
    pub first_record_after_us: Option<u64>,
    /// From the death until every restarted source was again where it had come to, in microseconds.
    pub caught_up_after_us: Option<u64>,
}

impl Exceptions {
    /// What clients see of `exceptions`.
    pub fn of(exceptions: &[ExceptionView]) -> Self {
        Self { exceptions: exceptions.iter().map(Exception::of).collect() }
    }
}

impl Exception {
    pub(super) fn of(exception: &ExceptionView) -> Self {
        Self {
            at_ms: exception.at_ms,
            actor: exception.actor.clone(),
            actor_name: exception.actor_name.clone(),
            attempt: exception.attempt,
            kind: exception.kind.as_str().to_owned(),
            message: hide(&exception.message).into(),
            detected_after_us: exception.detected_after_us,
            recovery: exception.recovery.as_ref().map(|recovery| Recovery {
                restored_checkpoint: recovery.restored_checkpoint.map(|checkpoint| checkpoint.0),
                tasks_restarted: recovery.tasks_restarted,
                tasks: recovery.tasks.iter().map(ToString::to_string).collect(),
                records_replayed: recovery.records_replayed,
                running_after_us: recovery.running_after_us,
                first_record_after_us: recovery.first_record_after_us,
                caught_up_after_us: recovery.caught_up_after_us,
            }),
        }
    }
}
