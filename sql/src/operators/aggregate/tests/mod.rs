//! Every aggregation against the same aggregation done naively over all rows, with restarts in between.

mod group;
mod naive;
mod session;
mod window;

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, new_empty_array},
    datatypes::{DataType, Field, Float64Type, Schema, SchemaRef, TimeUnit},
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::common::ScalarValue;
use proptest::prelude::*;

use super::{AggregateCall, AggregateFunction as F, WindowProperty};
use crate::batch::{ChangeBatch, RowKind};

const KEY: usize = 0;
const NAME: usize = 1;
const FLAG: usize = 2;
const TIME: usize = 3;
/// The columns from here on are aggregated.
const VALUES: usize = 4;
const TEXT: usize = 10;

/// The types of the columns that are aggregated.
fn value_types() -> [DataType; 10] {
    [
        DataType::Int8,
        DataType::Int32,
        DataType::Int64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(10, 2),
        DataType::Utf8,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Boolean,
    ]
}

/// A row. Each value is made of a small number, so that equal ones are frequent; the greatest is the end of its type.
#[derive(Debug, Clone, PartialEq)]
struct Row {
    key: Option<i64>,
    name: bool,
    flag: Option<bool>,
    time: Option<i64>,
    values: [Option<i8>; 10],
}

fn schema() -> SchemaRef {
    let mut fields = vec![
        Field::new("key", DataType::Int64, true),
        Field::new("name", DataType::Utf8, false),
        Field::new("flag", DataType::Boolean, true),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), true),
    ];
    let values = value_types().into_iter().enumerate();
    fields.extend(values.map(|(index, data_type)| Field::new(format!("value{index}"), data_type, true)));
    Arc::new(Schema::new(fields))
}

impl Row {
    fn scalar(&self, column: usize) -> ScalarValue {
        let value = column.checked_sub(VALUES).and_then(|value| self.values[value]);
        let is_end = value == Some(i8::MAX);
        match column {
            KEY => ScalarValue::Int64(self.key),
            // Longer than what is stored in place.
            NAME => ScalarValue::from(if self.name { "a" } else { "a name that takes more than 24 bytes" }),
            FLAG => ScalarValue::Boolean(self.flag),
            TIME => ScalarValue::TimestampMillisecond(self.time, None),
            4 => ScalarValue::Int8(value),
            5 => ScalarValue::Int32(if is_end { Some(i32::MAX) } else { value.map(i32::from) }),
            6 => ScalarValue::Int64(if is_end { Some(i64::MAX) } else { value.map(i64::from) }),
            // Quarters are added without an error.
            7 => ScalarValue::Float32(value.map(|value| f32::from(value) / 4.0)),
            8 => ScalarValue::Float64(value.map(|value| f64::from(value) / 4.0)),
            9 => ScalarValue::Decimal128(value.map(|value| i128::from(value) * 33), 10, 2),
            TEXT => ScalarValue::Utf8(value.map(|value| "x".repeat(value.unsigned_abs().into()))),
            11 => ScalarValue::Date32(value.map(i32::from)),
            12 => ScalarValue::TimestampMicrosecond(value.map(|value| i64::from(value) * 1_500), None),
            _ => ScalarValue::Boolean(value.map(|value| value > 0)),
        }
    }
}

fn rows_of(rows: &[Row]) -> RecordBatch {
    let columns = (0..schema().fields().len()).map(|column| {
        column_of(rows.iter().map(|row| row.scalar(column)), schema().field(column).data_type())
    });
    RecordBatch::try_new(schema(), columns.collect()).unwrap()
}

fn column_of(values: impl Iterator<Item = ScalarValue>, data_type: &DataType) -> ArrayRef {
    let mut values = values.peekable();
    if values.peek().is_none() {
        new_empty_array(data_type)
    } else {
        ScalarValue::iter_to_array(values).unwrap()
    }
}

fn insertions(rows: &[Row]) -> ChangeBatch {
    ChangeBatch::insertions(rows_of(rows))
}

fn changes(changes: &[(RowKind, Row)]) -> ChangeBatch {
    let (kinds, rows): (Vec<_>, Vec<_>) = changes.iter().cloned().unzip();
    ChangeBatch::changes(rows_of(&rows), kinds)
}

/// Which calls a test is about.
#[derive(Debug, Clone, Copy, Default)]
struct Allowed {
    /// DISTINCT.
    distinct: bool,
    /// What depends on the order of rows.
    ordered: bool,
    /// What cannot be computed in parts.
    unsplittable: bool,
}

fn any_row(times: std::ops::Range<i64>) -> impl Strategy<Value = Row> {
    let key = prop_oneof![1 => Just(None), 6 => (0..3i64).prop_map(Some)];
    let time = prop_oneof![1 => Just(None), 20 => times.prop_map(Some)];
    let value = || prop_oneof![2 => Just(None), 8 => (-3..4i8).prop_map(Some), 1 => Just(Some(i8::MAX))];
    let flag = prop_oneof![1 => Just(None), 3 => any::<bool>().prop_map(Some)];
    (key, any::<bool>(), flag, time, proptest::array::uniform10(value()))
        .prop_map(|(key, name, flag, time, values)| Row { key, name, flag, time, values })
}

fn any_calls(allowed: Allowed) -> impl Strategy<Value = Vec<AggregateCall>> {
    prop::collection::vec(any_call(allowed), 0..5)
}

