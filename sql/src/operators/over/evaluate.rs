//! Computes calls for new rows of many partitions at once.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array, UInt64Array},
    compute::{cast, interleave, take},
    datatypes::SchemaRef,
};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use headwater_actors::context::TaskError;
use headwater_core::{key_group::KeyGroup, time::TimestampMs};
use headwater_state::{AnyTable, Table};

use super::{
    OverFactory,
    aggregate::{Arguments, accumulate, slide},
    call::{Call, Frame, Function, Start},
    state::{Numbers, OverState, PastRow},
};
use crate::{
    operator::{OpenContext, failed},
    operators::ordered::{Expiry, with_columns},
    rows::{RowBytes, RowCodec},
};

/// New rows of a partition.
pub(super) struct Part {
    hash: u64,
    key: RowBytes,
    /// Where they are among all new rows.
    rows: Range<usize>,
    /// Where they are, after those of the partition's history, among all rows that are looked at.
    all: Range<usize>,
    state: OverState,
}

/// Computes calls, and keeps what later rows need.
pub(super) struct Evaluator {
    calls: Vec<Call>,
    output: SchemaRef,
    is_event_time: bool,
    table: Table<RowBytes, OverState>,
    expiry: Expiry,
    /// Of the arguments that later rows look back at.
    history: RowCodec,
    keep_rows: usize,
    keep_ms: Option<i64>,
    /// Of the states of the accumulators of unbounded frames.
    accumulators: RowCodec,
    /// If partitions need nothing that is older than `keep_ms`: the key group to look through next, and when.
    forgetting: Option<(KeyGroup, TimestampMs)>,
}

/// The rows that are looked at: for each partition its history, then its new rows.
struct AllRows {
    times: Vec<TimestampMs>,
    /// The arguments of the calls that look back, one after the other.
    columns: Vec<ArrayRef>,
}

impl Part {
    pub fn new(hash: u64, key: RowBytes, rows: Range<usize>) -> Self {
        Self { hash, key, all: rows.clone(), rows, state: OverState::default() }
    }

    /// Among all rows that are looked at: the first new one.
    fn first_new(&self) -> usize {
        self.all.end - self.rows.len()
    }

    /// For each new row, where the rows with the same time end.
    fn peer_ends<'a>(&'a self, times: &'a [TimestampMs]) -> impl Iterator<Item = usize> + 'a {
        let peers = times[self.rows.clone()].chunk_by(|a, b| a == b);
        peers
            .scan(self.rows.start, |end, peers| {
                *end += peers.len();
                Some(std::iter::repeat_n(*end, peers.len()))
            })
            .flatten()
    }
}

impl Evaluator {
    pub fn open(factory: &OverFactory, context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        let (mut history, mut accumulators) = (Vec::new(), Vec::new());
        let (mut keep_rows, mut keep_ms) = (0, None);
        for call in &factory.calls {
            if let Some(start) = call.looks_back() {
                for arg in call.args.iter().chain(&call.filter) {
                    history.push(arg.data_type(&factory.input).map_err(failed)?);
                }
                match start {
                    Start::Rows(rows) => keep_rows = keep_rows.max(rows),
                    Start::Range { ms } => keep_ms = keep_ms.max(Some(ms)),
                    Start::Unbounded => {}
                }
            }
            if call.accumulates() {
                let fields = call.accumulator_fields().map_err(failed)?;
                accumulators.extend(fields.iter().map(|field| field.data_type().clone()));
            }
        }
        let looks_back_in_time_only =
            factory.calls.iter().all(|call| matches!(call.looks_back(), Some(Start::Range { .. })));
        let table: Table<RowBytes, OverState> = context.table("partitions")?;
        let forgetting = looks_back_in_time_only.then(|| (table.key_groups().start, TimestampMs::MIN));
        Ok(Self {
            calls: factory.calls.clone(),
            output: factory.output(),
            is_event_time: factory.time.is_some(),
            table,
            expiry: Expiry::new(factory.ttl_ms, context.task),
            history: RowCodec::new(history).map_err(failed)?,
            keep_rows,
            keep_ms,
            accumulators: RowCodec::new(accumulators).map_err(failed)?,
            forgetting,
        })
    }

