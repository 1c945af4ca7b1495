//! The asynchronous part of a snapshot.

use std::sync::{Arc, atomic::Ordering};

use headwater_core::{
    checkpoint::KeyedStateHandle,
    fault::{FaultPoint, reach},
};

use crate::{
    StateError,
    heap::HeapSnapshot,
    rocks::{FrozenSnapshot, RocksStore},
};

/// A snapshot that was taken but is not written yet. If it is dropped instead, nothing is lost: the next one writes
/// what it would have written.
#[must_use = "a checkpoint contains only what was written"]
pub struct PendingSnapshot {
    work: Work,
}

enum Work {
    Heap(HeapSnapshot),
    Rocks(RocksSnapshot),
}

struct RocksSnapshot {
    store: Arc<RocksStore>,
    snapshot: Arc<FrozenSnapshot>,
}

impl PendingSnapshot {
    pub(crate) fn heap(snapshot: HeapSnapshot) -> Self {
        Self { work: Work::Heap(snapshot) }
    }

    pub(crate) fn rocks(store: Arc<RocksStore>, snapshot: FrozenSnapshot) -> Self {
        let snapshot = Arc::new(snapshot);
        store.enqueue(Arc::clone(&snapshot));
        Self { work: Work::Rocks(RocksSnapshot { store, snapshot }) }
    }

    /// Writes the snapshot into its checkpoint's folder, durably. Blocks, also for those of the same subtask that were
    /// taken before.
    pub fn write(self) -> Result<KeyedStateHandle, StateError> {
        reach(FaultPoint::SnapshotWrite);
        let handle = match &self.work {
            Work::Heap(snapshot) => snapshot.write(),
            Work::Rocks(rocks) => rocks.store.write(&rocks.snapshot),
        }?;
        reach(FaultPoint::SnapshotWritten);
        Ok(handle)
    }
}

impl Drop for RocksSnapshot {
    fn drop(&mut self) {
        self.snapshot.is_wanted.store(false, Ordering::Release);
    }
}
