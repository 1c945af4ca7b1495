//! Stores in memory, which fail on demand.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use headwater_core::{
    checkpoint::Manifest,
    ids::{CheckpointId, JobId},
    store::{CheckpointStore, DurableStore, LatestCheckpoint, ScannedValue, StoreError, StoreFuture},
};

#[derive(Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, Vec<u8>>>);

impl MemoryStore {
    pub fn keys(&self) -> Vec<String> {
        self.0.lock().unwrap().keys().cloned().collect()
    }
}

impl DurableStore for MemoryStore {
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.lock().unwrap().get(key).cloned())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(key);
        Ok(())
    }

    fn scan(&self, prefix: &str) -> Result<Vec<ScannedValue>, StoreError> {
        let entries = self.0.lock().unwrap();
        let matching = entries.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(matching.map(|(key, value)| (key.clone(), Ok(value.clone()))).collect())
    }
}

#[derive(Default)]
pub struct MemoryCheckpoints {
    manifests: Mutex<BTreeMap<(JobId, CheckpointId), Manifest>>,
    damaged: Mutex<Vec<(CheckpointId, String)>>,
    pub is_refusing_writes: AtomicBool,
    /// Writes become durable, but their writers never hear of it.
    pub is_hanging: AtomicBool,
    /// A job's checkpoints are not removed for as long as this is so.
    pub is_slow_to_delete: AtomicBool,
    pub is_refusing_to_delete: AtomicBool,
}

impl MemoryCheckpoints {
    pub fn of(&self, job: JobId) -> Vec<CheckpointId> {
        let manifests = self.manifests.lock().unwrap();
        manifests.keys().filter(|(owner, _)| *owner == job).map(|(_, id)| *id).collect()
    }

    /// Loses a checkpoint without a trace.
    pub fn lose(&self, job: JobId, checkpoint: CheckpointId) {
        self.manifests.lock().unwrap().remove(&(job, checkpoint)).unwrap();
    }

    pub fn damage(&self, job: JobId, checkpoint: CheckpointId) {
        self.manifests.lock().unwrap().remove(&(job, checkpoint)).unwrap();
        self.damaged.lock().unwrap().push((checkpoint, "the checksum does not match".into()));
    }
}

impl CheckpointStore for MemoryCheckpoints {
    fn write_manifest(&self, manifest: Manifest) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.is_refusing_writes.load(Ordering::SeqCst) {
                return Err(StoreError("disk full".into()));
            }
            self.manifests.lock().unwrap().insert((manifest.job, manifest.checkpoint), manifest);
            while self.is_hanging.load(Ordering::SeqCst) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            Ok(1)
        })
    }

    fn latest(&self, job: JobId) -> StoreFuture<'_, LatestCheckpoint> {
        let newest = self.of(job).last().map(|id| self.manifests.lock().unwrap()[&(job, *id)].clone());
        let damaged = self.damaged.lock().unwrap().clone();
        Box::pin(async move { Ok(LatestCheckpoint { manifest: newest, damaged }) })
    }

    fn mark_damaged(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()> {
        self.manifests.lock().unwrap().remove(&(job, checkpoint));
        self.damaged.lock().unwrap().retain(|(damaged, _)| *damaged != checkpoint);
        Box::pin(async { Ok(()) })
    }

    fn list(&self, job: JobId) -> StoreFuture<'_, Vec<CheckpointId>> {
        let ids = self.of(job);
        Box::pin(async move { Ok(ids) })
    }

    fn delete(&self, job: JobId, checkpoint: CheckpointId) -> StoreFuture<'_, ()> {
        self.manifests.lock().unwrap().remove(&(job, checkpoint));
        Box::pin(async { Ok(()) })
    }

    fn delete_incomplete(&self, _: JobId, _: CheckpointId) -> StoreFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn delete_job(&self, job: JobId) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            while self.is_slow_to_delete.load(Ordering::SeqCst) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
            if self.is_refusing_to_delete.load(Ordering::SeqCst) {
                return Err(StoreError("disk gone".into()));
            }
            self.manifests.lock().unwrap().retain(|(owner, _), _| *owner != job);
            Ok(())
        })
    }
}
