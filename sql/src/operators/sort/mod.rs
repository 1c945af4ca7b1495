//! `ORDER BY` over all rows: by event time as the watermark progresses, or by anything at the end of the input.

mod at_end;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use arrow::{array::RecordBatch, compute::SortOptions, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{execution::NextTimer, time::TimestampMs};
use headwater_state::AnyTable;

use self::at_end::SortAtEnd;
use super::{
    ordered::{OrderedCodec, Pending, StoredRow, times_ms},
    rank::Ranks,
};
use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed, in_event_time},
    rows::KeyExtractor,
};

/// Sorts all rows; there must be one subtask only.
#[derive(Debug, Clone)]
pub struct SortFactory {
    /// The columns, of the input as of the output.
    pub input: SchemaRef,
    /// The order. Rows that are sorted alike are in the order of their arrival.
    pub order: Vec<(usize, SortOptions)>,
    /// When rows are emitted.
    pub when: SortTime,
}

/// When sorted rows are emitted.
#[derive(Debug, Clone)]
pub enum SortTime {
    /// As soon as the watermark has reached their event time, which is in this column. The order begins with it, ascending. All
    /// rows are insertions.
    Watermark(usize),
    /// At the end of the input. Then rows may also go, and no more than these places of the order may be wanted, the first row's being 1.
    End(Option<RangeInclusive<usize>>),
}

impl OperatorFactory for SortFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let codec = OrderedCodec::new(&self.input, &self.order).map_err(failed)?;
        Ok(match &self.when {
            SortTime::Watermark(time) => Box::new(TimeSort {
                codec,
                time: *time,
                keys: KeyExtractor::new(&self.input, Vec::new()).map_err(failed)?,
                pending: Pending::open(context)?,
                ready: Ready::default(),
            }),
            SortTime::End(range) => Box::new(SortAtEnd::open(codec, range.as_ref().map(Ranks::of), context)?),
        })
    }
}

struct TimeSort {
    codec: OrderedCodec,
    time: usize,
    keys: KeyExtractor,
    pending: Pending,
    ready: Ready,
}

/// Sorted rows that are being emitted.
#[derive(Default)]
struct Ready {
    rows: Vec<StoredRow>,
    next: usize,
}

impl Ready {
    fn new(rows: Vec<StoredRow>) -> Self {
        Self { rows, next: 0 }
    }

    /// Some of the rows, or `None` if there are no more.
    fn next_batch(&mut self, codec: &OrderedCodec) -> Result<Option<RecordBatch>, TaskError> {
        let rows = &self.rows[self.next..];
        if rows.is_empty() {
            return Ok(None);
        }
        let count = rows.len().min(STEP_ROWS);
        let batch = codec.decode(&rows[..count]).map_err(failed)?;
        self.next += count;
        Ok(Some(batch))
    }
}

impl StreamOperator for TimeSort {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, _: &mut Emit<'_>) -> Result<(), TaskError> {
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let times = times_ms(batch.rows.column(self.time), self.codec.schema().field(self.time).name())?;
        self.pending.add(&batch.rows, &times, &keys, &self.codec)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.pending.advance(watermark);
        self.resume(emit)
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if let Some(batch) = self.ready.next_batch(&self.codec)? {
            emit(ChangeBatch::insertions(batch))?;
            return Ok(Step::More);
        }
        let Some(due) = self.pending.take_due()? else {
            self.ready = Ready::default();
            return Ok(Step::Done);
        };
        let mut rows: Vec<StoredRow> =
            due.into_iter().flat_map(|partition| partition.rows).map(|pending| pending.row).collect();
        rows.sort_by(|a, b| a.order().cmp(b.order()));
        self.ready = Ready::new(rows);
        Ok(Step::More)
    }

    fn next_firing(&self) -> Option<NextTimer> {
        self.pending.first_due_ms().map(in_event_time)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        self.pending.snapshot()
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![self.pending.table()]
    }
}
