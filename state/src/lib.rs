//! Keyed state and timers, the backends that make them durable, and the storage of checkpoints.
//!
//! A subtask opens one [`KeyedBackend`] per attempt and registers a [`Table`] per state. A table is a hash map per
//! namespace and key group that lives in memory in its native form, whichever the backend; the backends differ in what
//! a checkpoint writes. `hashmap` writes everything into one file. `rocksdb` writes what changed since the last
//! checkpoint into a RocksDB database, whose files the checkpoint then hard-links, reads state back when it is
//! first asked for, and evicts what the memory budget has no room for.
//!
//! Taking a snapshot has a synchronous part that copies nothing ([`KeyedBackend::snapshot`]) and an asynchronous one
//! that any thread may run ([`PendingSnapshot::write`]). In between the task goes on: a shard that a pending snapshot
//! still reads is copied when it is first written to.
//!
//! Only this crate names RocksDB.

mod backend;
mod blocking;
mod catalog;
mod checkpoint_store;
mod disk_key;
mod durable;
mod env;
mod error;
mod frozen;
mod heap;
mod job_store;
pub mod kinds;
mod layout;
mod rocks;
mod shard;
mod snapshot;
mod table;
mod timers;
mod trust;

pub use backend::{BackendConfig, KeyedBackend};
pub use blocking::{Blocking, Panicked};
pub use checkpoint_store::FileCheckpointStore;
pub use env::StateEnv;
pub use error::StateError;
pub use job_store::RocksJobStore;
pub use kinds::{AggregateFunction, AggregatingState, ListState, MapState, ReducingState, ValueState};
pub use snapshot::PendingSnapshot;
pub use table::{AnyTable, Key, Namespace, NamespaceMut, Table, Value};
pub use timers::TimerService;
