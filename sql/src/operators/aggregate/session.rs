//! Aggregation by key and session: windows that grow while rows come within the gap.

use std::sync::Arc;

use arrow::{array::UInt32Array, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, metrics::TaskCounters, operator::Step};
use headwater_core::{
    codec,
    execution::NextTimer,
    time::{Clock, MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Table, TimerService};
use serde::{Deserialize, Serialize};
use serde_json::json;

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
    look::{self, KeyPlace, ShowValue},
    operator::{
        Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed, in_event_time,
        in_processing_time,
    },
    operators::window::{WindowTime, times_of},
    rows::{KeyExtractor, RowBytes},
};

/// `GROUP BY` with the windows of `SESSION`.
pub struct SessionAggregateFactory {
    /// The input.
    pub input: SchemaRef,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates, none of them DISTINCT.
    pub calls: Vec<AggregateCall>,
    /// The time's column.
    pub column: usize,
    /// The pause that ends a session, in milliseconds.
    pub gap_ms: i64,
    /// Of which time sessions are.
    pub time: WindowTime,
    /// What is asked of the sessions.
    pub properties: Vec<WindowProperty>,
    /// The keys, the results, the properties.
    pub output: SchemaRef,
    /// Whether late rows are emitted, [as such](ChangeBatch::late). They are counted anyhow.
    pub emits_late_rows: bool,
}

impl OperatorFactory for SessionAggregateFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let fired_up_to = context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK);
        let mut timers = context.timers("ends")?;
        let next_end = timers.next_timestamp()?;
        context
            .describe("ends", |state| look::describe(state, &self.input, &self.keys, KeyPlace::Whole, None));
        let table = context.table("sessions")?;
        context.describe("sessions", |state| {
            let results = self.output.fields().iter().skip(self.keys.len()).map(|field| field.name());
            let cells = ShowCells::new(&self.calls, results);
            let value = (cells.what(), show_sessions(cells));
            look::describe(state, &self.input, &self.keys, KeyPlace::Whole, Some(value));
        });
        Ok(Box::new(SessionAggregate {
            keys: KeyExtractor::new(&self.input, self.keys.clone()).map_err(failed)?,
            aggregates: Aggregates::new(self.calls.clone(), false, None),
            column: self.column,
            gap_ms: self.gap_ms,
            time: self.time,
            properties: self.properties.clone(),
            output: self.output.clone(),
            table,
            timers,
            clock: context.task.clock.clone(),
            counters: context.task.counters.clone(),
            fired_up_to,
            next_end,
            due: Vec::new(),
            emits_late_rows: self.emits_late_rows,
        }))
    }
}

/// A session, from its first row to the gap behind its last.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Session {
    start: TimestampMs,
    end: TimestampMs,
    cells: Vec<Cell>,
}

fn show_sessions(cells: ShowCells) -> ShowValue {
    Box::new(move |bytes| {
        let sessions: Vec<Session> = codec::decode(bytes).map_err(|error| error.to_string())?;
        let show = |session: &Session| {
            let aggregates = cells.json(&session.cells);
            json!({ "start_ms": session.start, "end_ms": session.end, "aggregates": aggregates })
        };
        Ok(sessions.iter().map(show).collect::<serde_json::Value>().to_string().into_bytes())
    })
}

struct SessionAggregate {
    keys: KeyExtractor,
    aggregates: Aggregates,
    column: usize,
    gap_ms: i64,
    time: WindowTime,
    properties: Vec<WindowProperty>,
    output: SchemaRef,
    table: Table<RowBytes, Vec<Session>>,
    timers: TimerService<RowBytes>,
    clock: Arc<dyn Clock>,
    counters: Arc<TaskCounters>,
    fired_up_to: TimestampMs,
    next_end: Option<TimestampMs>,
    /// Sessions that have ended and are still to be emitted, the next one last.
    due: Vec<(TimestampMs, u64, RowBytes)>,
    emits_late_rows: bool,
}

impl SessionAggregate {
    /// The sessions that a batch's rows would make by themselves: for each row its session's number, and the sessions.
    fn sessions_of(&self, times: &[i64], groups: &[u32]) -> (Vec<i64>, Vec<(TimestampMs, TimestampMs)>) {
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_unstable_by_key(|row| (groups[*row], times[*row]));
        let mut sessions: Vec<(TimestampMs, TimestampMs)> = Vec::new();
        let mut numbers = vec![0; times.len()];
        let mut last_group = None;
        for row in order {
            let end = times[row].saturating_add(self.gap_ms);
            match sessions.last_mut() {
                Some(session) if last_group == Some(groups[row]) && times[row] <= session.1 => {
                    session.1 = end
                }
                _ => sessions.push((times[row], end)),
            }
            last_group = Some(groups[row]);
            numbers[row] = sessions.len() as i64 - 1;
        }
        (numbers, sessions)
    }

    fn emit_due(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let mut results = WindowResults::default();
        while let Some((timestamp, hash, key)) = self.due.pop() {
            let mut sessions = self.table.select(0)?;
            let Some(of_key) = sessions.get_mut(hash, &key)? else { continue };
            // A session that has grown has another timer.
            if let Some(place) = of_key.iter().position(|session| session.end - 1 == timestamp) {
                let Session { start, end, cells } = of_key.remove(place);
                let is_last = of_key.is_empty();
                results.push((start, end), key.clone(), &cells);
                if is_last {
                    sessions.remove(hash, &key)?;
                }
            }
            if results.len() >= STEP_ROWS {
                break;
            }
        }
        if results.len() > 0 {
            let rows = results.rows(&self.keys, &self.aggregates.calls, &self.properties, &self.output)?;
            emit(ChangeBatch::insertions(rows))?;
        }
        Ok(if self.due.is_empty() { Step::Done } else { Step::More })
    }

