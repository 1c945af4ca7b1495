//! The two kinds of task: a reader or a head in front, then a fused chain, then a tail.

use std::{sync::Arc, task::Poll};

use headwater_actors::{
    batch::{Batch, Payload},
    context::{TaskContext, TaskError},
    metrics::TaskCounters,
    operator::{FailedRecord, Operator, OperatorSnapshot, SourceLogic, SourceStatus, Step, TaskLogic},
    output::Output,
    source::{Pending, SOURCE_BATCH_ROWS, SourceReader},
    walk::Walk,
};
use headwater_core::{
    codec,
    execution::{FailureKind, Gauges},
    ids::CheckpointId,
    time::{Clock, MAX_WATERMARK, TimestampMs},
};
use serde::{Deserialize, Serialize};

use crate::{
    chain::Chain,
    head::{Head, HeadSnapshot},
    tail::Tail,
};

/// Under full load, a watermark is made for every so many batches.
const BATCHES_PER_WATERMARK: u32 = 8;

/// A task's state without a key, put together from its parts'.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct TaskState {
    pub front: Vec<u8>,
    pub watermarks: Option<TimestampMs>,
    pub tail: Vec<u8>,
}

impl TaskState {
    pub(crate) fn restored(context: &TaskContext) -> Result<Option<Self>, TaskError> {
        let restored = context.restored.as_ref();
        Ok(restored.map(|restored| codec::decode(&restored.snapshot.operator_state)).transpose()?)
    }
}

/// The fused part that sources and operators share.
pub(crate) struct Pipe<C, L> {
    chain: C,
    tail: L,
    clock: Arc<dyn Clock>,
    counters: Arc<TaskCounters>,
    batches_since_watermark: u32,
}

impl<C: Chain, L: Tail<C::Out>> Pipe<C, L> {
    pub(crate) fn new(mut chain: C, tail: L, context: &TaskContext, state: Option<&TaskState>) -> Self {
        if let Some(watermarks) = chain.watermarks() {
            if let Some(position) = state.and_then(|state| state.watermarks) {
                watermarks.restore(position);
            }
            watermarks.on_alive(context.clock.now_ms());
        }
        Self {
            chain,
            tail,
            clock: context.clock.clone(),
            counters: context.counters.clone(),
            batches_since_watermark: 0,
        }
    }

    #[inline(never)]
    fn run(&mut self, batch: &mut Batch<C::In>, output: &mut Output) -> Result<(), TaskError> {
        let (chain, tail) = (&mut self.chain, &mut self.tail);
        let rows = batch.values.drain(..).zip(batch.timestamps.iter().copied());
        for (value, timestamp) in Walk::new(rows, &batch.timestamps, &self.counters) {
            chain.push(value, timestamp, &mut |value, timestamp| tail.push(value, timestamp));
        }
        batch.clear();
        tail.after_batch(output)?;
        let Some(watermarks) = chain.watermarks() else { return Ok(()) };
        if watermarks.watches_idleness() && watermarks.on_alive(self.clock.now_ms()) {
            output.active(true);
        }
        self.batches_since_watermark += 1;
        if self.batches_since_watermark >= BATCHES_PER_WATERMARK {
            self.emit_watermark(output)
        } else {
            Ok(())
        }
    }

    /// Emits the chain's own watermark, if it makes any and it has progressed.
    fn emit_watermark(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.batches_since_watermark = 0;
        match self.chain.watermarks().and_then(|watermarks| watermarks.advance()) {
            Some(watermark) => self.pass_watermark(watermark, output),
            None => Ok(()),
        }
    }

    fn pass_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<(), TaskError> {
        self.tail.before_watermark(watermark, output)?;
        output.watermark(watermark);
        Ok(())
    }

    /// A watermark from upstream. A chain that makes its own only heeds the last one.
    fn on_upstream_watermark(
        &mut self,
        watermark: TimestampMs,
        output: &mut Output,
    ) -> Result<(), TaskError> {
        if watermark == MAX_WATERMARK || self.chain.watermarks().is_none() {
            self.pass_watermark(watermark, output)
        } else {
            Ok(())
        }
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.emit_watermark(output)?;
        self.tail.flush(output)
    }

