//! What a subtask does and has done.

use headwater_core::{
    execution::{ExecutionState, TaskMetrics},
    ids::SubtaskId,
    time::TimestampMs,
};

/// One subtask.
#[derive(Clone, Debug, PartialEq)]
pub struct SubtaskView {
    /// Which.
    pub subtask: SubtaskId,
    /// The current attempt, counted from 0.
    pub attempt: u32,
    /// Its state.
    pub state: ExecutionState,
    /// The slot that it runs in.
    pub slot: usize,
    /// What the attempt has done so far.
    pub metrics: TaskMetrics,
    /// When that was, by the worker's clock; `None` before its first report.
    pub metrics_at_ms: Option<TimestampMs>,
    /// Since when it is in its state, if that is known.
    pub state_since_ms: Option<TimestampMs>,
    /// How the attempt has spent the last seconds; `None` until that can be told.
    pub recent: Option<Recent>,
    /// Bytes of its part of the newest checkpoint that it has acknowledged.
    pub state_bytes: Option<u64>,
}

/// What a subtask has done in the last seconds. The shares are of that time and add up to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recent {
    /// How long that is.
    pub over_ms: u64,
    /// Worked.
    pub busy_share: f64,
    /// Waited for room downstream.
    pub backpressured_share: f64,
    /// Waited for input, or for its slot's thread.
    pub idle_share: f64,
    /// Records taken in per second.
    pub records_in_per_second: f64,
    /// Records given out per second.
    pub records_out_per_second: f64,
    /// Records that came too late, in the last minute.
    pub late_records: u64,
    /// Records that could not be decoded, in the last minute.
    pub malformed_records: u64,
}
