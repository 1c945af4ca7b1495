//! Top-N of an input that only grows: what is not among the best N of its partition never will be.

use std::ops::Range;

use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::{AnyTable, Table};

use super::{RankPlan, best::Best, held::Held};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, StreamOperator, failed},
    operators::ordered::{Change, Changes, EncodedRows, Expiry, StoredRow},
    rows::RowBytes,
};

/// The operator.
pub(super) struct AppendRank {
    plan: RankPlan,
    table: Table<RowBytes, Best>,
    expiry: Expiry,
    /// What came since results were last given out.
    held: Held,
}

/// A partition with rows that may be among its best.
struct Touched {
    hash: u64,
    key: RowBytes,
    /// Its candidates, by their place among all.
    candidates: Range<usize>,
}

/// A row of a partition, with its places before and after.
struct Placed {
    row: Source,
    before: Option<usize>,
    after: Option<usize>,
}

enum Source {
    Candidate(u32),
    Stored(StoredRow),
}

impl AppendRank {
    pub fn open(
        plan: RankPlan,
        ttl_ms: Option<i64>,
        context: &mut OpenContext<'_>,
    ) -> Result<Self, TaskError> {
        Ok(Self {
            plan,
            table: context.table("best-rows")?,
            expiry: Expiry::new(ttl_ms, context.task),
            held: Held::default(),
        })
    }

    /// The best of the rows that are held, as far as they are better than the worst of a partition that is full: those of one
    /// partition one behind the other, in their order.
    fn candidates(&mut self) -> Result<(Vec<u32>, Vec<Touched>), TaskError> {
        let capacity = self.plan.range.end;
        let (rows, ends) = self.held.by_partition();
        let mut candidates: Vec<u32> = Vec::new();
        let mut touched = Vec::new();
        let mut table = self.table.select(0)?;
        let mut start = 0;
        for (partition, end) in ends.into_iter().enumerate() {
            let (hash, key) = self.held.key(partition);
            let best = table.get(hash, &key)?.filter(|best| !self.expiry.is_over(best.written_ms));
            let worst = best.filter(|best| best.rows.len() >= capacity).and_then(|best| best.rows.last());
            let mut limit = worst.map(StoredRow::order);
            let first = candidates.len();
            for row in &rows[start..end] {
                let order = self.held.order(*row);
                if limit.is_some_and(|limit| order >= limit) {
                    continue;
                }
                let place = candidates[first..].partition_point(|other| self.held.order(*other) <= order);
                candidates.insert(first + place, *row);
                candidates.truncate(first + capacity);
                if candidates.len() == first + capacity {
                    limit = candidates.last().map(|last| self.held.order(*last));
                }
            }
            if candidates.len() > first {
                touched.push(Touched { hash, key, candidates: first..candidates.len() });
            }
            start = end;
        }
        Ok((candidates, touched))
    }

    /// Puts the candidates into their places.
    fn place(&mut self, touched: &[Touched], rows: &EncodedRows) -> Result<Changes, TaskError> {
        let capacity = self.plan.range.end;
        let mut changes = Changes::default();
        let mut table = self.table.select(0)?;
        for Touched { hash, key, candidates } in touched {
            let best = table.get_or_insert_with(*hash, key, Best::default)?;
            if self.expiry.is_over(best.written_ms) {
                best.rows.clear();
            }
            let placed = merge(std::mem::take(&mut best.rows), candidates.clone(), rows, capacity);
            if self.plan.has_rank {
                numbered(&self.plan, &placed, &mut changes);
            } else {
                unnumbered(&self.plan, &placed, &mut changes);
            }
            let stay = placed.into_iter().filter(|row| row.after.is_some());
            best.rows.extend(stay.map(|placed| match placed.row {
                Source::Candidate(row) => rows.stored(row as usize),
                Source::Stored(row) => row,
            }));
            best.written_ms = self.expiry.now_ms();
        }
        Ok(changes)
    }
}

