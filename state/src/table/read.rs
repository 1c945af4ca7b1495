//! Reading what is on the disk only.

use std::{ops::ControlFlow, sync::Arc};

use headwater_core::{
    codec::{decode, encode_into},
    key_group::KeyGroup,
};

use super::TableCore;
use crate::{
    Key, Namespace, StateError, Value,
    rocks::RocksStore,
    shard::{Entry, OnDisk, Shard},
};

/// A key group is read as a whole once so many of its entries were asked for. The first record after a recovery must not
/// wait for all of the state, nor must a key that is seldom asked for bring thousands of others along.
const READ_AHEAD_AFTER: u8 = 16;

/// No more than this is read at once, in entries and in bytes on the disk.
const READ_AHEAD_ENTRIES: usize = 16 << 10;
const READ_AHEAD_BYTES: u64 = 1 << 20;

impl TableCore {
    /// Brings the entry of a key into memory, if it is on the disk only.
    #[cold]
    #[inline(never)]
    pub(super) fn fetch<K: Key, V: Value>(
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
        match shard.on_disk {
            OnDisk::Unread { asked } if asked < READ_AHEAD_AFTER => {
                shard.on_disk = OnDisk::Unread { asked: asked + 1 };
            }
            OnDisk::Unread { .. } if self.has_room_to_read_ahead() => {
                self.read_ahead(namespace, group, shard)?;
                if !shard.on_disk.is_incomplete() || shard.entries.find(hash, key).is_some() {
                    return Ok(());
                }
            }
            _ => {}
        }
        let store = self.store();
        self.buffer.clear();
        let codec = StateError::codec(&self.name);
        encode_into(key, &mut self.buffer).map_err(codec)?;
        let Some(bytes) = store.get(self.id, namespace, group, &self.buffer)? else { return Ok(()) };
        let value = decode(&bytes).map_err(StateError::codec(&self.name))?;
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
        if self.store().approximate_bytes(self.id, namespace, group) > READ_AHEAD_BYTES {
            shard.on_disk = OnDisk::Partial;
            return Ok(());
        }
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
    pub(super) fn read_missing<K: Key, V: Value>(
        &self,
        namespace: Namespace,
        group: KeyGroup,
        shard: &Shard<K, V>,
        mut visit: impl FnMut(Entry<K, V>, usize) -> ControlFlow<()>,
    ) -> Result<bool, StateError> {
        let mut seen = 0;
        self.store().scan(self.id, namespace, group, |key, value| {
            seen += 1;
            let key: K = decode(key).map_err(StateError::codec(&self.name))?;
            let hash = (shard.hash_of)(&key);
            if shard.is_removed(hash, &key) || shard.entries.find(hash, &key).is_some() {
                return Ok(ControlFlow::Continue(()));
            }
            let value = decode(value).map_err(StateError::codec(&self.name))?;
            Ok(visit(Entry { hash, epoch: 0, key, value }, seen))
        })
    }

    fn store(&self) -> Arc<RocksStore> {
        Arc::clone(self.store.as_ref().expect("only a table with a database has entries on the disk"))
    }
}
