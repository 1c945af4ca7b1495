//! The best rows of a partition.

use headwater_core::time::TimestampMs;
use serde::{Deserialize, Serialize};

use crate::operators::ordered::StoredRow;

/// The first rows of a partition, in their order.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Best {
    pub rows: Vec<RankedRow>,
    pub written_ms: TimestampMs,
    /// The number of this partition's latest change among those of all partitions.
    #[serde(skip)]
    pub mark: u64,
}

/// A row, and its number among all that this attempt has taken in; 0 if an earlier one did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RankedRow {
    pub row: StoredRow,
    #[serde(skip)]
    pub number: u64,
}

impl Best {
    /// The place that a row would have among the first `capacity`, behind those that are sorted alike.
    #[inline]
    pub fn place(&self, order: &[u8], capacity: usize) -> Option<usize> {
        if self.rows.len() >= capacity && self.rows.last().is_none_or(|last| last.row.order() <= order) {
            return None;
        }
        Some(self.rows.partition_point(|other| other.row.order() <= order))
    }

    /// Puts a row at its place. Returns the row that is then one too many.
    #[inline]
    pub fn insert(&mut self, place: usize, row: RankedRow, capacity: usize) -> Option<RankedRow> {
        let displaced = if self.rows.len() >= capacity { self.rows.pop() } else { None };
        self.rows.insert(place, row);
        displaced
    }
}
