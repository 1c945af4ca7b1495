//! Runs a query as a stream, and compares what its changelog comes to with the rows of another engine, or with a text.

#![allow(dead_code, reason = "every test takes what it needs")]

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
};

use anyhow::{Context, Result, ensure};
use arrow::{
    array::RecordBatch,
    compute,
    datatypes::SchemaRef,
    util::display::{ArrayFormatter, FormatOptions},
};
use headwater_core::options::JobOptions;
use headwater_sql::{
    batch::{ChangeBatch, RowKind},
    connectors::row_text::RowText,
    local::{self, CollectSink},
    runtime::SqlJob,
    session::compile_query,
};

/// Rows as text, and how often each is there.
pub type Rows = HashMap<String, i64>;

/// Each row of a batch as a text.
type Texts = fn(&RecordBatch) -> Result<Vec<String>>;

/// What a changelog has left.
#[derive(Default)]
pub struct Table {
    /// None before the first batch.
    pub schema: Option<SchemaRef>,
    /// The rows.
    pub rows: Rows,
    /// A row that was taken back and is not there.
    wrong: Option<String>,
}

/// Each row as Arrow shows it.
pub fn texts(batch: &RecordBatch) -> Result<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns: Vec<_> = columns.collect::<Result<_, _>>()?;
    let text = |row| {
        columns.iter().try_fold(String::new(), |mut text, column| {
            write!(text, "{} | ", column.value(row))?;
            Ok(text)
        })
    };
    (0..batch.num_rows()).map(text).collect()
}

/// Each row as the connector `print` writes its values.
fn printed(batch: &RecordBatch) -> Result<Vec<String>> {
    let text = RowText::new(batch)?;
    let values = |row| {
        let mut line = String::new();
        text.write_row(RowKind::Insert, row, &mut line);
        let values = line.strip_prefix("+I[").and_then(|line| line.strip_suffix(']'));
        values.map(str::to_owned).context("a row in brackets")
    };
    (0..batch.num_rows()).map(values).collect()
}

impl Table {
    fn apply(&mut self, batch: &ChangeBatch, texts: Texts) -> Result<()> {
        self.schema.get_or_insert_with(|| batch.rows.schema());
        for (row, text) in texts(&batch.rows)?.into_iter().enumerate() {
            let kind = batch.kind(row);
            let count = self.rows.entry(text.clone()).or_insert(0);
            *count += if kind.is_addition() { 1 } else { -1 };
            ensure!(*count >= 0, "{} of a row that is not there: {text}", kind.short());
            if *count == 0 {
                self.rows.remove(&text);
            }
        }
        Ok(())
    }
}

/// What the changelog of a script's last statement, a query, comes to. A row that is taken back must be there.
pub fn run(script: &str) -> Result<Table> {
    run_as(script, texts)
}

/// What the last statement of `before` and `query` gives, as `print` writes it, one line per row, in alphabetical order.
pub fn result_of(before: &str, query: &str) -> Result<String> {
    let table = run_as(&format!("{before}{query};"), printed)?;
    let mut lines: Vec<String> = Vec::new();
    table.rows.iter().for_each(|(row, copies)| (0..*copies).for_each(|_| lines.push(format!("{row}\n"))));
    lines.sort();
    Ok(lines.concat())
}

fn run_as(script: &str, texts: Texts) -> Result<Table> {
    let table: Arc<Mutex<Table>> = Arc::default();
    let collected = table.clone();
    let (sink, stop) = CollectSink::new(Arc::new(Mutex::new(move |batch: &ChangeBatch| {
        let mut table = collected.lock().expect("nobody panics with it");
        if let Err(error) = table.apply(batch, texts) {
            table.wrong = Some(error.to_string());
        }
        table.wrong.is_none()
    })));
    let options = JobOptions::default();
    let job: SqlJob = compile_query(script, &options, sink)?;
    let folder = tempfile::tempdir()?;
    local::run(&job, &options, folder.path(), &stop)?;
    let table = std::mem::take(&mut *table.lock().expect("nobody panics with it"));
    ensure!(table.wrong.is_none(), "{}", table.wrong.unwrap_or_default());
    ensure!(!stop.load(Relaxed), "the query was stopped");
    Ok(table)
}

/// Rows of another engine, as the types of a schema have them.
pub fn counted(batches: &[RecordBatch], schema: &SchemaRef) -> Result<Rows> {
    let mut rows = Rows::new();
    for batch in batches {
        ensure!(batch.num_columns() == schema.fields().len(), "another number of columns");
        let columns = batch.columns().iter().zip(schema.fields());
        let columns = columns.map(|(column, field)| compute::cast(column, field.data_type()));
        let columns = columns.collect::<Result<_, _>>().context("another type of a column")?;
        let batch = RecordBatch::try_new(schema.clone(), columns)?;
        texts(&batch)?.into_iter().for_each(|text| *rows.entry(text).or_insert(0) += 1);
    }
    Ok(rows)
}

/// Nothing if the rows are the same, else some of those that are not.
pub fn difference(found: &Rows, expected: &Rows) -> Option<String> {
    let surplus = more(found, expected);
    let missing = more(expected, found);
    (!surplus.is_empty() || !missing.is_empty()).then(|| {
        format!(
            "{} rows expected, {} found; too many: {} such as {:#?}; missing: {} such as {:#?}",
            expected.values().sum::<i64>(),
            found.values().sum::<i64>(),
            surplus.len(),
            &surplus[..surplus.len().min(5)],
            missing.len(),
            &missing[..missing.len().min(5)],
        )
    })
}

/// What is there more often than in `other`.
fn more(rows: &Rows, other: &Rows) -> Vec<String> {
    let mut more: Vec<String> = rows
        .iter()
        .filter(|(row, count)| other.get(*row).copied().unwrap_or(0) < **count)
        .map(|(row, _)| row.clone())
        .collect();
    more.sort();
    more
}
