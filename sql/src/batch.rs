//! What travels between the tasks of a SQL job: Arrow rows, each with its kind of change.

use std::any::Any;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute,
    datatypes::SchemaRef,
};
use headwater_actors::batch::Payload;

/// What a row does to the table that a changelog describes, as in Flink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowKind {
    /// `+I`: a new row.
    Insert,
    /// `-U`: the old content of a row that is updated.
    UpdateBefore,
    /// `+U`: its new content.
    UpdateAfter,
    /// `-D`: a row goes.
    Delete,
}

impl RowKind {
    /// Whether the row joins the table, rather than leaving it.
    #[inline]
    pub fn is_addition(self) -> bool {
        matches!(self, Self::Insert | Self::UpdateAfter)
    }

    /// Flink's short form: `+I`, `-U`, `+U`, `-D`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Insert => "+I",
            Self::UpdateBefore => "-U",
            Self::UpdateAfter => "+U",
            Self::Delete => "-D",
        }
    }
}

/// Rows with their kinds of change.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeBatch {
    /// The rows.
    pub rows: RecordBatch,
    /// One per row; `None` if all are insertions.
    pub kinds: Option<Vec<RowKind>>,
    /// The hash of each row's key if the batch came through a hash partitioner, else empty.
    pub hashes: Vec<u64>,
    /// Whether these are not results but rows of the input that came too late: only who asks for those sees them.
    pub is_late: bool,
}

impl ChangeBatch {
    /// New rows only.
    pub fn insertions(rows: RecordBatch) -> Self {
        Self { rows, kinds: None, hashes: Vec::new(), is_late: false }
    }

    /// Rows that came too late.
    pub fn late(rows: RecordBatch) -> Self {
        Self { is_late: true, ..Self::insertions(rows) }
    }

    /// Rows with their kinds, of which there must be as many.
    pub fn changes(rows: RecordBatch, kinds: Vec<RowKind>) -> Self {
        assert_eq!(rows.num_rows(), kinds.len(), "every row has a kind");
        let is_append_only = kinds.iter().all(|kind| *kind == RowKind::Insert);
        Self { rows, kinds: (!is_append_only).then_some(kinds), hashes: Vec::new(), is_late: false }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The kind of one row.
    #[inline]
    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row])
    }

    /// The rows at these places, in this order, with their kinds and hashes.
    pub fn take(&self, indices: &arrow::array::UInt32Array) -> Result<Self, arrow::error::ArrowError> {
        let rows = take_rows(&self.rows, indices)?;
        let pick = |index: &u32| *index as usize;
        let kinds =
            self.kinds.as_ref().map(|kinds| indices.values().iter().map(|i| kinds[pick(i)]).collect());
        let hashes = if self.hashes.is_empty() {
            Vec::new()
        } else {
            indices.values().iter().map(|i| self.hashes[pick(i)]).collect()
        };
        Ok(Self { rows, kinds, hashes, is_late: self.is_late })
    }

    /// The same changes to other columns.
    pub fn with_rows(&self, rows: RecordBatch) -> Self {
        assert_eq!(rows.num_rows(), self.len(), "a projection keeps every row");
        Self { rows, kinds: self.kinds.clone(), hashes: self.hashes.clone(), is_late: self.is_late }
    }
}

/// The rows at these places. Arrow's kernel does not know how many rows there are without a column.
pub fn take_rows(
    rows: &RecordBatch,
    indices: &arrow::array::UInt32Array,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    if rows.num_columns() == 0 {
        return rows_of(rows.schema(), Vec::new(), indices.len());
    }
    compute::take_record_batch(rows, indices)
}

/// The rows at these places of several batches, each its index and the row's.
pub fn interleave_rows(
    batches: &[&RecordBatch],
    places: &[(usize, usize)],
) -> Result<RecordBatch, arrow::error::ArrowError> {
    match batches.first() {
        Some(batch) if batch.num_columns() == 0 => rows_of(batch.schema(), Vec::new(), places.len()),
        _ => compute::interleave_record_batch(batches, places),
    }
}

/// A batch of so many rows, which may have no columns.
pub fn rows_of(
    schema: SchemaRef,
    columns: Vec<ArrayRef>,
    count: usize,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    RecordBatch::try_new_with_options(schema, columns, &RecordBatchOptions::new().with_row_count(Some(count)))
}

impl Payload for ChangeBatch {
    fn rows(&self) -> usize {
        self.len()
    }

    fn bytes(&self) -> usize {
        // Batches that were cut out of a larger one share its buffers, so their own part is estimated.
        let columns: usize =
            self.rows.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
        columns + self.kinds.as_ref().map_or(0, Vec::len) + self.hashes.len() * size_of::<u64>()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// The batch in a payload of a SQL job.
///
/// # Panics
/// If it is of another type, which the graph's construction rules out.
pub fn changes_of(payload: Box<dyn Payload>) -> ChangeBatch {
    *payload.into_any().downcast::<ChangeBatch>().expect("all edges of a SQL job carry change batches")
}
