//! Reads the lines of splits, one after the other.

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Seek, SeekFrom},
    task::{Context, Poll, ready},
};

use compact_str::CompactString;
use headwater_actors::{batch::Batch, context::TaskError, operator::SourceStatus, source::SourceReader};
use headwater_core::{codec, ids::CheckpointId, time::NO_TIMESTAMP};
use serde::{Deserialize, Serialize};

use super::listing::{ListedFile, cannot_read};
use crate::{
    Str,
    lines::LineBuffer,
    rate::{self, RateLimit},
};

const READ_BYTES: usize = 256 << 10;
const LINE_BYTES_MAX: usize = 16 << 20;

/// A batch ends after so many bytes of lines, however few they are.
const BATCH_BYTES: u64 = 1 << 20;

/// The lines of a file that begin in `begin..end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) file: ListedFile,
    pub(super) begin: u64,
    pub(super) end: u64,
}

/// What is still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) parallelism: u32,
    /// The splits that are not yet read to their end.
    pub(super) splits: VecDeque<Split>,
    /// Where the next line of the first split begins; `None` if none of it was read.
    pub(super) next_offset: Option<u64>,
}

/// Reads the files, or the part of a file, of one subtask.
#[derive(Debug)]
pub struct FileReader {
    position: Position,
    /// The first split, once it is being read.
    open: Option<OpenSplit>,
    rate: Option<RateLimit>,
}

impl FileReader {
    pub(super) fn new(position: Position, rate: Option<RateLimit>) -> Self {
        Self { position, open: None, rate }
    }

    /// Appends up to `rows_max` lines of the first split; closes the split at its end.
    fn read_split(&mut self, rows_max: usize, batch: &mut Batch<Str>) -> Result<(), TaskError> {
        let Some(split) = self.position.splits.front() else { return Ok(()) };
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenSplit::open(split, self.position.next_offset)?),
        };
        let is_read = open.read(split, rows_max, batch)?;
        self.position.next_offset = Some(open.lines.offset());
        if is_read {
            split.file.check_length(&open.file)?;
            self.position.splits.pop_front();
            self.position.next_offset = None;
            self.open = None;
        }
        Ok(())
    }
}

impl SourceReader<Str> for FileReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<Str>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        if self.position.splits.is_empty() {
            return Poll::Ready(Ok(SourceStatus::End));
        }
        let rows_max = ready!(rate::poll_rows(&mut self.rate, context, rows_max));
        let rows_before = batch.len();
        let result = self.read_split(rows_max, batch);
        if let Some(rate) = &mut self.rate {
            rate.spend(batch.len() - rows_before);
        }
        Poll::Ready(result.map(|()| SourceStatus::Ready))
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.position)?)
    }
}

#[derive(Debug)]
struct OpenSplit {
    file: File,
    lines: LineBuffer,
    /// How much of the file, as it was listed, is not yet in `lines`.
    unread_bytes: u64,
}

impl OpenSplit {
    fn open(split: &Split, next_offset: Option<u64>) -> Result<Self, TaskError> {
        // Whether a line begins at a range's first byte is told by the byte before it.
        let offset = next_offset.unwrap_or(split.begin.saturating_sub(1));
        let mut file = split.file.open()?;
        file.seek(SeekFrom::Start(offset)).map_err(|error| cannot_read(&split.file.path, error))?;
        let lines = LineBuffer::new(READ_BYTES, LINE_BYTES_MAX, offset);
        let mut open = Self { file, lines, unread_bytes: split.file.bytes - offset };
        if next_offset.is_none() && split.begin > 0 {
            open.skip_line(split)?;
        }
        Ok(open)
    }

    fn skip_line(&mut self, split: &Split) -> Result<(), TaskError> {
        loop {
            match self.lines.next_line() {
                Err(error) => return Err(self.unusable(split, error)),
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
            }
            if !self.fill(split)? {
                self.lines.take_rest();
                return Ok(());
            }
        }
    }

    /// Returns whether the split is read to its end.
    fn read(&mut self, split: &Split, rows_max: usize, batch: &mut Batch<Str>) -> Result<bool, TaskError> {
        let stop_at = self.lines.offset().saturating_add(BATCH_BYTES);
        let mut rows = 0;
        while rows < rows_max && self.lines.offset() < stop_at {
            let begin = self.lines.offset();
            if begin >= split.end {
                return Ok(true);
            }
            match self.lines.next_line() {
                Err(error) => return Err(self.unusable(split, error)),
                Ok(Some(line)) => batch.push(decode(line, split, begin)?, NO_TIMESTAMP),
                Ok(None) => {
                    if self.fill(split)? {
                        continue;
                    }
                    let Some(line) = self.lines.take_rest() else { return Ok(true) };
                    batch.push(decode(line, split, begin)?, NO_TIMESTAMP);
                }
            }
            rows += 1;
        }
        Ok(self.lines.offset() >= split.end)
    }

    /// Reads on; returns false at the file's end.
    fn fill(&mut self, split: &Split) -> Result<bool, TaskError> {
        if self.unread_bytes == 0 {
            return Ok(false);
        }
        let read = self
            .lines
            .fill(&mut (&self.file).take(self.unread_bytes))
            .map_err(|error| cannot_read(&split.file.path, error))?;
        if read == 0 {
            return Err(split.file.changed(split.file.bytes - self.unread_bytes));
        }
        self.unread_bytes -= read as u64;
        Ok(true)
    }

    fn unusable(&self, split: &Split, error: impl std::fmt::Display) -> TaskError {
        let offset = self.lines.offset();
        TaskError::Connector(format!("`{}`, at or before byte {offset}: {error}", split.file.path))
    }
}

#[inline]
fn decode(line: &[u8], split: &Split, begin: u64) -> Result<Str, TaskError> {
    CompactString::from_utf8(line).map_err(|error| not_utf8(split, begin + error.valid_up_to() as u64))
}

#[cold]
fn not_utf8(split: &Split, offset: u64) -> TaskError {
    TaskError::Connector(format!(
        "`{}` is not UTF-8 at byte {offset}: expected text; convert it, e.g. with `iconv`",
        split.file.path
    ))
}
