//! `OVER`: a value for each row, computed from the rows before it in its partition.
//!
//! Of an input that only grows, in the order of a time attribute, each row is computed once, when all rows before it are known
//! ([`OverFactory`]); kept are only the rows, or of unbounded frames the accumulators, that later rows need. For any other
//! order, for inputs whose rows may go, and for all functions that DataFusion has, the rows of a partition are kept, and what a change
//! touches is computed again ([`OverRecomputeFactory`]).

mod aggregate;
mod call;
mod evaluate;
mod history;
mod part;
mod recompute;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod test_calls;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_expr::window::WindowExpr;
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    execution::NextTimer,
    time::{Clock, TimestampMs},
};
use headwater_state::AnyTable;

use self::{call::Call, evaluate::Evaluator, part::Part};
pub use self::{call::OverCall, recompute::OverRecomputeFactory};
use super::ordered::{OrderedCodec, Pending, partitions_of, times_ms};
use crate::{
    batch::ChangeBatch,
    error::SqlError,
    look::{KeyPlace, describe},
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed, in_event_time},
    rows::{KeyExtractor, RowBytes},
};

/// `f(..) OVER (PARTITION BY .. ORDER BY <time attribute> [ROWS | RANGE ..])`, of an input that only grows.
///
/// In event time, rows wait for the watermark, and those that it has passed are late. In processing time, they are in the order of
/// their arrival.
#[derive(Debug, Clone)]
pub struct OverFactory {
    input: SchemaRef,
    partition: Vec<usize>,
    time: Option<usize>,
    calls: Vec<Call>,
    output: SchemaRef,
    ttl_ms: Option<i64>,
}

impl OverFactory {
    /// Refuses, by name, what cannot be computed row after row: then there is [`OverRecomputeFactory`].
    ///
    /// The input is distributed by `partition`; if that is empty, there must be one subtask only. `time` is the column of event
    /// time, `None` means processing time; `calls` are ordered by it, ascending, and may have different frames. Their results
    /// follow the input's columns. The state of frames that have no end in time is forgotten
    /// `ttl_ms` after it was last written to.
    pub fn try_new(
        input: SchemaRef,
        partition: Vec<usize>,
        time: Option<usize>,
        calls: &[OverCall],
        ttl_ms: Option<i64>,
    ) -> Result<Self, SqlError> {
        let output = with_calls(&input, calls.iter().map(|call| &call.expr))?;
        let calls = calls.iter().map(Call::try_new).collect::<Result<_, _>>()?;
        Ok(Self { input, partition, time, calls, output, ttl_ms })
    }

    /// The columns that go out, all of them by insertions.
    pub fn output(&self) -> SchemaRef {
        self.output.clone()
    }
}

/// A schema followed by the results of calls.
fn with_calls<'a>(
    input: &SchemaRef,
    calls: impl IntoIterator<Item = &'a Arc<dyn WindowExpr>>,
) -> Result<SchemaRef, SqlError> {
    let mut fields: Vec<Arc<Field>> = input.fields().to_vec();
    for call in calls {
        fields.push(call.field().map_err(|error| SqlError::new(error.to_string()))?);
    }
    Ok(Arc::new(Schema::new(fields)))
}

impl OperatorFactory for OverFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let keys = KeyExtractor::new(&self.input, self.partition.clone()).map_err(failed)?;
        let evaluator = Evaluator::open(self, context)?;
        context.describe("partitions", |state| {
            describe(state, &self.input, &self.partition, KeyPlace::Whole, None);
        });
        Ok(match self.time {
            Some(time) => Box::new(EventTimeOver {
                keys,
                time,
                codec: OrderedCodec::new(&self.input, &[]).map_err(failed)?,
                pending: Pending::open(context)?,
                evaluator,
            }),
            None => Box::new(ProcessingTimeOver { keys, clock: context.task.clock.clone(), evaluator }),
        })
    }
}

struct EventTimeOver {
    keys: KeyExtractor,
    time: usize,
    codec: OrderedCodec,
    pending: Pending,
    evaluator: Evaluator,
}

impl StreamOperator for EventTimeOver {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, _: &mut Emit<'_>) -> Result<(), TaskError> {
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let times = times_ms(batch.rows.column(self.time), self.codec.schema().field(self.time).name())?;
        self.pending.add(&batch.rows, &times, &keys, &self.codec)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.pending.advance(watermark);
        let step = self.resume(emit)?;
        if step == Step::Done {
            self.evaluator.forget_before(watermark)?;
        }
        Ok(step)
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let Some(due) = self.pending.take_due()? else { return Ok(Step::Done) };
        let (mut rows, mut times, mut parts) = (Vec::new(), Vec::new(), Vec::new());
        for mut partition in due {
            partition.rows.sort_by_key(|row| row.time_ms);
            let first = rows.len();
            for pending in partition.rows {
                times.push(pending.time_ms);
                rows.push(pending.row);
            }
            parts.push(Part::new(partition.hash, partition.key, first..rows.len()));
        }
        let rows = self.codec.decode(&rows).map_err(failed)?;
        emit(ChangeBatch::insertions(self.evaluator.evaluate(&rows, &times, parts)?))?;
        Ok(Step::More)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.evaluator.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.evaluator.sweep(now_ms)?;
        Ok(Step::Done)
    }

    fn next_firing(&self) -> Option<NextTimer> {
        self.pending.first_due_ms().map(in_event_time)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        self.pending.snapshot()
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![self.pending.table(), self.evaluator.table()]
    }
}

struct ProcessingTimeOver {
    keys: KeyExtractor,
    clock: Arc<dyn Clock>,
    evaluator: Evaluator,
}

impl StreamOperator for ProcessingTimeOver {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if batch.is_empty() {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let (mut order, mut parts) = (Vec::new(), Vec::new());
        for (key, rows) in partitions_of(&keys) {
            let first = order.len();
            order.extend(rows);
            parts.push(Part::new(key.hash, RowBytes::from(key.bytes), first..order.len()));
        }
        let times = vec![now_ms; order.len()];
        let rows = batch.take(&order.into()).map_err(failed)?.rows;
        emit(ChangeBatch::insertions(self.evaluator.evaluate(&rows, &times, parts)?))?;
        self.evaluator.forget_before(now_ms)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.evaluator.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.evaluator.sweep(now_ms)?;
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![self.evaluator.table()]
    }
}
