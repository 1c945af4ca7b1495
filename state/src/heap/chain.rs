//! Which files a snapshot consists of, and how they are written.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle},
    ids::CheckpointId,
};

use super::file::{Contents, NewFile, Part};
use crate::{
    BackendConfig, StateEnv, StateError,
    catalog::Catalog,
    durable::{create_folder, sync_folders_up_to},
    frozen::{Extent, FrozenState},
    working_folder::WorkingFolder,
};

/// A snapshot has no more files than this: with more, the youngest are merged into one.
const FILES_MAX: usize = 8;

/// What the snapshots of an attempt have in common.
pub(crate) struct HeapStore {
    env: StateEnv,
    config: BackendConfig,
    /// Made when it is first needed.
    folder: Mutex<Option<Arc<WorkingFolder>>>,
    chain: Mutex<Chain>,
}

/// The newest snapshot that was written.
#[derive(Default)]
struct Chain {
    epoch: u32,
    /// Empty if the next snapshot is to be a whole one.
    files: Vec<Arc<ChainFile>>,
}

impl Chain {
    /// Whether the next snapshot is to have only what has changed.
    fn is_continued(&self) -> bool {
        let Some((whole, changes)) = self.files.split_first() else { return false };
        changes.iter().map(|file| file.file.bytes).sum::<u64>() < whole.file.bytes
    }
}

/// A file in the attempt's working folder, which stays when the checkpoint goes that it was written for.
struct ChainFile {
    folder: Arc<WorkingFolder>,
    /// With its name only for a path.
    file: FileRef,
}

impl ChainFile {
    fn path(&self) -> PathBuf {
        self.folder.path().join(&self.file.path)
    }
}

impl Drop for ChainFile {
    fn drop(&mut self) {
        // What cannot be removed now is removed with its folder.
        let _ = self.folder.fs().remove_file(&self.path());
    }
}

impl HeapStore {
    pub fn new(env: &StateEnv, config: &BackendConfig) -> Self {
        let (folder, chain) = (Mutex::default(), Mutex::default());
        Self { env: env.clone(), config: config.clone(), folder, chain }
    }

    /// What the next snapshot continues.
    pub fn base(&self) -> Base {
        let chain = lock(&self.chain);
        let is_continued = chain.is_continued();
        Base {
            extent: Extent { since: is_continued.then_some(chain.epoch), settled: chain.epoch },
            files: if is_continued { chain.files.clone() } else { Vec::new() },
        }
    }

    fn folder(&self) -> Result<Arc<WorkingFolder>, StateError> {
        let mut folder = lock(&self.folder);
        if let Some(folder) = &*folder {
            return Ok(Arc::clone(folder));
        }
        let made = Arc::new(WorkingFolder::create(&self.env, &self.config)?);
        *folder = Some(Arc::clone(&made));
        Ok(made)
    }

    /// Keeps a file of a checkpoint.
    fn keep(&self, path: &std::path::Path, file: FileRef) -> Result<Arc<ChainFile>, StateError> {
        let kept = ChainFile { folder: self.folder()?, file };
        self.env.fs().link(path, &kept.path()).map_err(StateError::io("link", &kept.path()))?;
        Ok(Arc::new(kept))
    }
}

/// What a lock guards is whole also if a thread panicked that had it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a snapshot continues, and therefore has to hold.
pub(crate) struct Base {
    pub extent: Extent,
    files: Vec<Arc<ChainFile>>,
}

/// A snapshot of all tables of a subtask.
pub(crate) struct HeapSnapshot {
    pub store: Arc<HeapStore>,
    pub epoch: u32,
    pub checkpoint: CheckpointId,
    pub base: Base,
    pub states: Vec<FrozenState>,
    pub catalog: Catalog,
    /// What a whole snapshot takes over from the restored one.
    pub carried: Vec<(Part, Arc<Contents>)>,
}

impl HeapSnapshot {
    /// Writes the file, durably.
    pub fn write(&self) -> Result<KeyedStateHandle, StateError> {
        let HeapStore { env, config, .. } = &*self.store;
        let (fs, layout) = (env.fs(), env.layout());
        let folder = layout.checkpoint(config.job, self.checkpoint).join(config.attempt.to_string());
        create_folder(fs, &folder)?;
        let name = format!("state-{}.heap", self.epoch);
        let path = folder.join(&name);
        let (shared, merged) = self.base.files.split_at(merged_from(&self.base.files));
        let mut file = NewFile::create(fs, path.clone())?;
        merged.iter().try_for_each(|merged| self.merge(merged, &mut file))?;
        self.carried.iter().try_for_each(|(part, contents)| file.copy(part, contents))?;
        self.write_states(&mut file)?;
        let (bytes, crc32) = file.finish(self.catalog.clone())?;
        for shared in shared {
            let link = folder.join(&shared.file.path);
            fs.link(&shared.path(), &link).map_err(StateError::io("link", &link))?;
        }
        sync_folders_up_to(fs, &folder, &layout.checkpoints())?;

        let written = FileRef { path: name, bytes, crc32 };
        let all = shared.iter().map(|shared| &shared.file).chain([&written]);
        let below = |file: &FileRef| FileRef { path: format!("{}/{}", config.attempt, file.path), ..*file };
        let handle = KeyedStateHandle::Heap { files: all.map(below).collect(), new_bytes: bytes };
        let mut files = shared.to_vec();
        if !files.is_empty() || bytes >= config.incremental_from_bytes {
            files.push(self.store.keep(&path, written)?);
        }
        let mut chain = lock(&self.store.chain);
        if self.epoch > chain.epoch {
            *chain = Chain { epoch: self.epoch, files };
        }
        Ok(handle)
    }

    /// Copies a file's parts. If it is damaged the next snapshot is a whole one.
    fn merge(&self, merged: &ChainFile, file: &mut NewFile) -> Result<(), StateError> {
        let read = Contents::read(self.store.env.fs(), &merged.path(), &merged.file);
        let contents = read.inspect_err(|_| lock(&self.store.chain).files.clear())?;
        contents.parts.iter().try_for_each(|part| file.copy(part, &contents))
    }

    fn write_states(&self, file: &mut NewFile) -> Result<(), StateError> {
        let dropped = |state: &FrozenState| {
            let id = state.entry.id;
            state.dropped.iter().map(move |(namespace, _)| (id, *namespace)).collect::<Vec<_>>()
        };
        file.begin_part(self.states.iter().flat_map(dropped).collect());
        for group in self.catalog.key_groups.clone() {
            for state in &self.states {
                state.shards.encode(group, &mut |namespace, records| {
                    file.add(state.entry.id, namespace, group, records)?;
                    // A snapshot is written once.
                    records.arena = Vec::new();
                    Ok(())
                })?;
            }
        }
        Ok(())
    }
}

/// Where the files begin that become one with the next. Only files that are not larger than what comes behind them are copied, or
/// one that must be: so each byte is copied as often as the number of files doubles.
fn merged_from(files: &[Arc<ChainFile>]) -> usize {
    let (mut from, mut bytes) = (files.len(), 0);
    if files.len() >= FILES_MAX {
        while from > 1 && (from >= FILES_MAX || files[from - 1].file.bytes <= bytes) {
            from -= 1;
            bytes += files[from].file.bytes;
        }
    }
    from
}
