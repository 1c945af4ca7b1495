//! The job store and the clock of simulated processes.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use headwater::core::{
    fault::{FaultPoint, try_reach},
    store::{DurableStore, ScannedValue, StoreError},
    time::{Clock, TimestampMs},
};

use super::{disk::ProcessDisk, trace::Trace};

/// Values that outlive processes.
pub type Values = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// The job store as one process has it: each write is durable once it has returned, and a process that is cut off from its
/// disk is cut off from this, too.
pub struct SimJobStore {
    values: Values,
    disk: ProcessDisk,
    trace: Trace,
}

impl SimJobStore {
    /// The store with these values.
    pub fn new(values: &Values, disk: &ProcessDisk, trace: &Trace) -> Self {
        Self { values: Arc::clone(values), disk: disk.clone(), trace: trace.clone() }
    }

    fn begin(&self, doing: &str, key: &str) -> Result<MutexGuard<'_, BTreeMap<String, Vec<u8>>>, StoreError> {
        if !self.disk.is_alive() {
            return Err(StoreError("the process is dead".to_owned()));
        }
        self.trace.note(format_args!("job store: {doing} {key}"));
        Ok(self.values.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl DurableStore for SimJobStore {
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        if self.disk.is_alive() {
            try_reach(FaultPoint::JobStorePut)
                .map_err(|error| StoreError(format!("cannot write `{key}`: {error}")))?;
        }
        self.begin("put", key)?.insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.begin("get", key)?.get(key).cloned())
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.begin("delete", key)?.remove(key);
        Ok(())
    }

    fn scan(&self, prefix: &str) -> Result<Vec<ScannedValue>, StoreError> {
        let values = self.begin("scan", prefix)?;
        let found = values.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), Ok(value.clone()))).collect())
    }
}

/// A wall clock that follows virtual time, and that jumps when it is told to.
#[derive(Clone)]
pub struct SimClock {
    trace: Trace,
    offset_ms: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock that begins in the year 2026.
    pub fn new(trace: &Trace) -> Self {
        Self { trace: trace.clone(), offset_ms: Arc::new(AtomicI64::new(1_767_225_600_000)) }
    }

    /// Sets the clock forward, or back.
    pub fn jump(&self, by_ms: i64) {
        self.offset_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now_ms(&self) -> TimestampMs {
        self.offset_ms.load(Ordering::SeqCst) + self.trace.now_ms() as i64
    }
}
