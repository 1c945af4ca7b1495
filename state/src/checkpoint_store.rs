//! Completed checkpoints: a checkpoint is completed if its folder has a manifest, and with the manifest it begins and ends.

use std::{
    collections::BTreeSet,
    io,
    io::ErrorKind,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater_core::{
    checkpoint::{KeyedStateHandle, Manifest},
    codec::{frame, unframe},
    fault::{FaultPoint, reach, try_reach},
    fs::FileSystem,
    ids::{CheckpointId, JobId},
    store::{CheckpointStore, LatestCheckpoint, StoreError, StoreFuture},
};

use crate::{
    StateEnv, StateError,
    durable::{create_folder, remove_folder, sync_folder, sync_folders_up_to},
    layout::{DAMAGED_MANIFEST, MANIFEST, checkpoint_of_folder},
};

const MANIFEST_MAGIC: [u8; 4] = *b"HWCP";
const TEMPORARY_MANIFEST: &str = "manifest.new";

/// Checkpoints below a worker's data folder.
#[derive(Clone)]
pub struct FileCheckpointStore {
    env: StateEnv,
    /// Those that this process knows to be durable.
    durable: Arc<Mutex<BTreeSet<(JobId, CheckpointId)>>>,
}

impl FileCheckpointStore {
    /// The checkpoints of a data folder.
    pub fn new(env: StateEnv) -> Self {
        Self { env, durable: Arc::default() }
    }

    /// Runs what blocks where it keeps nobody waiting.
    fn blocking<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&Self) -> Result<T, StateError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let store = self.clone();
        Box::pin(async move {
            let done = self.env.blocking().run(move || work(&store)).await;
            let failed = |error: &dyn std::fmt::Display| StoreError(format!("cannot {doing}: {error}"));
            done.map_err(|panicked| failed(&panicked))?.map_err(|error| failed(&error))
        })
    }

    fn fs(&self) -> &dyn FileSystem {
        self.env.fs()
    }

    fn write(&self, manifest: &Manifest) -> Result<u64, StateError> {
        let folder = self.env.layout().checkpoint(manifest.job, manifest.checkpoint);
        let bytes = frame(MANIFEST_MAGIC, manifest).map_err(StateError::codec("manifest"))?;
        create_folder(self.fs(), &folder)?;
        let (temporary, path) = (folder.join(TEMPORARY_MANIFEST), folder.join(MANIFEST));
        self.write_durably(&temporary, &bytes).map_err(StateError::io("write", &temporary))?;
        try_reach(FaultPoint::ManifestBeforeRename)
            .and_then(|()| self.fs().rename(&temporary, &path))
            .and_then(|()| try_reach(FaultPoint::ManifestRenamed))
            .map_err(StateError::io("name", &path))?;
        self.make_durable(manifest.job, manifest.checkpoint)?;
        reach(FaultPoint::CheckpointDurable);
        Ok(bytes.len() as u64)
    }

    /// The numbers of a job's completed checkpoints, oldest first. Blocks.
    pub fn retained(&self, job: JobId) -> Result<Vec<CheckpointId>, StateError> {
        self.completed(job)
    }

    /// A completed checkpoint's manifest, for a look; `None` if there is no such checkpoint. Blocks.
    pub fn manifest(&self, job: JobId, checkpoint: CheckpointId) -> Result<Option<Manifest>, StateError> {
        if !self.has(job, checkpoint, MANIFEST)? {
            return Ok(None);
        }
        let path = self.env.layout().checkpoint(job, checkpoint).join(MANIFEST);
        match self.read(job, checkpoint)? {
            Ok(manifest) => Ok(Some(manifest)),
            Err(reason) => Err(StateError::damaged(&path, reason)),
        }
    }

    fn make_durable(&self, job: JobId, checkpoint: CheckpointId) -> Result<(), StateError> {
        let folder = self.env.layout().checkpoint(job, checkpoint);
        sync_folders_up_to(self.fs(), &folder, &self.env.layout().checkpoints())?;
        self.durable().insert((job, checkpoint));
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, BTreeSet<(JobId, CheckpointId)>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_durably(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.fs().create_new(path)?;
        file.write_all(bytes)?;
        try_reach(FaultPoint::ManifestWritten)?;
        file.sync()
    }

    fn find_latest(&self, job: JobId) -> Result<LatestCheckpoint, StateError> {
        let mut damaged = Vec::new();
        for checkpoint in self.completed(job)?.into_iter().rev() {
            match self.read(job, checkpoint)? {
                Ok(manifest) => {
                    // A process that was killed may have given the manifest its name and not synced it. Sinks are about to
                    // commit because of it, so it must not be gone after a power loss.
                    if !self.durable().contains(&(job, checkpoint)) {
                        self.make_durable(job, checkpoint)?;
                    }
                    return Ok(LatestCheckpoint { manifest: Some(manifest), damaged });
                }
                Err(reason) => damaged.push((checkpoint, reason)),
            }
        }
        Ok(LatestCheckpoint { manifest: None, damaged })
    }

    /// A checkpoint's manifest, or how the checkpoint is damaged. That the disk cannot be read is neither.
    fn read(&self, job: JobId, checkpoint: CheckpointId) -> Result<Result<Manifest, String>, StateError> {
        let folder = self.env.layout().checkpoint(job, checkpoint);
        let path = folder.join(MANIFEST);
        let bytes = self.fs().read(&path).map_err(StateError::io("read", &path))?;
        let manifest: Manifest = match unframe(MANIFEST_MAGIC, &bytes) {
            Ok(manifest) => manifest,
            Err(error) => return Ok(Err(format!("manifest: {error}"))),
        };
        if (manifest.job, manifest.checkpoint) != (job, checkpoint) {
            let found = format!("checkpoint {} of job {}", manifest.checkpoint, manifest.job);
            return Ok(Err(format!(
                "manifest: expected checkpoint {checkpoint} of job {job}, found {found}"
            )));
        }
        for handle in manifest.subtasks.values().filter_map(|subtask| subtask.keyed_state.as_ref()) {
            if let Some(damage) = self.damage_of(&folder, handle)? {
                return Ok(Err(damage));
            }
        }
        Ok(Ok(manifest))
    }

    /// Whether a subtask's files are there with their lengths; their contents are checked by whoever reads them. They
    /// are listed by folder: to ask for one after the other would take a recovery tens of milliseconds.
    fn damage_of(&self, folder: &Path, handle: &KeyedStateHandle) -> Result<Option<String>, StateError> {
        let files = handle.files();
        let Some(first) = files.first() else { return Ok(None) };
        let parent = first.path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let path = folder.join(parent);
        let entries = match self.fs().list(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(StateError::io("list", &path))?,
        };
        Ok(files.iter().find_map(|file| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            let found = entries.binary_search_by(|entry| entry.name.as_str().cmp(name));
            match found.map(|index| entries[index].bytes) {
                Err(_) => Some(format!("`{}` is missing", file.path)),
                Ok(found) if found != file.bytes => {
                    Some(format!("`{}`: expected {} bytes, found {found}", file.path, file.bytes))
                }
                Ok(_) => None,
            }
        }))
    }

    fn remove(&self, job: JobId, checkpoint: CheckpointId) -> Result<(), StateError> {
        let folder = self.env.layout().checkpoint(job, checkpoint);
        let manifest = folder.join(MANIFEST);
        self.durable().remove(&(job, checkpoint));
        match self.fs().remove_file(&manifest) {
            // Else a power loss may bring the manifest back and not the files.
            Ok(()) => sync_folder(self.fs(), &folder)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(StateError::io("remove", &manifest)(error)),
        }
        reach(FaultPoint::CheckpointPruned);
        self.remove_files(&folder)
    }

    fn remove_files(&self, folder: &Path) -> Result<(), StateError> {
        self.env.trust().withdraw(folder);
        remove_folder(self.fs(), folder)
    }

    fn take_out(&self, job: JobId, checkpoint: CheckpointId) -> Result<(), StateError> {
        let folder = self.env.layout().checkpoint(job, checkpoint);
        let manifest = folder.join(MANIFEST);
        // Checkpoints share files, and what damaged one may have damaged others.
        self.env.trust().withdraw(&self.env.layout().job_checkpoints(job));
        match self.fs().rename(&manifest, &folder.join(DAMAGED_MANIFEST)) {
            Ok(()) => sync_folder(self.fs(), &folder),
            // It is this that is damaged.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(StateError::io("rename", &manifest)(error)),
        }
    }

    fn remove_job(&self, job: JobId) -> Result<(), StateError> {
        for checkpoint in self.folders(job)? {
            self.remove(job, checkpoint)?;
        }
        remove_folder(self.fs(), &self.env.layout().job_checkpoints(job))
    }

    fn remove_incomplete(&self, job: JobId, before: CheckpointId) -> Result<(), StateError> {
        for checkpoint in self.folders(job)?.into_iter().filter(|checkpoint| *checkpoint < before) {
            let was_completed =
                self.has(job, checkpoint, MANIFEST)? || self.has(job, checkpoint, DAMAGED_MANIFEST)?;
            if !was_completed {
                self.remove_files(&self.env.layout().checkpoint(job, checkpoint))?;
            }
        }
        Ok(())
    }

    /// The checkpoints that have a manifest, oldest first.
    fn completed(&self, job: JobId) -> Result<Vec<CheckpointId>, StateError> {
        let mut completed = Vec::new();
        for checkpoint in self.folders(job)? {
            if self.has(job, checkpoint, MANIFEST)? {
                completed.push(checkpoint);
            }
        }
        Ok(completed)
    }

    fn has(&self, job: JobId, checkpoint: CheckpointId, file: &str) -> Result<bool, StateError> {
        let path = self.env.layout().checkpoint(job, checkpoint).join(file);
        self.fs().exists(&path).map_err(StateError::io("look at", &path))
    }

    /// The checkpoints that have a folder, oldest first.
    fn folders(&self, job: JobId) -> Result<Vec<CheckpointId>, StateError> {
        let folder = self.env.layout().job_checkpoints(job);
        let entries = match self.fs().list(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            listed => listed.map_err(StateError::io("list", &folder))?,
        };
        let folders = entries.iter().filter(|entry| entry.is_folder);
        let mut checkpoints: Vec<CheckpointId> =
            folders.filter_map(|entry| checkpoint_of_folder(&entry.name)).collect();
        checkpoints.sort_unstable();
        Ok(checkpoints)
    }
}

