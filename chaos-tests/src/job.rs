//! What a run runs.

use serde_json::Value;

/// Where keyed state lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// In memory.
    HashMap,
    /// In RocksDB.
    RocksDb,
}

/// Both backends.
pub const BACKENDS: &[Backend] = &[Backend::HashMap, Backend::RocksDb];

impl Backend {
    /// The value of the option `state.backend.type`.
    pub fn option(self) -> &'static str {
        match self {
            Self::HashMap => "hashmap",
            Self::RocksDb => "rocksdb",
        }
    }
}

/// The option `state.backend.incremental-from` for a seed. The state of tests is small: with half of the seeds all snapshots on the
/// heap continue those before them, with the others none does.
pub fn incremental_from(seed: u64) -> &'static str {
    if seed.is_multiple_of(2) { "0" } else { "1 mb" }
}

/// A job to submit.
#[derive(Debug, Clone)]
pub struct Job {
    /// The registered program.
    pub program: &'static str,
    /// How many sources it has, each with a seed of its own.
    pub sources: u64,
    /// Records per source.
    pub count: u64,
    /// Further arguments.
    pub args: Vec<(&'static str, Value)>,
    /// Options beside those that every run sets.
    pub options: Vec<(&'static str, String)>,
}

impl Job {
    /// A job of one source that takes some seconds.
    pub fn new(program: &'static str) -> Self {
        Self { program, sources: 1, count: 12_800, args: Vec::new(), options: Vec::new() }
    }

    /// Sets an option.
    pub fn option(mut self, key: &'static str, value: impl ToString) -> Self {
        self.options.push((key, value.to_string()));
        self
    }
}
