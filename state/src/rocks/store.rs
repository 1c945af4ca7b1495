//! The order in which changes reach a subtask's database.
//!
//! Snapshots wait in a queue until a thread writes them, oldest first: the one that was asked to
//! ([`RocksStore::write`]), or the task itself when it must evict and must not overtake them. A snapshot that nobody wants any more
//! is written all the same, without a checkpoint, since the next one holds only what changed after it.
//!
//! Changes arrive as one sorted file that RocksDB takes in as it is: half the time of writing them through a memtable
//! and flushing that (1 M entries: 246 ms instead of 520 ms; 10 k: 2.3 ms instead of 5 ms).

use std::{
    collections::VecDeque,
    ops::{ControlFlow, Range},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle},
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    key_group::KeyGroup,
};
use rocksdb::{IngestExternalFileOptions, ReadOptions, SstFileWriter};

use super::{
    checkpoint::{self, KnownSsts, known_ssts},
    database::encode_catalog,
};
use crate::{
    BackendConfig, Namespace, StateEnv, StateError,
    catalog::Catalog,
    disk_key::{CATALOG_KEY, PREFIX_BYTES, end_of, prefix},
    frozen::{Extent, FrozenState},
    rocks::Database,
};

/// A subtask's database, shared by its tables and its pending snapshots.
pub(crate) struct RocksStore {
    database: Database,
    env: StateEnv,
    job: JobId,
    attempt: ExecutionAttemptId,
    key_groups: Range<KeyGroup>,
    cache_bytes: u64,
    cached_bytes: AtomicU64,
    queue: Mutex<VecDeque<Arc<FrozenSnapshot>>>,
    writer: Mutex<Writer>,
    written_epoch: AtomicU32,
    /// RocksDB has refused something: its files may be damaged, and so may be those of checkpoints made of them.
    is_suspect: AtomicBool,
}

/// What only the thread that writes knows.
pub(crate) struct Writer {
    /// The SST files of the last checkpoint.
    known_ssts: KnownSsts,
    /// The catalog as it is in the database.
    catalog: Vec<u8>,
    /// Numbers the files that were handed over.
    files: u64,
}

/// A snapshot that waits to be written.
pub(crate) struct FrozenSnapshot {
    pub epoch: u32,
    pub checkpoint: CheckpointId,
    pub states: Vec<FrozenState>,
    pub catalog: Catalog,
    pub is_wanted: AtomicBool,
    outcome: Mutex<Option<Result<KeyedStateHandle, StateError>>>,
}

impl FrozenSnapshot {
    pub fn new(epoch: u32, checkpoint: CheckpointId, states: Vec<FrozenState>, catalog: Catalog) -> Self {
        let is_wanted = AtomicBool::new(true);
        Self { epoch, checkpoint, states, catalog, is_wanted, outcome: Mutex::new(None) }
    }
}

impl RocksStore {
    /// `restored` are the files of the checkpoint that the database was restored from.
    pub fn new(database: Database, env: &StateEnv, config: &BackendConfig, restored: &[FileRef]) -> Self {
        let known_ssts = known_ssts(restored);
        Self {
            database,
            env: env.clone(),
            job: config.job,
            attempt: config.attempt,
            key_groups: config.key_groups.clone(),
            cache_bytes: config.cache_bytes,
            cached_bytes: AtomicU64::new(0),
            queue: Mutex::default(),
            writer: Mutex::new(Writer { known_ssts, catalog: Vec::new(), files: 0 }),
            written_epoch: AtomicU32::new(0),
            is_suspect: AtomicBool::new(false),
        }
    }

    /// Says what could not be done. No file of the job is trusted any more, so that the next restore finds damage where there
    /// is any.
    fn refused(&self, action: &'static str) -> impl FnOnce(rocksdb::Error) -> StateError {
        move |error| {
            self.is_suspect.store(true, Ordering::Release);
            self.env.trust().withdraw(&self.env.layout().job_checkpoints(self.job));
            StateError::rocks(action)(error)
        }
    }

    pub fn cache_bytes(&self) -> u64 {
        self.cache_bytes
    }

    /// What the tables of the subtask keep in memory together.
    pub fn cached_bytes(&self) -> u64 {
        self.cached_bytes.load(Ordering::Relaxed)
    }

    /// Replaces what a table was counted with.
    pub fn count_memory(&self, before: u64, now: u64) {
        self.cached_bytes.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// All changes up to this epoch are in the database.
    pub fn written_epoch(&self) -> u32 {
        self.written_epoch.load(Ordering::Acquire)
    }

    /// What a snapshot of this epoch has to hold: those before it wait in the queue, or are written.
    pub fn extent(&self, epoch: u32) -> Extent {
        Extent { since: Some(epoch - 1), settled: self.written_epoch() }
    }

    /// The value of an encoded key.
    pub fn get(
        &self,
        state: u16,
        namespace: Namespace,
        group: KeyGroup,
        key: &[u8],
    ) -> Result<Option<Vec<u8>>, StateError> {
        let full = [&prefix(group, state, namespace), key].concat();
        self.database.db().get(full).map_err(self.refused("read a value"))
    }

    /// About how much a key group of a namespace takes on the disk.
    pub fn approximate_bytes(&self, state: u16, namespace: Namespace, group: KeyGroup) -> u64 {
        let start = prefix(group, state, namespace);
        let sizes = self.database.db().get_approximate_sizes(&[rocksdb::Range::new(&start, &end_of(start))]);
        sizes.iter().sum()
    }

    /// Visits the encoded entries of a key group of a namespace in order, until told to stop. Returns whether those
    /// were all.
    pub fn scan(
        &self,
        state: u16,
        namespace: Namespace,
        group: KeyGroup,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StateError>,
    ) -> Result<bool, StateError> {
        let start = prefix(group, state, namespace);
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end_of(start));
        let mut iterator = self.database.db().raw_iterator_opt(options);
        iterator.seek(start);
        while let Some((key, value)) = iterator.item() {
            if visit(&key[PREFIX_BYTES..], value)?.is_break() {
                return Ok(false);
            }
            iterator.next();
        }
        iterator.status().map_err(self.refused("read a range"))?;
        Ok(true)
    }

