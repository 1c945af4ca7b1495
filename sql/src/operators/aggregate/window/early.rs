//! Windows that fire early: every so often by the wall clock, what they have so far is given out, and corrected by what comes after.

use std::collections::BTreeSet;

use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;
use headwater_state::Table;

use super::{Cell, WindowAggregate, WindowResults};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext},
    rows::{RowBytes, hash_bytes},
};

/// What is known of results that are not final.
pub(super) struct EarlyFiring {
    delay_ms: i64,
    /// When results are due, if rows came since the last ones.
    due_ms: Option<TimestampMs>,
    /// The slices into which rows came since then.
    touched: BTreeSet<TimestampMs>,
    /// What was given out last of each key, by the window's end.
    pub emitted: Table<RowBytes, Vec<Cell>>,
}

impl EarlyFiring {
    /// Begins with these slices, of which it is not known whether their results were given out.
    pub fn open(
        delay_ms: u64,
        slices: Vec<TimestampMs>,
        context: &mut OpenContext<'_>,
    ) -> Result<Self, TaskError> {
        let mut firing = Self {
            delay_ms: i64::try_from(delay_ms).unwrap_or(i64::MAX),
            due_ms: None,
            touched: BTreeSet::new(),
            emitted: context.table("emitted")?,
        };
        let now_ms = context.task.clock.now_ms();
        slices.into_iter().for_each(|slice| firing.touch(slice, now_ms));
        Ok(firing)
    }

    /// Rows came into a slice.
    pub fn touch(&mut self, slice: TimestampMs, now_ms: TimestampMs) {
        self.touched.insert(slice);
        self.due_ms.get_or_insert(now_ms.saturating_add(self.delay_ms));
    }

    pub fn due_ms(&self) -> Option<TimestampMs> {
        self.due_ms
    }

    /// Begins to fire: the slices that are new.
    pub fn take_touched(&mut self) -> BTreeSet<TimestampMs> {
        self.due_ms = None;
        std::mem::take(&mut self.touched)
    }

    /// What changes with these results: rows, with their kinds.
    pub fn changes(
        &mut self,
        results: &WindowResults,
        is_final: bool,
    ) -> Result<(WindowResults, Vec<RowKind>), TaskError> {
        let (mut changes, mut kinds) = (WindowResults::default(), Vec::new());
        for (window, key, cells) in results.iter() {
            let hash = hash_bytes(key.as_slice());
            let mut emitted = self.emitted.select(window.1)?;
            let kind = match emitted.get(hash, key)? {
                Some(before) if before == cells => continue,
                Some(before) => {
                    changes.push(window, key.clone(), before);
                    kinds.push(RowKind::UpdateBefore);
                    RowKind::UpdateAfter
                }
                None => RowKind::Insert,
            };
            changes.push(window, key.clone(), cells);
            kinds.push(kind);
            if !is_final {
                emitted.insert(hash, key.clone(), cells.to_vec());
            }
        }
        Ok((changes, kinds))
    }

    /// Forgets windows that have fired for good.
    pub fn forget(&mut self, fired_up_to: TimestampMs) -> Result<(), TaskError> {
        let ended = |end: &TimestampMs| end.saturating_sub(1) <= fired_up_to;
        for end in self.emitted.namespaces().into_iter().filter(ended) {
            self.emitted.drop_namespace(end)?;
        }
        Ok(())
    }
}

impl WindowAggregate {
    /// Gives out what the windows have so far into which rows have come.
    pub(super) fn fire_early(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let Some(early) = &mut self.early else { return Ok(()) };
        let touched = early.take_touched();
        let ends: BTreeSet<TimestampMs> = touched
            .into_iter()
            .flat_map(|slice| self.windows_of(slice))
            .filter(|end| end.saturating_sub(1) > self.fired_up_to)
            .collect();
        let slices = self.table.namespaces();
        for end in ends {
            let start = self.kind().map_or(end - 1, |kind| kind.start_of(end));
            let first = slices.partition_point(|slice| *slice <= start);
            let last = slices.partition_point(|slice| *slice <= end);
            for group in self.table.key_groups() {
                let mut results = WindowResults::default();
                self.collect((start, end), &slices[first..last], group, &mut results)?;
                if results.len() > 0 {
                    emit(self.rows(&results, false)?)?;
                }
            }
        }
        Ok(())
    }

