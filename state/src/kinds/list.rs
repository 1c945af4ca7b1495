//! A list per key.

use super::PLAIN;
use crate::{AnyTable, Key, KeyedBackend, StateError, Table, Value, look::StateKind};

/// A list per key. It is read and written as a whole: made for lists that fit into memory.
pub struct ListState<K, T> {
    table: Table<K, Vec<T>>,
}

impl<K: Key, T: Value> ListState<K, T> {
    /// Registers the state.
    pub fn open(backend: &mut KeyedBackend, name: &str) -> Result<Self, StateError> {
        let table = backend.table(name)?;
        backend.describe(name, |list| list.kind = StateKind::List);
        Ok(Self { table })
    }

    /// The items, in the order in which they were added.
    pub fn get(&mut self, hash: u64, key: &K) -> Result<&[T], StateError> {
        Ok(self.table.select(PLAIN)?.into_get(hash, key)?.map_or(&[], Vec::as_slice))
    }

    /// Adds an item at the end.
    pub fn add(&mut self, hash: u64, key: &K, item: T) -> Result<(), StateError> {
        self.table.select(PLAIN)?.get_or_insert_with(hash, key, Vec::new)?.push(item);
        Ok(())
    }

    /// Adds items at the end.
    pub fn extend(
        &mut self,
        hash: u64,
        key: &K,
        items: impl IntoIterator<Item = T>,
    ) -> Result<(), StateError> {
        self.table.select(PLAIN)?.get_or_insert_with(hash, key, Vec::new)?.extend(items);
        Ok(())
    }

    /// Replaces all items.
    pub fn set(&mut self, hash: u64, key: &K, items: Vec<T>) -> Result<(), StateError> {
        self.table.select(PLAIN)?.insert(hash, key.clone(), items);
        Ok(())
    }

    /// Removes all items. Returns whether there were any.
    pub fn clear(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        self.table.select(PLAIN)?.remove(hash, key)
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
