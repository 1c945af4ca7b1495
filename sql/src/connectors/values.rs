//! Literal rows, `VALUES (…)`: a bounded table of one subtask.

use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use headwater_actors::{
    context::{TaskContext, TaskError},
    source::Pending,
};
use headwater_core::{codec, ids::CheckpointId};

use super::{Scan, TableReader, TableSource};

/// A table that is written out in the query.
pub struct ValuesSource {
    rows: RecordBatch,
}

impl ValuesSource {
    /// A table of these rows.
    pub fn new(rows: RecordBatch) -> Self {
        Self { rows }
    }
}

impl TableSource for ValuesSource {
    fn show_position(&self, position: &[u8]) -> Option<String> {
        headwater_actors::look::json_of::<bool>(position)
    }

    fn is_bounded(&self) -> bool {
        true
    }

    fn parallelism(&self) -> Option<u32> {
        Some(1)
    }

    fn open(
        &self,
        _: &Scan,
        _: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        let is_read = position.map(codec::decode).transpose()?.unwrap_or(false);
        Ok(Box::new(ValuesReader { rows: self.rows.clone(), is_read }))
    }

    fn read_all(&self, _: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        Ok(vec![self.rows.clone()])
    }
}

struct ValuesReader {
    rows: RecordBatch,
    is_read: bool,
}

impl TableReader for ValuesReader {
    fn poll_read(&mut self, _: &mut Context<'_>, _: usize) -> Poll<Result<Option<RecordBatch>, TaskError>> {
        let rows = (!self.is_read).then(|| self.rows.clone());
        self.is_read = true;
        Poll::Ready(Ok(rows))
    }

    fn pending(&self) -> Pending {
        let left = if self.is_read { 0 } else { self.rows.num_rows() as u64 };
        Pending { records: Some(left), bytes: None }
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.is_read)?)
    }
}
