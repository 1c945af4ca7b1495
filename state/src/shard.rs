//! The entries of one key group in one namespace: what is shared with a snapshot, evicted and read back as a whole.

use std::sync::Arc;

use hashbrown::{HashTable, hash_table};

use crate::{
    Key, Value,
    frozen::{Extent, SharedShard},
};

/// A key with its value.
#[derive(Clone)]
pub(crate) struct Entry<K, V> {
    pub hash: u64,
    /// The table's epoch when the value was last modified; 0 if it is as on the disk.
    pub epoch: u32,
    pub key: K,
    pub value: V,
}

/// Where a hash is to be found in a hash table. A key group is made of the topmost bits of the hash, which hashbrown compares
/// before it looks at an entry: within one key group they are all the same and would tell nothing apart.
#[inline]
fn slot(hash: u64) -> u64 {
    hash ^ (hash << 32)
}

/// A hash table that snapshots may have to read yet: then they do before it changes.
///
/// The distinction is ours, not `Arc`'s: asking an `Arc` whether it is shared is an atomic write per row.
pub(crate) enum Entries<K, V> {
    Owned(HashTable<Entry<K, V>>),
    Shared(Arc<HashTable<Entry<K, V>>>, Vec<Arc<SharedShard<K, V>>>),
}

impl<K: Key, V: Value> Entries<K, V> {
    pub const EMPTY: Self = Self::Owned(HashTable::new());

    #[inline]
    pub fn table(&self) -> &HashTable<Entry<K, V>> {
        match self {
            Self::Owned(table) => table,
            Self::Shared(table, _) => table,
        }
    }

    #[inline]
    pub fn find(&self, hash: u64, key: &K) -> Option<&Entry<K, V>> {
        self.table().find(slot(hash), |entry| entry.hash == hash && entry.key == *key)
    }

    /// An entry whose key has this hash.
    #[inline]
    pub fn find_hash(&self, hash: u64) -> Option<&Entry<K, V>> {
        self.table().find(slot(hash), |entry| entry.hash == hash)
    }

    /// The place of a key, to be read and written.
    #[inline]
    pub fn entry(&mut self, hash: u64, is_key: impl Fn(&K) -> bool) -> hash_table::Entry<'_, Entry<K, V>> {
        self.owned().entry(
            slot(hash),
            |entry| entry.hash == hash && is_key(&entry.key),
            |entry| slot(entry.hash),
        )
    }

    /// Adds an entry whose key is known not to be there.
    pub fn insert_unique(&mut self, entry: Entry<K, V>) {
        self.owned().insert_unique(slot(entry.hash), entry, |entry| slot(entry.hash));
    }

    /// Sets a value as a snapshot has it, or removes its key.
    pub fn restore(&mut self, hash: u64, key: K, value: Option<V>) {
        match (self.entry(hash, |other| *other == key), value) {
            (hash_table::Entry::Occupied(entry), Some(value)) => entry.into_mut().value = value,
            (hash_table::Entry::Occupied(entry), None) => drop(entry.remove()),
            (hash_table::Entry::Vacant(place), Some(value)) => {
                place.insert(Entry { hash, epoch: 0, key, value });
            }
            (hash_table::Entry::Vacant(_), None) => {}
        }
    }

    pub fn reserve(&mut self, additional: usize) {
        self.owned().reserve(additional, |entry| slot(entry.hash));
    }

    /// Shares the entries as they are now with a snapshot, whose view of them `make` makes.
    pub fn share(
        &mut self,
        make: impl FnOnce(Arc<HashTable<Entry<K, V>>>) -> SharedShard<K, V>,
    ) -> Arc<SharedShard<K, V>> {
        let (table, mut sharers) = match std::mem::replace(self, Self::EMPTY) {
            Self::Owned(table) => (Arc::new(table), Vec::new()),
            Self::Shared(table, sharers) => (table, sharers),
        };
        sharers.retain(|sharer| Arc::strong_count(sharer) > 1);
        let sharer = Arc::new(make(Arc::clone(&table)));
        sharers.push(Arc::clone(&sharer));
        *self = Self::Shared(table, sharers);
        sharer
    }

    #[inline]
    fn owned(&mut self) -> &mut HashTable<Entry<K, V>> {
        if let Self::Shared(..) = self {
            self.unshare();
        }
        match self {
            Self::Owned(table) => table,
            Self::Shared(..) => unreachable!("it was unshared above"),
        }
    }

    #[cold]
    #[inline(never)]
    fn unshare(&mut self) {
        if let Self::Shared(table, sharers) = std::mem::replace(self, Self::EMPTY) {
            // A snapshot that nobody wants any more is gone.
            sharers.iter().filter(|sharer| Arc::strong_count(sharer) > 1).for_each(|sharer| sharer.settle());
            drop(sharers);
            *self = Self::Owned(Arc::unwrap_or_clone(table));
        }
    }
}

