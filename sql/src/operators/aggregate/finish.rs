//! From cells to a column of results.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray},
    buffer::{OffsetBuffer, ScalarBuffer},
    compute::{CastOptions, cast, cast_with_options},
    datatypes::{DataType, Field, Int64Type},
    error::ArrowError,
};

use super::{
    AggregateCall, AggregateFunction as F,
    cell::{Cell, Moments},
};
use crate::rows::{RowBytes, RowCodec};

/// The results of one aggregate, one for each cell.
pub(super) fn finish<'a>(
    call: &AggregateCall,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<ArrayRef, ArrowError> {
    let cells: Vec<&Cell> = cells.collect();
    let first = cells.first().copied();
    match (&call.function, first) {
        (F::Count, _) | (_, None | Some(Cell::Count(_))) => {
            let counts: Int64Array = cells
                .iter()
                .map(|cell| if let Cell::Count(count) = cell { Some(*count) } else { None })
                .collect();
            cast(&counts, &call.result_type)
        }
        (function, Some(Cell::Integers { .. })) => {
            let values: Int64Array = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Integers { count: 0, .. } => None,
                    Cell::Integers { sum, count } if *function == F::Avg => Some(sum / count),
                    Cell::Integers { sum, .. } => Some(*sum),
                    _ => None,
                })
                .collect();
            narrow(values, &call.result_type)
        }
        (function, Some(Cell::Floats { .. })) => {
            let values: Float64Array = cells
                .iter()
                .map(|cell| match cell {
                    Cell::Floats { count: 0, .. } => None,
                    Cell::Floats { sum, count } if *function == F::Avg => Some(sum / *count as f64),
                    Cell::Floats { sum, .. } => Some(*sum),
                    _ => None,
                })
                .collect();
            cast(&values, &call.result_type)
        }
        (function, Some(Cell::Decimals { .. })) => decimals(call, *function == F::Avg, &cells),
        (_, Some(Cell::Extreme(_))) => {
            let values: Int64Array =
                cells.iter().map(|cell| if let Cell::Extreme(best) = cell { *best } else { None }).collect();
            from_integers(values, &call.result_type)
        }
        (_, Some(Cell::Bytes(_))) => {
            let values =
                cells.iter().map(|cell| if let Cell::Bytes(value) = cell { value.as_ref() } else { None });
            let column = optional_rows(&call.argument_type, values)?;
            cast(&column, &call.result_type)
        }
        (function, Some(Cell::List(_))) => lists(call, function, &cells),
        (function, Some(Cell::Moments { .. })) => {
            let values: Float64Array = cells.iter().map(|cell| moment(function, cell)).collect();
            cast(&values, &call.result_type)
        }
        (_, Some(Cell::Sorted(_))) => {
            Err(ArrowError::ComputeError("a sorted state has no result before it is reduced".to_owned()))
        }
    }
}

fn moment(function: &F, cell: &Cell) -> Option<f64> {
    // With something left that was taken back there are not enough values.
    let Cell::Moments { came: Moments { count, squares, .. }, gone: None } = cell else { return None };
    let squares = squares.max(0.0);
    match function {
        F::VarPop if *count > 0.0 => Some(squares / count),
        F::StddevPop if *count > 0.0 => Some((squares / count).sqrt()),
        F::VarSamp if *count > 1.0 => Some(squares / (count - 1.0)),
        F::StddevSamp if *count > 1.0 => Some((squares / (count - 1.0)).sqrt()),
        _ => None,
    }
}

/// Sums wrap around at the end of their type, as in Flink.
fn narrow(values: Int64Array, target: &DataType) -> Result<ArrayRef, ArrowError> {
    let wrapped: Int64Array = match target {
        DataType::Int8 => values.unary(|value| i64::from(value as i8)),
        DataType::Int16 => values.unary(|value| i64::from(value as i16)),
        DataType::Int32 => values.unary(|value| i64::from(value as i32)),
        _ => values,
    };
    cast(&wrapped, target)
}

