//! What a source connector implements.

use std::task::{Context, Poll};

use headwater_core::ids::CheckpointId;

use crate::{
    batch::Batch,
    context::{TaskContext, TaskError},
    operator::SourceStatus,
};

/// How many rows a reader is asked for at once.
pub const SOURCE_BATCH_ROWS: usize = 1024;

/// A source: makes one reader per subtask.
pub trait Source: Send + Sync + 'static {
    /// What it yields.
    type Item: Send + 'static;
    /// What reads.
    type Reader: SourceReader<Self::Item>;

    /// Opens the reader of one subtask. `position` is what its predecessor's [`SourceReader::snapshot`] returned for the
    /// checkpoint that the attempt goes on from.
    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<Self::Reader, TaskError>;

    /// A reader's position as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_position(&self, _position: &[u8]) -> Option<String> {
        None
    }
}

/// What a reader has still to read, as far as that is known.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// In records.
    pub records: Option<u64>,
    /// In bytes.
    pub bytes: Option<u64>,
}

/// Reads for one subtask.
pub trait SourceReader<T>: 'static {
    /// Appends at most about `rows_max` rows, with [`NO_TIMESTAMP`](headwater_core::time::NO_TIMESTAMP) if the source knows none.
    /// Must not block for long; `Pending` means that nothing is there for now, and that the context's waker will be woken.
    /// After `End` it is not called again.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<T>,
    ) -> Poll<Result<SourceStatus, TaskError>>;

    /// Where one of the rows is from, counted from 0, that were appended by the last call of [`poll_read`](Self::poll_read) that had
    /// something to read; for people, e.g. "generator index 7". If that call panicked, it is asked for the row after those: the
    /// one that the call was at. Only asked once a function has failed, so it may take its time.
    fn locate(&mut self, _row: usize) -> Option<String> {
        None
    }

    /// How much is still to be read, if that is known.
    fn pending(&self) -> Pending {
        Pending::default()
    }

    /// The position after what was read so far, to go on from.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError>;

    /// A checkpoint is durable: what lies before its position will not be read again.
    fn checkpoint_completed(&mut self, _checkpoint: CheckpointId) -> Result<(), TaskError> {
        Ok(())
    }
}
