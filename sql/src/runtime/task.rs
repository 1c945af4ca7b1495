//! The two kinds of task: a reader in front of a chain, or a chain that is fed by channels.

use std::task::{Context, Poll, ready};

use headwater_actors::{
    batch::Payload,
    context::{TaskContext, TaskError},
    operator::{FailedRecord, Operator, OperatorSnapshot, SourceLogic, SourceStatus, Step, TaskLogic},
    output::Output,
    source::Pending,
};
use headwater_core::{
    codec,
    execution::{FailureKind, Gauges},
    ids::CheckpointId,
    time::{MAX_WATERMARK, TimestampMs},
};

use super::{
    chain::{Chain, TaskState},
    graph::VertexPlan,
};
use crate::{
    batch::{ChangeBatch, changes_of},
    connectors::{Scan, TableReader, TableSource},
};

/// How many rows a reader is asked for at once.
const BATCH_ROWS: usize = 4096;

/// Under full load, a watermark is made for every so many batches.
const BATCHES_PER_WATERMARK: u32 = 4;

fn restored(context: &TaskContext) -> Result<Option<TaskState>, TaskError> {
    let restored = context.restored.as_ref();
    Ok(restored.map(|restored| codec::decode(&restored.snapshot.operator_state)).transpose()?)
}

/// Reads a table.
pub(super) struct SourceTask {
    reader: Box<dyn TableReader>,
    chain: Chain,
    counters: std::sync::Arc<headwater_actors::metrics::TaskCounters>,
    clock: std::sync::Arc<dyn headwater_core::time::Clock>,
    batches_since_watermark: u32,
    idleness: Option<Idleness>,
    is_reading: bool,
}

/// Watches for a source that has nothing to read.
struct Idleness {
    timeout_ms: TimestampMs,
    idle_at_ms: Option<TimestampMs>,
}

impl SourceTask {
    pub fn open(
        source: &dyn TableSource,
        scan: &Scan,
        plan: &VertexPlan,
        context: &TaskContext,
    ) -> Result<Self, TaskError> {
        let state = restored(context)?;
        let reader = source.open(scan, context, state.as_ref().map(|state| state.position.as_slice()))?;
        let chain = Chain::open(plan, context, state.as_ref())?;
        let idleness = plan.nodes[0].idle_timeout_ms.map(|timeout| {
            let timeout_ms = i64::try_from(timeout).unwrap_or(i64::MAX);
            Idleness { timeout_ms, idle_at_ms: Some(context.clock.now_ms().saturating_add(timeout_ms)) }
        });
        Ok(Self {
            reader,
            chain,
            counters: context.counters.clone(),
            clock: context.clock.clone(),
            batches_since_watermark: 0,
            idleness,
            is_reading: false,
        })
    }

    fn note_alive(&mut self, output: &mut Output) {
        if let Some(idleness) = &mut self.idleness {
            let was_idle = idleness.idle_at_ms.is_none();
            idleness.idle_at_ms = Some(self.clock.now_ms().saturating_add(idleness.timeout_ms));
            if was_idle {
                output.active(true);
            }
        }
    }

    fn advance(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.batches_since_watermark = 0;
        let mut step = self.chain.advance_own_watermark(output)?;
        // A source's own chain holds no windows, so there is not much to emit.
        while step == Step::More {
            step = self.chain.resume(output)?;
        }
        Ok(())
    }

    /// The end of the table passes the chain before the task says so.
    fn end(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.note_alive(output);
        self.chain.flush(output)?;
        let mut step = self.chain.on_watermark(MAX_WATERMARK, output)?;
        while step == Step::More {
            step = self.chain.resume(output)?;
        }
        let mut step = self.chain.end_of_input(output)?;
        while step == Step::More {
            step = self.chain.resume(output)?;
        }
        self.chain.flush(output)
    }
}

