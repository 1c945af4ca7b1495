//! An accumulator per key.

use super::PLAIN;
use crate::{AnyTable, Key, KeyedBackend, StateError, Table, Value};

/// How values are aggregated by way of an accumulator.
pub trait AggregateFunction {
    /// What comes in.
    type In;
    /// What is kept.
    type Acc;
    /// What comes out.
    type Out;

    /// An accumulator that took nothing in.
    fn create(&self) -> Self::Acc;

    /// Takes a value in.
    fn add(&self, accumulator: &mut Self::Acc, value: Self::In);

    /// Takes in all that another accumulator took in.
    fn merge(&self, accumulator: &mut Self::Acc, other: Self::Acc);

    /// What the values taken in amount to.
    fn result(&self, accumulator: &Self::Acc) -> Self::Out;
}

/// An accumulator per key.
pub struct AggregatingState<K, A: AggregateFunction> {
    table: Table<K, A::Acc>,
    function: A,
}

impl<K: Key, A: AggregateFunction<Acc: Value>> AggregatingState<K, A> {
    /// Registers the state.
    pub fn open(backend: &mut KeyedBackend, name: &str, function: A) -> Result<Self, StateError> {
        Ok(Self { table: backend.table(name)?, function })
    }

    /// The result so far, if any value was added.
    pub fn get(&mut self, hash: u64, key: &K) -> Result<Option<A::Out>, StateError> {
        let accumulator = self.table.select(PLAIN)?.into_get(hash, key)?;
        Ok(accumulator.map(|accumulator| self.function.result(accumulator)))
    }

    /// Adds a value.
    pub fn add(&mut self, hash: u64, key: &K, value: A::In) -> Result<(), StateError> {
        let mut plain = self.table.select(PLAIN)?;
        let accumulator = plain.get_or_insert_with(hash, key, || self.function.create())?;
        self.function.add(accumulator, value);
        Ok(())
    }

    /// Adds all that another accumulator took in.
    pub fn merge(&mut self, hash: u64, key: &K, other: A::Acc) -> Result<(), StateError> {
        let mut plain = self.table.select(PLAIN)?;
        let accumulator = plain.get_or_insert_with(hash, key, || self.function.create())?;
        self.function.merge(accumulator, other);
        Ok(())
    }

    /// Removes the accumulator. Returns whether there was one.
    pub fn clear(&mut self, hash: u64, key: &K) -> Result<bool, StateError> {
        self.table.select(PLAIN)?.remove(hash, key)
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
