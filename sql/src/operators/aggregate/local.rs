//! Aggregation before the shuffle: rows of one key become one row, as far as watermarks and checkpoints allow.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use headwater_actors::context::TaskError;
use headwater_core::time::Clock;

use super::{
    AggregateCall,
    batch::{Aggregates, Delta},
    distinct::Distinct,
    partial,
};
use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    operators::window::{WindowKind, WindowTime, times_of},
    rows::KeyExtractor,
};

/// More keys than this are not held back: they would no longer be in the processor's cache.
const GROUPS_MAX: usize = 16 * 1024;

/// More rows than this are not held back.
const ROWS_MAX: usize = 256 * 1024;

/// Aggregation by window slices.
#[derive(Debug, Clone, Copy)]
pub struct LocalWindowSpec {
    /// The windows.
    pub kind: WindowKind,
    /// The column of event time.
    pub column: usize,
}

/// The first of the two phases.
pub struct LocalAggregateFactory {
    /// The input.
    pub input: SchemaRef,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates, all of which are [splittable](AggregateCall::is_splittable).
    pub calls: Vec<AggregateCall>,
    /// The windows, if there are any.
    pub window: Option<LocalWindowSpec>,
}

impl LocalAggregateFactory {
    /// What it emits: the keys, the slice if there are windows, each aggregate's parts, and how many rows there were.
    pub fn output(&self) -> SchemaRef {
        let mut fields: Vec<Field> = self.keys.iter().map(|key| self.input.field(*key).clone()).collect();
        if self.window.is_some() {
            fields.push(Field::new("slice", DataType::Int64, false));
        }
        for (index, call) in self.calls.iter().enumerate() {
            fields.extend(partial::fields(call, index));
        }
        fields.push(Field::new("rows", DataType::Int64, false));
        Arc::new(Schema::new(fields))
    }

    /// Where the parts begin in what it emits.
    pub fn first_partial(&self) -> usize {
        self.keys.len() + usize::from(self.window.is_some())
    }
}

impl OperatorFactory for LocalAggregateFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(LocalAggregate {
            keys: KeyExtractor::new(&self.input, self.keys.clone()).map_err(failed)?,
            aggregates: Aggregates::new(self.calls.clone(), false, None),
            window: self.window,
            output: self.output(),
            delta: Delta::new(),
            held_rows: 0,
            spaces: Vec::new(),
            clock: context.task.clock.clone(),
        }))
    }
}

struct LocalAggregate {
    keys: KeyExtractor,
    aggregates: Aggregates,
    window: Option<LocalWindowSpec>,
    output: SchemaRef,
    delta: Delta,
    held_rows: usize,
    spaces: Vec<i64>,
    clock: Arc<dyn Clock>,
}

impl LocalAggregate {
    fn assign(&mut self, batch: ChangeBatch) -> Result<ChangeBatch, TaskError> {
        self.spaces.clear();
        let Some(LocalWindowSpec { kind, column }) = self.window else { return Ok(batch) };
        let times = times_of(&batch.rows, column, WindowTime::Event, &*self.clock)?;
        let mut known = i64::MIN..i64::MIN;
        let mut kept: Vec<u32> = Vec::with_capacity(batch.len());
        for (row, time) in times.iter().enumerate() {
            // A row without a time is in no window.
            let Some(time) = time else { continue };
            if !known.contains(&time) {
                let end = kind.slice_of(time);
                known = end - kind.slice_length()..end;
            }
            self.spaces.push(known.end);
            kept.push(row as u32);
        }
        if kept.len() == batch.len() {
            Ok(batch)
        } else {
            batch.take(&UInt32Array::from(kept)).map_err(failed)
        }
    }

    fn rows(&self) -> Result<RecordBatch, TaskError> {
        let groups = &self.delta.groups;
        let ids = 0..groups.len();
        let mut columns: Vec<ArrayRef> = if self.keys.columns().is_empty() {
            Vec::new()
        } else {
            self.keys.codec().decode(ids.clone().map(|id| groups.key(id))).map_err(failed)?
        };
        if self.window.is_some() {
            columns.push(Arc::new(Int64Array::from_iter_values(ids.map(|id| groups.space(id)))));
        }
        for (call, cells) in self.aggregates.calls.iter().zip(&self.delta.cells) {
            columns.extend(partial::columns(call, cells).map_err(failed)?);
        }
        columns.push(Arc::new(Int64Array::from(self.delta.rows.clone())));
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(failed)
    }
}

impl StreamOperator for LocalAggregate {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let batch = self.assign(batch)?;
        let keys = self.keys.keys(&batch.rows, Vec::new()).map_err(failed)?;
        self.aggregates.aggregate(&batch, &keys, &self.spaces, &mut Distinct::none(), &mut self.delta)?;
        self.held_rows += batch.len();
        let is_full = self.delta.groups.len() >= GROUPS_MAX || self.held_rows >= ROWS_MAX;
        if is_full { self.flush(emit) } else { Ok(()) }
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if self.held_rows == 0 {
            return Ok(());
        }
        let rows = self.rows()?;
        self.delta.clear();
        self.held_rows = 0;
        emit(ChangeBatch::insertions(rows))
    }
}