    fn fire(&mut self, up_to: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if up_to <= self.fired_up_to {
            return Ok(Step::Done);
        }
        self.fired_up_to = up_to;
        let due = &mut self.due;
        self.timers.fire(up_to, |timestamp, hash, key| due.push((timestamp, hash, key.clone())))?;
        self.due.reverse();
        self.next_end = self.timers.next_timestamp()?;
        self.emit_due(emit)
    }

    /// Whether a session of this row alone would be over.
    fn is_late_alone(&self, time: TimestampMs) -> bool {
        time.saturating_add(self.gap_ms) - 1 <= self.fired_up_to
    }

    /// Whether a row is within the gap of a session that has not ended.
    fn joins(&mut self, hash: u64, key: &[u8], time: TimestampMs) -> Result<bool, TaskError> {
        let end = time.saturating_add(self.gap_ms);
        let mut table = self.table.select(0)?;
        let sessions = table.get(hash, &RowBytes::from(key))?;
        let is_near = |session: &Session| session.start <= end && session.end >= time;
        Ok(sessions.is_some_and(|sessions| sessions.iter().any(is_near)))
    }

    /// Takes rows of which some are late alone. Such a row is dropped unless it joins a session that those before it have made: one
    /// after the other, so that nothing depends on where a batch ends.
    fn take_in_order(
        &mut self,
        batch: &ChangeBatch,
        times: &[TimestampMs],
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let mut late: Vec<u32> = Vec::new();
        let keys = self.keys.keys(&batch.rows, batch.hashes.clone()).map_err(failed)?;
        let mut row = 0;
        while row < times.len() {
            let on_time = times[row..].iter().take_while(|time| !self.is_late_alone(**time)).count();
            let end = row + on_time.max(1);
            if on_time > 0 || self.joins(keys.hash(row), keys.bytes(row), times[row])? {
                let indices = UInt32Array::from_iter_values(row as u32..end as u32);
                self.take(batch.take(&indices).map_err(failed)?, &times[row..end])?;
            } else {
                late.push(row as u32);
            }
            row = end;
        }
        self.counters.add_late(late.len() as u64);
        if self.emits_late_rows && !late.is_empty() {
            emit(ChangeBatch::late(batch.take(&UInt32Array::from(late)).map_err(failed)?.rows))?;
        }
        Ok(())
    }

    /// Takes rows of which none is late.
    fn take(&mut self, mut batch: ChangeBatch, times: &[TimestampMs]) -> Result<(), TaskError> {
        let hashes = std::mem::take(&mut batch.hashes);
        let keys = self.keys.keys(&batch.rows, hashes).map_err(failed)?;
        let mut delta = Delta::new();
        delta.groups.assign(&keys, &[], &mut delta.ids);
        let (numbers, windows) = self.sessions_of(times, &delta.ids);
        delta.clear();
        self.aggregates.aggregate(&batch, &keys, &numbers, &mut Distinct::none(), &mut delta)?;
        let mut table = self.table.select(0)?;
        for id in 0..delta.groups.len() {
            let (mut start, mut end) = windows[delta.groups.space(id) as usize];
            let (hash, key) = (delta.groups.hash(id), RowBytes::from(delta.groups.key(id)));
            let sessions = table.get_or_insert_with(hash, &key, Vec::new)?;
            let mut cells = self.aggregates.empty();
            let mut index = 0;
            while index < sessions.len() {
                if sessions[index].start <= end && sessions[index].end >= start {
                    let session = sessions.remove(index);
                    start = start.min(session.start);
                    end = end.max(session.end);
                    for ((cell, other), call) in
                        cells.iter_mut().zip(session.cells).zip(&self.aggregates.calls)
                    {
                        cell.merge(other, &call.function);
                    }
                } else {
                    index += 1;
                }
            }
            self.aggregates.merge(&mut cells, &mut delta, id);
            sessions.push(Session { start, end, cells });
            self.timers.register(end - 1, hash, &key)?;
        }
        Ok(())
    }
}

impl StreamOperator for SessionAggregate {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let times = times_of(&batch.rows, self.column, self.time, &*self.clock)?;
        let timed: Vec<u32> =
            times.iter().enumerate().filter(|(_, time)| time.is_some()).map(|(row, _)| row as u32).collect();
        let times: Vec<i64> = times.iter().flatten().collect();
        let batch = if timed.len() == batch.len() {
            batch
        } else {
            batch.take(&UInt32Array::from(timed)).map_err(failed)?
        };
        if times.iter().any(|time| self.is_late_alone(*time)) {
            self.take_in_order(&batch, &times, emit)?;
        } else {
            self.take(batch, &times)?;
        }
        self.next_end = self.timers.next_timestamp()?;
        Ok(())
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        match self.time {
            WindowTime::Event => self.fire(watermark, emit),
            WindowTime::Processing => Ok(Step::Done),
        }
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.emit_due(emit)
    }

    fn end_of_input(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.fire(MAX_WATERMARK, emit)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        (self.time == WindowTime::Processing).then_some(self.next_end?.saturating_add(1))
    }

    /// A session that has grown has left a timer behind, at which nothing is emitted: then this is too early.
    fn next_firing(&self) -> Option<NextTimer> {
        let end = self.next_end?;
        Some(match self.time {
            WindowTime::Event => in_event_time(end),
            WindowTime::Processing => in_processing_time(end.saturating_add(1)),
        })
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.fire(now_ms - 1, emit)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.fired_up_to)?)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.table, self.timers.as_table()]
    }
}
