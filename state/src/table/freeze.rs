//! The synchronous part of a snapshot: shards are shared with it, not copied.

use std::sync::Arc;

use headwater_core::key_group::KeyGroup;

use super::{Dropped, Table};
use crate::{
    Key, Namespace, Value,
    catalog::StateEntry,
    frozen::{Extent, FrozenState, SharedShard, SharedShards},
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

    /// How many entries are in memory.
    #[doc(hidden)]
    fn entry_count(&self) -> usize;

    /// Shares with a snapshot what it has to hold, and begins the next epoch.
    #[doc(hidden)]
    fn freeze(&mut self, extent: Extent) -> FrozenState;
}

impl<K: Key, V: Value> AnyTable for Table<K, V> {
    fn id(&self) -> u16 {
        self.core.id
    }

    fn state_name(&self) -> &str {
        &self.core.name
    }

    fn entry_count(&self) -> usize {
        self.core.entries
    }

    fn freeze(&mut self, extent: Extent) -> FrozenState {
        let shards = self.share(extent);
        let has_database = self.core.store.is_some();
        let first = self.core.key_groups.start;
        let namespaces = self
            .spaces
            .iter()
            .filter(|_| has_database)
            .map(|(namespace, space)| (*namespace, space.groups_on_disk(first)))
            .filter(|(_, groups)| !groups.is_empty())
            .collect();
        let entry = StateEntry { id: self.core.id, name: self.core.name.to_string(), namespaces };
        self.dropped.retain(|dropped| dropped.epoch > extent.settled);
        let is_held = |dropped: &&Dropped| extent.since.is_some() && extent.holds(dropped.epoch);
        let dropped = self.dropped.iter().filter(is_held).map(Dropped::namespace).collect();
        self.core.epoch += 1;
        self.core.clock += 1;
        if has_database {
            // Values may have grown even if there are no more of them.
            self.core.next_check = 0;
        }
        FrozenState {
            entry,
            shards: Box::new(SharedShards::new(Arc::clone(&self.core.name), shards)),
            dropped,
        }
    }
}

impl<K: Key, V: Value> Table<K, V> {
    fn share(&mut self, extent: Extent) -> Vec<Arc<SharedShard<K, V>>> {
        let has_database = self.core.store.is_some();
        let mut shared = Vec::new();
        for (namespace, space) in self.spaces.iter_mut().filter(|(_, space)| extent.holds(space.touched)) {
            for (group, shard) in (self.core.key_groups.start..).zip(&mut space.shards) {
                if extent.holds(shard.modified) {
                    shared.extend(share_shard(*namespace, group, shard, extent, has_database));
                }
            }
        }
        shared
    }
}

/// Shares a shard, which is on the disk from then on as far as the task can tell: snapshots reach a database in their order, or
/// the attempt ends. With the heap backend one may be dropped, so that the next has to hold what that one would have.
pub(super) fn share_shard<K: Key, V: Value>(
    namespace: Namespace,
    group: KeyGroup,
    shard: &mut Shard<K, V>,
    extent: Extent,
    has_database: bool,
) -> Option<Arc<SharedShard<K, V>>> {
    let removed = shard.removed(extent);
    let is_empty = shard.entries.table().is_empty();
    if !shard.on_disk.is_incomplete() {
        if has_database {
            // While all entries are in memory nobody reads the disk, so nobody needs to be kept from it.
            shard.forget_removed();
            shard.on_disk = if is_empty { OnDisk::Nothing } else { OnDisk::Mirrored };
        } else if !is_empty {
            shard.on_disk = OnDisk::Mirrored;
        }
    }
    if is_empty && removed.is_empty() {
        return None;
    }
    Some(shard.entries.share(|table| SharedShard::new(group, namespace, table, extent, removed)))
}