impl TaskLogic for SourceTask {
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.advance(output)?;
        self.chain.flush(output)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        let idle_at = self.idleness.as_ref().and_then(|idleness| idleness.idle_at_ms);
        self.chain.next_timer_ms().into_iter().chain(idle_at).min()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        if let Some(idleness) = &mut self.idleness
            && idleness.idle_at_ms.is_some_and(|at| at <= now_ms)
        {
            idleness.idle_at_ms = None;
            // An idle task's rows have no watermark to wait for them.
            self.advance(output)?;
            self.chain.flush(output)?;
            output.active(false);
        }
        self.chain.on_processing_time(now_ms, output)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        self.chain.resume(output)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<OperatorSnapshot, TaskError> {
        let position = self.reader.snapshot(checkpoint)?;
        self.chain.snapshot(checkpoint, position)
    }

    fn gauges(&mut self) -> Gauges {
        let Pending { records, bytes } = self.reader.pending();
        Gauges { pending_records: records, pending_bytes: bytes, ..self.chain.gauges() }
    }

    fn failed_record(&mut self, _: FailureKind) -> Option<FailedRecord> {
        if self.is_reading {
            // A reader's error tells of itself where it was.
            return None;
        }
        let number = self.counters.read().records_in;
        let position = self.reader.locate(0).map(|first| format!("in the batch that begins at {first}"));
        (number > 0).then_some(FailedRecord { number, is_past: true, position })
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.reader.checkpoint_completed(checkpoint)?;
        self.chain.checkpoint_completed(checkpoint)
    }
}

impl SourceLogic for SourceTask {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        output: &mut Output,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        self.is_reading = true;
        let read = ready!(self.reader.poll_read(context, BATCH_ROWS))?;
        self.is_reading = false;
        let Some(rows) = read else {
            self.end(output)?;
            return Poll::Ready(Ok(SourceStatus::End));
        };
        if rows.num_rows() > 0 {
            self.counters.add_in(rows.num_rows() as u64);
            self.note_alive(output);
            self.chain.process(0, ChangeBatch::insertions(rows), output)?;
        }
        self.batches_since_watermark += 1;
        if self.batches_since_watermark >= BATCHES_PER_WATERMARK {
            self.advance(output)?;
        }
        Poll::Ready(Ok(SourceStatus::Ready))
    }

    fn resumed(&mut self) {
        if let Some(idleness) = &mut self.idleness
            && idleness.idle_at_ms.is_some()
        {
            idleness.idle_at_ms = Some(self.clock.now_ms().saturating_add(idleness.timeout_ms));
        }
    }
}

/// Transforms, and maybe writes.
pub(super) struct OperatorTask {
    chain: Chain,
    /// Watermarks are made here if several read the same table: then it is no link of one chain.
    batches_since_watermark: u32,
}

impl OperatorTask {
    pub fn open(plan: &VertexPlan, context: &TaskContext) -> Result<Self, TaskError> {
        let state = restored(context)?;
        Ok(Self { chain: Chain::open(plan, context, state.as_ref())?, batches_since_watermark: 0 })
    }
}

impl TaskLogic for OperatorTask {
    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.batches_since_watermark = 0;
        let mut step = self.chain.advance_own_watermark(output)?;
        while step == Step::More {
            step = self.chain.resume(output)?;
        }
        self.chain.flush(output)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.chain.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        self.chain.on_processing_time(now_ms, output)
    }

    fn resume(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        self.chain.resume(output)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<OperatorSnapshot, TaskError> {
        self.chain.snapshot(checkpoint, Vec::new())
    }

    fn gauges(&mut self) -> Gauges {
        self.chain.gauges()
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.chain.checkpoint_completed(checkpoint)
    }
}

impl Operator for OperatorTask {
    fn process(
        &mut self,
        input: usize,
        batch: Box<dyn Payload>,
        output: &mut Output,
    ) -> Result<Step, TaskError> {
        self.chain.process(input, changes_of(batch), output)?;
        self.batches_since_watermark += 1;
        if self.batches_since_watermark < BATCHES_PER_WATERMARK {
            return Ok(Step::Done);
        }
        self.batches_since_watermark = 0;
        self.chain.advance_own_watermark(output)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        self.chain.on_watermark(watermark, output)
    }

    fn end_of_input(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        self.chain.end_of_input(output)
    }
}
