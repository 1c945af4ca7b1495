//! Changes in the making: of rows of the batch that is being processed, and of rows in state.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, UInt32Array},
    datatypes::SchemaRef,
    error::ArrowError,
};

use super::{OrderedCodec, StoredRow};
use crate::batch::{ChangeBatch, RowKind, interleave_rows, rows_of, take_rows};

/// Where the row of a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// In the batch that is being processed.
    Incoming(u32),
    /// Among the stored rows that were added.
    Stored(u32),
}

/// Collects changes.
#[derive(Default)]
pub(crate) struct Changes {
    rows: Vec<Change>,
    kinds: Vec<RowKind>,
    numbers: Vec<i64>,
    stored: Vec<StoredRow>,
}

impl Changes {
    /// Takes a row of state, which changes may then refer to.
    pub fn store(&mut self, row: StoredRow) -> Change {
        self.stored.push(row);
        Change::Stored(self.stored.len() as u32 - 1)
    }

    /// Adds a change.
    pub fn push(&mut self, kind: RowKind, row: Change) {
        self.kinds.push(kind);
        self.rows.push(row);
    }

    /// Adds a change to a row with a number, which all changes then must have.
    pub fn push_numbered(&mut self, kind: RowKind, row: Change, number: usize) {
        self.push(kind, row);
        self.numbers.push(number as i64);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The batch of changes. `schema` is that of the rows, followed by the number if the changes have one.
    pub fn finish(
        self,
        incoming: &RecordBatch,
        codec: &OrderedCodec,
        schema: &SchemaRef,
    ) -> Result<ChangeBatch, ArrowError> {
        let rows = self.gather(incoming, codec)?;
        let rows = if schema.fields().len() == rows.num_columns() {
            rows
        } else {
            let numbers: ArrayRef = Arc::new(Int64Array::from(self.numbers));
            with_columns(&rows, [numbers], schema)?
        };
        Ok(ChangeBatch::changes(rows, self.kinds))
    }

    fn gather(&self, incoming: &RecordBatch, codec: &OrderedCodec) -> Result<RecordBatch, ArrowError> {
        if incoming.num_columns() == 0 {
            return rows_of(incoming.schema(), Vec::new(), self.rows.len());
        }
        if self.stored.is_empty() {
            let indices: Vec<u32> = self.rows.iter().map(Change::index).collect();
            let is_all =
                indices.len() == incoming.num_rows() && (0..).zip(&indices).all(|(at, row)| at == *row);
            return if is_all {
                Ok(incoming.clone())
            } else {
                take_rows(incoming, &UInt32Array::from(indices))
            };
        }
        let stored = codec.decode(&self.stored)?;
        let places: Vec<(usize, usize)> =
            self.rows.iter().map(|row| (usize::from(row.is_stored()), row.index() as usize)).collect();
        interleave_rows(&[incoming, &stored], &places)
    }
}

impl Change {
    fn index(&self) -> u32 {
        let (Self::Incoming(index) | Self::Stored(index)) = self;
        *index
    }

    fn is_stored(self) -> bool {
        matches!(self, Self::Stored(_))
    }
}

/// A batch with more columns at its end.
pub(crate) fn with_columns(
    rows: &RecordBatch,
    more: impl IntoIterator<Item = ArrayRef>,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let columns = rows.columns().iter().cloned().chain(more).collect();
    rows_of(schema.clone(), columns, rows.num_rows())
}

/// The places in `before` and in `after` of what is not in the other, equal ones counted.
pub(crate) fn diff(before: &[&[u8]], after: &[&[u8]]) -> (Vec<usize>, Vec<usize>) {
    // Mostly little changes, so that what is equal at both ends makes the rest short.
    let head = before.iter().zip(after).take_while(|(b, a)| b == a).count();
    let tail =
        before[head..].iter().rev().zip(after[head..].iter().rev()).take_while(|(b, a)| b == a).count();
    let mut counts: HashMap<&[u8], usize> = HashMap::new();
    let after_ends = after.len() - tail;
    for row in &after[head..after_ends] {
        *counts.entry(*row).or_default() += 1;
    }
    let mut removed = Vec::new();
    for (at, row) in before.iter().enumerate().take(before.len() - tail).skip(head) {
        match counts.get_mut(*row) {
            Some(count) if *count > 0 => *count -= 1,
            _ => removed.push(at),
        }
    }
    // What is left in `counts` is new; of equal rows the last ones are.
    let mut added = Vec::new();
    for (at, row) in after.iter().enumerate().take(after_ends).skip(head).rev() {
        if let Some(count) = counts.get_mut(*row).filter(|count| **count > 0) {
            *count -= 1;
            added.push(at);
        }
    }
    added.reverse();
    (removed, added)
}