    fn idle_at_ms(&mut self) -> Option<TimestampMs> {
        self.chain.watermarks().and_then(|watermarks| watermarks.idle_at_ms())
    }

    fn on_idle_check(&mut self, now_ms: TimestampMs, output: &mut Output) -> Result<(), TaskError> {
        if self.chain.watermarks().is_some_and(|watermarks| watermarks.on_idle_check(now_ms)) {
            // An idle task's rows have no watermark to wait for them.
            self.flush(output)?;
            output.active(false);
        }
        Ok(())
    }

    fn snapshot(
        &mut self,
        checkpoint: CheckpointId,
        front: HeadSnapshot,
    ) -> Result<OperatorSnapshot, TaskError> {
        let tail = self.tail.snapshot(checkpoint)?;
        let state = TaskState {
            front: front.state,
            watermarks: self.chain.watermarks().map(|watermarks| watermarks.position()),
            tail: tail.state,
        };
        Ok(OperatorSnapshot {
            operator_state: codec::encode(&state)?,
            committable: tail.committable,
            keyed_state: front.keyed_state,
        })
    }
}

pub(crate) struct SourceTask<C: Chain, L> {
    reader: Box<dyn SourceReader<C::In>>,
    pipe: Pipe<C, L>,
    batch: Batch<C::In>,
    /// Whether the reader is at work, or has failed.
    is_reading: bool,
    /// How many rows the reader gave out when it last had something to read.
    rows_read: usize,
    idle_at_ms: Option<TimestampMs>,
}

impl<C: Chain, L: Tail<C::Out>> SourceTask<C, L> {
    pub(crate) fn new(reader: Box<dyn SourceReader<C::In>>, mut pipe: Pipe<C, L>) -> Self {
        let idle_at_ms = pipe.idle_at_ms();
        Self {
            reader,
            pipe,
            batch: Batch::with_capacity(SOURCE_BATCH_ROWS),
            is_reading: false,
            rows_read: 0,
            idle_at_ms,
        }
    }
}

impl<C: Chain, L: Tail<C::Out>> TaskLogic for SourceTask<C, L> {
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.pipe.flush(output)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.idle_at_ms
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        self.pipe.on_idle_check(now_ms, output)?;
        self.idle_at_ms = self.pipe.idle_at_ms();
        Ok(Step::Done)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<OperatorSnapshot, TaskError> {
        let front = HeadSnapshot { state: self.reader.snapshot(checkpoint)?, keyed_state: None };
        self.pipe.snapshot(checkpoint, front)
    }

    fn gauges(&mut self) -> Gauges {
        let Pending { records, bytes } = self.reader.pending();
        Gauges { pending_records: records, pending_bytes: bytes, ..Gauges::default() }
    }

    fn failed_record(&mut self, kind: FailureKind) -> Option<FailedRecord> {
        let records_in = self.pipe.counters.records_in();
        if self.is_reading {
            // An error of the reader's own tells of itself where it was.
            let row = (kind == FailureKind::Panic).then_some(self.batch.len())?;
            let number = records_in + row as u64 + 1;
            return Some(FailedRecord { number, is_past: false, position: self.reader.locate(row) });
        }
        let failed = self.pipe.counters.failed_row();
        let behind = failed.map_or(0, |row| row.behind);
        let row = self.rows_read.checked_sub(behind as usize + 1);
        let number = records_in.checked_sub(behind).filter(|number| *number > 0)?;
        let position = row.and_then(|row| self.reader.locate(row));
        Some(FailedRecord { number, is_past: failed.is_none(), position })
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.reader.checkpoint_completed(checkpoint)?;
        self.pipe.tail.checkpoint_completed(checkpoint)
    }
}

impl<C: Chain, L: Tail<C::Out>> SourceLogic for SourceTask<C, L> {
    fn poll_next(
        &mut self,
        context: &mut std::task::Context<'_>,
        output: &mut Output,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        self.is_reading = true;
        let polled = self.reader.poll_read(context, SOURCE_BATCH_ROWS, &mut self.batch);
        self.is_reading = false;
        if !self.batch.is_empty() || matches!(polled, Poll::Ready(Ok(SourceStatus::Ready))) {
            self.rows_read = self.batch.len();
        }
        if !self.batch.is_empty() {
            self.pipe.counters.add_in(self.batch.len() as u64);
            self.pipe.run(&mut self.batch, output)?;
            self.idle_at_ms = self.pipe.idle_at_ms();
            if polled.is_pending() {
                // Something was read all the same; asked again, the reader arranges to be woken.
                return Poll::Ready(Ok(SourceStatus::Ready));
            }
        }
        self.is_reading = matches!(polled, Poll::Ready(Err(_)));
        polled
    }

