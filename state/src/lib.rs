//! Keyed state and timers, the backends that make them durable, and the storage of checkpoints.
//!
//! A subtask opens one [`KeyedBackend`] per attempt and registers a [`Table`] per state. A table is a hash map per
//! namespace and key group that lives in memory in its native form, whichever the backend; the backends differ in what
//! a checkpoint writes, beyond that it is what changed since the last one. `hashmap` writes it into a file behind those of the
//! last checkpoint, and everything into one file anew now and then. `rocksdb` writes it into a RocksDB database, whose files the
//! checkpoint then hard-links, reads state back when it is first asked for, and evicts what the memory budget has no room for.
//!
//! Taking a snapshot has a synchronous part that copies nothing ([`KeyedBackend::snapshot`]) and an asynchronous one
//! that any thread may run ([`PendingSnapshot::write`]). In between the task goes on: what a pending snapshot needs of a shard
//! and has not read yet is encoded for it before the shard changes.
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
pub mod look;
mod rocks;
mod shard;
mod snapshot;
mod table;
mod timers;
mod trust;
mod working_folder;

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
