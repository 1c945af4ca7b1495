//! A database in a working folder, empty or made of a checkpoint's files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use headwater_core::{checkpoint::FileRef, ids::JobId};
use rocksdb::{BlockBasedOptions, Cache, DB, DBCompressionType, Options, WriteBufferManager, WriteOptions};

use super::checkpoint::{is_sst, read_verified, verify_ssts};
use crate::{
    BackendConfig, StateEnv, StateError, catalog::Catalog, disk_key::CATALOG_KEY, durable::create_folder,
    working_folder::WorkingFolder,
};

const BLOCK_CACHE_BYTES: usize = 64 << 20;
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// The database's folder in the attempt's.
const DATABASE: &str = "db";
const CATALOG_MAGIC: [u8; 4] = *b"HWKC";

/// What all databases of a worker share, allocated as it is used.
pub(crate) struct SharedMemory {
    block_cache: Cache,
    write_buffers: WriteBufferManager,
}

impl SharedMemory {
    pub fn new() -> Self {
        Self {
            block_cache: Cache::new_lru_cache(BLOCK_CACHE_BYTES),
            write_buffers: WriteBufferManager::new_write_buffer_manager(WRITE_BUFFERS_BYTES, false),
        }
    }

    fn options(&self) -> Options {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&self.block_cache);
        tables.set_bloom_filter(10.0, false);
        tables.set_block_size(16 << 10);
        tables.set_cache_index_and_filter_blocks(true);
        tables.set_pin_l0_filter_and_index_blocks_in_cache(true);
        tables.set_format_version(6);

        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_write_buffer_size(4 << 20);
        // The youngest files live for a few checkpoints only: compressing them is not worth it.
        options.set_compression_per_level(&[
            DBCompressionType::None,
            DBCompressionType::None,
            DBCompressionType::Lz4,
        ]);
        options.set_max_background_jobs(2);
        // Every checkpoint adds a file to level 0; a checkpoint must not stand still for a compaction.
        options.set_level_zero_slowdown_writes_trigger(64);
        options.set_level_zero_stop_writes_trigger(128);
        // Opening must not read every file: recovery is measured in milliseconds.
        options.set_max_open_files(512);
        options.set_skip_stats_update_on_db_open(true);
        // RocksDB would start 16 threads for the few files that it looks at, and end them again.
        options.set_max_file_opening_threads(1);
        options.set_keep_log_file_num(1);
        options.set_max_log_file_size(1 << 20);
        options
    }
}

/// An open database, and its working folder, which goes with it.
pub(crate) struct Database {
    // Closed before its folder is removed: fields are dropped in this order.
    db: DB,
    options: Options,
    write_options: WriteOptions,
    folder: WorkingFolder,
}

impl Database {
    /// Opens an empty database for an attempt.
    pub fn create(env: &StateEnv, config: &BackendConfig) -> Result<Self, StateError> {
        let folder = WorkingFolder::create(env, config)?;
        Self::open(env, folder)
    }

    /// Opens a database for an attempt that begins with the files of a checkpoint, which stay as they are. Gives what the
    /// database says that it holds, too.
    pub fn restore(
        env: &StateEnv,
        config: &BackendConfig,
        checkpoint: &Path,
        files: &[FileRef],
    ) -> Result<(Self, Catalog), StateError> {
        let folder = WorkingFolder::create(env, config)?;
        Self::of_files(env, config.job, folder, checkpoint, files, Self::open)
    }

    /// Opens a database for reading alone, in a folder of its own.
    pub fn look(
        env: &StateEnv,
        job: JobId,
        checkpoint: &Path,
        files: &[FileRef],
    ) -> Result<(Self, Catalog), StateError> {
        let folder = WorkingFolder::to_look(env)?;
        Self::of_files(env, job, folder, checkpoint, files, Self::open_to_read)
    }

