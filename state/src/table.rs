//! A state's entries: a hash map per namespace and key group, in front of what the backend has on the disk.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, btree_map},
    hash::Hash,
    ops::{ControlFlow, Range},
    sync::Arc,
};

use hashbrown::hash_table;
use headwater_core::key_group::{KeyGroup, key_group};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    BackendConfig, StateError,
    catalog::{Groups, StateEntry, to_ranges},
    frozen::{FrozenState, SharedShard, SharedShards},
    rocks::RocksStore,
    shard::{Entry, OnDisk, Shard},
};

/// What a table can be keyed by.
pub trait Key: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Hash + Eq + Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Key for T {}

/// What a table can hold.
pub trait Value: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}
impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// Divides a table into parts that are read and dropped as a whole: a window's or slice's end; 0 for plain keyed state.
pub type Namespace = i64;

/// As many entries of a key group are read at once when one of them is asked for, if there are no more than these.
const READ_AHEAD_ENTRIES: usize = 16 << 10;

/// A state: keys with their values, by namespace. Used by one thread.
///
/// `hash` is always [`hash_key`](headwater_core::key_group::hash_key) of the key, which the caller has computed already to
/// route the record.
pub struct Table<K, V> {
    pub(crate) spaces: BTreeMap<Namespace, Space<K, V>>,
    pub(crate) core: TableCore,
    /// Dropped since the last snapshot, and still on the disk.
    pub(crate) dropped: Vec<(Namespace, Groups)>,
}

/// A namespace: one shard per key group that the subtask owns.
pub(crate) struct Space<K, V> {
    pub shards: Box<[Shard<K, V>]>,
    /// The epoch in which it was last selected.
    touched: u32,
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

impl<K: Key, V: Value> Table<K, V> {
    pub(crate) fn new(
        name: &str,
        id: u16,
        epoch: u32,
        config: &BackendConfig,
        store: Option<Arc<RocksStore>>,
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
        Self { spaces: BTreeMap::new(), core, dropped: Vec::new() }
    }

    /// Takes over what a restored database holds.
    pub(crate) fn restore_on_disk(&mut self, namespaces: &[(Namespace, Groups)]) {
        for (namespace, groups) in namespaces {
            let space = self.spaces.entry(*namespace).or_insert_with(|| self.core.new_space());
            for group in groups.iter().cloned().flatten() {
                space.shards[self.core.index_of_group(group)].on_disk = OnDisk::Unread;
            }
        }
    }

    /// Takes over entries of one key group of a namespace.
    pub(crate) fn restore_entries(
        &mut self,
        namespace: Namespace,
        group: KeyGroup,
        count: usize,
        entries: impl Iterator<Item = Result<Entry<K, V>, StateError>>,
    ) -> Result<(), StateError> {
        let space = self.spaces.entry(namespace).or_insert_with(|| self.core.new_space());
        let shard = &mut space.shards[self.core.index_of_group(group)];
        shard.entries.reserve(count);
        for entry in entries {
            shard.entries.insert_unique(entry?);
            self.core.entries += 1;
        }
        Ok(())
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
            btree_map::Entry::Vacant(place) => place.insert(self.core.new_space()),
        };
        space.touched = self.core.epoch;
        Ok(NamespaceMut { namespace, shards: &mut space.shards, core: &mut self.core })
    }

    /// The namespaces that have entries, ascending. One whose entries on the disk were all removed unread may still be
    /// among them.
    pub fn namespaces(&self) -> Vec<Namespace> {
        self.spaces.iter().filter(|(_, space)| !space.is_empty()).map(|(namespace, _)| *namespace).collect()
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
        self.core.entries -= space.shards.iter().map(|shard| shard.entries.table().len()).sum::<usize>();
        let on_disk = space.groups_on_disk(self.core.key_groups.start);
        if !on_disk.is_empty() {
            self.dropped.push((namespace, on_disk));
        }
        Ok(())
    }
}

impl<K: Key, V: Value> Space<K, V> {
    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.entries.table().is_empty() && !shard.on_disk.is_incomplete())
    }

    fn groups_on_disk(&self, first: KeyGroup) -> Groups {
        to_ranges(
            (first..).zip(&self.shards).filter(|(_, s)| s.on_disk != OnDisk::Nothing).map(|(group, _)| group),
        )
    }
}

