//! Computes calls for new rows of many partitions at once.

use std::sync::Arc;

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
    call::{Call, Function},
    history::{AllRows, History},
    part::{Numbers, OverState, Part, Times},
};
use crate::{
    operator::{OpenContext, failed},
    operators::ordered::{Expiry, with_columns},
    rows::{RowBytes, RowCodec},
};

/// Computes calls, and keeps what later rows need.
pub(super) struct Evaluator {
    calls: Vec<Call>,
    output: SchemaRef,
    is_event_time: bool,
    table: Table<RowBytes, OverState>,
    expiry: Expiry,
    history: History,
    /// Of the states of the accumulators of unbounded frames.
    accumulators: RowCodec,
    /// The key group to look through next for partitions that are no longer needed, and when.
    forgetting: (KeyGroup, TimestampMs),
}

impl Evaluator {
    pub fn open(factory: &OverFactory, context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        let mut accumulators = Vec::new();
        for call in factory.calls.iter().filter(|call| call.accumulates()) {
            let fields = call.accumulator_fields().map_err(failed)?;
            accumulators.extend(fields.iter().map(|field| field.data_type().clone()));
        }
        let table: Table<RowBytes, OverState> = context.table("partitions")?;
        Ok(Self {
            calls: factory.calls.clone(),
            output: factory.output(),
            is_event_time: factory.time.is_some(),
            forgetting: (table.key_groups().start, TimestampMs::MIN),
            table,
            expiry: Expiry::new(factory.ttl_ms, context.task),
            history: History::new(&factory.calls, &factory.input)?,
            accumulators: RowCodec::new(accumulators).map_err(failed)?,
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
        let all = self.history.join(&mut parts, &looked_at, times)?;
        let times = Times { new: times, all: &all.times, are_of_events: self.is_event_time };
        let results = self.results(&columns, &all, &times, &mut parts).map_err(failed)?;
        let results = results
            .into_iter()
            .zip(&self.calls)
            .map(|(result, call)| cast(&result, call.field.data_type()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(failed)?;
        for part in &mut parts {
            part.state.last_ms = times.new[part.rows.end - 1];
        }
        self.history.remember(&mut parts, &looked_at, &all.times)?;
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

    /// The results of each call for all new rows.
    fn results(
        &self,
        columns: &[Vec<ArrayRef>],
        all: &AllRows,
        times: &Times<'_>,
        parts: &mut [Part],
    ) -> DataFusionResult<Vec<ArrayRef>> {
        let saved = parts.iter().filter_map(|part| part.state.accumulators.as_ref());
        let saved = self.accumulators.decode(saved.map(RowBytes::as_slice))?;
        let (mut saved, mut looked_at) = (saved.as_slice(), all.columns.as_slice());
        let mut states: Vec<Vec<ScalarValue>> = Vec::new();
        let mut results = Vec::with_capacity(self.calls.len());
        let mut numbers = Vec::new();
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
                Function::Aggregate(_) => slid(call, of_call, times, parts)?,
                Function::Lag { offset, default } => lagged(*offset, default, &of_call[0], parts)?,
                Function::FirstValue => {
                    let frames = parts.iter().flat_map(|part| part.frames(call.frame, times));
                    let first: UInt32Array = frames.map(|frame| frame.start as u32).collect();
                    take(&of_call[0], &first, None)?
                }
                Function::LastValue => {
                    let ends = parts.iter().flat_map(|part| part.ends(call.frame, times));
                    let last: UInt32Array = ends.map(|end| end as u32 - 1).collect();
                    take(&of_call[0], &last, None)?
                }
                Function::RowNumber | Function::Rank | Function::DenseRank => {
                    if numbers.is_empty() {
                        parts.iter_mut().for_each(|part| part.count(times, &mut numbers));
                    }
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
        times: &Times<'_>,
        parts: &[Part],
        states: &mut Vec<Vec<ScalarValue>>,
    ) -> DataFusionResult<ArrayRef> {
        let mut values = Vec::with_capacity(times.new.len());
        let first_state = states.len();
        let mut saved_rows = 0..;
        for part in parts {
            let mut accumulator = call.accumulator()?;
            if part.state.accumulators.is_some() && !saved.is_empty() {
                let row = saved_rows.next().unwrap_or_default();
                let state: Vec<ArrayRef> = saved.iter().map(|column| column.slice(row, 1)).collect();
                accumulator.merge_batch(&state)?;
            }
            let ends = part.ends(call.frame, times);
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

    /// Drops partitions whose rows are all too old to be looked back at: some of them, in turns.
    pub fn forget_before(&mut self, now_ms: TimestampMs) -> Result<(), TaskError> {
        let Some(keep_ms) = self.history.needless_after_ms() else { return Ok(()) };
        let (group, next_ms) = self.forgetting;
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
        self.forgetting = (next_group, now_ms.saturating_add(turn_ms));
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

/// Results of a bounded frame.
fn slid(call: &Call, columns: &[ArrayRef], times: &Times<'_>, parts: &[Part]) -> DataFusionResult<ArrayRef> {
    let arguments = Arguments::new(columns.to_vec(), call.filter.is_some())?;
    let mut values = Vec::with_capacity(times.new.len());
    for part in parts {
        slide(call, &arguments, part.frames(call.frame, times), &mut values)?;
    }
    ScalarValue::iter_to_array(values)
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
