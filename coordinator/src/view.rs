//! What the control plane shows of itself: plain values, read by REST and the page.

mod deletion;
mod failure;
mod subtask;

use std::sync::Arc;

use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::ExecutionState,
    graph::JobGraph,
    ids::{CheckpointId, JobId, SubtaskId},
    job::{JobSpec, JobStatus},
    time::TimestampMs,
};
use serde::{Deserialize, Serialize};

pub use self::{
    deletion::{DeleteView, DeletionView},
    failure::{ExceptionView, RecoveryView},
    subtask::{Recent, SubtaskView},
};

/// The whole of it, at a glance.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterOverview {
    /// When this process began to serve.
    pub started_at_ms: TimestampMs,
    /// Slots of all workers.
    pub slots_total: usize,
    /// Slots in which at least one task is.
    pub slots_used: usize,
    /// Tasks that are running.
    pub tasks_running: usize,
    /// Whether actors may be killed on purpose.
    pub chaos: bool,
    /// All jobs that have not ended, and those that ended last, newest first.
    pub jobs: Vec<JobSummary>,
    /// How many jobs are in each state that any job is in, of all.
    pub jobs_by_status: Vec<(JobStatus, usize)>,
    /// Jobs that are in the job store but cannot be read.
    pub unreadable_jobs: Vec<UnreadableJob>,
}

/// A job whose record in the job store is damaged. It does not run, and what is kept of it is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableJob {
    /// Its id, as it is in the store.
    pub id: String,
    /// What is wrong.
    pub reason: String,
}

/// A job in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct JobSummary {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// The program that it runs.
    pub program: String,
    /// Its state.
    pub status: JobStatus,
    /// When it was submitted.
    pub submitted_at_ms: TimestampMs,
    /// When it was first running.
    pub started_at_ms: Option<TimestampMs>,
    /// When it ended.
    pub ended_at_ms: Option<TimestampMs>,
    /// How often it was restarted, as a whole or in part.
    pub restarts: u32,
    /// Its tasks by state; the counts add up to the number of its subtasks.
    pub tasks: Vec<(ExecutionState, usize)>,
    /// The root cause, if it failed.
    pub failure: Option<String>,
    /// Its deletion, if that was asked for.
    pub deletion: Option<DeletionView>,
}

/// Everything about a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobDetails {
    /// As in a list.
    pub summary: JobSummary,
    /// What was submitted.
    pub spec: JobSpec,
    /// What it runs as.
    pub graph: JobGraph,
    /// By vertex, then by index.
    pub vertices: Vec<Vec<SubtaskView>>,
    /// The supervision tree: parents before their children.
    pub actors: Vec<ActorView>,
    /// The newest completed checkpoint.
    pub last_completed_checkpoint: Option<CheckpointId>,
}

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// Supervises one job.
    JobMaster,
    /// Triggers and completes the job's checkpoints.
    CheckpointCoordinator,
    /// Runs a source.
    Source,
    /// Runs an operator.
    Operator,
    /// Runs a sink.
    Sink,
}

impl ActorKind {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JobMaster => "job-master",
            Self::CheckpointCoordinator => "checkpoint-coordinator",
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
        }
    }
}

/// A supervised actor.
#[derive(Clone, Debug, PartialEq)]
pub struct ActorView {
    /// `job-master`, `checkpoint-coordinator`, or a subtask's id such as `v1-0`. Unique within the job, and the same
    /// after a restart.
    pub id: String,
    /// Its supervisor's id.
    pub parent: Option<String>,
    /// What it is.
    pub kind: ActorKind,
    /// For people.
    pub name: String,
    /// `RUNNING`, `RESTARTING`, or a task's state.
    pub state: &'static str,
    /// How often it was rebuilt.
    pub restarts: u32,
    /// What it last died of.
    pub last_failure: Option<String>,
}

/// Where a checkpoint is in its life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CheckpointStatus {
    /// Waiting for acknowledgements, or its manifest is being written.
    InProgress,
    /// Durable.
    Completed,
    /// Given up.
    Failed(CheckpointFailure),
}

/// One checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointView {
    /// Its id.
    pub id: CheckpointId,
    /// Where it is.
    pub status: CheckpointStatus,
    /// When it was triggered.
    pub triggered_at_ms: TimestampMs,
    /// From the trigger to its end, in microseconds.
    pub duration_us: Option<u64>,
    /// Subtasks that have acknowledged.
    pub acknowledged: usize,
    /// Subtasks that must.
    pub expected: usize,
    /// Those that have not, while it is in progress.
    pub awaited: Vec<SubtaskId>,
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
    /// What each subtask had to do with it; of older checkpoints it is not kept.
    pub subtasks: Arc<[CheckpointSubtaskView]>,
}

