//! A state's entries: a hash map per namespace and key group, in front of what the backend has on the disk.

mod eviction;
mod freeze;
mod namespace;
mod read;

use std::{
    collections::{BTreeMap, btree_map},
    hash::Hash,
    ops::{ControlFlow, Range},
    sync::Arc,
};

use headwater_core::key_group::{KeyGroup, key_group};
use serde::{Serialize, de::DeserializeOwned};

pub use self::{freeze::AnyTable, namespace::NamespaceMut};
use crate::{
    BackendConfig, StateError,
    catalog::{Groups, to_ranges},
    rocks::RocksStore,
    shard::{OnDisk, Shard},
};

/// What a table can be keyed by.
pub trait Key: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Key for T {}

/// What a table can hold.
pub trait Value: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// Divides a table into parts that are read and dropped as a whole: a window's or slice's end; 0 for plain keyed state.
pub type Namespace = i64;

/// A state: keys with their values, by namespace. Used by one thread.
///
/// `hash` is always that of the key, [`hash_key`](headwater_core::key_group::hash_key) if nothing else was said when the table was
/// registered; the caller has computed it already to route the record.
pub struct Table<K, V> {
    pub(crate) spaces: BTreeMap<Namespace, Space<K, V>>,
    pub(crate) core: TableCore,
    pub(crate) hash_of: fn(&K) -> u64,
    /// What a snapshot may have to delete from the disk.
    pub(crate) dropped: Vec<Dropped>,
}

/// A namespace that was dropped while it was on the disk.
pub(crate) struct Dropped {
    pub epoch: u32,
    namespace: Namespace,
    groups: Groups,
}

impl Dropped {
    pub fn namespace(&self) -> (Namespace, Groups) {
        (self.namespace, self.groups.clone())
    }
}

/// A namespace: one shard per key group that the subtask owns.
pub(crate) struct Space<K, V> {
    pub shards: Box<[Shard<K, V>]>,
    /// The epoch in which it was last selected.
    touched: u32,
}

impl<K: Key, V: Value> Table<K, V> {
    pub(crate) fn new(
        name: &str,
        id: u16,
        epoch: u32,
        config: &BackendConfig,
        store: Option<Arc<RocksStore>>,
        hash_of: fn(&K) -> u64,
    ) -> Self {
        let core = TableCore {
            name: name.into(),
            id,
            key_groups: config.key_groups.clone(),
            max_parallelism: config.max_parallelism,
            epoch,
            clock: 0,
            entries: 0,
            next_check: if store.is_some() { 0 } else { usize::MAX },
            counted_bytes: 0,
            store,
            buffer: Vec::new(),
        };
        Self { spaces: BTreeMap::new(), core, hash_of, dropped: Vec::new() }
    }

    /// Takes over what a restored database holds.
    pub(crate) fn restore_on_disk(&mut self, namespaces: &[(Namespace, Groups)]) {
        for (namespace, groups) in namespaces {
            let space = self.spaces.entry(*namespace).or_insert_with(|| self.core.new_space(self.hash_of));
            for group in groups.iter().cloned().flatten() {
                space.shards[self.core.index_of_group(group)].on_disk = OnDisk::UNREAD;
            }
        }
    }

    /// Takes over entries of one key group of a namespace: those that were set, and the keys of those that were removed.
    pub(crate) fn restore_entries(
        &mut self,
        namespace: Namespace,
        group: KeyGroup,
        count: usize,
        entries: impl Iterator<Item = Result<(K, Option<V>), StateError>>,
    ) -> Result<(), StateError> {
        let space = self.spaces.entry(namespace).or_insert_with(|| self.core.new_space(self.hash_of));
        let shard = &mut space.shards[self.core.index_of_group(group)];
        let before = shard.entries.table().len();
        if before == 0 {
            shard.entries.reserve(count);
        }
        for entry in entries {
            let (key, value) = entry?;
            shard.entries.restore((self.hash_of)(&key), key, value);
        }
        // The next snapshot may continue one that has them.
        shard.on_disk = OnDisk::Mirrored;
        self.core.entries = self.core.entries + shard.entries.table().len() - before;
        Ok(())
    }

    /// Forgets a namespace of a snapshot that a later one has dropped.
    pub(crate) fn restore_dropped(&mut self, namespace: Namespace) {
        let space = self.spaces.remove(&namespace);
        self.core.entries -= space.iter().map(Space::entries).sum::<usize>();
    }

    /// The state's name.
    pub fn name(&self) -> &str {
        &self.core.name
    }