    /// Lets a snapshot wait for being written.
    pub fn enqueue(&self, snapshot: Arc<FrozenSnapshot>) {
        lock(&self.queue).push_back(snapshot);
    }

    /// The right to write, for which a running writer is waited for.
    pub fn writer(&self) -> MutexGuard<'_, Writer> {
        lock(&self.writer)
    }

    /// The right to write, if no other thread has it.
    pub fn try_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Writes a snapshot, those that wait before it first, and returns its handle.
    pub fn write(&self, snapshot: &FrozenSnapshot) -> Result<KeyedStateHandle, StateError> {
        let mut writer = self.writer();
        loop {
            if let Some(outcome) = lock(&snapshot.outcome).take() {
                return outcome;
            }
            let first = lock(&self.queue).front().map(Arc::clone);
            let first = first.expect("a snapshot without an outcome is in the queue");
            self.write_one(&mut writer, &first)?;
        }
    }

    /// Writes all snapshots that wait.
    pub fn write_pending(&self, writer: &mut Writer) -> Result<(), StateError> {
        while let Some(first) = { lock(&self.queue).front().map(Arc::clone) } {
            self.write_one(writer, &first)?;
        }
        Ok(())
    }

    /// Writes the first snapshot of the queue. If its changes cannot be written it stays there, for the next try.
    fn write_one(&self, writer: &mut Writer, first: &FrozenSnapshot) -> Result<(), StateError> {
        self.ingest(writer, &first.states, Some(&first.catalog))?;
        self.written_epoch.store(first.epoch, Ordering::Release);
        if first.is_wanted.load(Ordering::Acquire) {
            *lock(&first.outcome) = Some(self.link(writer, first.checkpoint));
        }
        lock(&self.queue).pop_front();
        Ok(())
    }

    fn link(&self, writer: &mut Writer, checkpoint: CheckpointId) -> Result<KeyedStateHandle, StateError> {
        let (db, known) = (self.database.db(), &mut writer.known_ssts);
        let handle = checkpoint::link(db, &self.env, self.job, checkpoint, self.attempt, known)?;
        if !self.is_suspect.load(Ordering::Acquire) {
            let folder = self.env.layout().checkpoint(self.job, checkpoint).join(self.attempt.to_string());
            writer.known_ssts.keys().for_each(|name| self.env.trust().add(folder.join(name)));
        }
        Ok(handle)
    }

    /// Brings changes into the database: first the dropped namespaces, then the shards.
    pub fn ingest(
        &self,
        writer: &mut Writer,
        states: &[FrozenState],
        catalog: Option<&Catalog>,
    ) -> Result<(), StateError> {
        let catalog = catalog.map(encode_catalog).transpose()?.filter(|catalog| *catalog != writer.catalog);
        writer.files += 1;
        let path = self.database.scratch(&format!("{}.sst", writer.files));
        let Some(path) = self.write_file(path, states, catalog.as_deref())? else { return Ok(()) };

        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        self.database
            .db()
            .ingest_external_file_opts(&options, vec![path])
            .map_err(self.refused("ingest a file"))?;
        if let Some(catalog) = catalog {
            writer.catalog = catalog;
        }
        Ok(())
    }

    /// Writes changes into one file, in the order of their keys; `None` if there are none. All entries of an ingested
    /// file are of one age, so that a deleted range in it does not touch the entries in it.
    fn write_file(
        &self,
        path: PathBuf,
        states: &[FrozenState],
        catalog: Option<&[u8]>,
    ) -> Result<Option<PathBuf>, StateError> {
        let failed = || StateError::rocks("write a file");
        let mut file = SstFileWriter::create(self.database.options());
        file.open(&path).map_err(failed())?;
        let mut is_empty = true;
        for state in states {
            for (namespace, groups) in &state.dropped {
                for group in groups.iter().cloned().flatten() {
                    let start = prefix(group, state.entry.id, *namespace);
                    file.delete_range(start, end_of(start)).map_err(failed())?;
                    is_empty = false;
                }
            }
        }
        let mut key = Vec::new();
        for group in self.key_groups.clone() {
            for state in states {
                state.shards.encode(group, &mut |namespace, records| {
                    records.sort();
                    key.clear();
                    key.extend_from_slice(&prefix(group, state.entry.id, namespace));
                    for (record_key, value) in records.iter() {
                        key.truncate(PREFIX_BYTES);
                        key.extend_from_slice(record_key);
                        match value {
                            Some(value) => file.put(&key, value),
                            None => file.delete(&key),
                        }
                        .map_err(failed())?;
                        is_empty = false;
                    }
                    Ok(())
                })?;
            }
        }
        if let Some(catalog) = catalog {
            file.put(CATALOG_KEY, catalog).map_err(failed())?;
            is_empty = false;
        }
        if is_empty {
            drop(file);
            std::fs::remove_file(&path).map_err(StateError::io("remove", &path))?;
            return Ok(None);
        }
        file.finish().map_err(failed())?;
        Ok(Some(path))
    }
}

/// A writer that panicked left its snapshot in the queue, so that what a lock guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
