//! Runs a query as a stream.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use headwater_actors::context::{TaskContext, TaskError};
use headwater_core::options::JobOptions;
use headwater_sql::{
    batch::{ChangeBatch, RowKind},
    connectors::{Accepts, TableSink, TableWriter},
    local::{self, CollectSink},
    session::{compile_job, compile_query},
};

use crate::common::{self, Table};

const SCHEMA: &str = include_str!("schema.sql");

/// The keys of q13's side input: not all that bids ask for.
pub fn side_input() -> impl Iterator<Item = (i64, String)> {
    (0..10_000).filter(|key| key % 3 != 0).map(|key| (key, format!("value {key}")))
}

/// The script that makes the tables, with some of its options replaced.
pub fn schema(options: &str) -> String {
    format!("{SCHEMA}\nALTER TABLE nexmark SET ({options});\n")
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

/// What the changelog of a query comes to if the last row of each key counts. An updated row must not be told of as it was before.
fn run_upserts(script: &str, key: &[usize]) -> anyhow::Result<Table> {
    type Kept = (Option<SchemaRef>, HashMap<String, String>, Option<String>);
    let kept: Arc<Mutex<Kept>> = Arc::default();
    let (collected, key) = (kept.clone(), key.to_vec());
    let (sink, stop) = CollectSink::new(Arc::new(Mutex::new(move |batch: &ChangeBatch| {
        let (schema, rows, wrong) = &mut *collected.lock().unwrap();
        schema.get_or_insert_with(|| batch.rows.schema());
        let keys = common::texts(&batch.rows.project(&key).unwrap()).unwrap();
        for (row, (key, text)) in keys.into_iter().zip(common::texts(&batch.rows).unwrap()).enumerate() {
            if batch.kind(row) == RowKind::UpdateBefore {
                wrong.get_or_insert(text);
            } else if batch.kind(row).is_addition() {
                rows.insert(key, text);
            } else {
                rows.remove(&key);
            }
        }
        wrong.is_none()
    })));
    let options = JobOptions::default();
    let job = compile_query(script, &options, Arc::new(UpsertSink(sink)))?;
    let folder = tempfile::tempdir()?;
    local::run(&job, &options, folder.path(), &stop)?;
    let (schema, kept, wrong) = std::mem::take(&mut *kept.lock().unwrap());
    anyhow::ensure!(wrong.is_none(), "the old row of an update: {}", wrong.unwrap_or_default());
    let mut table = Table::default();
    table.schema = schema;
    kept.into_values().for_each(|row| *table.rows.entry(row).or_insert(0) += 1);
    Ok(table)
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
    let found = match key {
        Some(key) => run_upserts(&script, key),
        None => common::run(&script),
    };
    let Table { schema, rows: found, .. } = found.unwrap_or_else(|error| panic!("{name}: {error:#}"));
    let schema = schema.unwrap_or_else(|| panic!("{name}: no rows"));
    let expected = common::counted(expected, &schema).unwrap_or_else(|error| panic!("{name}: {error:#}"));
    assert!(!expected.is_empty(), "{name}: a test that compares nothing");
    if let Some(difference) = common::difference(&found, &expected) {
        panic!("{name}: {difference}");
    }
}
