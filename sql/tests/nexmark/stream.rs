//! Runs a query as a stream.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use arrow::{
    array::RecordBatch,
    compute,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use headwater_actors::context::{TaskContext, TaskError};
use headwater_core::options::JobOptions;
use headwater_sql::{
    batch::{ChangeBatch, RowKind},
    connectors::{Accepts, TableSink, TableWriter},
    local::{self, CollectSink},
    session::{compile_job, compile_query},
};

const SCHEMA: &str = include_str!("schema.sql");

/// Rows as text, and how often each is there.
pub type Rows = HashMap<String, i64>;

/// The keys of q13's side input: not all that bids ask for.
pub fn side_input() -> impl Iterator<Item = (i64, String)> {
    (0..10_000).filter(|key| key % 3 != 0).map(|key| (key, format!("value {key}")))
}

/// Each row as a text.
pub fn texts(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let text = |row| {
        columns.iter().fold(String::new(), |mut text, column| {
            write!(text, "{} | ", column.value(row)).unwrap();
            text
        })
    };
    (0..batch.num_rows()).map(text).collect()
}

/// The script that makes the tables, with some of its options replaced.
pub fn schema(options: &str) -> String {
    format!("{SCHEMA}\nALTER TABLE nexmark SET ({options});\n")
}

/// What the changelog of a query comes to.
///
/// # Panics
/// If a row is taken back that isn't there.
fn run(name: &str, script: &str) -> (SchemaRef, Rows) {
    let query = name.to_owned();
    collect(
        name,
        script,
        |sink| sink,
        move |batch, rows: &mut Rows| {
            for (row, text) in texts(&batch.rows).into_iter().enumerate() {
                let kind = batch.kind(row);
                let count = rows.entry(text.clone()).or_insert(0);
                *count += if kind.is_addition() { 1 } else { -1 };
                assert!(*count >= 0, "{query}: {} of a row that is not there: {text}", kind.short());
                if *count == 0 {
                    rows.remove(&text);
                }
            }
        },
    )
}

/// A sink that finds rows by their key, and so has no use for the old ones of updates.
struct UpsertSink(Arc<CollectSink>);

impl TableSink for UpsertSink {
    fn accepts(&self) -> Accepts {
        Accepts::Upsert
    }

    fn open(
        &self,
        task: &TaskContext,
        state: Option<&[u8]>,
        committable: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError> {
        self.0.open(task, state, committable)
    }
}

/// What the changelog of a query comes to if the last row of each key counts.
///
/// # Panics
/// If it tells what an updated row was before.
fn run_upserts(name: &str, script: &str, key: &[usize]) -> (SchemaRef, Rows) {
    let (query, key) = (name.to_owned(), key.to_vec());
    let sink = |sink| -> Arc<dyn TableSink> { Arc::new(UpsertSink(sink)) };
    let (schema, rows) = collect(name, script, sink, move |batch, rows: &mut HashMap<String, String>| {
        let keys = texts(&batch.rows.project(&key).unwrap());
        for (row, (key, text)) in keys.into_iter().zip(texts(&batch.rows)).enumerate() {
            assert_ne!(batch.kind(row), RowKind::UpdateBefore, "{query}: {text}");
            if batch.kind(row).is_addition() {
                rows.insert(key, text)
            } else {
                rows.remove(&key)
            };
        }
    });
    let mut counts = Rows::new();
    rows.into_values().for_each(|row| *counts.entry(row).or_insert(0) += 1);
    (schema, counts)
}

/// Runs a query and hands its changes to a function.
fn collect<T: Default + Send + 'static>(
    name: &str,
    script: &str,
    as_sink: impl FnOnce(Arc<CollectSink>) -> Arc<dyn TableSink>,
    mut apply: impl FnMut(&ChangeBatch, &mut T) + Send + 'static,
) -> (SchemaRef, T) {
    let options = JobOptions::default();
    let results: Arc<Mutex<(Option<SchemaRef>, T)>> = Arc::default();
    let collected = results.clone();
    let (sink, stop) = CollectSink::new(Arc::new(Mutex::new(move |batch: &ChangeBatch| {
        let (schema, rows) = &mut *collected.lock().unwrap();
        schema.get_or_insert_with(|| batch.rows.schema());
        apply(batch, rows);
        true
    })));
    let job =
        compile_query(script, &options, as_sink(sink)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let folder = tempfile::tempdir().unwrap();
    local::run(&job, &options, folder.path(), &stop).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!stop.load(Relaxed));
    let (schema, rows) = std::mem::take(&mut *results.lock().unwrap());
    (schema.unwrap_or_else(|| panic!("{name}: no rows")), rows)
}

/// Runs a query and compares.
pub fn check(name: &str, query: &str, options: &str, expected: &[RecordBatch]) {
    compare(name, query, options, expected, None);
}

/// Runs a query for a sink that finds rows by these columns, and compares.
pub fn check_upserts(name: &str, query: &str, options: &str, expected: &[RecordBatch], key: &[usize]) {
    compare(name, query, options, expected, Some(key));
}

fn compare(name: &str, query: &str, options: &str, expected: &[RecordBatch], key: Option<&[usize]>) {
    let folder = tempfile::tempdir().unwrap();
    let side_input_path = folder.path().join("side_input.csv");
    let lines: String = side_input().map(|(key, value)| format!("{key},{value}\n")).collect();
    std::fs::write(&side_input_path, lines).unwrap();
    let query = query
        .replace("${side_input}", side_input_path.to_str().unwrap())
        .replace("${folder}", folder.path().join("out").to_str().unwrap());
    let schema = schema(options);
    // As a job it only has to be accepted: its sink keeps nothing.
    let is_insert = |line: &&str| line.starts_with("INSERT INTO ");
    if query.lines().any(|line| is_insert(&line)) {
        let job = format!("{schema}{query}");
        compile_job(&job, &JobOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let select: Vec<&str> = query.lines().filter(|line| !is_insert(line)).collect();
    let script = format!("{schema}{}", select.join("\n"));
    let (schema, found) = match key {
        Some(key) => run_upserts(name, &script, key),
        None => run(name, &script),
    };
    let expected = counted(expected, &schema);
    assert!(!expected.is_empty(), "{name}: a test that compares nothing");
    let surplus = difference(&found, &expected);
    let missing = difference(&expected, &found);
    assert!(
        surplus.is_empty() && missing.is_empty(),
        "{name}: {} rows expected, {} found; too many: {} such as {:#?}; missing: {} such as {:#?}",
        expected.values().sum::<i64>(),
        found.values().sum::<i64>(),
        surplus.len(),
        &surplus[..surplus.len().min(5)],
        missing.len(),
        &missing[..missing.len().min(5)],
    );
}

/// The rows as the types of a schema have them.
fn counted(batches: &[RecordBatch], schema: &SchemaRef) -> Rows {
    let mut rows = Rows::new();
    for batch in batches {
        assert_eq!(batch.num_columns(), schema.fields().len(), "columns");
        let columns = batch.columns().iter().zip(schema.fields());
        let columns =
            columns.map(|(column, field)| compute::cast(column, field.data_type()).unwrap()).collect();
        let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
        texts(&batch).into_iter().for_each(|text| *rows.entry(text).or_insert(0) += 1);
    }
    rows
}

/// What is there more often than in `other`.
fn difference(rows: &Rows, other: &Rows) -> Vec<String> {
    let mut more: Vec<String> = rows
        .iter()
        .filter(|(row, count)| other.get(*row).copied().unwrap_or(0) < **count)
        .map(|(row, _)| row.clone())
        .collect();
    more.sort();
    more
}
