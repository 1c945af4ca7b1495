//! Aggregates by their definition.

use datafusion::common::ScalarValue;

use super::*;

/// The aggregate over what is left of some rows, of which `true` ones came and `false` ones went.
pub(super) fn result(call: &AggregateCall, history: &[(bool, Row)]) -> ScalarValue {
    let values = values(call, history);
    let null = || ScalarValue::try_from(&call.result_type).unwrap();
    if call.function == F::Count {
        return ScalarValue::from(values.len() as i64);
    }
    if values.is_empty() && call.function != F::ArrayAgg {
        return null();
    }
    let greater = |a: &ScalarValue, b: &ScalarValue| a.partial_cmp(b).unwrap();
    match &call.function {
        F::Count => unreachable!("it was counted"),
        F::Min => values.into_iter().min_by(greater).unwrap(),
        F::Max => values.into_iter().max_by(greater).unwrap(),
        F::FirstValue => values.into_iter().next().unwrap(),
        F::LastValue => values.into_iter().next_back().unwrap(),
        F::ListAgg(separator) => {
            let texts: Vec<String> = values.iter().map(ScalarValue::to_string).collect();
            ScalarValue::from(texts.join(separator))
        }
        F::ArrayAgg => ScalarValue::List(ScalarValue::new_list_nullable(&values, &call.argument_type)),
        F::Sum => sum(&values),
        F::Avg => average(&values),
        F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => {
            deviation(&call.function, &values).map_or_else(null, ScalarValue::from)
        }
    }
}

/// The values that count, in the order in which they came. Of equal ones the first one goes first.
fn values(call: &AggregateCall, history: &[(bool, Row)]) -> Vec<ScalarValue> {
    let mut values: Vec<ScalarValue> = Vec::new();
    let mut all: Vec<ScalarValue> = Vec::new();
    for (is_addition, row) in history {
        let value = call.argument.map_or(ScalarValue::from(1i64), |column| row.scalar(column));
        if value.is_null() || (call.filter.is_some() && row.flag != Some(true)) {
            continue;
        }
        let remove = |values: &mut Vec<ScalarValue>| {
            let place = values.iter().position(|other| *other == value).unwrap();
            values.remove(place);
        };
        if *is_addition {
            if !call.is_distinct || !all.contains(&value) {
                values.push(value.clone());
            }
            all.push(value);
        } else {
            remove(&mut all);
            if !call.is_distinct || !all.contains(&value) {
                remove(&mut values);
            }
        }
    }
    values
}

fn integer(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::Int8(value) => value.map(i64::from),
        ScalarValue::Int32(value) => value.map(i64::from),
        ScalarValue::Int64(value) => *value,
        _ => None,
    }
}

fn float(value: &ScalarValue) -> f64 {
    match value {
        ScalarValue::Float32(Some(value)) => f64::from(*value),
        ScalarValue::Float64(Some(value)) => *value,
        other => integer(other).unwrap() as f64,
    }
}

fn decimal(value: &ScalarValue) -> i128 {
    if let ScalarValue::Decimal128(Some(value), ..) = value { *value } else { panic!("a decimal: {value}") }
}

fn wrapping_sum(values: &[ScalarValue]) -> i64 {
    values.iter().filter_map(integer).fold(0, i64::wrapping_add)
}

fn of_type(like: &ScalarValue, number: i64) -> ScalarValue {
    match like {
        ScalarValue::Int8(_) => ScalarValue::Int8(Some(number as i8)),
        ScalarValue::Int32(_) => ScalarValue::Int32(Some(number as i32)),
        _ => ScalarValue::Int64(Some(number)),
    }
}

/// Sums of integers wrap around at the end of their type.
fn sum(values: &[ScalarValue]) -> ScalarValue {
    match &values[0] {
        ScalarValue::Float32(_) => ScalarValue::from(values.iter().map(float).sum::<f64>() as f32),
        ScalarValue::Float64(_) => ScalarValue::from(values.iter().map(float).sum::<f64>()),
        ScalarValue::Decimal128(..) => ScalarValue::Decimal128(Some(values.iter().map(decimal).sum()), 38, 2),
        integer => of_type(integer, wrapping_sum(values)),
    }
}

/// Of integers an integer, towards 0; of decimals with four more digits, half a unit away from 0.
fn average(values: &[ScalarValue]) -> ScalarValue {
    let count = values.len() as i64;
    match &values[0] {
        ScalarValue::Float32(_) => {
            ScalarValue::from((values.iter().map(float).sum::<f64>() / count as f64) as f32)
        }
        ScalarValue::Float64(_) => ScalarValue::from(values.iter().map(float).sum::<f64>() / count as f64),
        ScalarValue::Decimal128(..) => {
            let exact = values.iter().map(decimal).sum::<i128>() * 10_000;
            let twice = exact.abs() * 2 + i128::from(count);
            let rounded = twice / (2 * i128::from(count)) * exact.signum();
            ScalarValue::Decimal128(Some(rounded), 38, 6)
        }
        integer => of_type(integer, wrapping_sum(values) / count),
    }
}

/// In two passes.
fn deviation(function: &F, values: &[ScalarValue]) -> Option<f64> {
    let count = values.len() as f64;
    let mean = values.iter().map(float).sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (float(value) - mean).powi(2)).sum();
    match function {
        F::VarPop => Some(squares / count),
        F::StddevPop => Some((squares / count).sqrt()),
        _ if values.len() < 2 => None,
        F::VarSamp => Some(squares / (count - 1.0)),
        _ => Some((squares / (count - 1.0)).sqrt()),
    }
}
