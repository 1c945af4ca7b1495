//! Executions: the attempts at running a job's subtasks.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::SubtaskSnapshot,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
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
    /// When. A stall counts from where progress ended, not from when that was noticed.
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

/// What a task does at the moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum ActivityKind {
    /// Builds its code and restores its state.
    #[default]
    Opening,
    /// Reads, processes or hands on records.
    Processing,
    /// Emits what a watermark, the clock or the end of the input has made due.
    Firing,
    /// Stands still for a snapshot.
    Snapshotting,
    /// Commits a completed checkpoint.
    Committing,
    /// Has delivered barriers on some inputs, which stay unread, and waits for those of the others.
    Aligning,
    /// There is nothing to read.
    WaitingForInput,
    /// There is no room downstream.
    WaitingForRoom,
}

impl ActivityKind {
    /// Whether the task uses its thread.
    pub fn is_work(self) -> bool {
        !matches!(self, Self::Aligning | Self::WaitingForInput | Self::WaitingForRoom)
    }

    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opening => "opening",
            Self::Processing => "processing",
            Self::Firing => "firing",
            Self::Snapshotting => "snapshotting",
            Self::Committing => "committing",
            Self::Aligning => "aligning",
            Self::WaitingForInput => "waiting-for-input",
            Self::WaitingForRoom => "waiting-for-room",
        }
    }
}

/// What a task does, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Activity {
    /// What.
    pub kind: ActivityKind,
    /// Since when: this piece of work, not this kind of work.
    pub since_ms: TimestampMs,
    /// The checkpoint that it is about, if it is about one.
    pub checkpoint: Option<CheckpointId>,
}

/// By which clock something is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum TimeDomain {
    /// Watermarks.
    Event,
    /// The wall clock.
    Processing,
}

impl TimeDomain {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Processing => "processing",
        }
    }
}

/// When an operator next emits something of itself: a window's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NextTimer {
    /// By which clock.
    pub domain: TimeDomain,
    /// Due when that has reached this.
    pub at_ms: TimestampMs,
}

/// What a task's code knows of itself; asked a few times a second while it is at work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Gauges {
    /// When the next window ends that has anything in it.
    pub next_timer: Option<NextTimer>,
    /// Entries of keyed state in memory.
    pub state_entries: Option<u64>,
    /// Records that a source has still to read, if it knows its end.
    pub pending_records: Option<u64>,
    /// The same in bytes.
    pub pending_bytes: Option<u64>,
}

/// One of a subtask's input channels.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InputMetrics {
    /// The subtask at its other end.
    pub from: SubtaskId,
    /// The last watermark that was taken from it; the greatest 64-bit integer once it has ended.
    pub watermark_ms: Option<TimestampMs>,
    /// Whether it holds no watermark back since it has said that it is idle.
    pub is_idle: bool,
    /// Since when watermark and idleness are as they are.
    pub unchanged_since_ms: TimestampMs,
    /// Records that are in the channel.
    pub queued_records: u64,
    /// The newest checkpoint whose barrier was taken from it.
    pub barrier: Option<CheckpointId>,
}

/// What a running subtask has done so far, and does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TaskMetrics {
    /// Records taken from the inputs, or from outside by a source.
    pub records_in: u64,
    /// Records given to the outputs, or to the outside by a sink.
    pub records_out: u64,
    /// Bytes taken from the input channels, about.
    pub bytes_in: u64,
    /// Bytes given to the output channels, about.
    pub bytes_out: u64,
    /// Batches taken from the input channels.
    pub batches_in: u64,
    /// Batches given to the output channels.
    pub batches_out: u64,
    /// Records that came after their windows had fired and were dropped.
    pub late_records: u64,
    /// Records that a source could not decode and that were skipped or written to a dead-letter file.
    pub malformed_records: u64,
    /// The current watermark, if there is one yet.
    pub watermark_ms: Option<TimestampMs>,
    /// Since when it stands there.
    pub watermark_since_ms: Option<TimestampMs>,
    /// Since the attempt was deployed, in microseconds: the sum of the three that follow.
    pub running_us: u64,
    /// Time spent working, in microseconds; what is under way included.
    pub busy_us: u64,
    /// Time spent waiting for room downstream, in microseconds.
    pub backpressured_us: u64,
    /// The rest: time spent waiting for input, or for the slot's thread, in microseconds.
    pub idle_us: u64,
    /// When the attempt processed its first record.
    pub first_record_at_ms: Option<TimestampMs>,
    /// Something that the user should know of the outside world, e.g. a connection that is being retried.
    pub restarts_of_connection: u64,
    /// What the task does at the moment.
    pub activity: Activity,
    /// The checkpoint whose state is being written while the task goes on.
    pub writing_checkpoint: Option<CheckpointId>,
    /// The input channels.
    pub inputs: Vec<InputMetrics>,
    /// The subtasks downstream that have no room, while the task waits for that.
    pub blocked_on: Vec<SubtaskId>,
    /// What its code knows.
    pub gauges: Gauges,
}

impl TaskMetrics {
    /// Records that wait in the input channels.
    pub fn queued_records(&self) -> u64 {
        self.inputs.iter().map(|input| input.queued_records).sum()
    }
}
