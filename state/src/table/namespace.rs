//! The hot path: one key at a time, in a namespace that was chosen before.

use std::borrow::Borrow;

use hashbrown::hash_table;

use super::TableCore;
use crate::{
    Key, Namespace, StateError, Value,
    shard::{Entry, OnDisk, Shard},
};

/// One namespace of a [`Table`](super::Table).
pub struct NamespaceMut<'a, K, V> {
    pub(super) namespace: Namespace,
    pub(super) shards: &'a mut [Shard<K, V>],
    pub(super) core: &'a mut TableCore,
}

impl<'a, K: Key, V: Value> NamespaceMut<'a, K, V> {
    /// The value of a key.
    #[inline]
    pub fn get(&mut self, hash: u64, key: &K) -> Result<Option<&V>, StateError> {
        self.reborrow().into_get(hash, key)
    }

    /// A value whose key has this hash, if one is in memory: for what only makes later accesses faster. Reads for many keys in a row
    /// do not depend on each other, so the processor waits for memory once for several of them.
    #[inline]
    pub fn peek(&self, hash: u64) -> Option<&V> {
        self.shards[self.core.index_of(hash)].entries.find_hash(hash).map(|entry| &entry.value)
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
