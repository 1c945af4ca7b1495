//! The keyed state of one subtask attempt: its tables by name, and their snapshots.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::Arc,
};

use headwater_core::{
    checkpoint::KeyedStateHandle,
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    key_group::{KeyGroup, hash_key},
    options::StateBackend,
};

use crate::{
    AnyTable, Key, PendingSnapshot, StateEnv, StateError, Table, Value,
    catalog::{Catalog, StateEntry},
    frozen::FrozenState,
    heap::{HeapSnapshot, HeapStore, RestoredHeap},
    look::{Recorded, StateDescription},
    rocks::{Database, FrozenSnapshot, RocksStore},
};

/// Whose state it is, and how it is kept.
#[derive(Clone, Debug)]
pub struct BackendConfig {
    /// Where state lives.
    pub backend: StateBackend,
    /// The job.
    pub job: JobId,
    /// The attempt, which names all that is written.
    pub attempt: ExecutionAttemptId,
    /// The key groups that the subtask owns.
    pub key_groups: Range<KeyGroup>,
    /// The job's number of key groups.
    pub max_parallelism: u16,
    /// How much of the state may be in memory with the RocksDB backend. An estimate, made whenever a namespace is
    /// selected; what waits to be written for a pending snapshot is not counted.
    pub cache_bytes: u64,
    /// Once a snapshot with the heap backend has so many bytes, those that follow have only what has changed.
    pub incremental_from_bytes: u64,
}

/// The keyed state of one subtask attempt. Used by one thread. After an error the attempt is to be given up: what was being
/// read or written at that moment may be missing in memory.
pub struct KeyedBackend {
    config: BackendConfig,
    engine: Engine,
    /// Counts the snapshots.
    epoch: u32,
    registered: BTreeMap<String, u16>,
    /// States of the restored snapshot that no table was registered for. They are carried on.
    unregistered: BTreeMap<String, StateEntry>,
    next_id: u16,
    recorded: Option<Recorded>,
}

enum Engine {
    Heap(Arc<HeapStore>, Option<RestoredHeap>),
    Rocks(Arc<RocksStore>),
}

impl KeyedBackend {
    /// Opens the state of an attempt: empty, or as a checkpoint has it. With the RocksDB backend that takes no longer
    /// for more state.
    pub fn open(
        env: &StateEnv,
        config: BackendConfig,
        restore: Option<(CheckpointId, &KeyedStateHandle)>,
    ) -> Result<Self, StateError> {
        let (engine, catalog) = match restore {
            // Nothing is written where it is recorded, and a heap has no files before it is.
            _ if env.recorded.is_some() => (Engine::Heap(Arc::new(HeapStore::new(env, &config)), None), None),
            None => (Engine::create(env, &config)?, None),
            Some((checkpoint, handle)) => {
                let folder = env.layout().checkpoint(config.job, checkpoint);
                let (engine, catalog) = Engine::restore(env, &config, &folder, handle)?;
                (engine, Some(catalog))
            }
        };
        let states = catalog.map(|catalog| catalog.states).unwrap_or_default();
        let next_id = states.iter().map(|state| state.id + 1).max().unwrap_or(0);
        let unregistered = states.into_iter().map(|state| (state.name.clone(), state)).collect();
        let recorded = env.recorded.clone();
        Ok(Self { config, engine, epoch: 1, registered: BTreeMap::new(), unregistered, next_id, recorded })
    }

    /// Registers a state by its name, with what the restored checkpoint has for that name.
    pub fn table<K: Key, V: Value>(&mut self, name: &str) -> Result<Table<K, V>, StateError> {
        self.table_hashed_by(name, hash_key::<K>)
    }

    /// As [`table`](Self::table), for keys whose hashes are computed in another way: so keys can be in one key group, which the
    /// topmost bits tell, and still be told apart by the lower ones.
    pub fn table_hashed_by<K: Key, V: Value>(
        &mut self,
        name: &str,
        hash_of: fn(&K) -> u64,
    ) -> Result<Table<K, V>, StateError> {
        if self.registered.contains_key(name) {
            return Err(StateError::AlreadyRegistered(name.to_owned()));
        }
        let restored = self.unregistered.get(name);
        let id = restored.map_or(self.next_id, |entry| entry.id);
        if id == u16::MAX {
            return Err(StateError::TooManyStates(name.to_owned()));
        }
        let store = match &self.engine {
            Engine::Heap(..) => None,
            Engine::Rocks(store) => Some(Arc::clone(store)),
        };
        let mut table = Table::new(name, id, self.epoch, &self.config, store, hash_of);
        match (&self.engine, restored) {
            (Engine::Heap(_, Some(heap)), Some(_)) => heap.fill(&mut table, id)?,
            (Engine::Rocks(_), Some(entry)) => table.restore_on_disk(&entry.namespaces),
            _ => self.next_id += 1,
        }
        self.unregistered.remove(name);
        self.registered.insert(name.to_owned(), id);
        if let Some(recorded) = &self.recorded {
            recorded.add::<K, V>(name, hash_of);
        }
        if self.unregistered.is_empty()
            && let Engine::Heap(_, restored) = &mut self.engine
        {
            *restored = None;
        }
        Ok(table)
    }