/// One namespace of a [`Table`].
pub struct NamespaceMut<'a, K, V> {
    namespace: Namespace,
    shards: &'a mut [Shard<K, V>],
    core: &'a mut TableCore,
}

impl<'a, K: Key, V: Value> NamespaceMut<'a, K, V> {
    /// The value of a key.
    #[inline]
    pub fn get(&mut self, hash: u64, key: &K) -> Result<Option<&V>, StateError> {
        self.reborrow().into_get(hash, key)
    }

    /// The value of a key, to be modified.
    #[inline]
    pub fn get_mut(&mut self, hash: u64, key: &K) -> Result<Option<&mut V>, StateError> {
        let epoch = self.core.epoch;
        let shard = self.reborrow().into_shard(hash, key)?;
        if shard.entries.find(hash, key).is_none() {
            return Ok(None);
        }
        shard.modified = epoch;
        match shard.entries.entry(hash, |other| other == key) {
            hash_table::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                entry.epoch = epoch;
                Ok(Some(&mut entry.value))
            }
            hash_table::Entry::Vacant(_) => Ok(None),
        }
    }

    /// The value of a key, to be modified; `make` gives the first one.
    #[inline]
    pub fn get_or_insert_with(
        &mut self,
        hash: u64,
        key: &K,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        self.reborrow().into_get_or_insert_with(hash, key, make)
    }

    /// The same for a key in another form, such as `str` for a string type: an owned key is made only for a new entry.
    #[inline]
    pub fn get_or_insert_borrowed<Q>(
        &mut self,
        hash: u64,
        key: &Q,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError>
    where
        K: Borrow<Q> + for<'q> From<&'q Q>,
        Q: Eq + ?Sized,
    {
        self.reborrow().find_or_insert(hash, |other| other.borrow() == key, || K::from(key), make)
    }

    /// Sets the value of a key. Does not read the disk.
    #[inline]
    pub fn insert(&mut self, hash: u64, key: K, value: V) {
        let epoch = self.core.epoch;
        let shard = &mut self.shards[self.core.index_of(hash)];
        shard.used = self.core.clock;
        shard.modified = epoch;
        shard.unbury(hash, |other| *other == key);
        match shard.entries.entry(hash, |other| *other == key) {
            hash_table::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                entry.epoch = epoch;
                entry.value = value;
            }
            hash_table::Entry::Vacant(place) => {
                self.core.entries += 1;
                place.insert(Entry { hash, epoch, key, value });
            }
        }
    }

    /// Removes a key. Returns whether it was there.
    pub fn remove(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        let epoch = self.core.epoch;
        let shard = self.reborrow().into_shard(hash, key)?;
        if shard.entries.find(hash, key).is_none() {
            return Ok(false);
        }
        if let hash_table::Entry::Occupied(entry) = shard.entries.entry(hash, |other| other == key) {
            entry.remove();
        }
        shard.modified = epoch;
        if shard.on_disk != OnDisk::Nothing {
            shard.bury(hash, key, epoch);
        }
        self.core.entries -= 1;
        Ok(true)
    }

    #[inline]
    pub(crate) fn into_get(self, hash: u64, key: &K) -> Result<Option<&'a V>, StateError> {
        let shard = self.into_shard(hash, key)?;
        Ok(shard.entries.find(hash, key).map(|entry| &entry.value))
    }

    #[inline]
    pub(crate) fn into_get_or_insert_with(
        self,
        hash: u64,
        key: &K,
        make: impl FnOnce() -> V,
    ) -> Result<&'a mut V, StateError> {
        self.find_or_insert(hash, |other| other == key, || key.clone(), make)
    }

    #[inline]
    fn find_or_insert(
        self,
        hash: u64,
        is_key: impl Fn(&K) -> bool,
        own_key: impl Fn() -> K,
        make: impl FnOnce() -> V,
    ) -> Result<&'a mut V, StateError> {
        let index = self.core.index_of(hash);
        let shard = &mut self.shards[index];
        shard.used = self.core.clock;
        if shard.on_disk.is_incomplete() {
            self.core.fetch(self.namespace, index, shard, hash, &own_key())?;
        }
        shard.modified = self.core.epoch;
        shard.unbury(hash, &is_key);
        match shard.entries.entry(hash, is_key) {
            hash_table::Entry::Occupied(entry) => {
                let entry = entry.into_mut();
                entry.epoch = self.core.epoch;
                Ok(&mut entry.value)
            }
            hash_table::Entry::Vacant(place) => {
                self.core.entries += 1;
                let entry = Entry { hash, epoch: self.core.epoch, key: own_key(), value: make() };
                Ok(&mut place.insert(entry).into_mut().value)
            }
        }
    }

    /// The shard of a key, with the key's entry in memory if there is one.
    #[inline]
    fn into_shard(self, hash: u64, key: &K) -> Result<&'a mut Shard<K, V>, StateError> {
        let index = self.core.index_of(hash);
        let shard = &mut self.shards[index];
        shard.used = self.core.clock;
        if shard.on_disk.is_incomplete() {
            self.core.fetch(self.namespace, index, shard, hash, key)?;
        }
        Ok(shard)
    }

    #[inline]
    fn reborrow(&mut self) -> NamespaceMut<'_, K, V> {
        NamespaceMut { namespace: self.namespace, shards: self.shards, core: self.core }
    }
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

    fn new_space<K: Key, V: Value>(&self) -> Space<K, V> {
        Space { shards: self.key_groups.clone().map(|_| Shard::new()).collect(), touched: self.epoch }
    }

    /// Brings the entry of a key into memory, if it is on the disk only.
    #[cold]
    #[inline(never)]
    fn fetch<K: Key, V: Value>(
        &mut self,
        namespace: Namespace,
        index: usize,
        shard: &mut Shard<K, V>,
        hash: u64,
        key: &K,
    ) -> Result<(), StateError> {
        if shard.entries.find(hash, key).is_some() || shard.is_removed(hash, key) {
            return Ok(());
        }
        let group = self.key_groups.start + index as KeyGroup;
        if shard.on_disk == OnDisk::Unread && self.has_room_to_read_ahead() {
            self.read_ahead(namespace, group, shard)?;
            if !shard.on_disk.is_incomplete() || shard.entries.find(hash, key).is_some() {
                return Ok(());
            }
        }
        let store = self.store();
        self.buffer.clear();
        let codec = StateError::codec(&self.name);
        headwater_core::codec::encode_into(key, &mut self.buffer).map_err(codec)?;
        let Some(bytes) = store.get(self.id, namespace, group, &self.buffer)? else { return Ok(()) };
        let value = headwater_core::codec::decode(&bytes).map_err(StateError::codec(&self.name))?;
        shard.entries.insert_unique(Entry { hash, epoch: 0, key: key.clone(), value });
        self.entries += 1;
        Ok(())
    }

    /// Reads a shard as a whole, if it is not too large.
    fn read_ahead<K: Key, V: Value>(
        &mut self,
        namespace: Namespace,
        group: KeyGroup,
        shard: &mut Shard<K, V>,
    ) -> Result<(), StateError> {
        let mut read = Vec::new();
        let is_all = self.read_missing(namespace, group, shard, |entry, seen| {
            read.push(entry);
            if seen < READ_AHEAD_ENTRIES { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        shard.on_disk = if is_all { OnDisk::Mirrored } else { OnDisk::Partial };
        shard.entries.reserve(read.len());
        self.entries += read.len();
        for entry in read {
            shard.entries.insert_unique(entry);
        }
        Ok(())
    }

    /// Visits the entries of a shard that are on the disk only, with how many were read for it. Returns whether those
    /// were all.
    fn read_missing<K: Key, V: Value>(
        &self,
        namespace: Namespace,
        group: KeyGroup,
        shard: &Shard<K, V>,
        mut visit: impl FnMut(Entry<K, V>, usize) -> ControlFlow<()>,
    ) -> Result<bool, StateError> {
        let mut seen = 0;
        self.store().scan(self.id, namespace, group, |key, value| {
            seen += 1;
            let key: K = headwater_core::codec::decode(key).map_err(StateError::codec(&self.name))?;
            let hash = headwater_core::key_group::hash_key(&key);
            if shard.is_removed(hash, &key) || shard.entries.find(hash, &key).is_some() {
                return Ok(ControlFlow::Continue(()));
            }
            let value = headwater_core::codec::decode(value).map_err(StateError::codec(&self.name))?;
            Ok(visit(Entry { hash, epoch: 0, key, value }, seen))
        })
    }

    fn store(&self) -> Arc<RocksStore> {
        Arc::clone(self.store.as_ref().expect("only a table with a database has entries on the disk"))
    }
}

/// A table of any types, as [`KeyedBackend::snapshot`](crate::KeyedBackend::snapshot) takes them.
pub trait AnyTable: Send {
    /// The state's id.
    #[doc(hidden)]
    fn id(&self) -> u16;

    /// The state's name.
    #[doc(hidden)]
    fn state_name(&self) -> &str;

    /// Shares with a snapshot what it has to write, and begins the next epoch.
    #[doc(hidden)]
    fn freeze(&mut self) -> FrozenState;
}

impl<K: Key, V: Value> AnyTable for Table<K, V> {
    fn id(&self) -> u16 {
        self.core.id
    }

    fn state_name(&self) -> &str {
        &self.core.name
    }

    fn freeze(&mut self) -> FrozenState {
        let shards = match self.core.store.as_ref().map(|store| store.written_epoch()) {
            Some(written) => self.share_modified(written),
            None => self.share_all(),
        };
        let only_epoch = self.core.store.is_some().then_some(self.core.epoch);
        let first = self.core.key_groups.start;
        let namespaces = self
            .spaces
            .iter()
            .map(|(namespace, space)| (*namespace, space.groups_on_disk(first)))
            .filter(|(_, groups)| !groups.is_empty())
            .collect();
        let entry = StateEntry { id: self.core.id, name: self.core.name.to_string(), namespaces };
        self.core.epoch += 1;
        self.core.clock += 1;
        if self.core.store.is_some() {
            // Values may have grown even if there are no more of them.
            self.core.next_check = 0;
        }
        FrozenState {
            entry,
            shards: Box::new(SharedShards::new(Arc::clone(&self.core.name), only_epoch, shards)),
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}

impl<K: Key, V: Value> Table<K, V> {
    fn share_all(&mut self) -> Vec<SharedShard<K, V>> {
        let mut shared = Vec::new();
        for (namespace, space) in &mut self.spaces {
            for (group, shard) in (self.core.key_groups.start..).zip(&mut space.shards) {
                if !shard.entries.table().is_empty() {
                    let entries = shard.entries.share();
                    shared.push(SharedShard { group, namespace: *namespace, entries, removed: Vec::new() });
                }
            }
        }
        shared
    }

    fn share_modified(&mut self, written: u32) -> Vec<SharedShard<K, V>> {
        let epoch = self.core.epoch;
        let mut shared = Vec::new();
        for (namespace, space) in self.spaces.iter_mut().filter(|(_, space)| space.touched == epoch) {
            for (group, shard) in (self.core.key_groups.start..).zip(&mut space.shards) {
                if shard.modified == epoch {
                    shared.extend(share_shard(*namespace, group, shard, epoch, written));
                }
            }
        }
        shared
    }
}

/// Shares a modified shard, which is on the disk from then on as far as the task can tell.
pub(crate) fn share_shard<K: Key, V: Value>(
    namespace: Namespace,
    group: KeyGroup,
    shard: &mut Shard<K, V>,
    epoch: u32,
    written: u32,
) -> Option<SharedShard<K, V>> {
    let removed = shard.take_tombstones(epoch, written);
    let is_empty = shard.entries.table().is_empty();
    if !shard.on_disk.is_incomplete() {
        shard.on_disk = if is_empty { OnDisk::Nothing } else { OnDisk::Mirrored };
    }
    if is_empty && removed.is_empty() {
        return None;
    }
    Some(SharedShard { group, namespace, entries: shard.entries.share(), removed })
}
