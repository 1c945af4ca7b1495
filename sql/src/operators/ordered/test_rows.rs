//! Rows for tests.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray},
    compute::SortOptions,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use headwater_core::options::{JobOptions, StateBackend};
use proptest::prelude::*;

use crate::{
    batch::{ChangeBatch, RowKind},
    operators::testing::texts,
};

/// A row: `partition`, `time`, `value` and `name`, which is unique.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub partition: i64,
    pub time_ms: i64,
    pub value: Option<i64>,
    pub name: usize,
}

pub fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("partition", DataType::Int64, false),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, None), false),
        Field::new("value", DataType::Int64, true),
        Field::new("name", DataType::Utf8, false),
    ]))
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let partitions: Int64Array = rows.iter().map(|row| Some(row.partition)).collect();
    let times: TimestampMillisecondArray = rows.iter().map(|row| Some(row.time_ms)).collect();
    let values: Int64Array = rows.iter().map(|row| row.value).collect();
    let names: StringArray = rows.iter().map(|row| Some(format!("row number {}", row.name))).collect();
    let columns: Vec<ArrayRef> =
        vec![Arc::new(partitions), Arc::new(times), Arc::new(values), Arc::new(names)];
    RecordBatch::try_new(schema(), columns).unwrap()
}

pub fn insertions(rows: &[Row]) -> ChangeBatch {
    ChangeBatch::insertions(batch(rows))
}

/// Changes, of which `true` is an addition.
pub fn changes(rows: &[(bool, Row)]) -> ChangeBatch {
    let kinds = rows.iter().map(|(is_addition, _)| match is_addition {
        true => RowKind::Insert,
        false => RowKind::Delete,
    });
    let kinds = kinds.collect();
    ChangeBatch::changes(batch(&rows.iter().map(|(_, row)| row.clone()).collect::<Vec<_>>()), kinds)
}

pub fn text(row: &Row) -> String {
    texts(&batch(std::slice::from_ref(row))).remove(0)
}

/// Rows of few partitions with few values, their times in `times_ms`.
pub fn any_rows(times_ms: std::ops::Range<i64>, count: usize) -> impl Strategy<Value = Vec<Row>> {
    let row = (0i64..4, times_ms, proptest::option::weighted(0.9, 0i64..8));
    proptest::collection::vec(row, 1..count).prop_map(|rows| {
        let named = rows.into_iter().enumerate();
        named.map(|(name, (partition, time_ms, value))| Row { partition, time_ms, value, name }).collect()
    })
}

/// Additions, and removals of rows that are there. Those that are there in the end come second, in the order of their arrival.
pub fn any_changes(count: usize) -> impl Strategy<Value = Vec<(bool, Row)>> {
    (any_rows(0..5_000, count), proptest::collection::vec(any::<prop::sample::Index>(), count)).prop_map(
        |(rows, picks)| {
            let mut there: Vec<Row> = Vec::new();
            let mut changes = Vec::new();
            for (row, pick) in rows.into_iter().zip(picks) {
                there.push(row.clone());
                changes.push((true, row));
                if pick.index(5) < 2 && !there.is_empty() {
                    changes.push((false, there.remove(pick.index(there.len()))));
                }
            }
            changes
        },
    )
}

pub fn ascending() -> SortOptions {
    SortOptions { descending: false, nulls_first: true }
}

pub fn descending() -> SortOptions {
    SortOptions { descending: true, nulls_first: false }
}

/// On either backend, with hardly any memory for state.
pub fn options(is_on_disk: bool) -> JobOptions {
    let state_backend = if is_on_disk { StateBackend::RocksDb } else { StateBackend::HashMap };
    JobOptions { state_backend, state_cache_bytes: 1 << 12, ..JobOptions::default() }
}

/// What this thread has used of a processor, as the kernel of Linux counts it.
pub fn cpu_seconds() -> f64 {
    let counts = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    counts.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}
