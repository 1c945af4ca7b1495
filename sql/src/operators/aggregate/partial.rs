//! What crosses the shuffle when aggregation begins before it: cells as columns.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array},
    datatypes::{DataType, Decimal128Type, Field, Float64Type, Int64Type},
    error::ArrowError,
};

use super::{
    AggregateCall,
    call::Representation,
    cell::{Cell, Moments},
    finish::optional_rows,
};
use crate::rows::{RowBytes, RowCodec};

/// The columns that an aggregate's cells take.
pub(super) fn fields(call: &AggregateCall, index: usize) -> Vec<Field> {
    let field = |part: &str, data_type| Field::new(format!("{index}-{part}"), data_type, true);
    let count = || field("count", DataType::Int64);
    match call.representation(false) {
        Representation::Count => vec![count()],
        Representation::Integers => vec![field("sum", DataType::Int64), count()],
        Representation::Floats => vec![field("sum", DataType::Float64), count()],
        Representation::Decimals => {
            vec![field("sum", DataType::Decimal128(38, scale_of(&call.argument_type))), count()]
        }
        Representation::Extreme => vec![field("best", DataType::Int64)],
        Representation::Bytes | Representation::Sorted | Representation::List => {
            vec![field("best", call.argument_type.clone())]
        }
        Representation::Moments => vec![
            field("count", DataType::Float64),
            field("mean", DataType::Float64),
            field("squares", DataType::Float64),
        ],
    }
}

fn scale_of(data_type: &DataType) -> i8 {
    if let DataType::Decimal128(_, scale) = data_type { *scale } else { 0 }
}

/// The columns of one aggregate's cells.
pub(super) fn columns(call: &AggregateCall, cells: &[Cell]) -> Result<Vec<ArrayRef>, ArrowError> {
    let counts = |count_of: fn(&Cell) -> i64| -> ArrayRef {
        Arc::new(
            cells.iter().map(count_of).collect::<Vec<i64>>().into_iter().map(Some).collect::<Int64Array>(),
        )
    };
    let count = |cell: &Cell| match cell {
        Cell::Count(count)
        | Cell::Integers { count, .. }
        | Cell::Floats { count, .. }
        | Cell::Decimals { count, .. } => *count,
        _ => 0,
    };
    Ok(match call.representation(false) {
        Representation::Count => vec![counts(count)],
        Representation::Integers => {
            let sum = |cell: &Cell| if let Cell::Integers { sum, .. } = cell { *sum } else { 0 };
            vec![counts(sum), counts(count)]
        }
        Representation::Floats => {
            let sum = |cell: &Cell| if let Cell::Floats { sum, .. } = cell { *sum } else { 0.0 };
            let sums: Float64Array = cells.iter().map(sum).map(Some).collect();
            vec![Arc::new(sums), counts(count)]
        }
        Representation::Decimals => {
            let sum = |cell: &Cell| if let Cell::Decimals { sum, .. } = cell { *sum } else { 0 };
            let sums: Decimal128Array = cells.iter().map(sum).map(Some).collect();
            let sums = sums.with_precision_and_scale(38, scale_of(&call.argument_type))?;
            vec![Arc::new(sums), counts(count)]
        }
        Representation::Extreme => {
            let best = |cell: &Cell| if let Cell::Extreme(best) = cell { *best } else { None };
            vec![Arc::new(cells.iter().map(best).collect::<Int64Array>())]
        }
        Representation::Bytes | Representation::Sorted | Representation::List => {
            fn best(cell: &Cell) -> Option<&RowBytes> {
                if let Cell::Bytes(best) = cell { best.as_ref() } else { None }
            }
            vec![optional_rows(&call.argument_type, cells.iter().map(best))?]
        }
        Representation::Moments => {
            let part = |part: fn(&Moments) -> f64| -> ArrayRef {
                let of =
                    |cell: &Cell| if let Cell::Moments { came, .. } = cell { Some(part(came)) } else { None };
                Arc::new(cells.iter().map(of).collect::<Float64Array>())
            };
            vec![part(|all| all.count), part(|all| all.mean), part(|all| all.squares)]
        }
    })
}

/// Merges such columns into the cells of the groups that the rows belong to.
pub(super) fn merge(
    call: &AggregateCall,
    columns: &[ArrayRef],
    groups: &[u32],
    cells: &mut [Cell],
) -> Result<(), ArrowError> {
    let counts = |column: usize| columns[column].as_primitive::<Int64Type>().values();
    let mut each = |cell_of: &mut dyn FnMut(usize) -> Cell| {
        for (row, group) in groups.iter().enumerate() {
            cells[*group as usize].merge(cell_of(row), &call.function);
        }
    };
    match call.representation(false) {
        Representation::Count => {
            let counts = counts(0);
            each(&mut |row| Cell::Count(counts[row]));
        }
        Representation::Integers => {
            let (sums, counts) = (counts(0), counts(1));
            each(&mut |row| Cell::Integers { sum: sums[row], count: counts[row] });
        }
        Representation::Floats => {
            let (sums, counts) = (columns[0].as_primitive::<Float64Type>().values(), counts(1));
            each(&mut |row| Cell::Floats { sum: sums[row], count: counts[row] });
        }
        Representation::Decimals => {
            let (sums, counts) = (columns[0].as_primitive::<Decimal128Type>().values(), counts(1));
            each(&mut |row| Cell::Decimals { sum: sums[row], count: counts[row] });
        }
        Representation::Extreme => {
            let best = columns[0].as_primitive::<Int64Type>();
            each(&mut |row| Cell::Extreme(best.is_valid(row).then(|| best.value(row))));
        }
        Representation::Bytes | Representation::Sorted | Representation::List => {
            let encoded = RowCodec::new([call.argument_type.clone()])?.encode(&columns[..1])?;
            let column = &columns[0];
            each(&mut |row| {
                Cell::Bytes(column.is_valid(row).then(|| RowBytes::from(encoded.row(row).data())))
            });
        }
        Representation::Moments => {
            let part = |column: usize| columns[column].as_primitive::<Float64Type>().values();
            let (count, mean, squares) = (part(0), part(1), part(2));
            each(&mut |row| {
                let came = Moments { count: count[row], mean: mean[row], squares: squares[row] };
                Cell::Moments { came, gone: None }
            });
        }
    }
    Ok(())
}
