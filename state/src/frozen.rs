//! What a snapshot holds of a table: shards shared with the task, encoded when the snapshot is written.

use std::{
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hashbrown::HashTable;
use headwater_core::{
    codec::{CodecError, encode_into},
    key_group::KeyGroup,
};

use crate::{
    Key, Namespace, StateError, Value,
    catalog::{Groups, StateEntry},
    shard::Entry,
};

/// A state as it was when the barrier passed.
pub struct FrozenState {
    pub(crate) entry: StateEntry,
    pub(crate) shards: Box<dyn FrozenShards>,
    /// Namespaces that were dropped since the snapshot before, with the key groups that have them on the disk. To
    /// be deleted before the shards are written, since a namespace may have been created again.
    pub(crate) dropped: Vec<(Namespace, Groups)>,
}

impl FrozenState {
    /// One that nothing has to be written of.
    pub(crate) fn unchanged(entry: StateEntry) -> Self {
        Self { entry, shards: Box::new(Unchanged), dropped: Vec::new() }
    }
}

/// What a snapshot has to hold, in epochs of the backend.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// What has changed after this epoch; `None`: everything.
    pub(crate) since: Option<u32>,
    /// No later snapshot has to hold what has changed up to this epoch only.
    pub(crate) settled: u32,
}

impl Extent {
    pub(crate) fn holds(self, epoch: u32) -> bool {
        self.since.is_none_or(|since| epoch > since)
    }
}

/// Shards of any key and value type.
pub(crate) trait FrozenShards: Send + Sync {
    /// Visits the shards of a key group, encoded, by ascending namespace.
    fn encode(
        &self,
        group: KeyGroup,
        visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError>;
}

/// Encoded entries of one shard: keys and values one behind the other, then the keys that were removed; and where each begins
/// and ends.
#[derive(Default)]
pub(crate) struct Records {
    pub arena: Vec<u8>,
    /// How many entries there are.
    pub entries: usize,
    records: Vec<Record>,
}

/// One entry's place in the arena.
struct Record {
    key: Range<usize>,
    /// `None` for a key that was removed.
    value: Option<Range<usize>>,
}

impl Records {
    /// How many keys were removed.
    pub fn removed(&self) -> usize {
        self.records.len() - self.entries
    }

    fn put<K: Key, V: Value>(&mut self, key: &K, value: &V) -> Result<(), CodecError> {
        let key = self.append(key)?;
        let value = Some(self.append(value)?);
        self.entries += 1;
        self.records.push(Record { key, value });
        Ok(())
    }

    fn delete<K: Key>(&mut self, key: &K) -> Result<(), CodecError> {
        let key = self.append(key)?;
        self.records.push(Record { key, value: None });
        Ok(())
    }

    fn append(&mut self, part: &impl serde::Serialize) -> Result<Range<usize>, CodecError> {
        let start = self.arena.len();
        encode_into(part, &mut self.arena)?;
        Ok(start..self.arena.len())
    }

    /// Puts the records into the order of their encoded keys.
    pub fn sort(&mut self) {
        let Self { arena, records, .. } = self;
        records.sort_unstable_by(|a, b| arena[a.key.clone()].cmp(&arena[b.key.clone()]));
    }

    /// Keys with their values, `None` for a key that was removed.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.records.iter().map(|record| {
            (&self.arena[record.key.clone()], record.value.clone().map(|value| &self.arena[value]))
        })
    }
}

/// Shards of a table, shared with the task that goes on using it.
pub(crate) struct SharedShards<K, V> {
    state: Arc<str>,
    /// Ascending by key group, then namespace.
    shards: Vec<Arc<SharedShard<K, V>>>,
}

impl<K: Key, V: Value> SharedShards<K, V> {
    pub fn new(state: Arc<str>, mut shards: Vec<Arc<SharedShard<K, V>>>) -> Self {
        shards.sort_unstable_by_key(|shard| (shard.group, shard.namespace));
        Self { state, shards }
    }
}

/// One of them. It is encoded by whoever needs it first: the thread that writes the snapshot, or the task that is about to
/// change the entries.
pub(crate) struct SharedShard<K, V> {
    group: KeyGroup,
    namespace: Namespace,
    content: Mutex<Content<K, V>>,
}

enum Content<K, V> {
    Entries { table: Arc<HashTable<Entry<K, V>>>, extent: Extent, removed: Vec<K> },
    Encoded(Records),
}

impl<K: Key, V: Value> SharedShard<K, V> {
    pub fn new(
        group: KeyGroup,
        namespace: Namespace,
        table: Arc<HashTable<Entry<K, V>>>,
        extent: Extent,
        removed: Vec<K>,
    ) -> Self {
        let content = Mutex::new(Content::Entries { table, extent, removed });
        Self { group, namespace, content }
    }

    /// Encodes what is not encoded yet; from then on the entries are not shared any more. If that fails they stay so, for
    /// the writer to fail, too.
    pub fn settle(&self) {
        // Whoever writes the snapshot tells of the error.
        drop(self.encoded());
    }

    fn encoded(&self) -> Result<MutexGuard<'_, Content<K, V>>, CodecError> {
        let mut content = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if let Content::Entries { table, extent, removed } = &*content {
            let mut records = Records::default();
            for entry in table.iter().filter(|entry| extent.holds(entry.epoch)) {
                records.put(&entry.key, &entry.value)?;
            }
            removed.iter().try_for_each(|key| records.delete(key))?;
            *content = Content::Encoded(records);
        }
        Ok(content)
    }
}

impl<K: Key, V: Value> FrozenShards for SharedShards<K, V> {
    fn encode(
        &self,
        group: KeyGroup,
        visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let start = self.shards.partition_point(|shard| shard.group < group);
        for shard in self.shards[start..].iter().take_while(|shard| shard.group == group) {
            let mut content = shard.encoded().map_err(StateError::codec(&self.state))?;
            if let Content::Encoded(records) = &mut *content {
                visit(shard.namespace, records)?;
            }
        }
        Ok(())
    }
}

/// Nothing to write.
struct Unchanged;

impl FrozenShards for Unchanged {
    fn encode(
        &self,
        _group: KeyGroup,
        _visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        Ok(())
    }
}
