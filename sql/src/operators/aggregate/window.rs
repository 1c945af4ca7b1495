//! Aggregation by key and window: results are emitted once, when the window has ended, unless windows fire early.

mod early;
mod late;
mod next;

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::AsArray,
    datatypes::{Int64Type, SchemaRef},
};
use hashbrown::HashTable;
use headwater_actors::{context::TaskError, metrics::TaskCounters, operator::Step};
use headwater_core::{
    codec,
    execution::NextTimer,
    key_group::KeyGroup,
    time::{Clock, MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Table, look::StateDescription};

use self::early::EarlyFiring;
pub use self::late::LateRows;
use super::{
    AggregateCall,
    batch::{Aggregates, Delta},
    cell::Cell,
    distinct::Distinct,
    look::ShowCells,
    results::{WindowProperty, WindowResults},
};
use crate::{
    batch::ChangeBatch,
    look::{self, KeyPlace},
    operator::{
        Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed, in_event_time,
        in_processing_time,
    },
    operators::window::{WindowKind, WindowTime, times_of},
    rows::{KeyExtractor, RowBytes},
};

/// How a row tells its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Windowing {
    /// The operator assigns windows by slices; `column` is the row's time.
    Sliced {
        /// The windows.
        kind: WindowKind,
        /// The time's column.
        column: usize,
    },
    /// As [`Sliced`](Self::Sliced), for rows that were aggregated by slice before the shuffle; `column` is the slice's end.
    Presliced {
        /// The windows.
        kind: WindowKind,
        /// The slice's column, BIGINT.
        column: usize,
    },
    /// The row is in one window, whose end is in `column`. The start is one of the keys.
    Attached {
        /// The window's end.
        column: usize,
    },
}

/// `GROUP BY` with a window.
pub struct WindowAggregateFactory {
    /// The input.
    pub input: SchemaRef,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// How rows tell their windows.
    pub windowing: Windowing,
    /// Of which time windows are.
    pub time: WindowTime,
    /// What is asked of the windows.
    pub properties: Vec<WindowProperty>,
    /// The keys, the results, the properties.
    pub output: SchemaRef,
    /// Where the parts begin if the input was aggregated before the shuffle.
    pub first_partial: Option<usize>,
    /// After how long, by the wall clock, what windows have so far is given out: `table.exec.emit.early-fire.delay`.
    pub early_fire_ms: Option<u64>,
    /// What becomes of rows that are too late for all their windows; not for input that was aggregated before.
    pub late_rows: LateRows,
}

impl OperatorFactory for WindowAggregateFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let fired_up_to = context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK);
        let table: Table<RowBytes, Vec<Cell>> = context.table("windows")?;
        context.describe("windows", |state| self.describe(state));
        let early =
            self.early_fire_ms.map(|delay_ms| EarlyFiring::open(delay_ms, table.namespaces(), context));
        let mut operator = WindowAggregate {
            keys: KeyExtractor::new(&self.input, self.keys.clone()).map_err(failed)?,
            aggregates: Aggregates::new(self.calls.clone(), false, self.first_partial),
            windowing: self.windowing,
            time: self.time,
            properties: self.properties.clone(),
            output: self.output.clone(),
            table,
            early: early.transpose()?,
            distinct: Distinct::open(&self.calls, false, context)?,
            delta: Delta::new(),
            spaces: Vec::new(),
            clock: context.task.clock.clone(),
            counters: context.task.counters.clone(),
            fired_up_to,
            next_end: None,
            firing: None,
            late_rows: self.late_rows,
        };
        context.describe("emitted", |state| {
            self.describe(state);
            look::describe_windows(state, None);
        });
        operator.find_next_end();
        Ok(Box::new(operator))
    }
}

impl WindowAggregateFactory {
    fn describe(&self, state: &mut StateDescription) {
        let results = self.output.fields().iter().skip(self.keys.len()).map(|field| field.name());
        let cells = ShowCells::new(&self.calls, results);
        let value = (cells.what(), cells.alone());
        look::describe(state, &self.input, &self.keys, KeyPlace::Whole, Some(value));
        look::describe_windows(
            state,
            match self.windowing {
                Windowing::Sliced { kind, .. } | Windowing::Presliced { kind, .. } => {
                    Some(kind.slice_length())
                }
                Windowing::Attached { .. } => None,
            },
        );
    }
}

