//! Keeping a table within the memory budget: what was not used for longest goes, and is read back when asked for.

use std::collections::BTreeMap;

use headwater_core::codec::encode_into;

use super::{Space, TableCore, freeze::share_shard};
use crate::{
    Key, Namespace, StateError, Table, Value,
    catalog::StateEntry,
    frozen::{Extent, FrozenState, SharedShards},
    rocks::RocksStore,
    shard::{Entry, Shard},
};

/// How often memory is looked at: each time that it may have grown by this part of the budget.
const CHECKS_PER_BUDGET: u64 = 16;

/// Entries whose encoding tells how much the entries keep outside the hash table.
const SAMPLED_ENTRIES: usize = 32;

impl<K: Key, V: Value> Table<K, V> {
    /// Counts the memory used, and evicts if that is more than the budget.
    #[cold]
    #[inline(never)]
    pub(super) fn relieve(&mut self) -> Result<(), StateError> {
        let Some(store) = self.core.store.clone() else { return Ok(()) };
        let entry_bytes = self.bytes_per_entry()?;
        self.core.clock += 1;
        self.core.count_memory(&store, entry_bytes);
        let budget = store.cache_bytes();
        let used = store.cached_bytes();
        if used > budget {
            let others = used - self.core.counted_bytes;
            // An eighth less than allowed, so that eviction is a rare and bulky affair; and some room even if the
            // other tables of the subtask have taken all.
            let target_bytes = (budget - budget / 8).saturating_sub(others).max(budget / CHECKS_PER_BUDGET);
            let may_wait = used > budget + budget / 4;
            self.evict((target_bytes / entry_bytes) as usize, may_wait, &store)?;
            self.core.count_memory(&store, entry_bytes);
        }
        let step = (budget / CHECKS_PER_BUDGET / entry_bytes).clamp(1, 1 << 16);
        self.core.next_check = self.core.entries + step as usize;
        Ok(())
    }

    /// An estimate: an entry's place in a hash table that is two thirds full, and, if it owns more than that, as much as it
    /// takes encoded.
    fn bytes_per_entry(&self) -> Result<u64, StateError> {
        let in_table = size_of::<Entry<K, V>>() * 3 / 2 + 1;
        let owned = if std::mem::needs_drop::<Entry<K, V>>() { self.sample_encoded_bytes()? } else { 0 };
        Ok((in_table + owned) as u64)
    }

    fn sample_encoded_bytes(&self) -> Result<usize, StateError> {
        let shards = self.spaces.values().rev().flat_map(|space| &space.shards);
        let entries = shards.flat_map(|shard| shard.entries.table().iter().take(4)).take(SAMPLED_ENTRIES);
        let (mut count, mut buffer) = (0, Vec::new());
        for Entry { key, value, .. } in entries {
            encode_into(&(key, value), &mut buffer).map_err(StateError::codec(&self.core.name))?;
            count += 1;
        }
        Ok(buffer.len() / count.max(1))
    }

    /// Evicts until there are no more than `target` entries, first what is on the disk already. If that is not enough, what
    /// was modified is written; so that no checkpoint contains what came after its barrier, pending snapshots are
    /// written before, and unless the task `may_wait` for one that is being written, the rest stays for now.
    fn evict(&mut self, target: usize, may_wait: bool, store: &RocksStore) -> Result<(), StateError> {
        let shards = self.shards_by_age();
        self.evict_written(&shards, target, store.written_epoch());
        if self.core.entries <= target {
            return Ok(());
        }
        let Some(mut writer) = (if may_wait { Some(store.writer()) } else { store.try_writer() }) else {
            return Ok(());
        };
        store.write_pending(&mut writer)?;
        let victims = self.oldest(shards, target);
        let frozen = self.freeze_early(&victims, store.extent(self.core.epoch));
        store.ingest(&mut writer, &[frozen], None)?;
        for (namespace, index) in victims {
            self.core.entries -= shard(&mut self.spaces, namespace, index).evict();
        }
        Ok(())
    }

    fn shards_by_age(&self) -> Vec<(Namespace, usize)> {
        let mut shards: Vec<(u32, Namespace, usize)> = Vec::new();
        for (namespace, space) in &self.spaces {
            let used = space.shards.iter().enumerate().filter(|(_, shard)| !shard.entries.table().is_empty());
            shards.extend(used.map(|(index, shard)| (shard.used, *namespace, index)));
        }
        shards.sort_unstable();
        shards.into_iter().map(|(_, namespace, index)| (namespace, index)).collect()
    }

    fn evict_written(&mut self, shards: &[(Namespace, usize)], target: usize, written: u32) {
        for (namespace, index) in shards {
            if self.core.entries <= target {
                return;
            }
            let shard = shard(&mut self.spaces, *namespace, *index);
            if shard.modified <= written {
                self.core.entries -= shard.evict();
            }
        }
    }

    /// As many of the shards as have to go.
    fn oldest(&mut self, shards: Vec<(Namespace, usize)>, target: usize) -> Vec<(Namespace, usize)> {
        let mut excess = self.core.entries.saturating_sub(target);
        let mut victims = Vec::new();
        for (namespace, index) in shards {
            let entries = shard(&mut self.spaces, namespace, index).entries.table().len();
            if excess == 0 {
                break;
            }
            if entries > 0 {
                excess = excess.saturating_sub(entries);
                victims.push((namespace, index));
            }
        }
        victims
    }

    /// What the victims modified in this epoch, and the namespaces dropped in it: one of those may have been
    /// created again and must not be deleted once its new entries are written.
    fn freeze_early(&mut self, victims: &[(Namespace, usize)], extent: Extent) -> FrozenState {
        let mut shards = Vec::new();
        for (namespace, index) in victims {
            let group = self.core.key_groups.start + *index as u16;
            let shard = shard(&mut self.spaces, *namespace, *index);
            if extent.holds(shard.modified) {
                shards.extend(share_shard(*namespace, group, shard, extent, true));
            }
        }
        let entry = StateEntry { id: self.core.id, name: self.core.name.to_string(), namespaces: Vec::new() };
        let shards = Box::new(SharedShards::new(self.core.name.clone(), shards));
        let dropped = self.dropped.drain(..).filter(|dropped| extent.holds(dropped.epoch));
        FrozenState { entry, shards, dropped: dropped.map(|dropped| dropped.namespace()).collect() }
    }
}

fn shard<K, V>(
    spaces: &mut BTreeMap<Namespace, Space<K, V>>,
    namespace: Namespace,
    index: usize,
) -> &mut Shard<K, V> {
    let space = spaces.get_mut(&namespace).expect("namespaces do not go while their table is being evicted");
    &mut space.shards[index]
}

impl TableCore {
    fn count_memory(&mut self, store: &RocksStore, entry_bytes: u64) {
        let bytes = self.entries as u64 * entry_bytes;
        store.count_memory(self.counted_bytes, bytes);
        self.counted_bytes = bytes;
    }

    /// Whether so much of the budget is free that reading more than was asked for does not drive out what is in use.
    pub(super) fn has_room_to_read_ahead(&self) -> bool {
        let Some(store) = &self.store else { return false };
        self.entries < self.next_check && store.cached_bytes() < store.cache_bytes() / 2
    }
}

impl Drop for TableCore {
    fn drop(&mut self) {
        if let Some(store) = &self.store {
            store.count_memory(self.counted_bytes, 0);
        }
    }
}
