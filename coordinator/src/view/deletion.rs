//! What is seen of a job's deletion.

use headwater_core::time::TimestampMs;

/// A deletion that was asked for. Once it is through, the job is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionView {
    /// When it was asked for.
    pub since_ms: TimestampMs,
    /// Why it did not go through, if it didn't: it is tried again when it is asked for again, and by the next process.
    pub failure: Option<String>,
}

/// A deletion that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteView {
    /// Whether it is through already.
    pub is_done: bool,
}