struct WindowAggregate {
    keys: KeyExtractor,
    aggregates: Aggregates,
    windowing: Windowing,
    time: WindowTime,
    properties: Vec<WindowProperty>,
    output: SchemaRef,
    /// By slice, or window if rows come with theirs.
    table: Table<RowBytes, Vec<Cell>>,
    early: Option<EarlyFiring>,
    distinct: Distinct,
    delta: Delta,
    spaces: Vec<TimestampMs>,
    clock: Arc<dyn Clock>,
    counters: Arc<TaskCounters>,
    /// The time up to which windows have fired.
    fired_up_to: TimestampMs,
    /// In processing time: the end of the earliest window that has not fired.
    next_end: Option<TimestampMs>,
    firing: Option<Firing>,
    late_rows: LateRows,
}

/// A firing that is under way.
struct Firing {
    up_to: TimestampMs,
    /// The windows still to emit, the next one last.
    ends: Vec<TimestampMs>,
    /// The slices in the table, ascending.
    slices: Vec<TimestampMs>,
    next_group: KeyGroup,
}

impl WindowAggregate {
    /// The slice or window of each row. Rows that no window wants, or that are late, are left out of the batch.
    fn assign(&mut self, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<ChangeBatch, TaskError> {
        self.spaces.clear();
        match self.windowing {
            Windowing::Sliced { kind, column } => {
                let times = times_of(&batch.rows, column, self.time, &*self.clock)?;
                // No record is late by a clock that was set back.
                let floor = match self.time {
                    WindowTime::Processing => self.fired_up_to.saturating_add(1),
                    WindowTime::Event => i64::MIN,
                };
                let mut known = i64::MIN..i64::MIN;
                for time in &times {
                    let Some(time) = time else {
                        self.spaces.push(i64::MIN);
                        continue;
                    };
                    let time = time.max(floor);
                    if !known.contains(&time) {
                        let end = kind.slice_of(time);
                        known = end - kind.slice_length()..end;
                    }
                    self.spaces.push(known.end);
                }
            }
            Windowing::Presliced { column, .. } => {
                self.spaces.extend(batch.rows.column(column).as_primitive::<Int64Type>().values());
            }
            Windowing::Attached { column } => {
                let ends = times_of(&batch.rows, column, WindowTime::Event, &*self.clock)?;
                self.spaces.extend(ends.iter().map(|end| end.unwrap_or(i64::MIN)));
            }
        }
        self.leave_out_late(batch, emit)
    }

    /// Begins to emit every window that ends up to `up_to`, inclusive of its last millisecond.
    fn fire(&mut self, up_to: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if up_to <= self.fired_up_to {
            return Ok(Step::Done);
        }
        let slices = self.table.namespaces();
        let due: BTreeSet<TimestampMs> = slices
            .iter()
            .take_while(|slice| slice.saturating_sub(1) <= up_to)
            .flat_map(|slice| self.windows_of(*slice))
            .filter(|end| (self.fired_up_to + 1..=up_to).contains(&end.saturating_sub(1)))
            .collect();
        let ends = due.into_iter().rev().collect();
        self.firing = Some(Firing { up_to, ends, slices, next_group: self.table.key_groups().start });
        self.emit_some(emit)
    }

    fn emit_some(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let Some(mut firing) = self.firing.take() else { return Ok(Step::Done) };
        let groups = self.table.key_groups();
        let mut results = WindowResults::default();
        while let Some(end) = firing.ends.last().copied() {
            let start = self.kind().map_or(end - 1, |kind| kind.start_of(end));
            let first = firing.slices.partition_point(|slice| *slice <= start);
            let last = firing.slices.partition_point(|slice| *slice <= end);
            while firing.next_group < groups.end {
                self.collect((start, end), &firing.slices[first..last], firing.next_group, &mut results)?;
                firing.next_group += 1;
                if results.len() >= STEP_ROWS {
                    emit(self.rows(&results, true)?)?;
                    self.firing = Some(firing);
                    return Ok(Step::More);
                }
            }
            firing.ends.pop();
            firing.next_group = groups.start;
        }
        if results.len() > 0 {
            emit(self.rows(&results, true)?)?;
        }
        self.fired_up_to = firing.up_to;
        if let Some(early) = &mut self.early {
            early.forget(self.fired_up_to)?;
        }
        for slice in firing.slices {
            if self.last_window_of(slice).is_none_or(|end| end.saturating_sub(1) <= self.fired_up_to) {
                self.table.drop_namespace(slice)?;
                self.distinct.drop_space(slice)?;
            }
        }
        self.find_next_end();
        Ok(Step::Done)
    }

    /// Adds one key group's results of a window: its slices, merged.
    fn collect(
        &mut self,
        window: (TimestampMs, TimestampMs),
        slices: &[TimestampMs],
        group: KeyGroup,
        results: &mut WindowResults,
    ) -> Result<(), TaskError> {
        if let [slice] = slices {
            self.table.scan(*slice, group, |_, key, cells| results.push(window, key.clone(), cells))?;
            return Ok(());
        }
        let calls = &self.aggregates.calls;
        // Within a key group, the topmost bits of all hashes are the same.
        let slot = |hash: u64| hash ^ (hash << 32);
        let mut merged: HashTable<(u64, usize)> = HashTable::new();
        for slice in slices {
            self.table.scan(*slice, group, |hash, key, cells| {
                let is_same = |(other, place): &(u64, usize)| *other == hash && results.key(*place) == key;
                if let Some((_, place)) = merged.find(slot(hash), is_same) {
                    results.merge(*place, cells, calls);
                } else {
                    merged.insert_unique(slot(hash), (hash, results.len()), |(hash, _)| slot(*hash));
                    results.push(window, key.clone(), cells);
                }
            })?;
        }
        Ok(())
    }
}

impl StreamOperator for WindowAggregate {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let mut batch = self.assign(batch, emit)?;
        if batch.is_empty() {
            return Ok(());
        }
        let hashes = std::mem::take(&mut batch.hashes);
        let keys = self.keys.keys(&batch.rows, hashes).map_err(failed)?;
        let mut delta = std::mem::replace(&mut self.delta, Delta::new());
        delta.clear();
        self.distinct.clear();
        self.aggregates.aggregate(&batch, &keys, &self.spaces, &mut self.distinct, &mut delta)?;
        for run in delta.groups.by_space() {
            let mut contents = self.table.select(delta.groups.space(run[0]))?;
            for id in run {
                let (hash, key) = (delta.groups.hash(id), delta.groups.key(id));
                let cells = contents.get_or_insert_borrowed(hash, key, Vec::new)?;
                if cells.is_empty() {
                    *cells = self.aggregates.empty();
                }
                self.aggregates.merge(cells, &mut delta, id);
            }
        }
        if let Some(early) = &mut self.early {
            let now_ms = self.clock.now_ms();
            (0..delta.groups.len()).for_each(|id| early.touch(delta.groups.space(id), now_ms));
        }
        self.delta = delta;
        if self.time == WindowTime::Processing {
            self.find_next_end();
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        match self.time {
            WindowTime::Event => self.fire(watermark, emit),
            WindowTime::Processing => Ok(Step::Done),
        }
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.emit_some(emit)
    }

    fn end_of_input(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.fire(MAX_WATERMARK, emit)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.next_end.into_iter().chain(self.early.as_ref().and_then(EarlyFiring::due_ms)).min()
    }

    fn next_firing(&self) -> Option<NextTimer> {
        match self.time {
            WindowTime::Event => self.first_end().map(|end| in_event_time(end.saturating_sub(1))),
            WindowTime::Processing => self.next_end.map(in_processing_time),
        }
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if self.early.as_ref().and_then(EarlyFiring::due_ms).is_some_and(|due_ms| due_ms <= now_ms) {
            self.fire_early(emit)?;
        }
        match self.time {
            WindowTime::Event => Ok(Step::Done),
            WindowTime::Processing => self.fire(now_ms - 1, emit),
        }
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.fired_up_to)?)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        let mut tables: Vec<&mut dyn AnyTable> = vec![&mut self.table];
        tables.extend(self.distinct.tables());
        tables.extend(self.early.iter_mut().map(|early| &mut early.emitted as &mut dyn AnyTable));
        tables
    }
}
