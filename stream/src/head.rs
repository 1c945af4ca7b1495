//! Heads: what stands at the beginning of a vertex with inputs, before its fused chain.

use std::marker::PhantomData;

use headwater_actors::{
    batch::{Batch, Payload, typed},
    context::TaskError,
    operator::Step,
};
use headwater_core::{
    execution::Gauges,
    ids::CheckpointId,
    time::{NO_TIMESTAMP, TimestampMs},
};
use headwater_state::PendingSnapshot;

/// How many rows a head emits before it lets the task look for room.
pub(crate) const STEP_ROWS: usize = 4096;

/// Takes a head's results, batch by batch, and leaves the batch empty.
pub(crate) type Emit<'a, A> = dyn FnMut(&mut Batch<A>) -> Result<(), TaskError> + 'a;

/// What a head adds to the task's snapshot.
#[derive(Default)]
pub(crate) struct HeadSnapshot {
    pub state: Vec<u8>,
    pub keyed_state: Option<PendingSnapshot>,
}

/// The stateful part of an operator; yields `A` to the chain behind it. See
/// [`Operator`](headwater_actors::operator::Operator) for what its methods mean; watermarks are passed on by the task once the head is done.
pub(crate) trait Head<A>: 'static {
    fn process(
        &mut self,
        input: usize,
        batch: Box<dyn Payload>,
        emit: &mut Emit<'_, A>,
    ) -> Result<Step, TaskError>;

    fn on_watermark(&mut self, _watermark: TimestampMs, _emit: &mut Emit<'_, A>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    fn resume(&mut self, _emit: &mut Emit<'_, A>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    fn end_of_input(&mut self, _emit: &mut Emit<'_, A>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        None
    }

    fn on_processing_time(
        &mut self,
        _now_ms: TimestampMs,
        _emit: &mut Emit<'_, A>,
    ) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    fn snapshot(&mut self, _checkpoint: CheckpointId) -> Result<HeadSnapshot, TaskError> {
        Ok(HeadSnapshot::default())
    }

    /// See [`TaskLogic::gauges`](headwater_actors::operator::TaskLogic::gauges).
    fn gauges(&self) -> Gauges {
        Gauges::default()
    }

    /// For people: what is known of an input row by the timestamp that came with it.
    fn describe_row(&self, timestamp: TimestampMs) -> Option<String> {
        (timestamp != NO_TIMESTAMP).then(|| format!("timestamp {timestamp}"))
    }
}

/// Hands its inputs on as they are; with several inputs, their union.
pub(crate) struct PassHead<A>(pub PhantomData<fn(A)>);

impl<A: Send + 'static> Head<A> for PassHead<A> {
    fn process(
        &mut self,
        _: usize,
        batch: Box<dyn Payload>,
        emit: &mut Emit<'_, A>,
    ) -> Result<Step, TaskError> {
        emit(&mut typed(batch))?;
        Ok(Step::Done)
    }
}