    /// The rows with the results of the calls. The parts are ranges of them, one after the other; within each, times do not go back.
    pub fn evaluate(
        &mut self,
        rows: &RecordBatch,
        times: &[TimestampMs],
        mut parts: Vec<Part>,
    ) -> Result<RecordBatch, TaskError> {
        self.load(&mut parts)?;
        let columns = self.calls.iter().map(|call| arguments(call, rows)).collect::<Result<Vec<_>, _>>()?;
        let looked_at = self.calls.iter().zip(&columns).filter(|(call, _)| call.looks_back().is_some());
        let looked_at: Vec<ArrayRef> = looked_at.flat_map(|(_, columns)| columns.iter().cloned()).collect();
        let all = self.join_history(&mut parts, &looked_at, times)?;
        let results = self.results(&columns, &all, times, &mut parts).map_err(failed)?;
        let results = results
            .into_iter()
            .zip(&self.calls)
            .map(|(result, call)| cast(&result, call.field.data_type()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        self.remember(&mut parts, &looked_at, &all, times)?;
        self.store(parts)?;
        with_columns(rows, results, &self.output).map_err(failed)
    }

    fn load(&mut self, parts: &mut [Part]) -> Result<(), TaskError> {
        self.expiry.read_clock();
        let mut table = self.table.select(0)?;
        for part in parts {
            if let Some(state) = table.get_mut(part.hash, &part.key)?
                && !self.expiry.is_over(state.written_ms)
            {
                part.state = std::mem::take(state);
            }
        }
        Ok(())
    }

    fn store(&mut self, parts: Vec<Part>) -> Result<(), TaskError> {
        let written_ms = self.expiry.now_ms();
        let mut table = self.table.select(0)?;
        for part in parts {
            table.insert(part.hash, part.key, OverState { written_ms, ..part.state });
        }
        Ok(())
    }

    /// Puts each partition's history in front of its new rows.
    fn join_history(
        &self,
        parts: &mut [Part],
        looked_at: &[ArrayRef],
        times: &[TimestampMs],
    ) -> Result<AllRows, TaskError> {
        if parts.iter().all(|part| part.state.history.is_empty()) {
            return Ok(AllRows { times: times.to_vec(), columns: looked_at.to_vec() });
        }
        let past = || parts.iter().flat_map(|part| &part.state.history);
        let history = self.history.decode(past().map(|row| row.args.as_slice())).map_err(failed)?;
        let (mut places, mut all_times) = (Vec::new(), Vec::new());
        let mut past_rows = 0..;
        for part in parts {
            let begin = places.len();
            for row in &part.state.history {
                places.extend(past_rows.next().map(|row| (0, row)));
                all_times.push(row.time_ms);
            }
            places.extend(part.rows.clone().map(|row| (1, row)));
            all_times.extend_from_slice(&times[part.rows.clone()]);
            part.all = begin..places.len();
        }
        let joined = history.iter().zip(looked_at);
        let columns = joined.map(|(past, new)| interleave(&[past.as_ref(), new.as_ref()], &places));
        Ok(AllRows { times: all_times, columns: columns.collect::<Result<_, _>>().map_err(failed)? })
    }

    /// The results of each call for all new rows.
    fn results(
        &self,
        columns: &[Vec<ArrayRef>],
        all: &AllRows,
        times: &[TimestampMs],
        parts: &mut [Part],
    ) -> DataFusionResult<Vec<ArrayRef>> {
        let saved = parts.iter().filter_map(|part| part.state.accumulators.as_ref());
        let saved = self.accumulators.decode(saved.map(RowBytes::as_slice))?;
        let (mut saved, mut looked_at) = (saved.as_slice(), all.columns.as_slice());
        let mut states: Vec<Vec<ScalarValue>> = Vec::new();
        let mut results = Vec::with_capacity(self.calls.len());
        let mut numbers = None;
        for (call, columns) in self.calls.iter().zip(columns) {
            if call.accumulates() {
                let arguments = Arguments::new(columns.clone(), call.filter.is_some())?;
                let count = call.accumulator_fields()?.len().min(saved.len());
                let (of_call, rest) = saved.split_at(count);
                saved = rest;
                results.push(self.accumulated(call, &arguments, of_call, times, parts, &mut states)?);
                continue;
            }
            let mut of_call = columns.as_slice();
            if call.looks_back().is_some() {
                (of_call, looked_at) = looked_at.split_at(columns.len());
            }
            results.push(match &call.function {
                Function::Aggregate(_) => self.slid(call, of_call, all, times, parts)?,
                Function::Lag { offset, default } => lagged(*offset, default, &of_call[0], parts)?,
                Function::FirstValue => {
                    let frames = parts.iter().flat_map(|part| self.frames(call.frame, part, all, times));
                    let first: UInt32Array = frames.map(|frame| frame.start as u32).collect();
                    take(&of_call[0], &first, None)?
                }
                Function::LastValue => {
                    let ends = parts.iter().flat_map(|part| self.ends(call.frame, part, times));
                    let last: UInt32Array = ends.map(|end| end as u32 - 1).collect();
                    take(&of_call[0], &last, None)?
                }
                Function::RowNumber | Function::Rank | Function::DenseRank => {
                    let numbers: &Vec<Numbers> = numbers.get_or_insert_with(|| self.numbers(times, parts));
                    let number = |numbers: &Numbers| match call.function {
                        Function::RowNumber => numbers.row,
                        Function::Rank => numbers.rank,
                        _ => numbers.dense_rank,
                    };
                    Arc::new(numbers.iter().map(number).collect::<UInt64Array>())
                }
            });
        }
        self.save_accumulators(states, parts)?;
        Ok(results)
    }

    /// Results of an unbounded frame. Adds the accumulators' states, a vector per field with a value per part.
    fn accumulated(
        &self,
        call: &Call,
        arguments: &Arguments,
        saved: &[ArrayRef],
        times: &[TimestampMs],
        parts: &[Part],
        states: &mut Vec<Vec<ScalarValue>>,
    ) -> DataFusionResult<ArrayRef> {
        let mut values = Vec::with_capacity(times.len());
        let first_state = states.len();
        let mut saved_rows = 0..;
        for part in parts {
            let mut accumulator = call.accumulator()?;
            if part.state.accumulators.is_some() && !saved.is_empty() {
                let row = saved_rows.next().unwrap_or_default();
                let state: Vec<ArrayRef> = saved.iter().map(|column| column.slice(row, 1)).collect();
                accumulator.merge_batch(&state)?;
            }
            let ends = self.ends(call.frame, part, times);
            accumulate(accumulator.as_mut(), arguments, part.rows.start, ends, &mut values)?;
            for (field, value) in accumulator.state()?.into_iter().enumerate() {
                if states.len() <= first_state + field {
                    states.push(Vec::with_capacity(parts.len()));
                }
                states[first_state + field].push(value);
            }
        }
        ScalarValue::iter_to_array(values)
    }

    fn save_accumulators(&self, states: Vec<Vec<ScalarValue>>, parts: &mut [Part]) -> DataFusionResult<()> {
        if states.is_empty() {
            return Ok(());
        }
        let columns = states
            .into_iter()
            .zip(self.accumulators.types())
            .map(|(values, data_type)| Ok(cast(&ScalarValue::iter_to_array(values)?, data_type)?));
        let rows = self.accumulators.encode(&columns.collect::<DataFusionResult<Vec<_>>>()?)?;
        for (index, part) in parts.iter_mut().enumerate() {
            part.state.accumulators = Some(RowBytes::from(rows.row(index).data()));
        }
        Ok(())
    }

    /// Results of a bounded frame.
    fn slid(
        &self,
        call: &Call,
        columns: &[ArrayRef],
        all: &AllRows,
        times: &[TimestampMs],
        parts: &[Part],
    ) -> DataFusionResult<ArrayRef> {
        let arguments = Arguments::new(columns.to_vec(), call.filter.is_some())?;
        let mut values = Vec::with_capacity(times.len());
        for part in parts {
            slide(call, &arguments, self.frames(call.frame, part, all, times), &mut values)?;
        }
        ScalarValue::iter_to_array(values)
    }

    /// Where the frame of each new row of a part ends, among the new rows.
    fn ends<'a>(
        &self,
        frame: Frame,
        part: &'a Part,
        times: &'a [TimestampMs],
    ) -> Box<dyn Iterator<Item = usize> + 'a> {
        // In processing time, rows come one after the other even within a millisecond, but an interval begins and ends with one.
        if frame.has_peers && (self.is_event_time || matches!(frame.start, Start::Range { .. })) {
            Box::new(part.peer_ends(times))
        } else {
            Box::new(part.rows.clone().map(|row| row + 1))
        }
    }

