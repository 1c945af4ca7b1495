//! Checkpoints as clients see them.

use headwater_coordinator::view::{CheckpointStatus, CheckpointView};
use headwater_core::time::TimestampMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /jobs/{id}/checkpoints`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoints {
    /// Newest first.
    pub checkpoints: Vec<Checkpoint>,
}

/// One checkpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Checkpoint {
    /// Its number within the job.
    pub id: u64,
    /// `IN_PROGRESS`, `COMPLETED` or `FAILED`.
    pub status: String,
    /// Why it failed, if it did.
    pub failure: Option<String>,
    /// When it was triggered.
    pub triggered_at_ms: TimestampMs,
    /// From the trigger to its end, in microseconds.
    pub duration_us: Option<u64>,
    /// Subtasks that have acknowledged.
    pub acknowledged: usize,
    /// Subtasks that must.
    pub expected: usize,
    /// Bytes of state that it stands for.
    pub state_bytes: u64,
    /// Bytes written for it.
    pub new_bytes: u64,
    /// The longest that a task stood still for it, in microseconds.
    pub sync_us_max: u64,
    /// The longest asynchronous part, in microseconds.
    pub async_us_max: u64,
    /// The longest alignment, in microseconds.
    pub alignment_us_max: u64,
    /// Whether it commits the end of the job's input.
    pub is_final: bool,
}

impl Checkpoints {
    /// What clients see of `checkpoints`.
    pub fn of(checkpoints: &[CheckpointView]) -> Self {
        Self { checkpoints: checkpoints.iter().map(Checkpoint::of).collect() }
    }
}

impl Checkpoint {
    fn of(checkpoint: &CheckpointView) -> Self {
        let (status, failure) = match &checkpoint.status {
            CheckpointStatus::InProgress => ("IN_PROGRESS", None),
            CheckpointStatus::Completed => ("COMPLETED", None),
            CheckpointStatus::Failed(failure) => ("FAILED", Some(failure.to_string())),
        };
        Self {
            id: checkpoint.id.0,
            status: status.to_owned(),
            failure,
            triggered_at_ms: checkpoint.triggered_at_ms,
            duration_us: checkpoint.duration_us,
            acknowledged: checkpoint.acknowledged,
            expected: checkpoint.expected,
            state_bytes: checkpoint.state_bytes,
            new_bytes: checkpoint.new_bytes,
            sync_us_max: checkpoint.sync_us_max,
            async_us_max: checkpoint.async_us_max,
            alignment_us_max: checkpoint.alignment_us_max,
            is_final: checkpoint.is_final,
        }
    }
}
