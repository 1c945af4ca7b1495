//! A durable journal of what a source read that cannot rewind.
//!
//! Records are numbered from 0. They are appended in groups, each of which is one frame on the disk, synced before anyone
//! sees its records: one sync pays for whatever has come in during the one before. Frames live in segments, files that are
//! named by their first record; a segment is removed as a whole once checkpoints cover it.
//!
//! A crash can leave one torn frame at the end of the last segment. It was never synced, so its records were never
//! seen: it is cut off. A frame that cannot be read anywhere else is damage, and an error.

mod frame;
mod segments;

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use headwater_core::{
    fault::{FaultPoint, try_reach},
    fs::{FileSystem, FileWriter, create_folder_durably},
};

use frame::{Scan, scan};
pub use segments::Segments;

/// A segment is closed when it has so many bytes.
const SEGMENT_BYTES_MAX: u64 = 8 << 20;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk refused.
    #[error("cannot {doing} `{path}`: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A frame that was synced is not what it was.
    #[error("the journal segment `{path}` is damaged at byte {offset}: {why}")]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the frame begins.
        offset: u64,
        /// What was found.
        why: String,
    },
    /// Records are missing.
    #[error(
        "the journal `{folder}` begins at record {found}, but record {expected} is needed: it was released or removed"
    )]
    Missing {
        /// The journal.
        folder: PathBuf,
        /// The first record needed.
        expected: u64,
        /// The first record there is.
        found: u64,
    },
}

/// An open journal. There must be only one at a time for a folder; that is for the caller to ensure.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    segments: Segments,
    active: Box<dyn FileWriter>,
    segment_bytes_max: u64,
    staged: frame::Group,
    next: u64,
}

impl Journal {
    /// Opens the journal in `folder`, or makes one. With a `position`, removes what lies before it; a position beyond the
    /// end, as that of a savepoint that was moved here, begins the journal anew there. `bytes_max` is the size that the
    /// caller means to keep to: segments are made small enough for it.
    pub fn open(
        fs: &Arc<dyn FileSystem>,
        folder: &Path,
        position: Option<u64>,
        bytes_max: u64,
    ) -> Result<Self, Error> {
        create_folder_durably(&**fs, folder).map_err(io_error("make the journal folder", folder))?;
        let segments = Segments::list(fs, folder)?;
        if let Some(last) = segments.last() {
            let path = segments.path(last.first);
            let end = recover(&**fs, &path, last.first)?;
            if position.is_none_or(|position| position <= end.next) {
                let active = fs.append(&path).map_err(io_error("open", &path))?;
                segments.set_active_bytes(end.bytes);
                segments.release(position.unwrap_or(0))?;
                return Ok(Self::with(segments, active, end.next, bytes_max));
            }
            tracing::warn!(path = %path.display(), end = end.next, ?position, "the journal is behind: it begins anew");
        }
        let first = position.unwrap_or(0);
        segments.clear()?;
        let active = segments.add(first)?;
        Ok(Self::with(segments, active, first, bytes_max))
    }

    fn with(segments: Segments, active: Box<dyn FileWriter>, next: u64, bytes_max: u64) -> Self {
        let segment_bytes_max = (bytes_max / 4).clamp(1, SEGMENT_BYTES_MAX);
        let folder = segments.folder().to_owned();
        Self { folder, segments, active, segment_bytes_max, staged: frame::Group::default(), next }
    }

    /// The records that it holds, as far as it knows without reading them.
    pub fn records(&self) -> Range<u64> {
        self.segments.first().map_or(self.next, |segment| segment.first)..self.next
    }

    /// The segments, for releasing them from elsewhere.
    pub fn segments(&self) -> Segments {
        self.segments.clone()
    }

    /// Adds a record to the group that [`commit`](Self::commit) writes.
    pub fn stage(&mut self, record: &[u8]) {
        self.staged.push(record);
    }

    /// Writes the staged records and waits until they are durable. Returns their numbers. After an error the journal must
    /// be opened anew: what a failed sync has left on the disk is unknown.
    pub fn commit(&mut self) -> Result<Range<u64>, Error> {
        let records = self.next..self.next + self.staged.len();
        if records.is_empty() {
            return Ok(records);
        }
        let bytes = self.staged.seal(records.start);
        self.active
            .write_all(bytes)
            .and_then(|()| try_reach(FaultPoint::JournalAppend))
            .and_then(|()| self.active.sync())
            .and_then(|()| try_reach(FaultPoint::JournalAppended))
            .map_err(io_error("append to the journal", &self.folder))?;
        let active_bytes = self.segments.grow_active(bytes.len() as u64);
        self.staged.clear();
        self.next = records.end;
        // At once rather than before the next group, so that whatever has records can be released.
        if active_bytes >= self.segment_bytes_max {
            self.active = self.segments.add(self.next)?;
        }
        Ok(records)
    }

    /// Gives out the records from number `from` on that were there when it was called, group by group. `visit` gets the first
    /// record's number and the records; it returns false to stop.
    pub fn replay(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &mut dyn Iterator<Item = &[u8]>) -> bool,
    ) -> Result<(), Error> {
        let available = self.records();
        if from < available.start {
            return Err(Error::Missing {
                folder: self.folder.clone(),
                expected: from,
                found: available.start,
            });
        }
        for (first, end) in self.segments.spans(self.next).filter(|(_, end)| *end > from) {
            let path = self.segments.path(first);
            let bytes = self.segments.fs().read(&path).map_err(io_error("read", &path))?;
            let mut frames = scan(&bytes, first);
            for frame in &mut frames {
                let skipped = usize::try_from(from.saturating_sub(frame.first)).unwrap_or(usize::MAX);
                let is_wanted = frame.first + frame.records > from;
                if is_wanted && !visit(frame.first.max(from), &mut frame.iter().skip(skipped)) {
                    return Ok(());
                }
            }
            if frames.next_record() != end {
                return Err(damaged(&path, &frames));
            }
        }
        Ok(())
    }
}

/// Where the last segment ends.
struct End {
    next: u64,
    bytes: u64,
}

/// Cuts a torn frame off the last segment and makes what is whole durable: the process may have died before it did.
fn recover(fs: &dyn FileSystem, path: &Path, first: u64) -> Result<End, Error> {
    let bytes = fs.read(path).map_err(io_error("read", path))?;
    let mut frames = scan(&bytes, first);
    frames.by_ref().for_each(drop);
    if frames.is_followed_by_a_frame() {
        return Err(damaged(path, &frames));
    }
    let end = End { next: frames.next_record(), bytes: frames.offset() as u64 };
    let torn_bytes = bytes.len() as u64 - end.bytes;
    if torn_bytes > 0 {
        tracing::info!(path = %path.display(), torn_bytes, "cut off what a crash left unfinished");
        fs.truncate(path, end.bytes).map_err(io_error("cut", path))?;
    }
    fs.sync_file(path).map_err(io_error("sync", path))?;
    Ok(end)
}

fn damaged(path: &Path, frames: &Scan<'_>) -> Error {
    Error::Damaged { path: path.to_owned(), offset: frames.offset() as u64, why: frames.what_is_there() }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { doing, path: path.to_owned(), source }
}