/// A subtask's part in a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointSubtaskView {
    /// Which subtask.
    pub subtask: SubtaskId,
    /// The attempt at it that took part.
    pub attempt: u32,
    /// What it acknowledged; `None` until it has.
    pub ack: Option<CheckpointAckView>,
}

/// An acknowledgement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointAckView {
    /// When it came.
    pub at_ms: TimestampMs,
    /// How long the task stood still, in microseconds.
    pub sync_us: u64,
    /// The asynchronous part, in microseconds.
    pub async_us: u64,
    /// From the first barrier to the last, in microseconds.
    pub alignment_us: u64,
    /// Bytes of state that the snapshot stands for.
    pub state_bytes: u64,
    /// Bytes written for it.
    pub new_bytes: u64,
}

/// An attempt at a subtask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptView {
    /// Counted from 0 in each process.
    pub number: u32,
    /// Its state.
    pub state: ExecutionState,
    /// When it was sent to the worker.
    pub deployed_at_ms: TimestampMs,
    /// When it was first running.
    pub running_at_ms: Option<TimestampMs>,
    /// When it ended.
    pub ended_at_ms: Option<TimestampMs>,
    /// The checkpoint that it went on from; `None` is the beginning.
    pub restored_checkpoint: Option<CheckpointId>,
    /// Of what it died.
    pub failure: Option<String>,
}

/// A task in a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotTask {
    /// The slot.
    pub slot: usize,
    /// The task's job.
    pub job: JobId,
    /// The task.
    pub subtask: SubtaskId,
    /// Its state.
    pub state: ExecutionState,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobEventKind {
    /// It was accepted.
    Submitted,
    /// It goes on in a new process.
    TakenOver,
    /// Its state is another.
    StateChanged,
    /// An actor of it died.
    Failed,
    /// Tasks of it go on from a checkpoint, or begin anew.
    Restarted,
    /// A checkpoint was asked for.
    CheckpointTriggered,
    /// A checkpoint was given up.
    CheckpointFailed,
    /// It was to be cancelled.
    CancelRequested,
    /// It was to be restarted.
    RestartRequested,
    /// An actor of it was killed on purpose.
    ActorKilled,
    /// It was deleted.
    Deleted,
    /// It was to be deleted.
    DeleteRequested,
    /// It could not be deleted.
    DeleteFailed,
}

impl JobEventKind {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::TakenOver => "taken-over",
            Self::StateChanged => "state-changed",
            Self::Failed => "failed",
            Self::Restarted => "restarted",
            Self::CheckpointTriggered => "checkpoint-triggered",
            Self::CheckpointFailed => "checkpoint-failed",
            Self::CancelRequested => "cancel-requested",
            Self::RestartRequested => "restart-requested",
            Self::ActorKilled => "actor-killed",
            Self::Deleted => "deleted",
            Self::DeleteRequested => "delete-requested",
            Self::DeleteFailed => "delete-failed",
        }
    }
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobEventView {
    /// Its number within the job, from 1. It goes up; with each process that takes the job over it begins anew, at a higher number
    /// than any before.
    pub id: u64,
    /// When it happened.
    pub at_ms: TimestampMs,
    /// What it is.
    pub kind: JobEventKind,
    /// What happened, for people.
    pub message: String,
    /// Who wanted it, if that is known.
    pub by: Option<String>,
    /// The actor that it is about.
    pub actor: Option<String>,
    /// The checkpoint that it is about.
    pub checkpoint: Option<CheckpointId>,
    /// The job's new state.
    pub state: Option<JobStatus>,
}

impl JobEventView {
    /// An event that is not numbered yet and about nothing in particular.
    pub fn new(kind: JobEventKind, at_ms: TimestampMs, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { id: 0, at_ms, kind, message, by: None, actor: None, checkpoint: None, state: None }
    }
}

/// An event of any job, in the order in which they were told.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedEvent {
    /// Its number among all events of this process, from 1.
    pub number: u64,
    /// The job.
    pub job: JobId,
    /// What happened to it.
    pub event: JobEventView,
}

/// Events after a certain one.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedPage {
    /// Tells the process that numbers them from others: about when it began.
    pub process: TimestampMs,
    /// The number of the newest event.
    pub newest: u64,
    /// How many that were asked for are no longer known.
    pub missed: u64,
    /// Oldest first.
    pub events: Vec<FeedEvent>,
}

/// A job that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub job: JobId,
    /// Whether it had been accepted before, under the same idempotency key.
    pub is_replay: bool,
}

/// A restart that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartView {
    /// The job that runs: another one if nothing is kept of the one that ended.
    pub job: JobId,
    /// The checkpoint that it is expected to go on from; `None` is the beginning.
    pub checkpoint: Option<CheckpointId>,
}

/// A checkpoint that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TriggerView {
    /// Its number.
    pub checkpoint: CheckpointId,
    /// Whether it was under way before.
    pub was_under_way: bool,
}
