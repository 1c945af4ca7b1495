//! Checkpoints as clients see them.

use headwater_coordinator::view::{CheckpointStatus, CheckpointSubtaskView, CheckpointView};
use headwater_core::{
    options::{JobOptions, StateBackend},
    secret::hide,
    time::TimestampMs,
};
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

/// `GET /jobs/{id}/checkpoints/{checkpoint}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointDetails {
    /// As in the list.
    #[serde(flatten)]
    pub checkpoint: Checkpoint,
    /// What each subtask has to do with it; of the older ones of earlier processes that is not kept.
    pub subtasks: Vec<CheckpointSubtask>,
}

/// A subtask's part in a checkpoint; what is `null` comes with its acknowledgement.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointSubtask {
    /// E.g. `v0-1`.
    pub id: String,
    /// The attempt that takes part.
    pub attempt: u32,
    /// When the coordinator got its acknowledgement.
    pub acknowledged_at_ms: Option<TimestampMs>,
    /// How long the task stood still, in microseconds.
    pub sync_us: Option<u64>,
    /// The asynchronous part, in microseconds.
    pub async_us: Option<u64>,
    /// From the first barrier to the last, in microseconds.
    pub alignment_us: Option<u64>,
    /// Bytes of state that its snapshot stands for.
    pub state_bytes: Option<u64>,
    /// Bytes written for it.
    pub new_bytes: Option<u64>,
}

/// `GET /jobs/{id}/checkpoints/config`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointConfig {
    /// Always `EXACTLY_ONCE`: barriers are aligned.
    pub mode: String,
    /// Between two triggers; `null` is never, but for the one that commits the end of the input.
    pub interval_ms: Option<u64>,
    /// After which a checkpoint is given up.
    pub timeout_ms: u64,
    /// At least so long from the end of one to the next.
    pub min_pause_ms: u64,
    /// So many may fail in a row before the job fails over.
    pub tolerable_failures: u32,
    /// So many completed ones are kept.
    pub num_retained: u32,
    /// `hashmap` or `rocksdb`.
    pub state_backend: String,
}

impl CheckpointDetails {
    /// What clients see of `checkpoint`.
    pub fn of(checkpoint: &CheckpointView) -> Self {
        Self {
            checkpoint: Checkpoint::of(checkpoint),
            subtasks: checkpoint.subtasks.iter().map(CheckpointSubtask::of).collect(),
        }
    }
}

impl CheckpointSubtask {
    fn of(part: &CheckpointSubtaskView) -> Self {
        let ack = part.ack.as_ref();
        Self {
            id: part.subtask.to_string(),
            attempt: part.attempt,
            acknowledged_at_ms: ack.map(|ack| ack.at_ms),
            sync_us: ack.map(|ack| ack.sync_us),
            async_us: ack.map(|ack| ack.async_us),
            alignment_us: ack.map(|ack| ack.alignment_us),
            state_bytes: ack.map(|ack| ack.state_bytes),
            new_bytes: ack.map(|ack| ack.new_bytes),
        }
    }
}

impl CheckpointConfig {
    /// What of a job's options is about checkpoints.
    pub fn of(options: &JobOptions) -> Self {
        let checkpointing = &options.checkpointing;
        Self {
            mode: "EXACTLY_ONCE".to_owned(),
            interval_ms: checkpointing.interval_ms,
            timeout_ms: checkpointing.timeout_ms,
            min_pause_ms: checkpointing.min_pause_ms,
            tolerable_failures: checkpointing.tolerable_failures,
            num_retained: checkpointing.num_retained,
            state_backend: match options.state_backend {
                StateBackend::HashMap => "hashmap".to_owned(),
                StateBackend::RocksDb => "rocksdb".to_owned(),
            },
        }
    }
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
            CheckpointStatus::Failed(failure) => ("FAILED", Some(hide(&failure.to_string()).into_owned())),
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
