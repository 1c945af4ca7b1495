//! What the control plane keeps on the disk, behind traits: it names no storage engine.

use std::{future::Future, pin::Pin};

use crate::{
    checkpoint::Manifest,
    ids::{CheckpointId, JobId},
};

/// A storage failure, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// A future that a storage trait returns.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A key, with its value if that can be read.
pub type ScannedValue = (String, Result<Vec<u8>, StoreError>);

/// A small ordered key-value store. What it returned from is durable, power loss included, unless a method says otherwise.
pub trait DurableStore: Send + Sync {
    /// Writes a value.
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Writes a value that outlives the process, but may be lost with the power: without waiting for the disk.
    fn put_unsynced(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.put(key, value)
    }

    /// Reads a value.
    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Removes a value, if there is one.
    fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// All keys that begin with `prefix`, in order, with their values, or with what is wrong with a damaged one.
    fn scan(&self, prefix: &str) -> Result<Vec<ScannedValue>, StoreError>;
}

/// The newest usable checkpoint of a job, and what had to be passed over to find it.
#[derive(Debug, Clone, PartialEq)]
pub struct LatestCheckpoint {
    /// The newest one whose manifest is whole, if any.
    pub manifest: Option<Manifest>,
    /// Newer ones that are damaged, and how: to be told loudly.
    pub damaged: Vec<(CheckpointId, String)>,
}

/// Where completed checkpoints are kept.
pub trait CheckpointStore: Send + Sync {
    /// Makes a checkpoint durable, all or nothing; once this returned, [`latest`](Self::latest) finds it. Returns the
    /// manifest's length in bytes.
    fn write_manifest(&self, manifest: Manifest) -> StoreFuture<'_, u64>;

    /// The newest usable checkpoint.
    fn latest(&self, job: JobId) -> StoreFuture<'_, LatestCheckpoint>;

    /// Takes a checkpoint out for good: it is not found or listed any more, but what is left of it stays, for a look,
    /// until the job's are removed.
    fn mark_damaged(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()>;

    /// All checkpoints that have a manifest, oldest first.
    fn list(&self, job: JobId) -> StoreFuture<'_, Vec<CheckpointId>>;

    /// Removes a checkpoint, its manifest first. Removing what is not there is not an error.
    fn delete(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()>;

    /// Removes what checkpoints with a number below `before` left that were never completed.
    fn delete_incomplete(&self, job: JobId, before: CheckpointId) -> StoreFuture<'_, ()>;

    /// Removes everything kept for a job.
    fn delete_job(&self, job: JobId) -> StoreFuture<'_, ()>;
}
