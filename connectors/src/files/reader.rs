//! Reads the lines of splits, one after the other.

use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    task::{Context, Poll, ready},
};

use headwater_actors::{
    batch::Batch,
    context::TaskError,
    operator::SourceStatus,
    source::{Pending, SourceReader},
};
use headwater_core::{codec, ids::CheckpointId, time::NO_TIMESTAMP};
use serde::{Deserialize, Serialize};

use super::listing::{ListedFile, cannot_read};
use crate::{
    decode::Decode,
    lines::{LineBuffer, Next, within_limit},
    malformed::{Malformed, MalformedHandler},
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
    /// Where to go on in the first split; `None` if none of it was read.
    pub(super) next: Option<Place>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    offset: u64,
    /// Whether the bytes up to the next line's end are not wanted.
    is_within_line: bool,
}

impl Split {
    /// Where to begin. Whether a line begins at a range's first byte is told by the byte before it.
    fn first_place(&self) -> Place {
        Place { offset: self.begin.saturating_sub(1), is_within_line: self.begin > 0 }
    }
}

/// Reads the files, or the part of a file, of one subtask.
#[derive(Debug)]
pub struct FileReader<D> {
    position: Position,
    decoder: D,
    malformed: MalformedHandler,
    /// The first split, once it is being read.
    open: Option<OpenSplit>,
    rate: Option<RateLimit>,
    /// Where the last batch began, and its split if that is read to its end.
    batch_began: Option<Place>,
    ended: Option<Split>,
}

impl<D: Decode> FileReader<D> {
    pub(super) fn new(
        position: Position,
        decoder: D,
        malformed: MalformedHandler,
        rate: Option<RateLimit>,
    ) -> Self {
        Self { position, decoder, malformed, open: None, rate, batch_began: None, ended: None }
    }

    /// Reads up to `rows_max` lines of the first split; closes the split at its end.
    fn read_split(&mut self, rows_max: usize, batch: &mut Batch<D::Item>) -> Result<(), TaskError> {
        let Some(split) = self.position.splits.front() else { return Ok(()) };
        let begin = self.position.next.unwrap_or_else(|| split.first_place());
        self.malformed.begin_batch();
        (self.batch_began, self.ended) = (Some(begin), None);
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenSplit::open(split, begin)?),
        };
        let is_read = open.read(split, &self.decoder, &mut self.malformed, rows_max, batch)?;
        self.position.next = Some(open.place());
        if is_read {
            split.file.check_length(&open.file)?;
            self.ended = self.position.splits.pop_front();
            self.position.next = None;
            self.open = None;
        }
        Ok(())
    }

    /// Reads the last batch again, up to one of its rows, and returns where that begins.
    fn offset_of(&self, row: usize) -> Option<(&Split, u64)> {
        let split = self.ended.as_ref().or(self.position.splits.front())?;
        let mut open = OpenSplit::open(split, self.batch_began?).ok()?;
        let mut rows = 0;
        while let Some((offset, _)) = open.next_line(split, u64::MAX).ok()? {
            if self.malformed.was_malformed(offset) {
                continue;
            }
            if rows == row {
                return Some((split, offset));
            }
            rows += 1;
        }
        None
    }
}

impl<D: Decode> SourceReader<D::Item> for FileReader<D> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<D::Item>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        if self.position.splits.is_empty() {
            return Poll::Ready(Ok(SourceStatus::End));
        }
        let rows_max = ready!(rate::poll_rows(&mut self.rate, context, rows_max));
        let rows_before = batch.len();
        let result = self.read_split(rows_max, batch);
        if let Some(rate) = &mut self.rate {
            rate.spend(batch.len() - rows_before + self.malformed.in_batch());
        }
        Poll::Ready(result.map(|()| SourceStatus::Ready))
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        self.offset_of(row).map(|(split, offset)| LinePlace { split, offset }.to_string())
    }

    fn pending(&self) -> Pending {
        let whole = self.position.splits.iter().map(|split| split.end - split.begin).sum::<u64>();
        let first = self.position.splits.front();
        let read = first.zip(self.position.next).map(|(split, next)| next.offset.saturating_sub(split.begin));
        Pending { records: None, bytes: Some(whole.saturating_sub(read.unwrap_or(0))) }
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&(&self.position, self.malformed.snapshot(checkpoint)?))?)
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.malformed.checkpoint_completed(checkpoint)
    }
}

/// A line's place, for people.
struct LinePlace<'a> {
    split: &'a Split,
    offset: u64,
}

impl fmt::Display for LinePlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, byte {}", self.split.file.path, self.offset)
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
    fn open(split: &Split, begin: Place) -> Result<Self, TaskError> {
        let mut file = split.file.open()?;
        file.seek(SeekFrom::Start(begin.offset)).map_err(|error| cannot_read(&split.file.path, error))?;
        let lines = LineBuffer::new(READ_BYTES, LINE_BYTES_MAX, begin.offset, begin.is_within_line);
        Ok(Self { file, lines, unread_bytes: split.file.bytes - begin.offset })
    }

    fn place(&self) -> Place {
        Place { offset: self.lines.offset(), is_within_line: self.lines.is_within_line() }
    }

    /// Returns whether the split is read to its end.
    fn read<D: Decode>(
        &mut self,
        split: &Split,
        decoder: &D,
        malformed: &mut MalformedHandler,
        rows_max: usize,
        batch: &mut Batch<D::Item>,
    ) -> Result<bool, TaskError> {
        let stop_at = self.lines.offset().saturating_add(BATCH_BYTES);
        for _ in 0..rows_max {
            let Some((offset, line)) = self.next_line(split, stop_at)? else { break };
            let record = self.lines.line(line);
            match within_limit(record, LINE_BYTES_MAX).and_then(|()| decoder.decode(record)) {
                Ok(value) => batch.push(value, NO_TIMESTAMP),
                Err(cause) => {
                    malformed.handle(Malformed { record, at: offset, cause }, LinePlace { split, offset })?;
                }
            }
        }
        Ok(self.lines.offset() >= split.end)
    }

    /// The next line and where it begins; `None` at the split's end, or if it would begin at `stop_at` or behind it.
    #[inline]
    fn next_line(&mut self, split: &Split, stop_at: u64) -> Result<Option<(u64, Range<usize>)>, TaskError> {
        loop {
            let offset = self.lines.offset();
            if offset >= split.end.min(stop_at) {
                return Ok(None);
            }
            match self.lines.next_line() {
                Next::Line(line) => return Ok(Some((offset, line))),
                Next::Passed => {}
                Next::Incomplete if self.fill(split)? => {}
                Next::Incomplete => {
                    return Ok(match self.lines.take_rest() {
                        Next::Line(line) => Some((offset, line)),
                        Next::Passed | Next::Incomplete => None,
                    });
                }
            }
        }
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
}
