//! A map per key.

use std::collections::BTreeMap;

use super::PLAIN;
use crate::{AnyTable, Key, KeyedBackend, StateError, Table, Value, look::StateKind};

/// A map per key, ordered by the user's keys. A key's map is one value: changing an entry writes the whole map at the next
/// checkpoint, and reading one from the disk reads them all. For large maps make the user's key part of the state's key.
pub struct MapState<K, UK, UV> {
    table: Table<K, BTreeMap<UK, UV>>,
}

impl<K: Key, UK: Value + Ord, UV: Value> MapState<K, UK, UV> {
    /// Registers the state.
    pub fn open(backend: &mut KeyedBackend, name: &str) -> Result<Self, StateError> {
        let table = backend.table(name)?;
        backend.describe(name, |map| map.kind = StateKind::Map);
        Ok(Self { table })
    }

    /// The value of one of the user's keys.
    pub fn get(&mut self, hash: u64, key: &K, user_key: &UK) -> Result<Option<&UV>, StateError> {
        Ok(self.entries(hash, key)?.and_then(|map| map.get(user_key)))
    }

    /// The whole map, if it has entries.
    pub fn entries(&mut self, hash: u64, key: &K) -> Result<Option<&BTreeMap<UK, UV>>, StateError> {
        self.table.select(PLAIN)?.into_get(hash, key)
    }

    /// Sets the value of one of the user's keys.
    pub fn put(&mut self, hash: u64, key: &K, user_key: UK, value: UV) -> Result<(), StateError> {
        self.table.select(PLAIN)?.get_or_insert_with(hash, key, BTreeMap::new)?.insert(user_key, value);
        Ok(())
    }

    /// The value of one of the user's keys, to be modified; `make` gives the first one.
    pub fn get_or_insert_with(
        &mut self,
        hash: u64,
        key: &K,
        user_key: UK,
        make: impl FnOnce() -> UV,
    ) -> Result<&mut UV, StateError> {
        let map = self.table.select(PLAIN)?.into_get_or_insert_with(hash, key, BTreeMap::new)?;
        Ok(map.entry(user_key).or_insert_with(make))
    }

    /// Removes one of the user's keys. Returns its value.
    pub fn remove(&mut self, hash: u64, key: &K, user_key: &UK) -> Result<Option<UV>, StateError> {
        let mut plain = self.table.select(PLAIN)?;
        if plain.get(hash, key)?.is_none_or(|map| !map.contains_key(user_key)) {
            return Ok(None);
        }
        let Some(map) = plain.get_mut(hash, key)? else { return Ok(None) };
        let removed = map.remove(user_key);
        if map.is_empty() {
            plain.remove(hash, key)?;
        }
        Ok(removed)
    }

    /// Removes the whole map. Returns whether it had entries.
    pub fn clear(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        self.table.select(PLAIN)?.remove(hash, key)
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
