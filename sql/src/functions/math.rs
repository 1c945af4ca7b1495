//! Functions of numbers that DataFusion lacks, or has with another meaning.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int32Array},
    compute::{cast, kernels::numeric::rem},
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    time::arithmetic,
    udf::{Args, Builtin, Kind, a_double, a_string, an_int},
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Double, Int, Number, Text};
    vec![
        Builtin::new("FLOOR", &[Any], rounded_type, |args| round_to_whole(args, false))
            .optional(&[Text])
            .udf(),
        Builtin::new("CEIL", &[Any], rounded_type, |args| round_to_whole(args, true))
            .optional(&[Text])
            .alias(&["CEILING"])
            .udf(),
        Builtin::new("ROUND", &[Number], scaled_type, |args| scale(args, true)).optional(&[Int]).udf(),
        Builtin::new("TRUNCATE", &[Number], scaled_type, |args| scale(args, false)).optional(&[Int]).udf(),
        Builtin::new("LOG", &[Double], a_double, log).optional(&[Double]).udf(),
        Builtin::new("MOD", &[Kind::Common, Kind::Common], mod_type, |args| {
            Ok(rem(&args.array(0)?, &args.array(1)?)?)
        })
        .udf(),
        Builtin::new("E", &[], a_double, |args| {
            Ok(Arc::new(Float64Array::from(vec![std::f64::consts::E; args.rows])))
        })
        .udf(),
        Builtin::new("RAND", &[], a_double, random).volatile().udf(),
        Builtin::new("RAND_INTEGER", &[Int], an_int, random_integer).volatile().udf(),
        Builtin::new("BIN", &[Int], a_string, |args| {
            let numbers = args.int(0)?;
            args.strings(|row, out| Ok(numbers.get(row).map(|number| out.push_str(&format!("{number:b}")))))
        })
        .udf(),
    ]
}

fn rounded_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match (&types[0], types.len()) {
        (DataType::Decimal128(precision, scale), 1) => {
            // A carry may need one more digit.
            let whole = (i16::from(*precision) - i16::from(*scale) + i16::from(*scale > 0)).clamp(1, 38);
            Ok(DataType::Decimal128(u8::try_from(whole).unwrap_or(38), 0))
        }
        (DataType::Timestamp(..) | DataType::Date32, 2) => Ok(types[0].clone()),
        (DataType::Null, 1) => Ok(DataType::Float64),
        (number, 1) if number.is_numeric() => Ok(number.clone()),
        (other, 1) => plan_err!("FLOOR and CEIL expect a number, found {}", crate::types::spelling(other)),
        (other, _) => {
            plan_err!(
                "FLOOR and CEIL to a unit expect a TIMESTAMP or DATE, found {}",
                crate::types::spelling(other)
            )
        }
    }
}

fn round_to_whole(args: &Args, up: bool) -> Result<ArrayRef> {
    if args.len() == 2 {
        return arithmetic::round(args, up);
    }
    let array = args.raw(0);
    Ok(match array.data_type() {
        DataType::Decimal128(_, scale) => {
            let unit = ten_to(*scale);
            let whole = |value: i128| if up { -(-value).div_euclid(unit) } else { value.div_euclid(unit) };
            let DataType::Decimal128(precision, scale) = args.returned else {
                return exec_err!("expected a DECIMAL");
            };
            let rounded: Decimal128Array = array.as_primitive::<Decimal128Type>().unary(whole);
            Arc::new(rounded.with_precision_and_scale(precision, scale)?)
        }
        DataType::Float64 => Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(if up {
            f64::ceil
        } else {
            f64::floor
        })),
        DataType::Float32 => {
            let doubles = cast(array, &DataType::Float64)?;
            Arc::new(doubles.as_primitive::<Float64Type>().unary::<_, Float64Type>(if up {
                f64::ceil
            } else {
                f64::floor
            }))
        }
        _ => Arc::clone(array),
    })
}

fn ten_to(scale: i8) -> i128 {
    10_i128.pow(u32::from(scale.max(0).unsigned_abs()).min(38))
}

/// The digits behind the point that are kept, if they are the same for all rows.
fn kept(scalars: &[Option<&ScalarValue>]) -> Option<i64> {
    match scalars.get(1) {
        None => Some(0),
        Some(Some(ScalarValue::Int64(kept))) => *kept,
        Some(_) => None,
    }
}

fn scaled_type(types: &[DataType], scalars: &[Option<&ScalarValue>]) -> Result<DataType> {
    match (&types[0], kept(scalars)) {
        (DataType::Decimal128(precision, scale), Some(kept)) if kept < i64::from(*scale) => {
            let kept = i8::try_from(kept.max(0)).unwrap_or(0);
            let digits = (i16::from(*precision) - i16::from(*scale) + i16::from(kept) + 1).clamp(1, 38);
            Ok(DataType::Decimal128(u8::try_from(digits).unwrap_or(38), kept))
        }
        (DataType::Null, _) => Ok(DataType::Float64),
        (number, _) => Ok(number.clone()),
    }
}

