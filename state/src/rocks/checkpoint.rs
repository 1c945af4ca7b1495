//! A database's files as a checkpoint has them: hard links to what never changes, copies of the rest.

use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};

use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle},
    ids::{CheckpointId, ExecutionAttemptId, JobId},
};
use rocksdb::{DB, checkpoint::Checkpoint};

use crate::{
    StateEnv, StateError,
    durable::{create_folder, sync_folders_up_to},
};

/// Whether a file is one of those that RocksDB never changes once it is written.
pub(super) fn is_sst(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sst")
}

/// Makes a checkpoint of the database; `known` are the SST files of the one before, and then those of this one.
pub(super) fn link(
    db: &DB,
    env: &StateEnv,
    job: JobId,
    checkpoint: CheckpointId,
    attempt: ExecutionAttemptId,
    known: &mut HashSet<String>,
) -> Result<KeyedStateHandle, StateError> {
    let parent = env.layout().checkpoint(job, checkpoint);
    create_folder(env.fs(), &parent)?;
    let folder = attempt.to_string();
    let path = parent.join(&folder);
    Checkpoint::new(db)
        .and_then(|checkpoint| checkpoint.create_checkpoint(&path))
        .map_err(StateError::rocks("create a checkpoint"))?;
    sync_folders_up_to(env.fs(), &path, &env.layout().checkpoints())?;

    let files = list(&path, &folder)?;
    let ssts: HashMap<&str, u64> = files
        .iter()
        .filter(|file| file.crc32.is_none())
        .map(|file| (&file.path[folder.len() + 1..], file.bytes))
        .collect();
    let new_bytes = ssts.iter().filter(|(name, _)| !known.contains(**name)).map(|(_, bytes)| bytes).sum();
    *known = ssts.keys().map(|name| (*name).to_owned()).collect();
    Ok(KeyedStateHandle::RocksDb { folder, files, new_bytes })
}

/// The files in `path`, by name, as they are called below the checkpoint's folder.
fn list(path: &Path, folder: &str) -> Result<Vec<FileRef>, StateError> {
    let mut files = Vec::new();
    for file in fs::read_dir(path).map_err(StateError::io("list", path))? {
        let file = file.map_err(StateError::io("list", path))?;
        let file_path = file.path();
        let Some(name) = file.file_name().to_str().map(str::to_owned) else { continue };
        let (bytes, crc32) = if is_sst(&file_path) {
            (file.metadata().map_err(StateError::io("look at", &file_path))?.len(), None)
        } else {
            let contents = fs::read(&file_path).map_err(StateError::io("read", &file_path))?;
            (contents.len() as u64, Some(crc32fast::hash(&contents)))
        };
        files.push(FileRef { path: format!("{folder}/{name}"), bytes, crc32 });
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Checks a file against its reference: the length, and where there is a checksum the contents, which are returned.
pub(super) fn verify(path: &Path, expected: &FileRef) -> Result<Vec<u8>, StateError> {
    let (bytes, contents) = match expected.crc32 {
        None => (fs::metadata(path).map_err(StateError::io("look at", path))?.len(), Vec::new()),
        Some(_) => {
            let contents = fs::read(path).map_err(StateError::io("read", path))?;
            (contents.len() as u64, contents)
        }
    };
    if bytes != expected.bytes {
        return Err(StateError::damaged(path, format!("expected {} bytes, found {bytes}", expected.bytes)));
    }
    if expected.crc32.is_some_and(|crc| crc != crc32fast::hash(&contents)) {
        return Err(StateError::damaged(path, "the checksum does not match"));
    }
    Ok(contents)
}
