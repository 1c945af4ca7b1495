//! The windowing table functions, row by row: each row once for each window that it belongs to.

use std::sync::Arc;

use arrow::{
    array::{AsArray, RecordBatch, TimestampMillisecondArray, UInt32Array},
    datatypes::{SchemaRef, TimestampMillisecondType},
};
use headwater_actors::context::TaskError;
use headwater_core::time::Clock;

use super::{WindowKind, WindowTime};
use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    time::{from_millis, to_millis},
};

/// `TUMBLE`, `HOP` and `CUMULATE`.
pub struct WindowTvfFactory {
    /// Which.
    pub kind: WindowKind,
    /// Of which time.
    pub time: WindowTime,
    /// The time's column.
    pub column: usize,
    /// The input's columns, then `window_start`, `window_end` and `window_time`.
    pub output: SchemaRef,
}

impl OperatorFactory for WindowTvfFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(WindowTvf {
            kind: self.kind,
            time: self.time,
            column: self.column,
            output: self.output.clone(),
            clock: context.task.clock.clone(),
        }))
    }
}

struct WindowTvf {
    kind: WindowKind,
    time: WindowTime,
    column: usize,
    output: SchemaRef,
    clock: Arc<dyn Clock>,
}

impl StreamOperator for WindowTvf {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let times = times_of(&batch.rows, self.column, self.time, &*self.clock)?;
        let mut rows: Vec<u32> = Vec::with_capacity(batch.len());
        let mut ends: Vec<i64> = Vec::with_capacity(batch.len());
        for (row, time) in times.iter().enumerate() {
            // A row without a time is in no window.
            let Some(time) = time else { continue };
            for end in self.kind.windows_of(self.kind.slice_of(time)) {
                rows.push(row as u32);
                ends.push(end);
            }
        }
        let is_same = rows.len() == batch.len() && matches!(self.kind, WindowKind::Tumble { .. });
        let batch = if is_same { batch } else { batch.take(&UInt32Array::from(rows)).map_err(failed)? };
        let mut columns = batch.rows.columns().to_vec();
        let first = columns.len();
        let starts: Vec<i64> = ends.iter().map(|end| self.kind.start_of(*end)).collect();
        let last: Vec<i64> = ends.iter().map(|end| end - 1).collect();
        for (index, values) in [starts, ends, last].into_iter().enumerate() {
            columns.push(from_millis(values, self.output.field(first + index).data_type())?);
        }
        let rows = RecordBatch::try_new(self.output.clone(), columns).map_err(failed)?;
        emit(batch.with_rows(rows))
    }
}

/// The time of each row.
pub(crate) fn times_of(
    rows: &RecordBatch,
    column: usize,
    time: WindowTime,
    clock: &dyn Clock,
) -> Result<TimestampMillisecondArray, TaskError> {
    match time {
        WindowTime::Event => {
            Ok(to_millis(rows.column(column))?.as_primitive::<TimestampMillisecondType>().clone())
        }
        WindowTime::Processing => Ok(TimestampMillisecondArray::from(vec![clock.now_ms(); rows.num_rows()])),
    }
}
