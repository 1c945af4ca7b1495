//! The RocksDB backend's disk: one database per subtask attempt, which only ever receives whole sorted files.

mod checkpoint;
mod database;
mod look;
mod store;

pub(crate) use database::{Database, SharedMemory};
pub(crate) use look::RocksReader;
pub(crate) use store::{FrozenSnapshot, RocksStore};
