//! Tails: where a fused chain ends: in a sink, or at an edge to another vertex.

mod combine;
mod pass;
mod scatter;
mod sink;

pub(crate) use combine::{CombineTailFactory, Partial};
pub(crate) use pass::{ForkTailFactory, PassTailFactory};
pub(crate) use scatter::KeyedTailFactory;
pub(crate) use sink::SinkTailFactory;

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    look::StatePart,
    output::Output,
};
use headwater_core::{ids::CheckpointId, time::TimestampMs};

use crate::show::{self, Show};

/// How many rows make a batch worth sending.
pub(crate) const BATCH_ROWS: usize = 1024;

/// What a tail adds to the task's snapshot.
#[derive(Default)]
pub(crate) struct TailSnapshot {
    pub state: Vec<u8>,
    pub committable: Option<Vec<u8>>,
}

/// Takes a chain's results.
pub(crate) trait Tail<T>: 'static {
    /// Takes one record; only keeps it, for [`after_batch`](Self::after_batch) to hand on.
    fn push(&mut self, value: T, timestamp: TimestampMs);

    /// An input batch has been worked through: hand full batches on.
    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError>;

    /// Hand on everything that a watermark must not overtake.
    fn before_watermark(&mut self, _watermark: TimestampMs, output: &mut Output) -> Result<(), TaskError> {
        self.flush(output)
    }

    /// Hand on everything.
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError>;

    /// See [`TaskLogic::snapshot`](headwater_actors::operator::TaskLogic::snapshot).
    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<TailSnapshot, TaskError> {
        Ok(TailSnapshot::default())
    }

    /// See [`TaskLogic::checkpoint_completed`](headwater_actors::operator::TaskLogic::checkpoint_completed).
    fn checkpoint_completed(&mut self, _checkpoint: CheckpointId) -> Result<(), TaskError> {
        Ok(())
    }
}

/// Makes the tail of each subtask.
pub(crate) trait TailFactory<T>: Send + Sync + 'static {
    /// What it makes.
    type Tail: Tail<T>;

    /// What a sink keeps, for people who look into a checkpoint.
    fn show_state(&self, _state: &[u8], _committable: Option<&[u8]>) -> Vec<StatePart> {
        Vec::new()
    }

    /// Opens a tail, from its [`TailSnapshot::state`] if there is one.
    fn open(&self, context: &TaskContext, state: Option<&[u8]>) -> Result<Self::Tail, TaskError>;
}

/// Sends a batch out over an edge whose downstream subtasks take turns.
fn pass_on<T: Send + 'static>(edge: usize, batch: Batch<T>, show: Show<T>, output: &mut Output) {
    show::tap(output, Some(edge), &batch, show, None);
    output.send_to_next(edge, Box::new(batch));
}