    /// The rows of results, or what they change if results were given out early.
    pub(super) fn rows(&mut self, results: &WindowResults, is_final: bool) -> Result<ChangeBatch, TaskError> {
        let Self { keys, aggregates, properties, output, early, .. } = self;
        let rows_of = |results: &WindowResults| results.rows(keys, &aggregates.calls, properties, output);
        let Some(early) = early else { return Ok(ChangeBatch::insertions(rows_of(results)?)) };
        let (changes, kinds) = early.changes(results, is_final)?;
        Ok(ChangeBatch::changes(rows_of(&changes)?, kinds))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, RecordBatch, TimestampMillisecondArray},
        datatypes::{DataType, Field, Schema, TimeUnit},
    };
    use headwater_core::options::StateBackend;

    use crate::{
        batch::ChangeBatch,
        operators::{
            aggregate::{
                AggregateCall, AggregateFunction, LateRows, WindowAggregateFactory, WindowProperty, Windowing,
            },
            testing::{Harness, Materialized, change_texts},
            window::{WindowKind, WindowTime},
        },
    };

    fn factory(kind: WindowKind) -> WindowAggregateFactory {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let field = |name: &str, data_type: &DataType| Field::new(name, data_type.clone(), true);
        let long = DataType::Int64;
        let sum = AggregateCall {
            function: AggregateFunction::Sum,
            argument: Some(2),
            argument_type: long.clone(),
            filter: None,
            is_distinct: false,
            result_type: long.clone(),
        };
        WindowAggregateFactory {
            input: Arc::new(Schema::new(vec![field("ts", &time), field("k", &long), field("v", &long)])),
            keys: vec![1],
            calls: vec![sum],
            windowing: Windowing::Sliced { kind, column: 0 },
            time: WindowTime::Event,
            properties: vec![WindowProperty::End],
            output: Arc::new(Schema::new(vec![field("k", &long), field("s", &long), field("e", &time)])),
            first_partial: None,
            early_fire_ms: Some(100),
            late_rows: LateRows::Dropped,
        }
    }

    fn rows(rows: &[(i64, i64, i64)]) -> ChangeBatch {
        let column = |of: fn(&(i64, i64, i64)) -> i64| rows.iter().map(of).collect::<Vec<_>>();
        let time = TimestampMillisecondArray::from(column(|row| row.0));
        let [keys, values] = [column(|row| row.1), column(|row| row.2)].map(Int64Array::from);
        let schema = factory(WindowKind::Tumble { size: 1, offset: 0 }).input;
        let columns = vec![Arc::new(time) as _, Arc::new(keys) as _, Arc::new(values) as _];
        ChangeBatch::insertions(RecordBatch::try_new(schema, columns).unwrap())
    }

    #[test]
    fn early_results_are_corrected_until_the_window_ends() {
        for backend in [StateBackend::HashMap, StateBackend::RocksDb] {
            let mut harness = Harness::open(factory(WindowKind::Tumble { size: 1_000, offset: 0 }), backend);
            harness.set_time(0);
            harness.process(0, rows(&[(10, 1, 5), (20, 2, 7)]));
            harness.set_time(99);
            assert!(harness.take_output().is_empty(), "the delay is not over");
            harness.set_time(100);
            let mut first = change_texts(&harness.take_output());
            first.sort();
            assert_eq!(first, ["+I[1,5,1970-01-01T00:00:01]", "+I[2,7,1970-01-01T00:00:01]"]);
            harness.process(0, rows(&[(30, 1, 1)]));
            harness.restart();
            harness.set_time(250);
            let updated = ["-U[1,5,1970-01-01T00:00:01]", "+U[1,6,1970-01-01T00:00:01]"];
            assert_eq!(change_texts(&harness.take_output()), updated);
            // What has not changed since is not given out again.
            harness.process(0, rows(&[(40, 2, 1), (1_500, 1, 3)]));
            harness.watermark(999);
            let last = ["-U[2,7,1970-01-01T00:00:01]", "+U[2,8,1970-01-01T00:00:01]"];
            assert_eq!(change_texts(&harness.take_output()), last);
            harness.end();
            assert_eq!(change_texts(&harness.take_output()), ["+I[1,3,1970-01-01T00:00:02]"]);
        }
    }

    #[test]
    fn windows_that_overlap_fire_early_too() {
        let hop = WindowKind::Hop { size: 20, slide: 10, offset: 0 };
        let given: Vec<(i64, i64, i64)> = (0..200).map(|n| (n, n % 7, n)).collect();
        let final_of = |early: Option<u64>| {
            let mut harness = Harness::open(
                WindowAggregateFactory { early_fire_ms: early, ..factory(hop) },
                StateBackend::HashMap,
            );
            let mut table = Materialized::default();
            for (step, batch) in given.chunks(13).enumerate() {
                harness.process(0, rows(batch));
                harness.set_time(step as i64 * 60);
                harness.watermark(batch[0].0 - 15);
                if step == 7 {
                    harness.restart();
                }
                table.apply(&harness.take_output());
            }
            harness.end();
            table.apply(&harness.take_output());
            table
        };
        assert_eq!(final_of(Some(100)), final_of(None));
    }
}
