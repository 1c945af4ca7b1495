//! What a snapshot holds of a table: shards shared with the task, encoded when the snapshot is written.

use std::{ops::Range, sync::Arc};

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

/// Shards of any key and value type.
pub(crate) trait FrozenShards: Send + Sync {
    /// Encodes the shards of a key group, by ascending namespace.
    fn encode(
        &self,
        group: KeyGroup,
        visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError>;
}

/// Encoded entries of one shard: keys and values one behind the other, and where each begins and ends.
#[derive(Default)]
pub(crate) struct Records {
    pub arena: Vec<u8>,
    /// How many entries there are.
    pub entries: usize,
    /// Empty if the entries came encoded.
    records: Vec<Record>,
}

/// One entry's place in the arena.
struct Record {
    key: Range<usize>,
    /// `None` for a key that was removed.
    value: Option<Range<usize>>,
}

impl Records {
    /// Entries that were encoded before.
    pub fn encoded(arena: Vec<u8>, entries: usize) -> Self {
        Self { arena, entries, records: Vec::new() }
    }

    fn clear(&mut self) {
        self.arena.clear();
        self.entries = 0;
        self.records.clear();
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
    /// Entries of this epoch only, or all.
    only_epoch: Option<u32>,
    /// Ascending by key group, then namespace.
    shards: Vec<SharedShard<K, V>>,
}

/// One of them.
pub(crate) struct SharedShard<K, V> {
    pub group: KeyGroup,
    pub namespace: Namespace,
    pub entries: Arc<HashTable<Entry<K, V>>>,
    pub removed: Vec<K>,
}

impl<K: Key, V: Value> SharedShards<K, V> {
    pub fn new(state: Arc<str>, only_epoch: Option<u32>, mut shards: Vec<SharedShard<K, V>>) -> Self {
        shards.sort_unstable_by_key(|shard| (shard.group, shard.namespace));
        Self { state, only_epoch, shards }
    }

    fn encode_shard(&self, shard: &SharedShard<K, V>, records: &mut Records) -> Result<(), CodecError> {
        for entry in shard.entries.iter() {
            if self.only_epoch.is_none_or(|epoch| entry.epoch == epoch) {
                records.put(&entry.key, &entry.value)?;
            }
        }
        shard.removed.iter().try_for_each(|key| records.delete(key))
    }
}

impl<K: Key, V: Value> FrozenShards for SharedShards<K, V> {
    fn encode(
        &self,
        group: KeyGroup,
        visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let start = self.shards.partition_point(|shard| shard.group < group);
        let mut records = Records::default();
        for shard in self.shards[start..].iter().take_while(|shard| shard.group == group) {
            records.clear();
            self.encode_shard(shard, &mut records).map_err(StateError::codec(&self.state))?;
            visit(shard.namespace, &mut records)?;
        }
        Ok(())
    }
}
