//! Aggregates over frames, by DataFusion's accumulators.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    compute::filter,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{DataFusionError, Result, ScalarValue},
    logical_expr::Accumulator,
    physical_expr::aggregate::AggregateFunctionExpr,
};

use super::call::{Call, Function};

/// The arguments of a call, without the rows that its filter leaves out.
pub(super) struct Arguments {
    columns: Vec<ArrayRef>,
    /// Before each row and at the end: how many rows the filter has let through. `None` if there is no filter.
    passed: Option<Vec<usize>>,
}

impl Arguments {
    /// `columns` are the arguments, followed by the filter if there is one.
    pub fn new(mut columns: Vec<ArrayRef>, has_filter: bool) -> Result<Self> {
        let mask = if has_filter { columns.pop() } else { None };
        let Some(mask) = mask else { return Ok(Self { columns, passed: None }) };
        let mask: &BooleanArray = mask.as_boolean();
        let mut passed = Vec::with_capacity(mask.len() + 1);
        passed.push(0);
        for row in 0..mask.len() {
            let is_in = mask.is_valid(row) && mask.value(row);
            passed.push(passed[row] + usize::from(is_in));
        }
        let columns = columns.iter().map(|column| filter(column, mask)).collect::<Result<_, _>>()?;
        Ok(Self { columns, passed: Some(passed) })
    }

    /// Hands the arguments of some rows to an accumulator.
    fn give(&self, rows: Range<usize>, take: impl FnOnce(&[ArrayRef]) -> Result<()>) -> Result<()> {
        let rows = self.passed.as_ref().map_or(rows.clone(), |passed| passed[rows.start]..passed[rows.end]);
        if rows.is_empty() {
            return Ok(());
        }
        let slices: Vec<ArrayRef> =
            self.columns.iter().map(|column| column.slice(rows.start, rows.len())).collect();
        take(&slices)
    }
}

/// The results for rows with these frames, one after the other; neither end of a frame ever goes back.
pub(super) fn slide(
    call: &Call,
    arguments: &Arguments,
    frames: impl Iterator<Item = Range<usize>>,
    results: &mut Vec<ScalarValue>,
) -> Result<()> {
    let aggregate = call.aggregate_function()?;
    // An accumulator from which nothing can be taken back has to begin anew for each frame.
    let mut sliding = aggregate.create_sliding_accumulator().ok();
    let mut current: Option<(Range<usize>, ScalarValue)> = None;
    for frame in frames {
        if let Some((_, value)) = current.as_ref().filter(|(range, _)| *range == frame) {
            results.push(value.clone());
            continue;
        }
        let value = match &mut sliding {
            Some(accumulator) => {
                let empty = frame.start..frame.start;
                let last = current.map_or(empty, |(range, _)| range);
                arguments.give(last.end..frame.end, |values| accumulator.update_batch(values))?;
                arguments.give(last.start..frame.start, |values| accumulator.retract_batch(values))?;
                accumulator.evaluate()?
            }
            None => {
                let mut accumulator = aggregate.create_accumulator()?;
                arguments.give(frame.clone(), |values| accumulator.update_batch(values))?;
                accumulator.evaluate()?
            }
        };
        results.push(value.clone());
        current = Some((frame, value));
    }
    Ok(())
}

/// The results for rows whose frames begin with the partition's first row and end at `ends`, which never goes back. `begin` is the first
/// row that the accumulator has not seen.
pub(super) fn accumulate(
    accumulator: &mut dyn Accumulator,
    arguments: &Arguments,
    begin: usize,
    ends: impl Iterator<Item = usize>,
    results: &mut Vec<ScalarValue>,
) -> Result<()> {
    let mut seen = begin;
    let mut value = None;
    for end in ends {
        if end > seen || value.is_none() {
            arguments.give(seen..end, |values| accumulator.update_batch(values))?;
            value = Some(accumulator.evaluate()?);
            seen = end;
        }
        results.extend(value.clone());
    }
    Ok(())
}

impl Call {
    fn aggregate_function(&self) -> Result<&AggregateFunctionExpr> {
        match &self.function {
            Function::Aggregate(aggregate) => Ok(aggregate),
            other => Err(DataFusionError::Internal(format!("{other:?} is no aggregate"))),
        }
    }

    /// A new accumulator of an unbounded frame.
    pub fn accumulator(&self) -> Result<Box<dyn Accumulator>> {
        match &self.function {
            Function::FirstValue => Ok(Box::new(FirstRow {
                value: ScalarValue::try_from(self.field.data_type())?,
                is_set: false,
            })),
            _ => self.aggregate_function()?.create_accumulator(),
        }
    }

    /// What its state consists of.
    pub fn accumulator_fields(&self) -> Result<Vec<FieldRef>> {
        match &self.function {
            Function::FirstValue => Ok(vec![
                Arc::new(Field::new("value", self.field.data_type().clone(), true)),
                Arc::new(Field::new("is_set", DataType::Boolean, false)),
            ]),
            _ => self.aggregate_function()?.state_fields(),
        }
    }
}

/// The value of the first row, be it null.
#[derive(Debug)]
struct FirstRow {
    value: ScalarValue,
    is_set: bool,
}

impl Accumulator for FirstRow {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if !self.is_set && !values[0].is_empty() {
            self.value = ScalarValue::try_from_array(&values[0], 0)?;
            self.is_set = true;
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(self.value.clone())
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.value.size() - size_of_val(&self.value)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.value.clone(), ScalarValue::Boolean(Some(self.is_set))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let set = states[1].as_boolean();
        for row in (0..set.len()).filter(|row| set.value(*row)) {
            if !self.is_set {
                self.value = ScalarValue::try_from_array(&states[0], row)?;
                self.is_set = true;
            }
        }
        Ok(())
    }
}
