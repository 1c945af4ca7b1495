//! The synchronous part of a snapshot: shards are shared with it, not copied.

use std::sync::Arc;

use headwater_core::key_group::KeyGroup;

use super::Table;
use crate::{
    Key, Namespace, Value,
    catalog::StateEntry,
    frozen::{FrozenState, SharedShard, SharedShards},
    shard::{OnDisk, Shard},
};

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
pub(super) fn share_shard<K: Key, V: Value>(
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
