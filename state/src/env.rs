//! What all state of a worker shares.

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use headwater_core::{
    fs::{FileSystem, LocalFileSystem, create_folder_durably},
    ids::JobId,
};

use crate::{
    Blocking, StateError,
    durable::{create_folder, remove_folder},
    layout::Layout,
    look::Recorded,
    rocks::SharedMemory,
    trust::Trust,
};

/// The folders and the RocksDB memory of a worker: one per worker, cheap to clone.
#[derive(Clone)]
pub struct StateEnv {
    inner: Arc<Inner>,
    /// Where states are recorded instead of restored.
    pub(crate) recorded: Option<Recorded>,
}

struct Inner {
    layout: Layout,
    fs: Arc<dyn FileSystem>,
    blocking: Blocking,
    memory: OnceLock<SharedMemory>,
    trust: Trust,
}

impl StateEnv {
    /// Opens the data folder, which is created if it is not there. Checkpoints and working folders are both below it
    /// because they share files by hard links, which cannot cross file systems.
    pub fn open(data_dir: &Path) -> Result<Self, StateError> {
        Self::open_in(data_dir, Arc::new(LocalFileSystem), Blocking::Threads)
    }

    /// Opens a data folder in another file system. The RocksDB backend knows the machine's only: with another one, jobs
    /// must use the heap backend.
    pub fn open_in(data_dir: &Path, fs: Arc<dyn FileSystem>, blocking: Blocking) -> Result<Self, StateError> {
        let layout = Layout::new(data_dir);
        for folder in [layout.checkpoints(), layout.work()] {
            create_folder_durably(&*fs, &folder).map_err(StateError::io("create", &folder))?;
        }
        let (memory, trust) = (OnceLock::new(), Trust::default());
        Ok(Self { inner: Arc::new(Inner { layout, fs, blocking, memory, trust }), recorded: None })
    }

    /// The same environment, in which no state is restored or written, but what is registered is recorded.
    pub fn recording(&self) -> (Self, Recorded) {
        let recorded = Recorded::default();
        (Self { inner: self.inner.clone(), recorded: Some(recorded.clone()) }, recorded)
    }

    /// Removes what the attempts of a job left in their working folders. No attempt of it may be alive.
    pub fn purge_job(&self, job: JobId) -> Result<(), StateError> {
        remove_folder(self.fs(), &self.inner.layout.job_work(job))
    }

    /// Removes all working folders: what a process that was killed left. Nothing else may be using the data folder.
    pub fn purge_all(&self) -> Result<(), StateError> {
        remove_folder(self.fs(), &self.inner.layout.work())?;
        create_folder(self.fs(), &self.inner.layout.work())
    }

    /// Where files are.
    pub fn fs(&self) -> &dyn FileSystem {
        &*self.inner.fs
    }

    /// Where files are, to be kept.
    pub fn shared_fs(&self) -> Arc<dyn FileSystem> {
        Arc::clone(&self.inner.fs)
    }

    /// Where work that blocks is done.
    pub fn blocking(&self) -> &Blocking {
        &self.inner.blocking
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.inner.trust
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        self.inner.memory.get_or_init(SharedMemory::new)
    }
}
