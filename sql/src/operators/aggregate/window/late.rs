//! What becomes of rows that come when the windows that they belong to have fired.

use arrow::array::UInt32Array;
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;

use super::WindowAggregate;
use crate::{
    batch::ChangeBatch,
    operator::{Emit, failed},
    operators::window::{WindowKind, times_of},
};

/// Which late rows are emitted, [as such](ChangeBatch::late). All are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LateRows {
    /// None.
    Dropped,
    /// All.
    Emitted,
    /// Rows come once for each of their windows: of those that are too late for all, the one with the last.
    EmittedOnce {
        /// The windows.
        kind: WindowKind,
        /// The time's column.
        column: usize,
    },
}

impl WindowAggregate {
    /// Leaves out of a batch the rows that no window wants, and those that are late, which are counted.
    pub(super) fn leave_out_late(
        &mut self,
        batch: ChangeBatch,
        emit: &mut Emit<'_>,
    ) -> Result<ChangeBatch, TaskError> {
        let mut known: Option<(TimestampMs, bool)> = None;
        let mut kept: Vec<u32> = Vec::new();
        let mut late_rows: Vec<u32> = Vec::new();
        let mut late = 0;
        let counts = self.aggregates.row_counts(&batch);
        for (row, space) in self.spaces.iter().enumerate() {
            let is_wanted = match known {
                Some((of, is_wanted)) if of == *space => is_wanted,
                _ => {
                    let last = if *space == i64::MIN { None } else { self.last_window_of(*space) };
                    let is_wanted = last.is_some_and(|end| end.saturating_sub(1) > self.fired_up_to);
                    known = Some((*space, is_wanted));
                    is_wanted
                }
            };
            if is_wanted {
                kept.push(row as u32);
            } else if *space != i64::MIN && self.last_window_of(*space).is_some() {
                late += counts.map_or(1, |counts| counts[row] as u64);
                late_rows.push(row as u32);
            }
        }
        if kept.len() == batch.len() {
            return Ok(batch);
        }
        self.counters.add_late(late);
        self.emit_late(&batch, late_rows, emit)?;
        self.spaces = kept.iter().map(|row| self.spaces[*row as usize]).collect();
        batch.take(&UInt32Array::from(kept)).map_err(failed)
    }

    /// Emits those of a batch's late rows that are wanted.
    fn emit_late(
        &self,
        batch: &ChangeBatch,
        mut late: Vec<u32>,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        match self.late_rows {
            LateRows::Dropped => return Ok(()),
            LateRows::Emitted => {}
            LateRows::EmittedOnce { kind, column } => {
                let times = times_of(&batch.rows, column, self.time, &*self.clock)?;
                let times: Vec<Option<TimestampMs>> = times.iter().collect();
                late.retain(|row| {
                    let row = *row as usize;
                    let last = times[row].and_then(|time| kind.last_window_of(kind.slice_of(time)));
                    last == Some(self.spaces[row])
                });
            }
        }
        if late.is_empty() {
            return Ok(());
        }
        emit(ChangeBatch::late(batch.take(&UInt32Array::from(late)).map_err(failed)?.rows))
    }
}