    fn resumed(&mut self) {
        let now_ms = self.pipe.clock.now_ms();
        if let Some(watermarks) = self.pipe.chain.watermarks()
            && watermarks.watches_idleness()
            && watermarks.idle_at_ms().is_some()
        {
            watermarks.on_alive(now_ms);
            self.idle_at_ms = watermarks.idle_at_ms();
        }
    }
}

pub(crate) struct OperatorTask<C: Chain, L> {
    head: Box<dyn Head<C::In>>,
    pipe: Pipe<C, L>,
    /// To be passed on once the head has emitted what is due before it.
    watermark: Option<TimestampMs>,
    idle_at_ms: Option<TimestampMs>,
}

impl<C: Chain, L: Tail<C::Out>> OperatorTask<C, L> {
    pub(crate) fn new(head: Box<dyn Head<C::In>>, mut pipe: Pipe<C, L>) -> Self {
        let idle_at_ms = pipe.idle_at_ms();
        Self { head, pipe, watermark: None, idle_at_ms }
    }

    fn finish(&mut self, step: Step, output: &mut Output) -> Result<Step, TaskError> {
        if step == Step::Done
            && let Some(watermark) = self.watermark.take()
        {
            self.pipe.on_upstream_watermark(watermark, output)?;
        }
        Ok(step)
    }
}

impl<C: Chain, L: Tail<C::Out>> TaskLogic for OperatorTask<C, L> {
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.pipe.flush(output)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.head.next_timer_ms().into_iter().chain(self.idle_at_ms).min()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        self.pipe.on_idle_check(now_ms, output)?;
        self.idle_at_ms = self.pipe.idle_at_ms();
        if self.head.next_timer_ms().is_none_or(|due| due > now_ms) {
            return Ok(Step::Done);
        }
        let Self { head, pipe, .. } = self;
        head.on_processing_time(now_ms, &mut |batch| pipe.run(batch, output))
    }

    fn resume(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        let Self { head, pipe, .. } = self;
        let step = head.resume(&mut |batch| pipe.run(batch, output))?;
        self.finish(step, output)
    }

    fn failed_record(&mut self, _: FailureKind) -> Option<FailedRecord> {
        let records_in = self.pipe.counters.records_in();
        let failed = self.pipe.counters.failed_row();
        let number =
            records_in.checked_sub(failed.map_or(0, |row| row.behind)).filter(|number| *number > 0)?;
        let position = failed.and_then(|row| self.head.describe_row(row.timestamp));
        Some(FailedRecord { number, is_past: failed.is_none(), position })
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<OperatorSnapshot, TaskError> {
        let front = self.head.snapshot(checkpoint)?;
        self.pipe.snapshot(checkpoint, front)
    }

    fn gauges(&mut self) -> Gauges {
        self.head.gauges()
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.pipe.tail.checkpoint_completed(checkpoint)
    }
}

impl<C: Chain, L: Tail<C::Out>> Operator for OperatorTask<C, L> {
    fn process(
        &mut self,
        input: usize,
        batch: Box<dyn Payload>,
        output: &mut Output,
    ) -> Result<Step, TaskError> {
        let Self { head, pipe, .. } = self;
        let step = head.process(input, batch, &mut |batch| pipe.run(batch, output))?;
        self.idle_at_ms = self.pipe.idle_at_ms();
        Ok(step)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        let Self { head, pipe, .. } = self;
        let step = head.on_watermark(watermark, &mut |batch| pipe.run(batch, output))?;
        self.watermark = Some(watermark);
        self.finish(step, output)
    }

    fn end_of_input(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        let Self { head, pipe, .. } = self;
        head.end_of_input(&mut |batch| pipe.run(batch, output))
    }
}
