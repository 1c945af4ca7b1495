//! A database's files as a checkpoint has them: hard links to what never changes, copies of the rest.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read},
    num::NonZero,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
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

const READ_BYTES: usize = 1 << 20;

/// How the names of files begin that a database opens without. All checkpoints share them by hard links: if they counted, damage
/// to one would be damage to all.
const OPTIONS: &str = "OPTIONS";

/// A file's length and checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sum {
    bytes: u64,
    crc32: u32,
}

impl Sum {
    fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        let (mut buffer, mut hasher, mut bytes) =
            (vec![0; READ_BYTES.min(length + 1)], crc32fast::Hasher::new(), 0);
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(Self { bytes, crc32: hasher.finalize() }),
                read => {
                    hasher.update(&buffer[..read]);
                    bytes += read as u64;
                }
            }
        }
    }

    fn of_bytes(contents: &[u8]) -> Self {
        Self { bytes: contents.len() as u64, crc32: crc32fast::hash(contents) }
    }

    /// How `self` differs from what the manifest says.
    fn difference(self, expected: &FileRef) -> Option<String> {
        if self.bytes != expected.bytes {
            return Some(format!("expected {} bytes, found {}", expected.bytes, self.bytes));
        }
        (self.crc32 != expected.crc32).then(|| "the checksum does not match".to_owned())
    }
}

/// The SST files of a checkpoint, by name. None of them ever changes, so their sums are taken once, when they are new: a sum
/// taken later could be that of a damaged file.
pub(super) type KnownSsts = HashMap<String, Sum>;

/// The SST files of a checkpoint that is being restored.
pub(super) fn known_ssts(files: &[FileRef]) -> KnownSsts {
    let ssts = files.iter().filter(|file| is_sst(Path::new(&file.path)));
    ssts.map(|file| (name_of(file).to_owned(), Sum { bytes: file.bytes, crc32: file.crc32 })).collect()
}

/// Whether a file is one of those that RocksDB never changes once it is written.
pub(super) fn is_sst(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sst")
}

fn name_of(file: &FileRef) -> &str {
    file.path.rsplit('/').next().unwrap_or_default()
}

/// Makes a checkpoint of the database; `known` are the SST files of the one before, and then those of this one.
pub(super) fn link(
    db: &DB,
    env: &StateEnv,
    job: JobId,
    checkpoint: CheckpointId,
    attempt: ExecutionAttemptId,
    known: &mut KnownSsts,
) -> Result<KeyedStateHandle, StateError> {
    let parent = env.layout().checkpoint(job, checkpoint);
    create_folder(env.fs(), &parent)?;
    let folder = attempt.to_string();
    let path = parent.join(&folder);
    Checkpoint::new(db)
        .and_then(|checkpoint| checkpoint.create_checkpoint(&path))
        .map_err(StateError::rocks("create a checkpoint"))?;
    sync_folders_up_to(env.fs(), &path, &env.layout().checkpoints())?;

    let files = list(&path, &folder, known)?;
    let ssts = known_ssts(&files);
    let new = ssts.iter().filter(|(name, _)| !known.contains_key(*name));
    let new_bytes = new.map(|(_, sum)| sum.bytes).sum();
    *known = ssts;
    Ok(KeyedStateHandle::RocksDb { folder, files, new_bytes })
}

/// The files in `path`, by name, as they are called below the checkpoint's folder.
fn list(path: &Path, folder: &str, known: &KnownSsts) -> Result<Vec<FileRef>, StateError> {
    let mut files = Vec::new();
    for file in fs::read_dir(path).map_err(StateError::io("list", path))? {
        let file = file.map_err(StateError::io("list", path))?;
        let Some(name) = file.file_name().to_str().map(str::to_owned) else { continue };
        if name.starts_with(OPTIONS) {
            continue;
        }
        let Sum { bytes, crc32 } = match known.get(&name) {
            Some(sum) => *sum,
            None => Sum::of_file(&file.path()).map_err(StateError::io("read", &file.path()))?,
        };
        files.push(FileRef { path: format!("{folder}/{name}"), bytes, crc32 });
    }
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// A small file's contents, which must be as the manifest says.
pub(super) fn read_verified(path: &Path, expected: &FileRef) -> Result<Vec<u8>, StateError> {
    let contents = fs::read(path).map_err(unreadable(path))?;
    match Sum::of_bytes(&contents).difference(expected) {
        Some(reason) => Err(StateError::damaged(path, reason)),
        None => Ok(contents),
    }
}

/// Checks the SST files: the lengths of all, and the contents of those that this process does not know to be good, on
/// as many threads as there are cores.
pub(super) fn verify_ssts(env: &StateEnv, checkpoint: &Path, files: &[FileRef]) -> Result<(), StateError> {
    let ssts: Vec<&FileRef> = files.iter().filter(|file| is_sst(Path::new(&file.path))).collect();
    let next = AtomicUsize::new(0);
    let damage = Mutex::new(Ok(()));
    let verify = || {
        while let Some(file) = ssts.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = verify_sst(env, &checkpoint.join(&file.path), file) {
                *damage.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                return;
            }
        }
    };
    let unknown = ssts.iter().filter(|file| !env.trust().contains(&checkpoint.join(&file.path))).count();
    let threads = unknown.min(thread::available_parallelism().map_or(1, NonZero::get));
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(verify);
        }
        verify();
    });
    damage.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn verify_sst(env: &StateEnv, path: &Path, expected: &FileRef) -> Result<(), StateError> {
    let difference = if env.trust().contains(path) {
        let bytes = fs::metadata(path).map_err(unreadable(path))?.len();
        Sum { bytes, crc32: expected.crc32 }.difference(expected)
    } else {
        Sum::of_file(path).map_err(unreadable(path))?.difference(expected)
    };
    if let Some(reason) = difference {
        return Err(StateError::damaged(path, reason));
    }
    env.trust().add(path.to_owned());
    Ok(())
}

/// A file that is not there is damage; one that cannot be read now is not.
fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> StateError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => StateError::damaged(path, "it is missing"),
        _ => StateError::io("read", path)(error),
    }
}
