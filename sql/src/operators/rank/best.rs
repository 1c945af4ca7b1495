//! The best rows of a partition.

use headwater_core::time::TimestampMs;
use serde::{Deserialize, Serialize};

use crate::operators::ordered::StoredRow;

/// The first rows of a partition, in their order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Best {
    pub rows: Vec<StoredRow>,
    pub written_ms: TimestampMs,
}

impl Best {
    /// The place that a row would have among the first `capacity`, behind those that are sorted alike.
    #[inline]
    pub fn place(&self, order: &[u8], capacity: usize) -> Option<usize> {
        if self.rows.len() >= capacity && self.rows.last().is_none_or(|last| last.order() <= order) {
            return None;
        }
        Some(self.rows.partition_point(|other| other.order() <= order))
    }

    /// Puts a row at its place, and drops the one that is then too many.
    #[inline]
    pub fn insert(&mut self, place: usize, row: StoredRow, capacity: usize) {
        self.rows.truncate(capacity.saturating_sub(1));
        self.rows.insert(place, row);
    }
}
