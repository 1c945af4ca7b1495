//! A value per key that takes others in.

use super::PLAIN;
use crate::{AnyTable, Key, KeyedBackend, StateError, Table, Value};

/// A value per key into which others are combined by a function of the same type.
pub struct ReducingState<K, V, F> {
    table: Table<K, V>,
    reduce: F,
}

impl<K: Key, V: Value, F: FnMut(&mut V, V)> ReducingState<K, V, F> {
    /// Registers the state; `reduce` combines the second value into the first.
    pub fn open(backend: &mut KeyedBackend, name: &str, reduce: F) -> Result<Self, StateError> {
        Ok(Self { table: backend.table(name)?, reduce })
    }

    /// What the values were combined into.
    pub fn get(&mut self, hash: u64, key: &K) -> Result<Option<&V>, StateError> {
        self.table.select(PLAIN)?.into_get(hash, key)
    }

    /// Combines a value into what is there.
    pub fn add(&mut self, hash: u64, key: &K, value: V) -> Result<(), StateError> {
        let mut plain = self.table.select(PLAIN)?;
        match plain.get_mut(hash, key)? {
            Some(reduced) => (self.reduce)(reduced, value),
            None => plain.insert(hash, key.clone(), value),
        }
        Ok(())
    }

    /// Removes what is there. Returns whether there was anything.
    pub fn clear(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        self.table.select(PLAIN)?.remove(hash, key)
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
