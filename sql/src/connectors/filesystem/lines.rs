//! Reads records, a line each, of a part of a file.

use std::{
    fmt,
    io::{self, Read, Seek, SeekFrom},
    ops::Range,
};

use flate2::read::MultiGzDecoder;
use headwater_actors::context::TaskError;
use headwater_connectors::{
    lines::{LineBuffer, Next, within_limit},
    malformed::{Malformed, MalformedHandler},
};

use super::{
    listing::{ListedFile, cannot_read},
    reader::Place,
};
use crate::formats::{Pushed, RecordDecoder, UNCLOSED_QUOTE};

const READ_BYTES: usize = 256 << 10;
const RECORD_BYTES_MAX: usize = 16 << 20;

/// A batch ends after so many bytes of records, however few they are.
const BATCH_BYTES: u64 = 1 << 20;

/// Whether a file is compressed, which its name tells.
pub(super) fn is_compressed(file: &ListedFile) -> bool {
    file.path.ends_with(".gz") || file.path.ends_with(".gzip")
}

/// The records of a file that begin before `end`. Offsets are those of what is compressed.
pub(super) struct OpenLines {
    input: Box<dyn Read>,
    lines: LineBuffer,
    end: u64,
    /// Of a record of several lines those that were read.
    record: Vec<u8>,
}

impl OpenLines {
    /// Opens a file at a place.
    pub(super) fn open(file: &ListedFile, end: u64, place: Place) -> Result<Self, TaskError> {
        let unreadable = |error| cannot_read(&file.path, error);
        let mut input = headwater_core::access::open_file(&file.path).map_err(unreadable)?;
        file.check_length()?;
        let input: Box<dyn Read> = if is_compressed(file) {
            let mut input = MultiGzDecoder::new(input);
            io::copy(&mut (&mut input).take(place.at), &mut io::sink()).map_err(unreadable)?;
            Box::new(input)
        } else {
            input.seek(SeekFrom::Start(place.at)).map_err(unreadable)?;
            Box::new(input.take(file.bytes.saturating_sub(place.at)))
        };
        let lines = LineBuffer::new(READ_BYTES, RECORD_BYTES_MAX, place.at, place.is_within_line);
        Ok(Self { input, lines, end, record: Vec::new() })
    }

    pub(super) fn place(&self) -> Place {
        Place { at: self.lines.offset(), is_within_line: self.lines.is_within_line() }
    }

    /// Reads up to `records_max` records; returns whether that was the end. `offsets` are where the rows begin.
    pub(super) fn read(
        &mut self,
        file: &ListedFile,
        decoder: &mut RecordDecoder,
        malformed: &mut MalformedHandler,
        records_max: usize,
        offsets: &mut Vec<u64>,
    ) -> Result<bool, TaskError> {
        let stop_at = self.lines.offset().saturating_add(BATCH_BYTES);
        for _ in 0..records_max {
            if self.lines.offset() >= self.end.min(stop_at) {
                break;
            }
            let Some((offset, line)) = self.next_line(file)? else { return Ok(true) };
            let mut record = self.lines.line(line.clone());
            let mut pushed = within_limit(record, RECORD_BYTES_MAX).and_then(|()| decoder.push(record));
            if pushed == Ok(Pushed::Incomplete) {
                pushed = self.read_on(file, decoder, offset, line)?;
                record = &self.record;
            }
            match pushed {
                Ok(Pushed::Row) => offsets.push(offset),
                Ok(Pushed::Nothing) => {}
                Ok(Pushed::Incomplete) => unreachable!("it was read to its end, or is malformed"),
                Err(cause) => {
                    malformed
                        .handle(Malformed { record, at: offset, cause }, RecordPlace { file, offset })?;
                }
            }
        }
        Ok(self.lines.offset() >= self.end)
    }

    /// Reads the lines that a record goes on with, and adds its row.
    fn read_on(
        &mut self,
        file: &ListedFile,
        decoder: &mut RecordDecoder,
        begin: u64,
        first: Range<usize>,
    ) -> Result<Result<Pushed, String>, TaskError> {
        self.record.clear();
        self.record.extend_from_slice(self.lines.line(first));
        loop {
            // The line's end is part of the record, whichever it was.
            let read_bytes = self.lines.offset() - begin;
            let has_return = read_bytes == self.record.len() as u64 + 2;
            self.record.extend_from_slice(if has_return { b"\r\n" } else { b"\n" });
            let Some((_, line)) = self.next_line(file)? else { return Ok(Err(UNCLOSED_QUOTE.to_owned())) };
            let line = self.lines.line(line);
            let is_open = decoder.ends_within_quotes(line, true);
            self.record.extend_from_slice(line);
            if let Err(cause) = within_limit(&self.record, RECORD_BYTES_MAX) {
                return Ok(Err(cause));
            }
            if !is_open {
                return Ok(match decoder.push(&self.record) {
                    Ok(Pushed::Incomplete) => Err(UNCLOSED_QUOTE.to_owned()),
                    pushed => pushed,
                });
            }
        }
    }

    /// The next line and where it begins; `None` at the file's end.
    fn next_line(&mut self, file: &ListedFile) -> Result<Option<(u64, Range<usize>)>, TaskError> {
        loop {
            let offset = self.lines.offset();
            match self.lines.next_line() {
                Next::Line(line) => return Ok(Some((offset, line))),
                // What a range begins within belongs to the one before, and the next line may to the one behind.
                Next::Passed if self.lines.offset() >= self.end => return Ok(None),
                Next::Passed => {}
                Next::Incomplete => {
                    if self.lines.fill(&mut self.input).map_err(|error| cannot_read(&file.path, error))? > 0 {
                        continue;
                    }
                    return Ok(match self.lines.take_rest() {
                        Next::Line(line) => Some((offset, line)),
                        Next::Passed | Next::Incomplete => None,
                    });
                }
            }
        }
    }
}

/// A record's place, for people.
pub(super) struct RecordPlace<'a> {
    pub(super) file: &'a ListedFile,
    pub(super) offset: u64,
}

impl fmt::Display for RecordPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if is_compressed(self.file) { "uncompressed byte" } else { "byte" };
        write!(f, "`{}`, {what} {}", self.file.path, self.offset)
    }
}