fn from_integers(values: Int64Array, target: &DataType) -> Result<ArrayRef, ArrowError> {
    match target {
        DataType::Date32 | DataType::Time32(_) => cast(&cast(&values, &DataType::Int32)?, target),
        _ => cast(&values, target),
    }
}

fn decimals(call: &AggregateCall, is_average: bool, cells: &[&Cell]) -> Result<ArrayRef, ArrowError> {
    let (DataType::Decimal128(_, scale), DataType::Decimal128(precision, result_scale)) =
        (&call.argument_type, &call.result_type)
    else {
        return Err(ArrowError::ComputeError("a sum of decimals is a decimal".to_owned()));
    };
    let shift = 10i128.pow(u32::from(result_scale.abs_diff(*scale)));
    let values: Decimal128Array = cells
        .iter()
        .map(|cell| match cell {
            Cell::Decimals { count: 0, .. } => None,
            Cell::Decimals { sum, count } if is_average => {
                let scaled = sum.checked_mul(shift)?;
                Some(half_up(scaled, i128::from(*count)))
            }
            Cell::Decimals { sum, .. } => Some(*sum),
            _ => None,
        })
        .collect();
    let values = values.with_precision_and_scale(*precision, *result_scale)?;
    // What has more digits than the type is NULL, as in Flink.
    let options = CastOptions { safe: true, ..CastOptions::default() };
    cast_with_options(&values, &call.result_type, &options)
}

fn half_up(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    if rest.abs() * 2 >= divisor.abs() { quotient + value.signum() * divisor.signum() } else { quotient }
}

/// Decodes rows of one column; `None` becomes null.
pub(super) fn optional_rows<'a>(
    data_type: &DataType,
    values: impl Iterator<Item = Option<&'a RowBytes>>,
) -> Result<ArrayRef, ArrowError> {
    let codec = RowCodec::new([data_type.clone()])?;
    let null = codec.encode(&[arrow::array::new_null_array(data_type, 1)])?;
    let null = null.row(0).data();
    let column = codec.decode(values.map(|value| value.map_or(null, RowBytes::as_slice)))?;
    Ok(column.into_iter().next().expect("the codec has one column"))
}

fn lists(call: &AggregateCall, function: &F, cells: &[&Cell]) -> Result<ArrayRef, ArrowError> {
    let list = |cell: &&Cell| -> Vec<RowBytes> {
        if let Cell::List(values) = cell { values.clone() } else { Vec::new() }
    };
    let lists: Vec<Vec<RowBytes>> = cells.iter().map(list).collect();
    match function {
        F::FirstValue => optional_rows(&call.argument_type, lists.iter().map(|values| values.first())),
        F::LastValue => optional_rows(&call.argument_type, lists.iter().map(|values| values.last())),
        F::ListAgg(separator) => {
            let texts = lists.iter().map(|values| {
                if values.is_empty() {
                    return Ok(None);
                }
                let column = optional_rows(&call.argument_type, values.iter().map(Some))?;
                let column = cast(&column, &DataType::Utf8)?;
                let texts: Vec<&str> = column.as_string::<i32>().iter().flatten().collect();
                Ok(Some(texts.join(separator)))
            });
            Ok(Arc::new(texts.collect::<Result<StringArray, ArrowError>>()?))
        }
        _ => {
            let mut end = 0i32;
            let ends = lists.iter().map(|values| {
                end += values.len() as i32;
                end
            });
            let offsets: Vec<i32> = std::iter::once(0).chain(ends).collect();
            let values = optional_rows(&call.argument_type, lists.iter().flatten().map(Some))?;
            let field = match &call.result_type {
                DataType::List(field) => field.clone(),
                _ => Arc::new(Field::new_list_field(call.argument_type.clone(), true)),
            };
            Ok(Arc::new(ListArray::try_new(
                field,
                OffsetBuffer::new(ScalarBuffer::from(offsets)),
                values,
                None,
            )?))
        }
    }
}

/// A count column as integers.
pub(super) fn counts(column: &ArrayRef) -> &[i64] {
    column.as_primitive::<Int64Type>().values()
}
