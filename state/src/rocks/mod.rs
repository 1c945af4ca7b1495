//! The RocksDB backend's disk: one database per subtask attempt, which only ever receives whole sorted files.

mod checkpoint;
mod database;
mod store;

pub(crate) use database::{Database, SharedMemory};
pub(crate) use store::{FrozenSnapshot, RocksStore};
