//! Results of windows, from cells to rows.

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;

use super::{AggregateCall, cell::Cell, finish::finish};
use crate::{
    operator::failed,
    rows::{KeyExtractor, RowBytes},
    time::from_millis,
};

/// What is asked of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowProperty {
    /// Its start.
    Start,
    /// Its end, exclusive.
    End,
    /// Its last millisecond, which is a time attribute.
    Time,
}

/// Results that are still to be emitted.
#[derive(Default)]
pub(super) struct WindowResults {
    keys: Vec<RowBytes>,
    /// Those of one result one behind the other, as many as there are aggregates.
    cells: Vec<Cell>,
    windows: Vec<(TimestampMs, TimestampMs)>,
}

impl WindowResults {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn push(&mut self, window: (TimestampMs, TimestampMs), key: RowBytes, cells: &[Cell]) {
        self.keys.push(key);
        self.cells.extend_from_slice(cells);
        self.windows.push(window);
    }

    /// Whose result it is.
    pub fn key(&self, place: usize) -> &RowBytes {
        &self.keys[place]
    }

    /// The results: window, key, aggregates.
    pub fn iter(&self) -> impl Iterator<Item = ((TimestampMs, TimestampMs), &RowBytes, &[Cell])> {
        let calls = self.cells.len() / self.len().max(1);
        let cells = move |place: usize| &self.cells[place * calls..][..calls];
        let keyed = self.windows.iter().zip(&self.keys).enumerate();
        keyed.map(move |(place, (window, key))| (*window, key, cells(place)))
    }

    /// Merges more into a result that is there.
    pub fn merge(&mut self, place: usize, cells: &[Cell], calls: &[AggregateCall]) {
        let sums = &mut self.cells[place * calls.len()..][..calls.len()];
        for ((sum, cell), call) in sums.iter_mut().zip(cells).zip(calls) {
            sum.merge(cell.clone(), &call.function);
        }
    }

    /// The rows: keys, results, properties of the window.
    pub fn rows(
        &self,
        keys: &KeyExtractor,
        calls: &[AggregateCall],
        properties: &[WindowProperty],
        output: &SchemaRef,
    ) -> Result<RecordBatch, TaskError> {
        let mut columns = if keys.columns().is_empty() {
            Vec::new()
        } else {
            keys.codec().decode(self.keys.iter().map(RowBytes::as_slice)).map_err(failed)?
        };
        for (index, call) in calls.iter().enumerate() {
            let cells = self.cells.iter().skip(index).step_by(calls.len());
            columns.push(finish(call, cells).map_err(failed)?);
        }
        for property in properties {
            let value = |(start, end): &(TimestampMs, TimestampMs)| match property {
                WindowProperty::Start => *start,
                WindowProperty::End => *end,
                WindowProperty::Time => end - 1,
            };
            let values = self.windows.iter().map(value).collect();
            columns.push(from_millis(values, output.field(columns.len()).data_type())?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(output.clone(), columns, &options).map_err(failed)
    }
}
