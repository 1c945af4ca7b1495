//! The heap backend: entries in memory, and in the checkpoints' files.
//!
//! A checkpoint has a file with all entries, and behind it files with what has changed since, until those together are as large
//! as it: so what is written is in proportion to what changes, and what is read to what there is. Checkpoints share these files by
//! hard links, as they do RocksDB's.

mod chain;
mod file;
mod look;
mod restore;

pub(crate) use self::{
    chain::{HeapSnapshot, HeapStore},
    look::HeapReader,
    restore::RestoredHeap,
};
