//! Top-N of an input that only grows: what is not among the best N of its partition never will be.

use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::{AnyTable, Table};

use super::{
    RankPlan,
    best::{Best, RankedRow},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, StreamOperator, failed},
    operators::ordered::{Change, Changes, Expiry, StoredRow},
    rows::{Keys, RowBytes},
};

/// The operator.
pub(super) struct AppendRank {
    plan: RankPlan,
    table: Table<RowBytes, Best>,
    expiry: Expiry,
    /// The mark that the next partition to change gets.
    next_mark: u64,
    /// The number that the next row gets.
    next_number: u64,
    /// Whether most rows of the last batch were none of the best: then rows are looked at before they are encoded.
    is_selective: bool,
}

/// A partition that was changed in a batch.
struct Touched {
    /// A row of the partition.
    row: u32,
    /// The rows that went, from the last one on.
    displaced: Vec<StoredRow>,
}

/// A row of a partition, with its places before and after a batch.
struct Placed<'a> {
    row: Source<'a>,
    before: Option<usize>,
    after: Option<usize>,
}

enum Source<'a> {
    Incoming(u32),
    Stored(&'a StoredRow),
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
            next_mark: 1,
            next_number: 1,
            is_selective: false,
        })
    }

    /// The rows that are better than the worst of their partition before the batch: only those can be among the best after
    /// it. `None` if that is not worth the while.
    fn candidates(&mut self, batch: &ChangeBatch) -> Result<Option<ChangeBatch>, TaskError> {
        if !self.is_selective {
            return Ok(None);
        }
        let keys = self.plan.keys.keys(&batch.rows, batch.hashes.clone()).map_err(failed)?;
        let rows = self.plan.codec.encode_orders(&batch.rows).map_err(failed)?;
        let mut table = self.table.select(0)?;
        let mut chosen = Vec::new();
        for row in 0..keys.len() {
            let best = table.get(keys.hash(row), &RowBytes::from(keys.bytes(row)))?;
            let is_candidate = best.is_none_or(|best| {
                self.expiry.is_over(best.written_ms)
                    || best.place(rows.order(row), self.plan.range.end).is_some()
            });
            if is_candidate {
                chosen.push(row as u32);
            }
        }
        self.is_selective = chosen.len() * 2 < keys.len();
        batch.take(&chosen.into()).map(Some).map_err(failed)
    }

    /// Puts the rows of a batch into their places.
    fn place(&mut self, batch: &ChangeBatch, keys: &Keys) -> Result<Vec<Touched>, TaskError> {
        let rows = self.plan.codec.encode(&batch.rows).map_err(failed)?;
        let capacity = self.plan.range.end;
        let (first_mark, first_number) = (self.next_mark, self.next_number);
        let mut touched: Vec<Touched> = Vec::new();
        let mut table = self.table.select(0)?;
        for row in 0..keys.len() {
            let best = table.get_or_insert_borrowed(keys.hash(row), keys.bytes(row), Best::default)?;
            if best.mark < first_mark && self.expiry.is_over(best.written_ms) {
                best.rows.clear();
            }
            let Some(place) = best.place(rows.order(row), capacity) else { continue };
            let ranked = RankedRow { row: rows.stored(row), number: first_number + row as u64 };
            let displaced = best.insert(place, ranked, capacity);
            best.written_ms = self.expiry.now_ms();
            if best.mark < first_mark {
                best.mark = first_mark + touched.len() as u64;
                touched.push(Touched { row: row as u32, displaced: Vec::new() });
            }
            // What has come in this batch can go without anybody's knowing.
            if let Some(displaced) = displaced.filter(|displaced| displaced.number < first_number) {
                touched[(best.mark - first_mark) as usize].displaced.push(displaced.row);
            }
        }
        self.next_mark += touched.len() as u64;
        self.next_number += keys.len() as u64;
        Ok(touched)
    }

    fn changes(
        &mut self,
        batch: &ChangeBatch,
        keys: &Keys,
        touched: &[Touched],
    ) -> Result<ChangeBatch, TaskError> {
        let first_number = self.next_number - keys.len() as u64;
        let mut changes = Changes::default();
        let mut table = self.table.select(0)?;
        for partition in touched {
            let row = partition.row as usize;
            let best = table.get_or_insert_borrowed(keys.hash(row), keys.bytes(row), Best::default)?;
            let placed = placed(best, &partition.displaced, first_number);
            if self.plan.has_rank {
                numbered(&self.plan, &placed, &mut changes);
            } else {
                unnumbered(&self.plan, &placed, &mut changes);
            }
        }
        changes.finish(&batch.rows, &self.plan.codec, &self.plan.output).map_err(failed)
    }
}

/// The rows of a partition after a batch, followed by those that went, with their places. It is always the last row that
/// goes, so those that went were behind those that stayed.
fn placed<'a>(best: &'a Best, displaced: &'a [StoredRow], first_number: u64) -> Vec<Placed<'a>> {
    let mut placed = Vec::with_capacity(best.rows.len() + displaced.len());
    let mut before = 0..;
    for (after, ranked) in best.rows.iter().enumerate() {
        let (row, before) = if ranked.number >= first_number {
            (Source::Incoming((ranked.number - first_number) as u32), None)
        } else {
            (Source::Stored(&ranked.row), before.next())
        };
        placed.push(Placed { row, before, after: Some(after) });
    }
    let gone = displaced.iter().rev();
    placed.extend(gone.map(|row| Placed { row: Source::Stored(row), before: before.next(), after: None }));
    placed
}

/// Without numbers, a row comes or goes. All deletions precede all insertions, so that there are never too many rows.
fn unnumbered(plan: &RankPlan, placed: &[Placed<'_>], changes: &mut Changes) {
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
fn numbered(plan: &RankPlan, placed: &[Placed<'_>], changes: &mut Changes) {
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

impl Source<'_> {
    fn add_to(&self, changes: &mut Changes) -> Change {
        match self {
            Self::Incoming(row) => Change::Incoming(*row),
            Self::Stored(row) => changes.store((*row).clone()),
        }
    }
}

impl StreamOperator for AppendRank {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        self.expiry.read_clock();
        let rows = batch.len();
        let (mut batch, are_chosen) = match self.candidates(&batch)? {
            Some(chosen) => (chosen, true),
            None => (batch, false),
        };
        if batch.is_empty() {
            return Ok(());
        }
        let keys = self.plan.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let touched = self.place(&batch, &keys)?;
        let changes = self.changes(&batch, &keys, &touched)?;
        if !are_chosen {
            self.is_selective = changes.len() * 2 < rows;
        }
        emit(changes)
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
