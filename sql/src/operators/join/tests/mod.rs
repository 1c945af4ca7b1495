//! Every join against the same join done naively over all rows.

mod interval;
mod lookup;
mod regular;
mod speed;
mod window;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use datafusion::{
    logical_expr::Operator,
    physical_expr::{
        PhysicalExpr,
        expressions::{BinaryExpr, Column},
    },
};
use headwater_core::options::{JobOptions, StateBackend};
use proptest::prelude::*;

use super::{JoinKind, JoinSpec};
use crate::{
    batch::{ChangeBatch, RowKind},
    operators::testing::{Materialized, any_options, texts},
};

const COLUMNS: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    key: Option<i64>,
    value: i64,
    size: usize,
    time: i64,
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Int64, true),
        Field::new("value", DataType::Int64, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
    ]))
}

fn rows_of(rows: &[Row]) -> RecordBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|row| row.key).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.value)).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| Some("x".repeat(row.size))).collect::<StringArray>()),
        Arc::new(rows.iter().map(|row| Some(row.time)).collect::<TimestampMillisecondArray>()),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn insertions(rows: &[Row]) -> ChangeBatch {
    ChangeBatch::insertions(rows_of(rows))
}

fn changes(changes: &[(RowKind, Row)]) -> ChangeBatch {
    let (kinds, rows): (Vec<_>, Vec<_>) = changes.iter().cloned().unzip();
    ChangeBatch::changes(rows_of(&rows), kinds)
}

/// Left value <= right value.
fn value_filter() -> Arc<dyn PhysicalExpr> {
    let column = |index| Arc::new(Column::new("value", index)) as Arc<dyn PhysicalExpr>;
    Arc::new(BinaryExpr::new(column(1), Operator::LtEq, column(COLUMNS + 1)))
}

fn spec(kind: JoinKind, has_filter: bool) -> JoinSpec {
    JoinSpec::new(kind, schema(), schema(), vec![(0, 0)]).filter(has_filter.then(value_filter))
}

/// What the join of two tables holds.
fn join(
    kind: JoinKind,
    lefts: &[Row],
    rights: &[Row],
    is_match: impl Fn(&Row, &Row) -> bool,
) -> Materialized {
    let nothing = ["null"; COLUMNS].join(",");
    let (left_texts, right_texts) = (texts(&rows_of(lefts)), texts(&rows_of(rights)));
    let mut rows = Vec::new();
    for (left, left_text) in lefts.iter().zip(&left_texts) {
        let matching = rights.iter().zip(&right_texts).filter(|(right, _)| is_match(left, right));
        let matching: Vec<_> = matching.map(|(_, text)| format!("{left_text},{text}")).collect();
        match kind {
            JoinKind::LeftSemi | JoinKind::LeftAnti => {
                if matching.is_empty() == (kind == JoinKind::LeftAnti) {
                    rows.push(left_text.clone());
                }
            }
            JoinKind::Left | JoinKind::Full if matching.is_empty() => {
                rows.push(format!("{left_text},{nothing}"))
            }
            _ => rows.extend(matching),
        }
    }
    if matches!(kind, JoinKind::Right | JoinKind::Full) {
        let unmatched =
            rights.iter().zip(&right_texts).filter(|(r, _)| !lefts.iter().any(|l| is_match(l, r)));
        rows.extend(unmatched.map(|(_, text)| format!("{nothing},{text}")));
    }
    rows.into_iter().collect()
}

fn matches(left: &Row, right: &Row, has_filter: bool) -> bool {
    left.key.is_some() && left.key == right.key && (!has_filter || left.value <= right.value)
}

fn any_kind() -> impl Strategy<Value = JoinKind> {
    use JoinKind::*;
    prop::sample::select(vec![Inner, Left, Right, Full, LeftSemi, LeftAnti])
}

fn any_key() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![1 => Just(None), 9 => (0..4i64).prop_map(Some)]
}