fn any_call(allowed: Allowed) -> impl Strategy<Value = AggregateCall> {
    let mut functions =
        vec![F::Count, F::Sum, F::Avg, F::Min, F::Max, F::VarPop, F::VarSamp, F::StddevPop, F::StddevSamp];
    if allowed.unsplittable {
        functions.extend([F::ListAgg(", ".to_owned()), F::ArrayAgg]);
    }
    if allowed.ordered {
        functions.extend([F::FirstValue, F::LastValue]);
    }
    let distinct = prop::bool::weighted(if allowed.distinct { 0.3 } else { 0.0 });
    let column = any::<prop::sample::Index>();
    (prop::sample::select(functions), column, prop::bool::weighted(0.1), prop::bool::weighted(0.3), distinct)
        .prop_map(|(function, column, is_of_rows, has_filter, is_distinct)| {
            let columns: Vec<usize> = match function {
                F::Sum | F::Avg => (4..=9).collect(),
                // Without the ends of types: so far away from all others they leave nothing of the others' deviations.
                F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => vec![4, 7, 8],
                F::ListAgg(_) => vec![TEXT],
                _ => (KEY..VALUES + 10).collect(),
            };
            let column = columns[column.index(columns.len())];
            let argument = (function != F::Count || !is_of_rows).then_some(column);
            let argument_type =
                argument.map_or(DataType::Int64, |column| schema().field(column).data_type().clone());
            AggregateCall {
                result_type: result_type(&function, &argument_type),
                is_distinct: is_distinct && argument.is_some(),
                filter: has_filter.then_some(FLAG),
                function,
                argument,
                argument_type,
            }
        })
}

fn result_type(function: &F, argument: &DataType) -> DataType {
    match (function, argument) {
        (F::Count, _) => DataType::Int64,
        (F::Sum, DataType::Decimal128(_, scale)) => DataType::Decimal128(38, *scale),
        (F::Avg, DataType::Decimal128(..)) => DataType::Decimal128(38, 6),
        (F::ListAgg(_), _) => DataType::Utf8,
        (F::ArrayAgg, _) => DataType::List(Arc::new(Field::new_list_field(argument.clone(), true))),
        (F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp, _) => DataType::Float64,
        _ => argument.clone(),
    }
}

/// The columns that an aggregation emits: keys, results, and what is behind them.
fn output_of(keys: &[usize], calls: &[AggregateCall], others: &[&str]) -> SchemaRef {
    let mut fields: Vec<Field> = keys.iter().map(|key| schema().field(*key).clone()).collect();
    fields.extend(
        calls
            .iter()
            .enumerate()
            .map(|(index, call)| Field::new(format!("result{index}"), call.result_type.clone(), true)),
    );
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    fields.extend(others.iter().map(|name| Field::new(*name, time.clone(), false)));
    Arc::new(Schema::new(fields))
}

fn batch_of(output: &SchemaRef, rows: &[Vec<ScalarValue>]) -> RecordBatch {
    let column =
        |index: usize| column_of(rows.iter().map(|row| row[index].clone()), output.field(index).data_type());
    RecordBatch::try_new(output.clone(), (0..output.fields().len()).map(column).collect()).unwrap()
}

/// The same rows, with floating-point numbers rounded to what does not depend on the order of additions; lists are sorted if their order
/// does not matter.
fn comparable(rows: &RecordBatch, has_order: bool) -> RecordBatch {
    let options = FormatOptions::default();
    let columns: Vec<ArrayRef> = rows
        .columns()
        .iter()
        .map(|column| -> ArrayRef {
            match column.data_type() {
                DataType::Float64 => {
                    let values = column.as_primitive::<Float64Type>().iter();
                    // Not at a tie, and not negative if it is nearly 0. Fewer digits than were exact: what is left of a variance by values
                    // that came and went is small, its root is not.
                    let text = |value: f64| format!("{:.4}", value + 1.7e-6);
                    Arc::new(values.map(|value| value.map(text)).collect::<StringArray>())
                }
                DataType::List(_) | DataType::Utf8 if !has_order => {
                    let texts = ArrayFormatter::try_new(column, &options).unwrap();
                    let sorted = |row: usize| {
                        let text = texts.value(row).to_string();
                        let mut items: Vec<&str> = text.trim_matches(['[', ']']).split(", ").collect();
                        items.sort_unstable();
                        items.join(" + ")
                    };
                    Arc::new(
                        (0..column.len())
                            .map(|row| column.is_valid(row).then(|| sorted(row)))
                            .collect::<StringArray>(),
                    )
                }
                _ => column.clone(),
            }
        })
        .collect();
    let fields: Vec<Field> = columns
        .iter()
        .zip(rows.schema().fields())
        .map(|(column, field)| Field::new(field.name(), column.data_type().clone(), true))
        .collect();
    let row_count = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &row_count).unwrap()
}

fn any_keys() -> impl Strategy<Value = Vec<usize>> {
    prop::sample::select(vec![vec![], vec![KEY], vec![KEY, NAME]])
}

/// What is asked of windows.
const PROPERTIES: [(&str, WindowProperty); 3] =
    [("start", WindowProperty::Start), ("end", WindowProperty::End), ("time", WindowProperty::Time)];

/// What happens next to a window's operator.
#[derive(Debug, Clone)]
enum TimedEvent {
    /// Times are relative to the watermark.
    Rows(Vec<Row>),
    /// Time progresses by this many milliseconds.
    Progress(i64),
    Checkpoint,
    Restart,
}

fn any_timed_event() -> impl Strategy<Value = TimedEvent> {
    prop_oneof![
        5 => prop::collection::vec(any_row(-30..60), 0..12).prop_map(TimedEvent::Rows),
        4 => (0..40i64).prop_map(TimedEvent::Progress),
        1 => Just(TimedEvent::Checkpoint),
        1 => Just(TimedEvent::Restart),
    ]
}
