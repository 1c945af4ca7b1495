//! What all state of a worker shares.

use std::{path::Path, sync::Arc};

use headwater_core::ids::JobId;

use crate::{
    StateError,
    durable::{create_folder, remove_folder},
    layout::Layout,
    rocks::SharedMemory,
};

/// The folders and the RocksDB memory of a worker: one per worker, cheap to clone.
#[derive(Clone)]
pub struct StateEnv {
    inner: Arc<Inner>,
}

struct Inner {
    layout: Layout,
    memory: SharedMemory,
}

impl StateEnv {
    /// Opens the data folder, which is created if it is not there. Checkpoints and working folders are both below it
    /// because they share files by hard links, which cannot cross file systems.
    pub fn open(data_dir: &Path) -> Result<Self, StateError> {
        let layout = Layout::new(data_dir);
        create_folder(&layout.checkpoints())?;
        create_folder(&layout.work())?;
        Ok(Self { inner: Arc::new(Inner { layout, memory: SharedMemory::new() }) })
    }

    /// Removes what the attempts of a job left in their working folders. No attempt of it may be alive.
    pub fn purge_job(&self, job: JobId) -> Result<(), StateError> {
        remove_folder(&self.inner.layout.job_work(job))
    }

    /// Removes all working folders: what a process that was killed left. Nothing else may be using the data folder.
    pub fn purge_all(&self) -> Result<(), StateError> {
        remove_folder(&self.inner.layout.work())?;
        create_folder(&self.inner.layout.work())
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    pub(crate) fn memory(&self) -> &SharedMemory {
        &self.inner.memory
    }
}
