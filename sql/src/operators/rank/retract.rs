//! Top-N of an input whose rows may go: all rows are kept, as any may become one of the first.

use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::AnyTable;

use super::RankPlan;
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, StreamOperator, failed},
    operators::ordered::{Changes, Expiry, OrderedRows, StoredRow, diff, partitions_of},
};

/// The operator.
pub(super) struct RetractRank {
    plan: RankPlan,
    rows: OrderedRows,
    expiry: Expiry,
}

impl RetractRank {
    pub fn open(
        plan: RankPlan,
        ttl_ms: Option<i64>,
        context: &mut OpenContext<'_>,
    ) -> Result<Self, TaskError> {
        Ok(Self { plan, rows: OrderedRows::open(context)?, expiry: Expiry::new(ttl_ms, context.task) })
    }
}

/// What has become different among the first rows of a partition.
fn compare(plan: &RankPlan, before: &[StoredRow], after: &[StoredRow], changes: &mut Changes) {
    let before = &before[plan.range.start.min(before.len())..plan.range.end.min(before.len())];
    let after = &after[plan.range.start.min(after.len())..plan.range.end.min(after.len())];
    if plan.has_rank {
        compare_numbered(plan, before, after, changes);
        return;
    }
    let (removed, added) = diff(
        &before.iter().map(StoredRow::bytes).collect::<Vec<_>>(),
        &after.iter().map(StoredRow::bytes).collect::<Vec<_>>(),
    );
    // The only row of a partition is updated; of several, one goes and another comes.
    let is_update = plan.range.end - plan.range.start == 1 && removed.len() == added.len();
    let (gone, come) = if is_update {
        (RowKind::UpdateBefore, RowKind::UpdateAfter)
    } else {
        (RowKind::Delete, RowKind::Insert)
    };
    if !is_update || plan.update_before {
        for at in removed {
            let row = changes.store(before[at].clone());
            changes.push(gone, row);
        }
    }
    for at in added {
        let row = changes.store(after[at].clone());
        changes.push(come, row);
    }
}

/// The same where a number's row changes.
fn compare_numbered(plan: &RankPlan, before: &[StoredRow], after: &[StoredRow], changes: &mut Changes) {
    let mut push = |kind: RowKind, row: &StoredRow, index: usize| {
        let row = changes.store(row.clone());
        changes.push_numbered(kind, row, plan.range.start + index + 1);
    };
    for index in 0..before.len().max(after.len()) {
        match (before.get(index), after.get(index)) {
            (Some(was), Some(is)) if was != is => {
                if plan.update_before {
                    push(RowKind::UpdateBefore, was, index);
                }
                push(RowKind::UpdateAfter, is, index);
            }
            (None, Some(is)) => push(RowKind::Insert, is, index),
            (Some(was), None) => push(RowKind::Delete, was, index),
            _ => {}
        }
    }
}

impl StreamOperator for RetractRank {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        self.expiry.read_clock();
        let plan = &self.plan;
        let keys = plan.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let mut rows = self.rows.select()?;
        let mut changes = Changes::default();
        let encoded = plan.codec.encode(&batch.rows).map_err(failed)?;
        for (key, partition) in partitions_of(&keys) {
            let edits = rows.apply(key, &batch, &encoded, &partition, &self.expiry)?;
            if edits.len() == 0 || edits.first >= plan.range.end {
                continue;
            }
            let after = rows.read(key, 0..plan.range.end.saturating_add(edits.len()))?;
            let mut before = after.clone();
            edits.undo(&mut before, 0);
            compare(plan, &before, &after, &mut changes);
        }
        emit(changes.finish(&batch.rows, &plan.codec, &plan.output).map_err(failed)?)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.expiry.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.rows.sweep(now_ms, &mut self.expiry)?;
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        self.rows.tables()
    }
}