    fn of_files(
        env: &StateEnv,
        job: JobId,
        folder: WorkingFolder,
        checkpoint: &Path,
        files: &[FileRef],
        open: fn(&StateEnv, WorkingFolder) -> Result<Self, StateError>,
    ) -> Result<(Self, Catalog), StateError> {
        let opened = Self::link(env, &folder, checkpoint, files).and_then(|()| {
            let database = open(env, folder)?;
            let catalog = database.catalog()?;
            Ok((database, catalog))
        });
        if let Err(StateError::RocksDb { .. }) = &opened {
            // Files that were trusted may have been damaged since. If they were, that is the cause.
            env.trust().withdraw(&env.layout().job_checkpoints(job));
            verify_ssts(env, checkpoint, files)?;
        }
        opened
    }

    fn link(
        env: &StateEnv,
        folder: &WorkingFolder,
        checkpoint: &Path,
        files: &[FileRef],
    ) -> Result<(), StateError> {
        verify_ssts(env, checkpoint, files)?;
        create_folder(env.fs(), &folder.path().join(DATABASE))?;
        for file in files {
            let from = checkpoint.join(&file.path);
            let Some(name) = from.file_name() else {
                return Err(StateError::damaged(&from, "the manifest names no file"));
            };
            let to = folder.path().join(DATABASE).join(name);
            if is_sst(&from) {
                fs::hard_link(&from, &to).map_err(StateError::io("link", &from))?;
            } else {
                // RocksDB appends to these or replaces them, and the checkpoint must not change.
                let bytes = read_verified(&from, file)?;
                fs::write(&to, bytes).map_err(StateError::io("write", &to))?;
            }
        }
        Ok(())
    }

    fn open_to_read(env: &StateEnv, folder: WorkingFolder) -> Result<Self, StateError> {
        let options = env.memory().options();
        let db = DB::open_for_read_only(&options, folder.path().join(DATABASE), false)
            .map_err(StateError::rocks("open the database"))?;
        Ok(Self { db, options, write_options: WriteOptions::default(), folder })
    }

    fn open(env: &StateEnv, folder: WorkingFolder) -> Result<Self, StateError> {
        let options = env.memory().options();
        let db = DB::open(&options, folder.path().join(DATABASE))
            .map_err(StateError::rocks("open the database"))?;
        let mut write_options = WriteOptions::default();
        write_options.disable_wal(true);
        Ok(Self { db, options, write_options, folder })
    }

    pub fn db(&self) -> &DB {
        &self.db
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    /// A path in the working folder, but outside the database.
    pub fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn catalog(&self) -> Result<Catalog, StateError> {
        let path = self.folder.path().join(DATABASE);
        let bytes = self.db.get(CATALOG_KEY).map_err(StateError::rocks("read the catalog"))?;
        let bytes = bytes.ok_or_else(|| StateError::damaged(&path, "there is no catalog"))?;
        headwater_core::codec::unframe(CATALOG_MAGIC, &bytes)
            .map_err(|error| StateError::damaged(&path, error))
    }

    /// Deletes the key groups of a restored database that another subtask owns now.
    pub fn trim(&self, held: &Catalog, owned: &BackendConfig) -> Result<(), StateError> {
        let (held, owned) = (&held.key_groups, &owned.key_groups);
        for foreign in [held.start..owned.start, owned.end..held.end] {
            if !foreign.is_empty() {
                let mut batch = rocksdb::WriteBatch::default();
                batch.delete_range(foreign.start.to_be_bytes(), foreign.end.to_be_bytes());
                self.db
                    .write_opt(batch, &self.write_options)
                    .map_err(StateError::rocks("delete key groups"))?;
            }
        }
        Ok(())
    }
}

/// The bytes of a catalog as they are kept in the database.
pub(super) fn encode_catalog(catalog: &Catalog) -> Result<Vec<u8>, StateError> {
    headwater_core::codec::frame(CATALOG_MAGIC, catalog).map_err(StateError::codec("catalog"))
}
