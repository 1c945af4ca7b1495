//! Top-N within windows: a window's best rows, emitted once when the watermark reaches its end.

#[cfg(test)]
mod tests;

use std::{ops::RangeInclusive, sync::Arc};

use arrow::{array::RecordBatch, compute::SortOptions, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, metrics::TaskCounters, operator::Step};
use headwater_core::{
    codec,
    execution::NextTimer,
    key_group::KeyGroup,
    time::{MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Namespace, Table};

use super::{
    ordered::{Changes, OrderedCodec, describe_rows, in_namespace_order, times_ms},
    rank::{Best, Ranks, with_rank},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    look::describe_windows,
    operator::{Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed, in_event_time},
    rows::{KeyExtractor, RowBytes},
};

/// `ROW_NUMBER() OVER (PARTITION BY window_start, window_end, .. ORDER BY ..)` with a condition on the number, over a
/// windowing table function. With the number 1, it is window de-duplication.
#[derive(Debug, Clone)]
pub struct WindowRankFactory {
    /// The columns that come in, all of them by insertions.
    pub input: SchemaRef,
    /// The partition's columns, by which the input is distributed, with or without those of the window.
    pub partition: Vec<usize>,
    /// The column of the window's end, which its rows come before.
    pub window_end: usize,
    /// The order. Rows that are sorted alike are in the order of their arrival.
    pub order: Vec<(usize, SortOptions)>,
    /// The ranks that are wanted, the first row's being 1.
    pub range: RangeInclusive<usize>,
    /// The name of a column of the rank, if the rank is asked for.
    pub rank_name: Option<String>,
}

impl WindowRankFactory {
    /// The columns that go out, all of them by insertions.
    pub fn output(&self) -> SchemaRef {
        with_rank(&self.input, self.rank_name.as_deref())
    }
}

impl OperatorFactory for WindowRankFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let table = context.table("best-rows")?;
        context.describe("best-rows", |state| {
            describe_rows(state, &self.input, &self.partition, &self.order, |best: Best| best.rows);
            describe_windows(state, None);
        });
        Ok(Box::new(WindowRank {
            keys: KeyExtractor::new(&self.input, self.partition.clone()).map_err(failed)?,
            codec: OrderedCodec::new(&self.input, &self.order).map_err(failed)?,
            output: self.output(),
            window_end: self.window_end,
            range: Ranks::of(&self.range),
            watermark: context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK),
            counters: context.task.counters.clone(),
            table,
            firing: None,
        }))
    }
}

struct WindowRank {
    keys: KeyExtractor,
    codec: OrderedCodec,
    output: SchemaRef,
    window_end: usize,
    range: Ranks,
    /// The best rows of each partition, by the window's end.
    table: Table<RowBytes, Best>,
    watermark: TimestampMs,
    counters: Arc<TaskCounters>,
    firing: Option<Firing>,
}

/// The windows still to emit, the last one first, and how far that one is.
struct Firing {
    ends: Vec<Namespace>,
    next_group: KeyGroup,
}

impl WindowRank {
    fn emit_some(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let Some(mut firing) = self.firing.take() else { return Ok(Step::Done) };
        let groups = self.table.key_groups();
        let mut changes = Changes::default();
        while let Some(end) = firing.ends.last().copied() {
            while firing.next_group < groups.end && changes.len() < STEP_ROWS {
                self.add_group(end, firing.next_group, &mut changes)?;
                firing.next_group += 1;
            }
            if firing.next_group < groups.end {
                self.firing = Some(firing);
                emit(self.finish(changes)?)?;
                return Ok(Step::More);
            }
            self.table.drop_namespace(end)?;
            firing.ends.pop();
            firing.next_group = groups.start;
        }
        emit(self.finish(changes)?)?;
        Ok(Step::Done)
    }

    /// Adds the results of a window's key group.
    fn add_group(&mut self, end: Namespace, group: KeyGroup, changes: &mut Changes) -> Result<(), TaskError> {
        let mut partitions = Vec::new();
        self.table.scan(end, group, |_, key, best| partitions.push((key.clone(), best.rows.clone())))?;
        // The order in a hash table is not the same after a restart.
        partitions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (_, rows) in partitions {
            let ranked = rows.into_iter().enumerate();
            for (place, ranked) in ranked.skip(self.range.start) {
                let row = changes.store(ranked);
                changes.push_numbered(RowKind::Insert, row, place + 1);
            }
        }
        Ok(())
    }

    fn finish(&self, changes: Changes) -> Result<ChangeBatch, TaskError> {
        let nothing = RecordBatch::new_empty(self.codec.schema().clone());
        changes.finish(&nothing, &self.codec, &self.output).map_err(failed)
    }
}

impl StreamOperator for WindowRank {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, _: &mut Emit<'_>) -> Result<(), TaskError> {
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let rows = self.codec.encode(&batch.rows).map_err(failed)?;
        let name = self.codec.schema().field(self.window_end).name();
        let ends = times_ms(batch.rows.column(self.window_end), name)?;
        let capacity = self.range.end;
        for (end, run) in in_namespace_order(&ends) {
            if end.saturating_sub(1) <= self.watermark {
                self.counters.add_late(run.len() as u64);
                continue;
            }
            let mut table = self.table.select(end)?;
            for row in run.into_iter().map(|row| row as usize) {
                let best = table.get_or_insert_borrowed(keys.hash(row), keys.bytes(row), Best::default)?;
                if let Some(place) = best.place(rows.order(row), capacity) {
                    best.insert(place, rows.stored(row), capacity);
                }
            }
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.watermark = self.watermark.max(watermark);
        let namespaces = self.table.namespaces().into_iter();
        let mut ends: Vec<Namespace> =
            namespaces.take_while(|end| end.saturating_sub(1) <= self.watermark).collect();
        ends.reverse();
        self.firing = Some(Firing { ends, next_group: self.table.key_groups().start });
        self.emit_some(emit)
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.emit_some(emit)
    }

    fn next_firing(&self) -> Option<NextTimer> {
        self.table.iter_namespaces().next().map(|end| in_event_time(end.saturating_sub(1)))
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.watermark)?)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.table]
    }
}
