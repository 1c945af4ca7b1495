//! Batches: what travels on channels. The runtime moves and counts them and never looks inside.

use std::any::Any;

use headwater_core::time::TimestampMs;

/// A type-erased batch.
pub trait Payload: Send {
    /// How many rows it has.
    fn rows(&self) -> usize;

    /// About how many bytes it takes.
    fn bytes(&self) -> usize;

    /// The batch itself, for an operator that knows its type.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// Rows of one Rust type, with their timestamps.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<T> {
    /// The rows.
    pub values: Vec<T>,
    /// One per row.
    pub timestamps: Vec<TimestampMs>,
    /// The hash of each row's key if the batch went through a hash partitioner, else empty.
    pub hashes: Vec<u64>,
}

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self { values: Vec::new(), timestamps: Vec::new(), hashes: Vec::new() }
    }
}

impl<T> Batch<T> {
    /// An empty batch with room for so many rows.
    pub fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), timestamps: Vec::with_capacity(rows), hashes: Vec::new() }
    }

    /// Adds a row.
    #[inline]
    pub fn push(&mut self, value: T, timestamp: TimestampMs) {
        self.values.push(value);
        self.timestamps.push(timestamp);
    }

    /// Adds a row with the hash of its key. Either all rows of a batch have one or none.
    #[inline]
    pub fn push_hashed(&mut self, value: T, timestamp: TimestampMs, hash: u64) {
        self.push(value, timestamp);
        self.hashes.push(hash);
    }

    /// How many rows it has.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Removes all rows and keeps the room.
    pub fn clear(&mut self) {
        self.values.clear();
        self.timestamps.clear();
        self.hashes.clear();
    }

    /// The rows with their timestamps, taken out.
    pub fn drain(&mut self) -> impl Iterator<Item = (T, TimestampMs)> + '_ {
        self.hashes.clear();
        self.values.drain(..).zip(self.timestamps.drain(..))
    }
}

impl<T: Send + 'static> Payload for Batch<T> {
    fn rows(&self) -> usize {
        self.values.len()
    }

    fn bytes(&self) -> usize {
        self.values.len() * (size_of::<T>() + size_of::<TimestampMs>()) + self.hashes.len() * size_of::<u64>()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

/// The batch of the expected type in a payload.
///
/// # Panics
/// If it is of another type, which the graph's construction rules out.
pub fn typed<T: Send + 'static>(payload: Box<dyn Payload>) -> Batch<T> {
    *payload.into_any().downcast::<Batch<T>>().expect("an edge joins an output and an input of the same type")
}
