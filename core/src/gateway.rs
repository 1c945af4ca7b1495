//! What the coordinator and a worker say to each other. Both directions serialize; neither waits for an answer.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Ledger, SubtaskSnapshot},
    execution::{ExecutionState, Failure, TaskDeployment, TaskMetrics},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    job::JobSpec,
    tap::{TapId, TapReport, TapSpec},
    time::TimestampMs,
};

/// To a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ToWorker {
    /// Start these tasks: whole regions, so that all channels among them are made at once.
    Deploy {
        /// The job.
        job: JobId,
        /// What it is; the worker builds the code from it.
        spec: Box<JobSpec>,
        /// The graph that the coordinator planned with; the worker's own must equal it.
        graph: JobGraph,
        /// The attempts to start.
        tasks: Vec<TaskDeployment>,
    },
    /// Tell these sources to emit a barrier.
    TriggerCheckpoint {
        /// The job.
        job: JobId,
        /// The new checkpoint.
        checkpoint: CheckpointId,
        /// The sources.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// The checkpoint is durable: sinks commit, sources release.
    CheckpointCompleted {
        /// The job.
        job: JobId,
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Whether the job's input has ended and the tasks finish once they have committed.
        is_final: bool,
        /// The tasks that took part.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// The checkpoint will never be completed: drop what was prepared for it alone.
    CheckpointAborted {
        /// The job.
        job: JobId,
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// The tasks that may have taken part.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// Stop these attempts. Each answers with `Canceled`, at once if it is not known.
    Cancel {
        /// The job.
        job: JobId,
        /// The attempts.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// Let an attempt's actor die, as a fault would.
    Kill {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: ExecutionAttemptId,
    },
    /// Report some of the records that leave a vertex, of its present attempts and of those to come.
    Tap {
        /// The job.
        job: JobId,
        /// The tap.
        tap: TapId,
        /// What to look at.
        spec: TapSpec,
    },
    /// Nobody looks any more.
    Untap {
        /// The tap.
        tap: TapId,
    },
    /// The job has ended: forget its code. With `purge`, also remove what its tasks keep on the disk for it.
    Release {
        /// The job.
        job: JobId,
        /// Whether working folders and journals go, too: never for a job that is to go on.
        purge: bool,
    },
}

/// From a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// An attempt changed its state.
    TaskState {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: ExecutionAttemptId,
        /// Its new state.
        state: ExecutionState,
        /// Why, for `Failed`.
        failure: Option<Failure>,
    },
    /// An attempt's snapshot is written.
    Ack {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: ExecutionAttemptId,
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// What it goes on from.
        snapshot: SubtaskSnapshot,
        /// What it counted.
        ledger: Ledger,
        /// Whether it had processed all its input.
        drained: bool,
        /// Records that the attempt had taken in before its snapshot.
        records_in: u64,
        /// How long the task stood still for its snapshot, in microseconds.
        sync_us: u64,
        /// How long writing took after that, in microseconds.
        async_us: u64,
        /// How long the task waited for barriers after the first one, in microseconds.
        alignment_us: u64,
    },
    /// An attempt could not take its snapshot.
    Decline {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: ExecutionAttemptId,
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why.
        reason: String,
    },
    /// What the tasks have done so far, some times a second while there are any.
    Metrics {
        /// The job.
        job: JobId,
        /// When it was read.
        at_ms: TimestampMs,
        /// By attempt.
        tasks: Vec<(ExecutionAttemptId, TaskMetrics)>,
    },
    /// What a tap has seen, some times a second while there is anything.
    Tapped {
        /// The job.
        job: JobId,
        /// The tap.
        tap: TapId,
        /// What it has seen.
        report: TapReport,
    },
    /// An attempt processed its first record. Sources that feed other tasks do not report it.
    FirstRecord {
        /// The job.
        job: JobId,
        /// The attempt.
        attempt: ExecutionAttemptId,
        /// When.
        at_ms: TimestampMs,
    },
}

/// The coordinator's way to a worker. Never blocks; what a dead worker misses shows as its tasks' failure.
pub trait WorkerGateway: Send + Sync {
    /// Sends, in order.
    fn send(&self, message: ToWorker);

    /// How many slots the worker has.
    fn slots(&self) -> usize;
}

/// A worker's way to the coordinator. Never blocks.
pub trait CoordinatorGateway: Send + Sync {
    /// Sends, in order.
    fn send(&self, message: FromWorker);
}