/// The rows of a partition and its candidates, each in their order, in one order, with their places. Of rows that are sorted alike
/// those that are there come first.
fn merge(old: Vec<StoredRow>, candidates: Range<usize>, rows: &EncodedRows, capacity: usize) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::with_capacity(old.len() + candidates.len());
    let mut push = |row, before| {
        let after = Some(placed.len()).filter(|place| *place < capacity);
        placed.push(Placed { row, before, after });
    };
    let mut candidates = candidates.peekable();
    for (before, row) in old.into_iter().enumerate() {
        while let Some(better) = candidates.next_if(|candidate| rows.order(*candidate) < row.order()) {
            push(Source::Candidate(better as u32), None);
        }
        push(Source::Stored(row), Some(before));
    }
    candidates.for_each(|candidate| push(Source::Candidate(candidate as u32), None));
    placed
}

/// Without numbers, a row comes or goes. All deletions precede all insertions, so that there are never too many rows.
fn unnumbered(plan: &RankPlan, placed: &[Placed], changes: &mut Changes) {
    let is_in = |place: Option<usize>| place.is_some_and(|place| plan.range.contains(place));
    for row in placed {
        if is_in(row.before) && !is_in(row.after) {
            let change = row.row.add_to(changes);
            changes.push(RowKind::Delete, change);
        }
    }
    for row in placed {
        if !is_in(row.before) && is_in(row.after) {
            let change = row.row.add_to(changes);
            changes.push(RowKind::Insert, change);
        }
    }
}

/// With numbers, it is a number's row that changes.
fn numbered(plan: &RankPlan, placed: &[Placed], changes: &mut Changes) {
    let ranks = plan.range.end.min(placed.len());
    let mut before = vec![None; ranks];
    let mut after = vec![None; ranks];
    for (index, row) in placed.iter().enumerate() {
        if let Some(place) = row.before.filter(|place| *place < ranks) {
            before[place] = Some(index);
        }
        if let Some(place) = row.after.filter(|place| *place < ranks) {
            after[place] = Some(index);
        }
    }
    // A row that moves on is decoded once for both of its numbers.
    let mut added: Vec<Option<Change>> = vec![None; placed.len()];
    let mut push = |kind: RowKind, index: usize, place: usize| {
        let row = *added[index].get_or_insert_with(|| placed[index].row.add_to(changes));
        changes.push_numbered(kind, row, place + 1);
    };
    for place in plan.range.start..ranks {
        match (before[place], after[place]) {
            (Some(was), Some(is)) if was != is => {
                if plan.update_before {
                    push(RowKind::UpdateBefore, was, place);
                }
                push(RowKind::UpdateAfter, is, place);
            }
            (None, Some(is)) => push(RowKind::Insert, is, place),
            (Some(was), None) => push(RowKind::Delete, was, place),
            _ => {}
        }
    }
}

impl Source {
    fn add_to(&self, changes: &mut Changes) -> Change {
        match self {
            Self::Candidate(row) => Change::Incoming(*row),
            Self::Stored(row) => changes.store(row.clone()),
        }
    }
}

impl StreamOperator for AppendRank {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let keys = self.plan.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let orders = self.plan.codec.encode_orders(&batch.rows).map_err(failed)?;
        self.held.push(batch.rows, &keys, orders);
        if self.held.is_full() { self.flush(emit) } else { Ok(()) }
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if self.held.len() == 0 {
            return Ok(());
        }
        self.expiry.read_clock();
        let (candidates, touched) = self.candidates()?;
        let candidates = self.held.take(&candidates).map_err(failed)?;
        self.held.clear();
        if touched.is_empty() {
            return Ok(());
        }
        let rows = self.plan.codec.encode(&candidates).map_err(failed)?;
        let changes = self.place(&touched, &rows)?;
        emit(changes.finish(&candidates, &self.plan.codec, &self.plan.output).map_err(failed)?)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.expiry.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.expiry.sweep(now_ms, &mut self.table, |best| best.written_ms)?;
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.table]
    }
}