/// `ROUND` and `TRUNCATE`, which round halves away from zero, and everything towards it.
fn scale(args: &Args, round: bool) -> Result<ArrayRef> {
    let digits = args.optional_int(1)?;
    let digits = |row: usize| digits.as_ref().map_or(Some(0), |digits| digits.get(row));
    let array = args.array(0)?;
    if let DataType::Decimal128(_, from) = array.data_type() {
        let DataType::Decimal128(precision, to) = args.returned else {
            return exec_err!("expected a DECIMAL");
        };
        let values = array.as_primitive::<Decimal128Type>();
        let scaled: Decimal128Array = values
            .iter()
            .enumerate()
            .map(|(row, value)| {
                let (value, digits) = (value?, digits(row)?);
                let value = to_digits(value, i64::from(*from) - digits, round);
                // To the scale of the result, which is not larger.
                Some(value / ten_to(from - to))
            })
            .collect();
        return Ok(Arc::new(scaled.with_precision_and_scale(precision, to)?));
    }
    if array.data_type().is_integer() {
        let integers = cast(&array, &DataType::Int64)?;
        let integers = integers.as_primitive::<Int64Type>();
        return args.ints(|row| {
            let valid = arrow::array::Array::is_valid(integers, row);
            let scaled = digits(row)
                .filter(|_| valid)
                .map(|digits| to_digits(i128::from(integers.value(row)), -digits, round));
            Ok(scaled.and_then(|scaled| i64::try_from(scaled).ok()))
        });
    }
    let doubles = cast(&array, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    let scaled: Float64Array = doubles
        .iter()
        .enumerate()
        .map(|(row, value)| {
            let (value, digits) = (value?, digits(row)?);
            Some(double_to_digits(value, digits.clamp(-400, 400) as i32, round))
        })
        .collect();
    Ok(Arc::new(scaled))
}

/// A number without its last digits: zeros are there instead.
fn to_digits(value: i128, dropped: i64, round: bool) -> i128 {
    match u32::try_from(dropped) {
        Err(_) | Ok(0) => value,
        Ok(dropped @ 1..=38) => {
            let unit = 10_i128.pow(dropped);
            let (whole, rest) = (value / unit, value % unit);
            let carry = if round && rest.abs() >= unit - rest.abs() { value.signum() } else { 0 };
            (whole + carry) * unit
        }
        Ok(_) => 0,
    }
}

/// By the shortest decimal text of the number, as Java's `BigDecimal.valueOf` does.
fn double_to_digits(value: f64, digits: i32, round: bool) -> f64 {
    let factor = 10_f64.powi(digits);
    if !value.is_finite() || !factor.is_finite() || factor == 0.0 {
        return if digits < 0 && value.is_finite() { 0.0 } else { value };
    }
    let text = format!("{value:e}");
    let shifted: f64 = match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let exponent = exponent.parse::<i32>().unwrap_or(0) + digits;
            format!("{mantissa}e{exponent}").parse().unwrap_or(value * factor)
        }
        None => value * factor,
    };
    let whole = if round { shifted.round() } else { shifted.trunc() };
    if digits >= 0 { whole / factor } else { whole * 10_f64.powi(-digits) }
}

/// `LOG(x)` is the natural one; `LOG(base, x)`.
fn log(args: &Args) -> Result<ArrayRef> {
    let first = args.double(0)?;
    let second = if args.len() > 1 { Some(args.double(1)?) } else { None };
    let logs: Float64Array = (0..args.rows)
        .map(|row| match &second {
            None => first.get(row).map(f64::ln),
            Some(second) => Some(second.get(row)?.ln() / first.get(row)?.ln()),
        })
        .collect();
    Ok(Arc::new(logs))
}

fn mod_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    if !types.iter().all(|number| number.is_numeric() || number.is_null()) {
        return plan_err!("MOD expects numbers");
    }
    match &types[0] {
        DataType::Decimal128(_, scale) => Ok(DataType::Decimal128(38, *scale)),
        other => Ok(other.clone()),
    }
}

fn random(args: &Args) -> Result<ArrayRef> {
    let mut random = StdRng::from_os_rng();
    let numbers: Vec<f64> = (0..args.rows).map(|_| random.random()).collect();
    Ok(Arc::new(Float64Array::from(numbers)))
}

fn random_integer(args: &Args) -> Result<ArrayRef> {
    let bounds = args.int(0)?;
    let mut random = StdRng::from_os_rng();
    let numbers = (0..args.rows).map(|row| match bounds.get(row) {
        None => Ok(None),
        Some(bound) => match i32::try_from(bound) {
            Ok(bound @ 1..) => Ok(Some(random.random_range(0..bound))),
            _ => exec_err!("expected a bound of RAND_INTEGER above 0, found {bound}"),
        },
    });
    Ok(Arc::new(numbers.collect::<Result<Int32Array>>()?))
}