/// How what is in memory relates to what is on the disk, or will be once the pending snapshots are written. With the heap backend,
/// what snapshots have is on the disk, and mirrored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnDisk {
    /// There is nothing on the disk.
    Nothing,
    /// All entries are in memory; there may be older values of them on the disk.
    Mirrored,
    /// There are entries on the disk that are not in memory. Some were asked for one by one; once there were many,
    /// reading all of them may be worth a try.
    Unread { asked: u8 },
    /// There are entries on the disk that are not in memory, and too many to read at once.
    Partial,
}

impl OnDisk {
    /// There are entries on the disk, none of which was asked for yet.
    pub const UNREAD: Self = Self::Unread { asked: 0 };

    /// Whether a key that is not in memory may be on the disk.
    #[inline]
    pub fn is_incomplete(self) -> bool {
        matches!(self, Self::Unread { .. } | Self::Partial)
    }
}

/// A key that was removed but may still be on the disk.
pub(crate) struct Tombstone<K> {
    pub hash: u64,
    pub key: K,
    pub epoch: u32,
}

/// One key group of a namespace.
pub(crate) struct Shard<K, V> {
    pub entries: Entries<K, V>,
    tombstones: Option<Box<HashTable<Tombstone<K>>>>,
    /// The table's epoch when something in here was last modified.
    pub modified: u32,
    /// The table's clock when something in here was last used.
    pub used: u32,
    pub on_disk: OnDisk,
    /// The hash of a key that is read back.
    pub hash_of: fn(&K) -> u64,
}

impl<K: Key, V: Value> Shard<K, V> {
    pub fn new(hash_of: fn(&K) -> u64) -> Self {
        let (entries, on_disk) = (Entries::EMPTY, OnDisk::Nothing);
        Self { entries, tombstones: None, modified: 0, used: 0, on_disk, hash_of }
    }

    pub fn is_removed(&self, hash: u64, key: &K) -> bool {
        self.tombstones.as_ref().is_some_and(|tombstones| {
            tombstones.find(slot(hash), |tombstone| tombstone.hash == hash && tombstone.key == *key).is_some()
        })
    }

    /// Remembers that a key must be deleted on the disk, and not be read there before it is.
    pub fn bury(&mut self, hash: u64, key: &K, epoch: u32) {
        let tombstones = self.tombstones.get_or_insert_default();
        tombstones
            .entry(
                slot(hash),
                |tombstone| tombstone.hash == hash && tombstone.key == *key,
                |tombstone| slot(tombstone.hash),
            )
            .and_modify(|tombstone| tombstone.epoch = epoch)
            .or_insert_with(|| Tombstone { hash, key: key.clone(), epoch });
    }

    /// Forgets that a key was removed, as it is there again.
    #[inline]
    pub fn unbury(&mut self, hash: u64, is_key: impl Fn(&K) -> bool) {
        if let Some(tombstones) = &mut self.tombstones {
            let found = tombstones
                .find_entry(slot(hash), |tombstone| tombstone.hash == hash && is_key(&tombstone.key));
            if let Ok(found) = found {
                found.remove();
            }
        }
    }

    /// The removed keys that a snapshot has to hold; forgets those that no later one has to.
    pub fn removed(&mut self, extent: Extent) -> Vec<K> {
        let Some(tombstones) = &mut self.tombstones else { return Vec::new() };
        tombstones.retain(|tombstone| tombstone.epoch > extent.settled);
        let held = |tombstone: &&Tombstone<K>| extent.since.is_some() && extent.holds(tombstone.epoch);
        let removed = tombstones.iter().filter(held).map(|tombstone| tombstone.key.clone()).collect();
        if tombstones.is_empty() {
            self.tombstones = None;
        }
        removed
    }

    /// Forgets the removed keys: they are gone from the disk for all that the task will see of it.
    pub fn forget_removed(&mut self) {
        self.tombstones = None;
    }

    /// Drops what is in memory, all of which is on the disk. Returns how many entries that were.
    pub fn evict(&mut self) -> usize {
        let entries = std::mem::replace(&mut self.entries, Entries::EMPTY);
        self.tombstones = None;
        self.on_disk = OnDisk::UNREAD;
        entries.table().len()
    }
}