    /// Chooses a namespace for the calls that follow. Choose once for a run of rows, not for each; between two choices
    /// the memory budget is not looked at.
    #[inline]
    pub fn select(&mut self, namespace: Namespace) -> Result<NamespaceMut<'_, K, V>, StateError> {
        if self.core.entries >= self.core.next_check {
            self.relieve()?;
        }
        let space = match self.spaces.entry(namespace) {
            btree_map::Entry::Occupied(space) => space.into_mut(),
            btree_map::Entry::Vacant(place) => place.insert(self.core.new_space(self.hash_of)),
        };
        space.touched = self.core.epoch;
        Ok(NamespaceMut { namespace, shards: &mut space.shards, core: &mut self.core })
    }

    /// The namespaces that have entries, ascending. One whose entries on the disk were all removed unread may still be
    /// among them.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.iter_namespaces().collect()
    }

    /// The same one by one, for those who mostly need the first.
    pub fn iter_namespaces(&self) -> impl Iterator<Item = Namespace> + '_ {
        self.spaces.iter().filter(|(_, space)| !space.is_empty()).map(|(namespace, _)| *namespace)
    }

    /// How many entries are in memory.
    pub fn entries(&self) -> usize {
        self.core.entries
    }

    /// The key groups that the subtask owns.
    pub fn key_groups(&self) -> Range<KeyGroup> {
        self.core.key_groups.clone()
    }

    /// Visits the entries of a key group of a namespace, in no particular order. Entries on the disk are not kept in
    /// memory, since what is scanned is mostly dropped next.
    pub fn scan(
        &mut self,
        namespace: Namespace,
        group: KeyGroup,
        mut visit: impl FnMut(u64, &K, &V),
    ) -> Result<(), StateError> {
        let Some(space) = self.spaces.get_mut(&namespace) else { return Ok(()) };
        let shard = &mut space.shards[self.core.index_of_group(group)];
        for entry in shard.entries.table() {
            visit(entry.hash, &entry.key, &entry.value);
        }
        if shard.on_disk.is_incomplete() {
            self.core.read_missing(namespace, group, shard, |entry, _| {
                visit(entry.hash, &entry.key, &entry.value);
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    /// Removes all entries of a namespace at once.
    pub fn drop_namespace(&mut self, namespace: Namespace) -> Result<(), StateError> {
        let Some(space) = self.spaces.remove(&namespace) else { return Ok(()) };
        self.core.entries -= space.entries();
        let groups = space.groups_on_disk(self.core.key_groups.start);
        if !groups.is_empty() {
            self.dropped.push(Dropped { epoch: self.core.epoch, namespace, groups });
        }
        Ok(())
    }
}

impl<K: Key, V: Value> Space<K, V> {
    fn entries(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.table().len()).sum()
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.entries.table().is_empty() && !shard.on_disk.is_incomplete())
    }

    fn groups_on_disk(&self, first: KeyGroup) -> Groups {
        to_ranges(
            (first..).zip(&self.shards).filter(|(_, s)| s.on_disk != OnDisk::Nothing).map(|(group, _)| group),
        )
    }
}

/// What does not depend on the types of keys and values.
pub(crate) struct TableCore {
    pub name: Arc<str>,
    pub id: u16,
    pub key_groups: Range<KeyGroup>,
    max_parallelism: u16,
    /// Counts the snapshots, so that entries modified since the last one can be told.
    pub epoch: u32,
    /// A coarse clock by which the least recently used shards are found.
    pub clock: u32,
    /// Entries in memory.
    pub entries: usize,
    /// With so many entries, memory is looked at again.
    pub next_check: usize,
    /// The bytes of memory last counted for this table.
    pub counted_bytes: u64,
    pub store: Option<Arc<RocksStore>>,
    buffer: Vec<u8>,
}

impl TableCore {
    #[inline]
    fn index_of(&self, hash: u64) -> usize {
        self.index_of_group(key_group(hash, self.max_parallelism))
    }

    /// Out of bounds, where indexing panics, if the subtask does not own the key group: the record was misrouted.
    #[inline]
    fn index_of_group(&self, group: KeyGroup) -> usize {
        usize::from(group.wrapping_sub(self.key_groups.start))
    }

    fn new_space<K: Key, V: Value>(&self, hash_of: fn(&K) -> u64) -> Space<K, V> {
        Space { shards: self.key_groups.clone().map(|_| Shard::new(hash_of)).collect(), touched: self.epoch }
    }
}
