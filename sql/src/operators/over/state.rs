//! What a partition remembers for its later rows.

use headwater_core::time::TimestampMs;
use serde::{Deserialize, Serialize};

use crate::rows::RowBytes;

/// The state of a partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OverState {
    /// The rows that frames of later rows reach back to.
    pub history: Vec<PastRow>,
    /// The states of the accumulators of unbounded frames.
    pub accumulators: Option<RowBytes>,
    pub numbers: Numbers,
    pub last_ms: TimestampMs,
    pub written_ms: TimestampMs,
}

/// A row that was computed: the arguments that later rows look back at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PastRow {
    pub time_ms: TimestampMs,
    pub args: RowBytes,
}

/// The numbers of the last row.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub row: u64,
    pub rank: u64,
    pub dense_rank: u64,
}
