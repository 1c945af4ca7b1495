//! What a task runs: the type-erased face of operators and sources, called once per batch.

use std::{sync::Arc, task::Poll};

use headwater_core::{
    checkpoint::SubtaskSnapshot,
    execution::{FailureKind, Gauges},
    graph::JobGraph,
    ids::{CheckpointId, VertexId},
    job::{JobSpec, PlanError},
    time::TimestampMs,
};
use headwater_state::PendingSnapshot;

use crate::{
    batch::Payload,
    context::{TaskContext, TaskError},
    look::StatePart,
    output::Output,
};

/// Whether an operator has emitted all that an event made it emit. One that has much to emit does it in steps, so that
/// the task can wait for room between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// Everything is emitted.
    Done,
    /// [`TaskLogic::resume`] emits the rest.
    More,
}

/// The synchronous part of a snapshot.
#[derive(Default)]
pub struct OperatorSnapshot {
    /// See [`SubtaskSnapshot::operator_state`](headwater_core::checkpoint::SubtaskSnapshot::operator_state).
    pub operator_state: Vec<u8>,
    /// See [`SubtaskSnapshot::committable`](headwater_core::checkpoint::SubtaskSnapshot::committable).
    pub committable: Option<Vec<u8>>,
    /// The keyed state, still to be written.
    pub keyed_state: Option<PendingSnapshot>,
}

/// The record that a task failed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecord {
    /// Which of the records it is that the attempt has taken in, counted from 1.
    pub number: u64,
    /// Whether the failure came after it rather than at it: while it, and records before it, were handed on.
    pub is_past: bool,
    /// What else is known of it, for people.
    pub position: Option<String>,
}

/// What sources and operators have in common. Between two calls an implementation must not hold the output of what it
/// was given, apart from what [`flush`](Self::flush) gives out.
pub trait TaskLogic {
    /// Gives out what is held back to make batches full: called when the input has nothing more to read for now, and
    /// before every watermark and barrier.
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError>;

    /// When [`on_processing_time`](Self::on_processing_time) is to be called next, in wall-clock time.
    fn next_timer_ms(&self) -> Option<TimestampMs> {
        None
    }

    /// The wall clock has reached a timer.
    fn on_processing_time(&mut self, _now_ms: TimestampMs, _output: &mut Output) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// Goes on with what was left at [`Step::More`].
    fn resume(&mut self, _output: &mut Output) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// Takes the synchronous part of a snapshot; what it returns is written while the task goes on.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<OperatorSnapshot, TaskError>;

    /// The record at which the call before this one has failed, if it was at one. Asked only then; after a panic, no matter in what
    /// state that has left everything. An error that names its record itself needs no other.
    fn failed_record(&mut self, _kind: FailureKind) -> Option<FailedRecord> {
        None
    }

    /// What is known of what is to come and of what is kept. Asked a few times a second: it must not take long.
    fn gauges(&mut self) -> Gauges {
        Gauges::default()
    }

    /// A checkpoint is durable: commit, release.
    fn checkpoint_completed(&mut self, _checkpoint: CheckpointId) -> Result<(), TaskError> {
        Ok(())
    }
}

/// An operator with inputs.
pub trait Operator: TaskLogic {
    /// Takes a batch from one of the inputs, counted in the order of the vertex's incoming edges.
    fn process(
        &mut self,
        input: usize,
        batch: Box<dyn Payload>,
        output: &mut Output,
    ) -> Result<Step, TaskError>;

    /// Event time has progressed. The operator tells its output, once it has emitted what is due.
    fn on_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<Step, TaskError>;

    /// The inputs have become idle, or active again.
    fn on_active(&mut self, active: bool, output: &mut Output) -> Result<(), TaskError> {
        output.active(active);
        Ok(())
    }

    /// No rows will come. Event time has ended before this.
    fn end_of_input(&mut self, _output: &mut Output) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }
}

/// How a source stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceStatus {
    /// Something was read; there may be more.
    Ready,
    /// All was read.
    End,
}

/// A source and what is fused to it.
pub trait SourceLogic: TaskLogic {
    /// Reads and emits one batch, or says that there is nothing for now, having arranged to be woken.
    fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
        output: &mut Output,
    ) -> Poll<Result<SourceStatus, TaskError>>;

    /// The source was not read for a while since there was no room downstream: that is no idleness.
    fn resumed(&mut self) {}
}

/// The code of one task. Made on the task's own thread, which it never leaves.
pub enum Invokable {
    /// Reads from outside.
    Source(Box<dyn SourceLogic>),
    /// Reads from its input gate.
    Operator(Box<dyn Operator>),
}

impl Invokable {
    /// What both kinds have in common.
    pub fn logic(&mut self) -> &mut dyn TaskLogic {
        match self {
            Self::Source(source) => &mut **source,
            Self::Operator(operator) => &mut **operator,
        }
    }
}

/// A job's code: makes the tasks of its vertices.
pub trait JobCode: Send + Sync {
    /// The graph that the code belongs to.
    fn graph(&self) -> &JobGraph;

    /// Makes one task's code and opens it: state is restored, and what was prepared for the restored checkpoint is committed
    /// (again).
    fn open(&self, vertex: VertexId, context: TaskContext) -> Result<Invokable, TaskError>;

    /// Opens a vertex's operators, and nothing that reaches outside, in a context whose state [records](headwater_state::StateEnv::recording)
    /// what they register.
    fn describe(&self, _vertex: VertexId, _context: &TaskContext) -> Result<(), TaskError> {
        Ok(())
    }

    /// What a subtask's snapshot holds besides keyed state, part by part.
    fn show_operator_state(&self, _vertex: VertexId, snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
        vec![StatePart::new("operator-state", None, &snapshot.operator_state)]
    }
}

/// Finds the code of a submission.
pub trait CodeResolver: Send + Sync {
    /// Builds the code that `spec` names.
    fn resolve(&self, spec: &JobSpec) -> Result<Arc<dyn JobCode>, PlanError>;
}