    /// The bounded frame of each new row of a part, among all rows that are looked at.
    fn frames<'a>(
        &self,
        frame: Frame,
        part: &'a Part,
        all: &'a AllRows,
        times: &'a [TimestampMs],
    ) -> impl Iterator<Item = Range<usize>> + 'a {
        let new_to_all = part.first_new() - part.rows.start;
        let mut start = part.all.start;
        part.rows.clone().zip(self.ends(frame, part, times)).map(move |(row, end)| {
            match frame.start {
                Start::Rows(rows) => start = start.max((row + new_to_all).saturating_sub(rows)),
                Start::Range { ms } => {
                    let oldest = times[row].saturating_sub(ms);
                    while all.times[start] < oldest {
                        start += 1;
                    }
                }
                Start::Unbounded => {}
            }
            start..end + new_to_all
        })
    }

    /// The numbers of all new rows.
    fn numbers(&self, times: &[TimestampMs], parts: &mut [Part]) -> Vec<Numbers> {
        let mut all = Vec::with_capacity(times.len());
        for part in parts {
            let Numbers { mut row, mut rank, mut dense_rank } = part.state.numbers;
            for (index, time_ms) in part.rows.clone().enumerate() {
                row += 1;
                let is_peer = self.is_event_time && index > 0 && times[time_ms] == times[time_ms - 1];
                if !is_peer {
                    (rank, dense_rank) = (row, dense_rank + 1);
                }
                all.push(Numbers { row, rank, dense_rank });
            }
            part.state.numbers = Numbers { row, rank, dense_rank };
        }
        all
    }

    /// Adds the new rows to the history, and drops what no later row looks back at.
    fn remember(
        &self,
        parts: &mut [Part],
        looked_at: &[ArrayRef],
        all: &AllRows,
        times: &[TimestampMs],
    ) -> Result<(), TaskError> {
        for part in parts.iter_mut() {
            part.state.last_ms = times[part.rows.end - 1];
        }
        if looked_at.is_empty() {
            return Ok(());
        }
        let encoded = self.history.encode(looked_at).map_err(failed)?;
        for part in parts {
            let mut first = part.all.end.saturating_sub(self.keep_rows).max(part.all.start);
            if let Some(keep_ms) = self.keep_ms {
                let oldest = part.state.last_ms.saturating_sub(keep_ms);
                let in_range = all.times[part.all.clone()].partition_point(|time_ms| *time_ms < oldest);
                first = first.min(part.all.start + in_range);
            }
            let first_new = part.first_new();
            let history = &mut part.state.history;
            history.drain(..(first - part.all.start).min(history.len()));
            let skipped = first.saturating_sub(first_new);
            history.extend(
                part.rows.clone().skip(skipped).map(|row| PastRow {
                    time_ms: times[row],
                    args: RowBytes::from(encoded.row(row).data()),
                }),
            );
        }
        Ok(())
    }

    /// Drops partitions whose rows are all too old to be looked back at: some of them, in turns.
    pub fn forget_before(&mut self, now_ms: TimestampMs) -> Result<(), TaskError> {
        let (Some((group, next_ms)), Some(keep_ms)) = (self.forgetting, self.keep_ms) else {
            return Ok(());
        };
        if now_ms < next_ms {
            return Ok(());
        }
        let oldest = now_ms.saturating_sub(keep_ms);
        let mut old = Vec::new();
        self.table.scan(0, group, |hash, key, state| {
            if state.last_ms < oldest {
                old.push((hash, key.clone()));
            }
        })?;
        let mut table = self.table.select(0)?;
        for (hash, key) in &old {
            table.remove(*hash, key)?;
        }
        let groups = self.table.key_groups();
        let next_group = if group + 1 < groups.end { group + 1 } else { groups.start };
        let turn_ms = (keep_ms / groups.len() as i64).max(1);
        self.forgetting = Some((next_group, now_ms.saturating_add(turn_ms)));
        Ok(())
    }

    pub fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.expiry.next_timer_ms()
    }

    /// Drops partitions whose time to live is over.
    pub fn sweep(&mut self, now_ms: TimestampMs) -> Result<(), TaskError> {
        Ok(self.expiry.sweep(now_ms, &mut self.table, |state| state.written_ms)?)
    }

    pub fn table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}

/// The arguments of a call, followed by its filter if it has one.
fn arguments(call: &Call, rows: &RecordBatch) -> Result<Vec<ArrayRef>, TaskError> {
    let expressions = call.args.iter().chain(&call.filter);
    let evaluate = |expression: &Arc<dyn datafusion::physical_expr::PhysicalExpr>| {
        expression.evaluate(rows).and_then(|value| value.into_array(rows.num_rows()))
    };
    expressions.map(evaluate).collect::<Result<_, _>>().map_err(failed)
}

/// The values of the rows that are so many before each new row, or the default.
fn lagged(
    offset: usize,
    default: &ScalarValue,
    values: &ArrayRef,
    parts: &[Part],
) -> DataFusionResult<ArrayRef> {
    let default = cast(&default.to_array()?, values.data_type())?;
    let places: Vec<(usize, usize)> = parts
        .iter()
        .flat_map(|part| {
            (part.first_new()..part.all.end).map(|row| match row.checked_sub(offset) {
                Some(before) if before >= part.all.start => (0, before),
                _ => (1, 0),
            })
        })
        .collect();
    Ok(interleave(&[values.as_ref(), default.as_ref()], &places)?)
}
