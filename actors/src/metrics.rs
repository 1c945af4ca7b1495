//! What a task counts, and the proof of life that is read from another thread.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use headwater_core::{
    execution::TaskMetrics,
    time::{MIN_WATERMARK, TimestampMs},
};

const NEVER: i64 = i64::MIN;

/// A row that a function panicked at, as seen from the end of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedRow {
    /// How many rows of the batch come behind it.
    pub behind: u64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
}

/// A task's counters: written by its thread once per batch, read by the worker's reporter.
#[derive(Debug)]
pub struct TaskCounters {
    records_in: AtomicU64,
    records_out: AtomicU64,
    late_records: AtomicU64,
    malformed_records: AtomicU64,
    watermark_ms: AtomicI64,
    busy_us: AtomicU64,
    backpressured_us: AtomicU64,
    first_record_at_ms: AtomicI64,
    reconnects: AtomicU64,
    steps: AtomicU64,
    is_working: AtomicBool,
    failed_row: Mutex<Option<FailedRow>>,
}

impl Default for TaskCounters {
    fn default() -> Self {
        Self {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            late_records: AtomicU64::new(0),
            malformed_records: AtomicU64::new(0),
            watermark_ms: AtomicI64::new(MIN_WATERMARK),
            busy_us: AtomicU64::new(0),
            backpressured_us: AtomicU64::new(0),
            first_record_at_ms: AtomicI64::new(NEVER),
            reconnects: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            is_working: AtomicBool::new(false),
            failed_row: Mutex::new(None),
        }
    }
}

impl TaskCounters {
    /// Counts records taken in.
    pub fn add_in(&self, records: u64) {
        self.records_in.fetch_add(records, Relaxed);
    }

    /// Counts records given out.
    pub fn add_out(&self, records: u64) {
        self.records_out.fetch_add(records, Relaxed);
    }

    /// Counts records that came too late for their windows.
    pub fn add_late(&self, records: u64) {
        self.late_records.fetch_add(records, Relaxed);
    }

    /// Counts a record that a source could not decode.
    pub fn add_malformed(&self) {
        self.malformed_records.fetch_add(1, Relaxed);
    }

    /// Counts a connection's being made anew.
    pub fn add_reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    /// Sets the current watermark.
    pub fn set_watermark(&self, watermark: TimestampMs) {
        self.watermark_ms.store(watermark, Relaxed);
    }

    /// Adds time that was spent waiting for room downstream.
    pub fn add_backpressured(&self, since: Instant) {
        self.backpressured_us.fetch_add(since.elapsed().as_micros() as u64, Relaxed);
    }

    /// Takes note of when the first record was processed.
    pub fn set_first_record_at(&self, at_ms: TimestampMs) {
        self.first_record_at_ms.store(at_ms, Relaxed);
    }

    /// Runs a piece of the task's work. Between two such pieces the task is never taken for a hung one: it may be
    /// waiting for input, or for room.
    pub fn work<T>(&self, piece: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        self.steps.fetch_add(1, Relaxed);
        self.is_working.store(true, Relaxed);
        let result = piece();
        self.is_working.store(false, Relaxed);
        self.busy_us.fetch_add(started.elapsed().as_micros() as u64, Relaxed);
        result
    }

    /// Takes note of the row that a function panics at. The innermost one stands.
    pub fn note_failed_row(&self, row: FailedRow) {
        self.failed_row.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(row);
    }

    /// The row that a function has panicked at.
    pub fn failed_row(&self) -> Option<FailedRow> {
        *self.failed_row.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the piece of work that the task is in, if it is in one.
    pub fn current_step(&self) -> Option<u64> {
        self.is_working.load(Relaxed).then(|| self.steps.load(Relaxed))
    }

    /// All counters.
    pub fn read(&self) -> TaskMetrics {
        TaskMetrics {
            records_in: self.records_in.load(Relaxed),
            records_out: self.records_out.load(Relaxed),
            late_records: self.late_records.load(Relaxed),
            malformed_records: self.malformed_records.load(Relaxed),
            watermark_ms: Some(self.watermark_ms.load(Relaxed))
                .filter(|watermark| *watermark != MIN_WATERMARK),
            busy_us: self.busy_us.load(Relaxed),
            backpressured_us: self.backpressured_us.load(Relaxed),
            first_record_at_ms: Some(self.first_record_at_ms.load(Relaxed)).filter(|at| *at != NEVER),
            restarts_of_connection: self.reconnects.load(Relaxed),
        }
    }
}
