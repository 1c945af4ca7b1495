//! Executions: the attempts at running a job's subtasks.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::SubtaskSnapshot,
    ids::{CheckpointId, ExecutionAttemptId},
    time::TimestampMs,
};

/// The state of one attempt at one subtask, as in Apache Flink.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum ExecutionState {
    /// Not yet sent to a worker.
    Created,
    /// Sent to a worker, its actor not yet started.
    Deploying,
    /// Its actor is restoring state.
    Initializing,
    /// Processing.
    Running,
    /// All input was processed; waits for the checkpoint that commits it.
    Draining,
    /// Its output is committed.
    Finished,
    /// Told to stop.
    Canceling,
    /// Stopped as told.
    Canceled,
    /// Died: of an error, a panic, a stall or a kill.
    Failed,
}

impl ExecutionState {
    /// Whether the attempt is over.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Finished | Self::Canceled | Self::Failed)
    }

    /// Whether the attempt can take part in a checkpoint.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Draining)
    }

    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Deploying => "DEPLOYING",
            Self::Initializing => "INITIALIZING",
            Self::Running => "RUNNING",
            Self::Draining => "DRAINING",
            Self::Finished => "FINISHED",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
            Self::Failed => "FAILED",
        }
    }
}

/// How an actor came to die.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum FailureKind {
    /// It returned an error.
    Error,
    /// It panicked.
    Panic,
    /// It made no progress within its deadline.
    Stall,
    /// It was killed on purpose.
    Kill,
    /// The checkpoint that it was to go on from is damaged.
    DamagedCheckpoint,
    /// What it keeps besides checkpoints is damaged: no restart can mend that.
    DataLoss,
}

impl FailureKind {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Stall => "stall",
            Self::Kill => "kill",
            Self::DamagedCheckpoint => "damaged-checkpoint",
            Self::DataLoss => "data-loss",
        }
    }
}

/// The cause of a death, recorded before anyone can see the state that follows from it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// How it died.
    pub kind: FailureKind,
    /// Of what, for people.
    pub message: String,
    /// When.
    pub at_ms: TimestampMs,
}

/// The order to start one attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TaskDeployment {
    /// The new attempt.
    pub attempt: ExecutionAttemptId,
    /// What to go on from; `None` starts afresh.
    pub restore: Option<RestoredSubtask>,
}

/// What a subtask goes on from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RestoredSubtask {
    /// The completed checkpoint that it is part of.
    pub checkpoint: CheckpointId,
    /// What the subtask acknowledged then.
    pub snapshot: SubtaskSnapshot,
}

/// What a running subtask has done so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TaskMetrics {
    /// Records taken from the inputs, or from outside by a source.
    pub records_in: u64,
    /// Records given to the outputs, or to the outside by a sink.
    pub records_out: u64,
    /// Records that came after their windows had fired and were dropped.
    pub late_records: u64,
    /// Records that a source could not decode and that were skipped or written to a dead-letter file.
    pub malformed_records: u64,
    /// The current watermark, if there is one yet.
    pub watermark_ms: Option<TimestampMs>,
    /// Time spent working, in microseconds.
    pub busy_us: u64,
    /// Time spent waiting for room downstream, in microseconds.
    pub backpressured_us: u64,
    /// When the attempt processed its first record.
    pub first_record_at_ms: Option<TimestampMs>,
    /// Something that the user should know of the outside world, e.g. a connection that is being retried.
    pub restarts_of_connection: u64,
}
