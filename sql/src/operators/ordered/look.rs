//! How rows that are kept in an order look to people.

use arrow::{compute::SortOptions, datatypes::SchemaRef};
use headwater_core::codec;
use headwater_state::look::StateDescription;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{OrderedCodec, StoredRow};
use crate::{
    look::{self, KeyPlace, ShowValue},
    shown::json_of_row,
};

/// Describes a state by partition whose values hold rows of `input`, kept in `order`. `rows_of` gives the rows of a value.
pub(crate) fn describe_rows<V: DeserializeOwned + 'static>(
    state: &mut StateDescription,
    input: &SchemaRef,
    partition: &[usize],
    order: &[(usize, SortOptions)],
    rows_of: fn(V) -> Vec<StoredRow>,
) {
    let (schema, order) = (input.clone(), order.to_vec());
    let show: ShowValue = Box::new(move |bytes| {
        let value: V = codec::decode(bytes).map_err(|error| error.to_string())?;
        let rows = rows_of(value).into_iter().map(|row| show_row(&schema, &order, &row));
        Ok(rows.collect::<Value>().to_string().into_bytes())
    });
    let what = format!("rows of {}", look::names_of(input));
    look::describe(state, input, partition, KeyPlace::Whole, Some((what, show)));
}

fn show_row(schema: &SchemaRef, order: &[(usize, SortOptions)], row: &StoredRow) -> Value {
    let shown = look::guarded(|| {
        let rows = OrderedCodec::new(schema, order).ok()?.decode([row]).ok()?;
        serde_json::from_slice(&json_of_row(&rows).ok()?).ok()
    });
    // Where nobody asks for the other columns only what rows are sorted by is kept.
    shown.flatten().unwrap_or_else(|| json!(row))
}
