//! Walking a batch row by row, so that the row is known at which a function panics.

use std::thread;

use headwater_core::time::TimestampMs;

use crate::metrics::{FailedRow, TaskCounters};

/// The rows of a batch. It costs nothing per row: only if it is dropped by a panic does it look at how far it has come, and
/// [notes](TaskCounters::note_failed_row) it.
pub struct Walk<'a, I: ExactSizeIterator> {
    rows: I,
    timestamps: &'a [TimestampMs],
    counters: &'a TaskCounters,
}

impl<'a, I: ExactSizeIterator> Walk<'a, I> {
    /// A walk over `rows`, whose timestamps are these.
    pub fn new(rows: I, timestamps: &'a [TimestampMs], counters: &'a TaskCounters) -> Self {
        Self { rows, timestamps, counters }
    }
}

impl<I: ExactSizeIterator> Iterator for Walk<'_, I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.rows.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl<I: ExactSizeIterator> Drop for Walk<'_, I> {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let behind = self.rows.len();
        let row = self.timestamps.len().checked_sub(behind + 1);
        if let Some(timestamp) = row.and_then(|row| self.timestamps.get(row)) {
            self.counters.note_failed_row(FailedRow { behind: behind as u64, timestamp: *timestamp });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_row_of_a_panic_is_noted_and_no_other() {
        let counters = TaskCounters::default();
        let walk = |panics_at: u32| {
            let (rows, timestamps) = (vec![1u32, 2, 3, 4], [10, 20, 30, 40]);
            let _ = catch_unwind(AssertUnwindSafe(|| {
                Walk::new(rows.into_iter(), &timestamps, &counters)
                    .for_each(|row| assert_ne!(row, panics_at));
            }));
        };
        walk(5);
        assert_eq!(counters.failed_row(), None);
        walk(3);
        assert_eq!(counters.failed_row(), Some(FailedRow { behind: 1, timestamp: 30 }));
    }
}
