//! The segments of a journal, shared between the one who appends and the one who releases.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater_core::{
    fault::{FaultPoint, try_reach},
    fs::{FileSystem, FileWriter},
};

use super::{Error, io_error};

const EXTENSION: &str = "segment";

/// A file with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// The number of its first record.
    pub(super) first: u64,
    bytes: u64,
}

/// A handle to a journal's segments, oldest first. The last one is the active one, which is being appended to.
#[derive(Debug, Clone)]
pub struct Segments {
    fs: Arc<dyn FileSystem>,
    folder: PathBuf,
    list: Arc<Mutex<VecDeque<Segment>>>,
}

impl Segments {
    /// The segments in a folder.
    pub(super) fn list(fs: &Arc<dyn FileSystem>, folder: &Path) -> Result<Self, Error> {
        let mut list = Vec::new();
        for entry in fs.list(folder).map_err(io_error("list the journal folder", folder))? {
            let path = folder.join(&entry.name);
            if path.extension().is_none_or(|extension| extension != EXTENSION) {
                continue;
            }
            let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let Some(first) = first else {
                let why = "expected the number of a record as its name".to_owned();
                return Err(Error::Damaged { path, offset: 0, why });
            };
            list.push(Segment { first, bytes: entry.bytes });
        }
        list.sort_by_key(|segment| segment.first);
        Ok(Self { fs: Arc::clone(fs), folder: folder.to_owned(), list: Arc::new(Mutex::new(list.into())) })
    }

    /// The bytes that the journal takes.
    pub fn bytes(&self) -> u64 {
        self.lock().iter().map(|segment| segment.bytes).sum()
    }

    /// Removes the segments all of whose records come before number `before`, apart from the active one.
    pub fn release(&self, before: u64) -> Result<(), Error> {
        let mut released = Vec::new();
        {
            let mut list = self.lock();
            while list.get(1).is_some_and(|second| second.first <= before) {
                released.extend(list.pop_front());
            }
        }
        released.iter().try_for_each(|segment| self.remove(segment))
    }

    /// Makes a new active segment.
    pub(super) fn add(&self, first: u64) -> Result<Box<dyn FileWriter>, Error> {
        let path = self.path(first);
        let file = self.fs.create_new(&path).map_err(io_error("make the journal segment", &path))?;
        self.fs.sync_folder(&self.folder).map_err(io_error("sync the journal folder", &self.folder))?;
        self.lock().push_back(Segment { first, bytes: 0 });
        Ok(file)
    }

    pub(super) fn grow_active(&self, bytes: u64) -> u64 {
        let mut list = self.lock();
        let active = list.back_mut().expect("an open journal has an active segment");
        active.bytes += bytes;
        active.bytes
    }

    pub(super) fn set_active_bytes(&self, bytes: u64) {
        self.lock().back_mut().expect("an open journal has an active segment").bytes = bytes;
    }

    pub(super) fn first(&self) -> Option<Segment> {
        self.lock().front().copied()
    }

    pub(super) fn last(&self) -> Option<Segment> {
        self.lock().back().copied()
    }

    /// For each segment the number of its first record and that after its last one; the last segment ends at `end`.
    pub(super) fn spans(&self, end: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        let firsts: Vec<u64> = self.lock().iter().map(|segment| segment.first).collect();
        let ends: Vec<u64> = firsts.iter().skip(1).copied().chain([end]).collect();
        firsts.into_iter().zip(ends)
    }

    pub(super) fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.{EXTENSION}"))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn remove(&self, segment: &Segment) -> Result<(), Error> {
        let path = self.path(segment.first);
        let removed = try_reach(FaultPoint::JournalRelease).and_then(|()| self.fs.remove_file(&path));
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("remove the journal segment", &path)(error))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn fs(&self) -> &Arc<dyn FileSystem> {
        &self.fs
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Segment>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