    /// Tells those who look into the state more about one that was registered. Only done if somebody asks for descriptions.
    pub fn describe(&self, name: &str, tell: impl FnOnce(&mut StateDescription)) {
        if let Some(recorded) = &self.recorded {
            recorded.update(name, tell);
        }
    }

    /// Takes a snapshot of `tables`, which must be all that were registered. This is the synchronous part: nothing is
    /// copied or written, entries modified from now on are not in it.
    pub fn snapshot(
        &mut self,
        checkpoint: CheckpointId,
        tables: &mut [&mut dyn AnyTable],
    ) -> Result<PendingSnapshot, StateError> {
        self.check_complete(tables)?;
        let epoch = self.epoch;
        self.epoch += 1;
        let freeze = |tables: &mut [&mut dyn AnyTable], extent| {
            let mut states: Vec<FrozenState> = tables.iter_mut().map(|table| table.freeze(extent)).collect();
            states.extend(self.unregistered.values().map(|entry| FrozenState::unchanged(entry.clone())));
            // Files are written in the order of their keys, which hold the ids.
            states.sort_unstable_by_key(|state| state.entry.id);
            let catalog = Catalog {
                key_groups: self.config.key_groups.clone(),
                max_parallelism: self.config.max_parallelism,
                states: states.iter().map(|state| state.entry.clone()).collect(),
            };
            (states, catalog)
        };
        Ok(match &self.engine {
            Engine::Heap(store, restored) => {
                let base = store.base();
                let carried = match restored {
                    Some(restored) if base.extent.since.is_none() => {
                        restored.parts_of(&self.unregistered_ids())
                    }
                    _ => Vec::new(),
                };
                let (states, catalog) = freeze(tables, base.extent);
                let store = Arc::clone(store);
                PendingSnapshot::heap(HeapSnapshot {
                    store,
                    epoch,
                    checkpoint,
                    base,
                    states,
                    catalog,
                    carried,
                })
            }
            Engine::Rocks(store) => {
                let (states, catalog) = freeze(tables, store.extent(epoch));
                let snapshot = FrozenSnapshot::new(epoch, checkpoint, states, catalog);
                PendingSnapshot::rocks(Arc::clone(store), snapshot)
            }
        })
    }

    fn unregistered_ids(&self) -> BTreeSet<u16> {
        self.unregistered.values().map(|entry| entry.id).collect()
    }

    fn check_complete(&self, tables: &[&mut dyn AnyTable]) -> Result<(), StateError> {
        let mut found: Vec<u16> = tables.iter().map(|table| table.id()).collect();
        found.sort_unstable();
        let mut expected: Vec<u16> = self.registered.values().copied().collect();
        expected.sort_unstable();
        if found == expected {
            return Ok(());
        }
        Err(StateError::IncompleteSnapshot {
            expected: self.registered.keys().cloned().collect(),
            found: tables.iter().map(|table| table.state_name().to_owned()).collect(),
        })
    }
}

impl Engine {
    fn create(env: &StateEnv, config: &BackendConfig) -> Result<Self, StateError> {
        Ok(match config.backend {
            StateBackend::HashMap => Self::Heap(Arc::new(HeapStore::new(env, config)), None),
            StateBackend::RocksDb => {
                let database = Database::create(env, config)?;
                Self::Rocks(Arc::new(RocksStore::new(database, env, config, &[])))
            }
        })
    }

    fn restore(
        env: &StateEnv,
        config: &BackendConfig,
        folder: &Path,
        handle: &KeyedStateHandle,
    ) -> Result<(Self, Catalog), StateError> {
        match (config.backend, handle) {
            (StateBackend::HashMap, KeyedStateHandle::Heap { files, .. }) => {
                let (heap, catalog) = RestoredHeap::read(env.fs(), folder, files, config)?;
                Ok((Self::Heap(Arc::new(HeapStore::new(env, config)), Some(heap)), catalog))
            }
            (StateBackend::RocksDb, KeyedStateHandle::RocksDb { files, .. }) => {
                let (database, catalog) = Database::restore(env, config, folder, files)?;
                catalog.check_covers(config)?;
                database.trim(&catalog, config)?;
                let store = RocksStore::new(database, env, config, files);
                Ok((Self::Rocks(Arc::new(store)), catalog.narrowed(&config.key_groups)))
            }
            (StateBackend::HashMap, KeyedStateHandle::RocksDb { .. }) => {
                Err(StateError::OtherBackend { expected: "hashmap", found: "rocksdb" })
            }
            (StateBackend::RocksDb, KeyedStateHandle::Heap { .. }) => {
                Err(StateError::OtherBackend { expected: "rocksdb", found: "hashmap" })
            }
        }
    }
}
