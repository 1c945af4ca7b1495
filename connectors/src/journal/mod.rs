//! A durable journal of what a source read that cannot rewind.
//!
//! Records are numbered from 0. They are appended in groups, each of which is one frame on the disk, synced before anyone
//! sees its records: one sync pays for whatever has come in during the one before. Frames live in segments, files that are
//! named by their first record; a segment is removed as a whole once checkpoints cover it.
//!
//! A crash can leave one torn frame at the end of the last segment. It was never synced, so its records were never
//! seen: it is cut off. A frame that cannot be read anywhere else is damage, and an error; so is one that has its full
//! length, which a torn one lacks, and an end before the position of a checkpoint, whose records were all synced.

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
    #[error("the journal segment `{path}` is damaged at byte {offset}: {why}; {REMEDY}")]
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
        "the journal `{folder}` begins at record {found}, but record {expected} is needed: it was released or removed; \
         {REMEDY}"
    )]
    Missing {
        /// The journal.
        folder: PathBuf,
        /// The first record needed.
        expected: u64,
        /// The first record there is.
        found: u64,
    },
    /// Its end is missing.
    #[error(
        "the journal `{folder}` ends before record {found}, but a checkpoint covers all before record {expected}: it was \
         cut short or removed, and what it held besides is lost; {REMEDY}"
    )]
    CutShort {
        /// The journal.
        folder: PathBuf,
        /// The checkpoint's position.
        expected: u64,
        /// The number after the last record there is.
        found: u64,
    },
}

/// What can be done about damage.
const REMEDY: &str =
    "put the folder back as it was, from a copy, or submit the job anew to go on without what is lost";

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
    /// Opens the journal in `folder`, or makes one if there is no `position` of a checkpoint that it must reach. Releases
    /// nothing: that position may turn out not to be the one to go on from. `bytes_max` is the size that the caller means to
    /// keep to: segments are made small enough for it.
    pub fn open(
        fs: &Arc<dyn FileSystem>,
        folder: &Path,
        position: Option<u64>,
        bytes_max: u64,
    ) -> Result<Self, Error> {
        create_folder_durably(&**fs, folder).map_err(io_error("make the journal folder", folder))?;
        let segments = Segments::list(fs, folder)?;
        let reached = |found: u64| match position.filter(|expected| *expected > found) {
            Some(expected) => Err(Error::CutShort { folder: folder.to_owned(), expected, found }),
            None => Ok(()),
        };
        let Some(last) = segments.last() else {
            reached(0)?;
            let active = segments.add(0)?;
            return Ok(Self::with(segments, active, 0, bytes_max));
        };
        let path = segments.path(last.first);
        let (end, torn_bytes) = find_end(&**fs, &path, last.first)?;
        reached(end.next)?;
        make_whole(&**fs, &path, &end, torn_bytes)?;
        let active = fs.append(&path).map_err(io_error("open", &path))?;
        segments.set_active_bytes(end.bytes);
        Ok(Self::with(segments, active, end.next, bytes_max))
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

/// Where the last segment ends, and how many bytes of a torn frame follow.
fn find_end(fs: &dyn FileSystem, path: &Path, first: u64) -> Result<(End, u64), Error> {
    let bytes = fs.read(path).map_err(io_error("read", path))?;
    let mut frames = scan(&bytes, first);
    frames.by_ref().for_each(drop);
    if frames.is_followed_by_a_frame() || frames.ends_in_a_full_frame() {
        return Err(damaged(path, &frames));
    }
    let end = End { next: frames.next_record(), bytes: frames.offset() as u64 };
    let torn_bytes = bytes.len() as u64 - end.bytes;
    Ok((end, torn_bytes))
}

/// Cuts a torn frame off the last segment and makes what is whole durable: the process may have died before it did.
fn make_whole(fs: &dyn FileSystem, path: &Path, end: &End, torn_bytes: u64) -> Result<(), Error> {
    if torn_bytes > 0 {
        tracing::info!(path = %path.display(), torn_bytes, "cut off what a crash left unfinished");
        fs.truncate(path, end.bytes).map_err(io_error("cut", path))?;
    }
    fs.sync_file(path).map_err(io_error("sync", path))
}

fn damaged(path: &Path, frames: &Scan<'_>) -> Error {
    Error::Damaged { path: path.to_owned(), offset: frames.offset() as u64, why: frames.what_is_there() }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { doing, path: path.to_owned(), source }
}
