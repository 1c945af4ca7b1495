//! From rows to cells: one pass over an aggregate's column per batch.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, Decimal128Type, Float64Type, Int64Type},
    error::ArrowError,
};

use super::{
    AggregateCall, AggregateFunction,
    call::Representation,
    cell::{Cell, Moments, better},
};
use crate::{
    batch::RowKind,
    rows::{RowBytes, RowCodec},
};

/// Which rows of a batch count, and for whom.
pub(super) struct Rows<'a> {
    /// The group of each row.
    pub groups: &'a [u32],
    /// If there are others than insertions.
    pub kinds: Option<&'a [RowKind]>,
    /// If not all rows count.
    pub active: Option<&'a BooleanArray>,
}

impl Rows<'_> {
    #[inline]
    fn sign(&self, row: usize) -> i64 {
        match self.kinds {
            Some(kinds) if !kinds[row].is_addition() => -1,
            _ => 1,
        }
    }

    #[inline]
    fn for_each(&self, column: Option<&dyn Array>, mut visit: impl FnMut(usize, usize)) {
        // A column of type NULL has no nulls but logical ones.
        let nulls = column.and_then(|column| column.logical_nulls());
        match (self.active, nulls.as_ref()) {
            (None, None) => {
                self.groups.iter().enumerate().for_each(|(row, group)| visit(row, *group as usize));
            }
            (active, nulls) => {
                let nulls =
                    [nulls, active.and_then(Array::nulls)].into_iter().flatten().map(NullBuffer::inner);
                let bits = active.map(BooleanArray::values).into_iter().chain(nulls);
                let rows = bits.cloned().reduce(|all, bits| &all & &bits);
                let rows = rows.expect("with neither, all rows count");
                rows.set_indices().for_each(|row| visit(row, self.groups[row] as usize));
            }
        }
    }
}

/// A value that was taken back from a list: whose, and which.
pub(super) type Gone = (u32, RowBytes);

/// Adds a batch to `cells`, which has one for each group. Returns the values that were taken back from lists.
pub(super) fn accumulate(
    call: &AggregateCall,
    representation: Representation,
    column: Option<&ArrayRef>,
    rows: &Rows<'_>,
    cells: &mut [Cell],
) -> Result<Vec<Gone>, ArrowError> {
    let mut gone = Vec::new();
    let nullable = column.map(|column| column.as_ref());
    match representation {
        Representation::Count => rows.for_each(nullable, |row, group| {
            if let Cell::Count(count) = &mut cells[group] {
                *count += rows.sign(row);
            }
        }),
        Representation::Integers => {
            let column = integers(argument(column)?)?;
            let values = column.as_primitive::<Int64Type>().values();
            rows.for_each(nullable, |row, group| {
                if let Cell::Integers { sum, count } = &mut cells[group] {
                    let sign = rows.sign(row);
                    *sum = sum.wrapping_add(sign * values[row]);
                    *count += sign;
                }
            });
        }
        Representation::Floats => {
            let column = cast(argument(column)?, &DataType::Float64)?;
            let values = column.as_primitive::<Float64Type>().values();
            rows.for_each(nullable, |row, group| {
                if let Cell::Floats { sum, count } = &mut cells[group] {
                    let sign = rows.sign(row);
                    *sum += sign as f64 * values[row];
                    *count += sign;
                }
            });
        }
        Representation::Decimals => {
            let values = argument(column)?.as_primitive::<Decimal128Type>().values();
            rows.for_each(nullable, |row, group| {
                if let Cell::Decimals { sum, count } = &mut cells[group] {
                    let sign = rows.sign(row);
                    *sum = sum.wrapping_add(i128::from(sign) * values[row]);
                    *count += sign;
                }
            });
        }
        Representation::Extreme => {
            let column = integers(argument(column)?)?;
            let values = column.as_primitive::<Int64Type>().values();
            rows.for_each(nullable, |row, group| {
                if let Cell::Extreme(best) = &mut cells[group] {
                    *best = better(*best, Some(values[row]), &call.function);
                }
            });
        }
        Representation::Bytes => {
            let column = argument(column)?;
            let encoded =
                RowCodec::new([column.data_type().clone()])?.encode(std::slice::from_ref(column))?;
            rows.for_each(nullable, |row, group| {
                let Cell::Bytes(best) = &mut cells[group] else { return };
                let value = encoded.row(row).data();
                let is_better = match (best.as_ref(), &call.function) {
                    (None, _) | (Some(_), AggregateFunction::LastValue) => true,
                    (Some(_), AggregateFunction::FirstValue) => false,
                    (Some(best), AggregateFunction::Min) => value < best.as_slice(),
                    (Some(best), _) => value > best.as_slice(),
                };
                if is_better {
                    *best = Some(RowBytes::from(value));
                }
            });
        }
        Representation::Sorted => {
            let column = argument(column)?;
            let encoded =
                RowCodec::new([column.data_type().clone()])?.encode(std::slice::from_ref(column))?;
            rows.for_each(nullable, |row, group| {
                if let Cell::Sorted(values) = &mut cells[group] {
                    *values.entry(RowBytes::from(encoded.row(row).data())).or_insert(0) += rows.sign(row);
                }
            });
        }
        Representation::List => {
            let column = argument(column)?;
            let encoded =
                RowCodec::new([column.data_type().clone()])?.encode(std::slice::from_ref(column))?;
            rows.for_each(nullable, |row, group| {
                let value = RowBytes::from(encoded.row(row).data());
                if rows.sign(row) < 0 {
                    gone.push((group as u32, value));
                } else if let Cell::List(values) = &mut cells[group] {
                    values.push(value);
                }
            });
        }
        Representation::Moments => {
            let column = cast(argument(column)?, &DataType::Float64)?;
            let values = column.as_primitive::<Float64Type>().values();
            rows.for_each(nullable, |row, group| {
                let Cell::Moments { came, gone } = &mut cells[group] else { return };
                let side = if rows.sign(row) > 0 { came } else { &mut **gone.get_or_insert_default() };
                side.add(&Moments::of(values[row]));
            });
        }
    }
    Ok(gone)
}

fn argument(column: Option<&ArrayRef>) -> Result<&ArrayRef, ArrowError> {
    column.ok_or_else(|| ArrowError::InvalidArgumentError("the aggregate needs an argument".to_owned()))
}

/// A column whose values fit into 64 bits, as integers.
pub(super) fn integers(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Int64 => Ok(column.clone()),
        DataType::Date32 | DataType::Time32(_) => cast(&cast(column, &DataType::Int32)?, &DataType::Int64),
        _ => cast(column, &DataType::Int64),
    }
}
