//! Completed checkpoints: a checkpoint is completed if its folder has a manifest, and with the manifest it begins and ends.

use std::{collections::HashMap, path::Path as FsPath, sync::Arc};

use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle, Manifest},
    codec::{frame, unframe},
    ids::{CheckpointId, JobId},
    store::{CheckpointStore, LatestCheckpoint, StoreError, StoreFuture},
};
use object_store::{Error, ObjectStore, ObjectStoreExt, local::LocalFileSystem, path::Path};

use crate::{
    StateError,
    durable::{create_folder, remove_folder, sync_file, sync_folder, sync_folders_up_to},
    layout::{Layout, MANIFEST, checkpoint_folder, checkpoint_of_folder},
};

const MANIFEST_MAGIC: [u8; 4] = *b"HWCP";
const TEMPORARY_MANIFEST: &str = "manifest.new";

/// Checkpoints below a data folder, by way of an object store, which renames and lists but does not make anything
/// durable in a local folder: that is done here.
pub struct ObjectCheckpointStore {
    store: Arc<dyn ObjectStore>,
    layout: Layout,
}

impl ObjectCheckpointStore {
    /// The checkpoints of a local data folder, which is created if it is not there.
    pub fn local(data_dir: &FsPath) -> Result<Self, StateError> {
        let layout = Layout::new(data_dir);
        let root = layout.checkpoints();
        create_folder(&root)?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|error| StateError::io("open", &root)(std::io::Error::other(error)))?;
        Ok(Self { store: Arc::new(store), layout })
    }

    /// Removes what checkpoints that were never completed left behind, and returns which ones those were. Only for a job
    /// that is not running: a checkpoint that is being taken looks the same.
    pub async fn remove_incomplete(&self, job: JobId) -> Result<Vec<CheckpointId>, StoreError> {
        let completed = self.completed(job).await?;
        let mut removed = self.folders(job).await?;
        removed.retain(|checkpoint| !completed.contains(checkpoint));
        for checkpoint in &removed {
            let folder = self.layout.checkpoint(job, *checkpoint);
            blocking(move || remove_folder(&folder)).await?;
        }
        Ok(removed)
    }

    async fn write(&self, manifest: Manifest) -> Result<u64, StoreError> {
        let (job, checkpoint) = (manifest.job, manifest.checkpoint);
        let bytes = frame(MANIFEST_MAGIC, &manifest).map_err(failed("encode", checkpoint))?;
        let length = bytes.len() as u64;
        let temporary = object_path(job, checkpoint, TEMPORARY_MANIFEST);
        self.store.put(&temporary, bytes.into()).await.map_err(failed("write", checkpoint))?;
        let folder = self.layout.checkpoint(job, checkpoint);
        let temporary_file = folder.join(TEMPORARY_MANIFEST);
        blocking(move || sync_file(&temporary_file)).await?;
        let path = object_path(job, checkpoint, MANIFEST);
        self.store.rename(&temporary, &path).await.map_err(failed("name", checkpoint))?;
        let root = self.layout.checkpoints();
        blocking(move || sync_folders_up_to(&folder, &root)).await?;
        Ok(length)
    }

    async fn find_latest(&self, job: JobId) -> Result<LatestCheckpoint, StoreError> {
        let mut damaged = Vec::new();
        for checkpoint in self.completed(job).await?.into_iter().rev() {
            match self.read(job, checkpoint).await? {
                Ok(manifest) => return Ok(LatestCheckpoint { manifest: Some(manifest), damaged }),
                Err(reason) => damaged.push((checkpoint, reason)),
            }
        }
        Ok(LatestCheckpoint { manifest: None, damaged })
    }

    /// A checkpoint's manifest, or how the checkpoint is damaged. That the store cannot be read is neither.
    async fn read(
        &self,
        job: JobId,
        checkpoint: CheckpointId,
    ) -> Result<Result<Manifest, String>, StoreError> {
        let path = object_path(job, checkpoint, MANIFEST);
        let object = self.store.get(&path).await.map_err(failed("read", checkpoint))?;
        let bytes = object.bytes().await.map_err(failed("read", checkpoint))?;
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
        let sizes = self.sizes(job, checkpoint).await?;
        let damage = files_of(&manifest).find_map(|file| {
            let found = sizes.get(&object_path(job, checkpoint, &file.path));
            damage_of(file, found.copied())
        });
        Ok(damage.map_or(Ok(manifest), Err))
    }

    /// The sizes of a checkpoint's files. To ask for one after the other would take a recovery tens of milliseconds.
    async fn sizes(&self, job: JobId, checkpoint: CheckpointId) -> Result<HashMap<Path, u64>, StoreError> {
        let mut sizes = HashMap::new();
        let mut folders = vec![Path::from(format!("{job}/{}", checkpoint_folder(checkpoint)))];
        while let Some(folder) = folders.pop() {
            let listed = self.store.list_with_delimiter(Some(&folder)).await;
            let listed = listed.map_err(failed("list the files of", checkpoint))?;
            sizes.extend(listed.objects.into_iter().map(|object| (object.location, object.size)));
            folders.extend(listed.common_prefixes);
        }
        Ok(sizes)
    }

    async fn remove(&self, job: JobId, checkpoint: CheckpointId) -> Result<(), StoreError> {
        match self.store.delete(&object_path(job, checkpoint, MANIFEST)).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(failed("delete", checkpoint)(error)),
        }
        let folder = self.layout.checkpoint(job, checkpoint);
        blocking(move || {
            if folder.is_dir() {
                // Else a power loss may bring the manifest back and not the files.
                sync_folder(&folder)?;
            }
            remove_folder(&folder)
        })
        .await
    }

    async fn remove_job(&self, job: JobId) -> Result<(), StoreError> {
        for checkpoint in self.folders(job).await? {
            self.remove(job, checkpoint).await?;
        }
        let folder = self.layout.job_checkpoints(job);
        blocking(move || remove_folder(&folder)).await
    }

    /// The checkpoints that have a manifest, oldest first.
    async fn completed(&self, job: JobId) -> Result<Vec<CheckpointId>, StoreError> {
        let mut completed = Vec::new();
        for checkpoint in self.folders(job).await? {
            match self.store.head(&object_path(job, checkpoint, MANIFEST)).await {
                Ok(_) => completed.push(checkpoint),
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed("look at", checkpoint)(error)),
            }
        }
        Ok(completed)
    }

    /// The checkpoints that have a folder, oldest first.
    async fn folders(&self, job: JobId) -> Result<Vec<CheckpointId>, StoreError> {
        let folder = Path::from(job.to_string());
        let listed = self.store.list_with_delimiter(Some(&folder)).await;
        let listed =
            listed.map_err(|error| StoreError(format!("cannot list checkpoints of {job}: {error}")))?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        let mut checkpoints: Vec<CheckpointId> = names.filter_map(checkpoint_of_folder).collect();
        checkpoints.sort_unstable();
        Ok(checkpoints)
    }
}

