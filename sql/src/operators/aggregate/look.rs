//! How the states of aggregates look to people.

use headwater_core::codec;
use serde_json::{Map, Value, json};

use super::{AggregateCall, cell::Cell};
use crate::{
    batch::rows_of,
    look::{ShowValue, guarded},
    rows::{RowBytes, RowCodec},
    shown::json_of_row,
};

/// Shows the cells of a group by the names of the results that they are for.
pub(super) struct ShowCells {
    aggregates: Vec<(String, AggregateCall)>,
}

impl ShowCells {
    /// Of these aggregates, whose results have these names.
    pub(super) fn new<'a>(calls: &[AggregateCall], names: impl Iterator<Item = &'a String>) -> Self {
        Self { aggregates: names.cloned().zip(calls.iter().cloned()).collect() }
    }

    pub(super) fn json(&self, cells: &[Cell]) -> Map<String, Value> {
        let shown = self.aggregates.iter().zip(cells).map(|((name, call), cell)| {
            let value = show_cell(call, cell).unwrap_or_else(|| json!(cell));
            (name.clone(), value)
        });
        shown.collect()
    }

    /// Shows encoded cells alone.
    pub(super) fn alone(self) -> ShowValue {
        Box::new(move |bytes| {
            let cells: Vec<Cell> = codec::decode(bytes).map_err(|error| error.to_string())?;
            Ok(Value::Object(self.json(&cells)).to_string().into_bytes())
        })
    }

    /// What the values are, for people.
    pub(super) fn what(&self) -> String {
        let names: Vec<&str> = self.aggregates.iter().map(|(name, _)| name.as_str()).collect();
        format!("the aggregates so far: {}", names.join(", "))
    }
}

/// `None`: as it is kept.
fn show_cell(call: &AggregateCall, cell: &Cell) -> Option<Value> {
    let decoded = |bytes: &RowBytes| decode(call, bytes).unwrap_or_else(|| json!(bytes));
    Some(match cell {
        Cell::Count(count) => json!(count),
        Cell::Integers { sum, count } => json!({ "sum": sum, "count": count }),
        Cell::Floats { sum, count } => json!({ "sum": sum, "count": count }),
        // JSON has no numbers of 128 bits.
        Cell::Decimals { sum, count } => json!({ "sum_unscaled": sum.to_string(), "count": count }),
        Cell::Extreme(best) => json!(best),
        Cell::Bytes(best) => best.as_ref().map_or(Value::Null, decoded),
        Cell::List(values) => values.iter().map(decoded).collect(),
        Cell::Sorted(values) => {
            values.iter().map(|(value, times)| json!({ "value": decoded(value), "times": times })).collect()
        }
        Cell::Moments { .. } => return None,
    })
}

/// A value that is kept as a row of its own.
fn decode(call: &AggregateCall, bytes: &RowBytes) -> Option<Value> {
    let json = guarded(|| {
        let codec = RowCodec::new([call.argument_type.clone()]).ok()?;
        let columns = codec.decode([bytes.as_slice()]).ok()?;
        let field = arrow::datatypes::Field::new("value", call.argument_type.clone(), true);
        let schema = std::sync::Arc::new(arrow::datatypes::Schema::new(vec![field]));
        json_of_row(&rows_of(schema, columns, 1).ok()?).ok()
    })??;
    let mut row: Map<String, Value> = serde_json::from_slice(&json).ok()?;
    row.remove("value")
}
