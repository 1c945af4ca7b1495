//! Failures and recoveries.

use headwater_core::{
    execution::FailureKind,
    ids::{CheckpointId, SubtaskId},
    time::TimestampMs,
};
use serde::{Deserialize, Serialize};

/// A failure and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExceptionView {
    /// When the actor died.
    pub at_ms: TimestampMs,
    /// Who died: an [`ActorView::id`](super::ActorView::id), or `process`.
    pub actor: String,
    /// Its name, for people.
    pub actor_name: String,
    /// The attempt that died, for a subtask.
    pub attempt: Option<u32>,
    /// How.
    pub kind: FailureKind,
    /// Of what.
    pub message: String,
    /// From the death, or for a stall from the last progress, until the job's master knew, in microseconds; `None` if nobody
    /// can tell.
    pub detected_after_us: Option<u64>,
    /// What became of the job.
    pub recovery: Option<RecoveryView>,
}

/// How the job came back from a failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecoveryView {
    /// The checkpoint that it went back to; `None` is the beginning. Not set for an actor that holds no data.
    pub restored_checkpoint: Option<CheckpointId>,
    /// How many tasks were restarted; 0 for a control actor that was rebuilt without touching them.
    pub tasks_restarted: usize,
    /// Which: the failed one's region, that is all that are joined with it by channels.
    pub tasks: Vec<SubtaskId>,
    /// Records that the restarted sources read again: those between the checkpoint and the place that they had come to, as the
    /// worker last reported it. `None` if that place is not known, as after the death of the process.
    pub records_replayed: Option<u64>,
    /// From the death until all tasks were running again, in microseconds.
    pub running_after_us: Option<u64>,
    /// From the death until the first record was processed, in microseconds.
    pub first_record_after_us: Option<u64>,
    /// From the death until every restarted source was again where it had come to, in microseconds.
    pub caught_up_after_us: Option<u64>,
}
