//! One value per key.

use super::PLAIN;
use crate::{AnyTable, Key, KeyedBackend, StateError, Table, Value};

/// A value per key.
pub struct ValueState<K, V> {
    table: Table<K, V>,
}

impl<K: Key, V: Value> ValueState<K, V> {
    /// Registers the state.
    pub fn open(backend: &mut KeyedBackend, name: &str) -> Result<Self, StateError> {
        Ok(Self { table: backend.table(name)? })
    }

    /// The value.
    pub fn get(&mut self, hash: u64, key: &K) -> Result<Option<&V>, StateError> {
        self.table.select(PLAIN)?.into_get(hash, key)
    }

    /// The value, to be modified; `make` gives the first one.
    pub fn get_or_insert_with(
        &mut self,
        hash: u64,
        key: &K,
        make: impl FnOnce() -> V,
    ) -> Result<&mut V, StateError> {
        self.table.select(PLAIN)?.into_get_or_insert_with(hash, key, make)
    }

    /// Sets the value.
    pub fn set(&mut self, hash: u64, key: &K, value: V) -> Result<(), StateError> {
        self.table.select(PLAIN)?.insert(hash, key.clone(), value);
        Ok(())
    }

    /// Removes the value. Returns whether there was one.
    pub fn clear(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        self.table.select(PLAIN)?.remove(hash, key)
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
