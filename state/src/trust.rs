//! Which files of checkpoints need not be read through before they are used.
//!
//! A restore checks every file's length, but reading all of a large state would take a recovery seconds. So a process
//! reads a file through once, and never one that it has written itself. RocksDB's own checksums guard each block that is
//! read after that; if they, or anything else in a database, are not as they should be, the trust in the job's files
//! is withdrawn and the next restore reads them all.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The files whose contents this process has written or verified.
#[derive(Default)]
pub(crate) struct Trust(Mutex<HashSet<PathBuf>>);

impl Trust {
    pub fn contains(&self, file: &Path) -> bool {
        self.lock().contains(file)
    }

    pub fn add(&self, file: PathBuf) {
        self.lock().insert(file);
    }

    /// Withdraws the trust in all files below a folder, or forgets them with it.
    pub fn withdraw(&self, folder: &Path) {
        self.lock().retain(|file| !file.starts_with(folder));
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