impl CheckpointStore for ObjectCheckpointStore {
    fn write_manifest(&self, manifest: Manifest) -> StoreFuture<'_, u64> {
        Box::pin(self.write(manifest))
    }

    fn latest(&self, job: JobId) -> StoreFuture<'_, LatestCheckpoint> {
        Box::pin(self.find_latest(job))
    }

    fn list(&self, job: JobId) -> StoreFuture<'_, Vec<CheckpointId>> {
        Box::pin(self.completed(job))
    }

    fn delete(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()> {
        Box::pin(self.remove(job, checkpoint))
    }

    fn delete_job(&self, job: JobId) -> StoreFuture<'_, ()> {
        Box::pin(self.remove_job(job))
    }
}

fn object_path(job: JobId, checkpoint: CheckpointId, name: &str) -> Path {
    Path::from(format!("{job}/{}/{name}", checkpoint_folder(checkpoint)))
}

fn files_of(manifest: &Manifest) -> impl Iterator<Item = &FileRef> {
    manifest.subtasks.values().filter_map(|subtask| subtask.keyed_state.as_ref()).flat_map(|handle| {
        match handle {
            KeyedStateHandle::Heap { file } => std::slice::from_ref(file),
            KeyedStateHandle::RocksDb { files, .. } => files.as_slice(),
        }
    })
}

/// Whether a file is there with its length; its contents are checked by whoever reads them.
fn damage_of(file: &FileRef, found_bytes: Option<u64>) -> Option<String> {
    match found_bytes {
        None => Some(format!("`{}` is missing", file.path)),
        Some(found) if found != file.bytes => {
            Some(format!("`{}`: expected {} bytes, found {found}", file.path, file.bytes))
        }
        Some(_) => None,
    }
}

fn failed<E: std::fmt::Display>(action: &str, checkpoint: CheckpointId) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError(format!("cannot {action} checkpoint {checkpoint}: {error}"))
}

/// Runs what blocks where it keeps nobody waiting, if there is a runtime that has such a place.
async fn blocking(work: impl FnOnce() -> Result<(), StateError> + Send + 'static) -> Result<(), StoreError> {
    let done = match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(|error| StoreError(error.to_string()))?,
        Err(_) => work(),
    };
    done.map_err(|error| StoreError(error.to_string()))
}