impl CheckpointStore for FileCheckpointStore {
    fn write_manifest(&self, manifest: Manifest) -> StoreFuture<'_, u64> {
        let doing = format!("write checkpoint {}", manifest.checkpoint);
        self.blocking(doing, move |store| store.write(&manifest))
    }

    fn latest(&self, job: JobId) -> StoreFuture<'_, LatestCheckpoint> {
        self.blocking(format!("find the newest checkpoint of {job}"), move |store| store.find_latest(job))
    }

    fn mark_damaged(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()> {
        let doing = format!("mark checkpoint {checkpoint} of {job} as damaged");
        self.blocking(doing, move |store| store.take_out(job, checkpoint))
    }

    fn list(&self, job: JobId) -> StoreFuture<'_, Vec<CheckpointId>> {
        self.blocking(format!("list the checkpoints of {job}"), move |store| store.completed(job))
    }

    fn delete(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()> {
        self.blocking(format!("remove checkpoint {checkpoint}"), move |store| store.remove(job, checkpoint))
    }

    fn delete_incomplete(&self, job: JobId, before: CheckpointId) -> StoreFuture<'_, ()> {
        let doing = format!("remove what failed checkpoints of {job} left");
        self.blocking(doing, move |store| store.remove_incomplete(job, before))
    }

    fn delete_job(&self, job: JobId) -> StoreFuture<'_, ()> {
        self.blocking(format!("remove the checkpoints of {job}"), move |store| store.remove_job(job))
    }
}
