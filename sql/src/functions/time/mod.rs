//! Functions of time. Session time is UTC.

pub(super) mod arithmetic;
mod pattern;
pub(super) mod text;
mod units;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    datatypes::{
        DataType, Date32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
        Time64NanosecondType, TimeUnit,
    },
};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};

use self::pattern::{DAY_SECONDS, Moment};
use super::udf::Args;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    [text::functions(), units::functions(), arithmetic::functions()].concat()
}

/// A column of timestamps, dates or times.
struct Moments {
    values: PrimitiveArray<Int64Type>,
    per_second: i64,
    constant: bool,
}

impl Moments {
    /// An argument.
    fn of(args: &Args, n: usize) -> Result<Self> {
        let (values, per_second) = numbers(args.raw(n))?;
        Ok(Self { values, per_second, constant: args.is_constant(n) })
    }

    #[inline]
    fn get(&self, row: usize) -> Option<Moment> {
        let row = if self.constant { 0 } else { row };
        if self.values.is_null(row) {
            return None;
        }
        let value = self.values.value(row);
        if self.per_second == 0 {
            return value.checked_mul(DAY_SECONDS).map(|seconds| Moment { seconds, nanos: 0 });
        }
        let fraction = value.rem_euclid(self.per_second);
        // Less than a second's nanoseconds.
        let nanos = (fraction * (1_000_000_000 / self.per_second)) as u32;
        Some(Moment { seconds: value.div_euclid(self.per_second), nanos })
    }
}

/// The values, and how many make a second; none do of dates, which are days.
fn numbers(array: &ArrayRef) -> Result<(PrimitiveArray<Int64Type>, i64)> {
    let widened = |values: PrimitiveArray<Int64Type>, unit: TimeUnit| Ok((values, per_second(unit)));
    match array.data_type() {
        DataType::Timestamp(unit, _) => {
            let data = array.to_data().into_builder().data_type(DataType::Int64).build()?;
            widened(PrimitiveArray::from(data), *unit)
        }
        DataType::Date32 => Ok((array.as_primitive::<Date32Type>().unary(i64::from), 0)),
        DataType::Time32(TimeUnit::Second) => {
            widened(array.as_primitive::<Time32SecondType>().unary(i64::from), TimeUnit::Second)
        }
        DataType::Time32(_) => {
            widened(array.as_primitive::<Time32MillisecondType>().unary(i64::from), TimeUnit::Millisecond)
        }
        DataType::Time64(TimeUnit::Microsecond) => {
            widened(array.as_primitive::<Time64MicrosecondType>().unary(|value| value), TimeUnit::Microsecond)
        }
        DataType::Time64(_) => {
            widened(array.as_primitive::<Time64NanosecondType>().unary(|value| value), TimeUnit::Nanosecond)
        }
        other => exec_err!("expected a timestamp, date or time, found {other}"),
    }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Moments as a column of a type.
fn to_array(moments: impl Iterator<Item = Option<Moment>>, to: &DataType) -> Result<ArrayRef> {
    let per_second = match to {
        DataType::Timestamp(unit, _) => per_second(*unit),
        DataType::Date32 => 0,
        other => return exec_err!("expected to return a timestamp or date, not {other}"),
    };
    let values: PrimitiveArray<Int64Type> = moments
        .map(|moment| {
            let Some(moment) = moment else { return Ok(None) };
            let value = if per_second == 0 {
                Some(moment.day())
            } else {
                let fraction = i64::from(moment.nanos) / (1_000_000_000 / per_second);
                moment.seconds.checked_mul(per_second).and_then(|value| value.checked_add(fraction))
            };
            value.map_or_else(
                || exec_err!("a timestamp is too far from 1970 for its type"),
                |value| Ok(Some(value)),
            )
        })
        .collect::<Result<_>>()?;
    if per_second == 0 {
        return Ok(arrow::compute::cast(
            &arrow::compute::cast(&values, &DataType::Int32)?,
            &DataType::Date32,
        )?);
    }
    let data = values.to_data().into_builder().data_type(to.clone()).build()?;
    Ok(arrow::array::make_array(data))
}
