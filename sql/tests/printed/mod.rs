//! Runs a query here and now, and applies its changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, ensure};
use headwater_core::options::JobOptions;
use headwater_sql::{
    batch::{ChangeBatch, RowKind},
    connectors::row_text::RowText,
    local::{self, CollectSink},
    session::compile_query,
};

/// The rows that a changelog has left, and how often each is there.
type Table = BTreeMap<String, i64>;

fn apply(table: &mut Table, batch: &ChangeBatch) -> Result<()> {
    let text = RowText::new(&batch.rows)?;
    for row in 0..batch.len() {
        let mut line = String::new();
        text.write_row(RowKind::Insert, row, &mut line);
        let values =
            line.strip_prefix("+I[").and_then(|line| line.strip_suffix(']')).context("a row in brackets")?;
        let copies = table.entry(values.to_owned()).or_default();
        *copies += if batch.kind(row).is_addition() { 1 } else { -1 };
        ensure!(*copies >= 0, "a row goes that never came: {values}");
        if *copies == 0 {
            table.remove(values);
        }
    }
    Ok(())
}

/// What the last statement of `before` and `query` gives, one line per row.
pub fn result_of(before: &str, query: &str) -> Result<String> {
    let script = format!("{before}{query};");
    let table = Arc::new(Mutex::new(Ok(Table::new())));
    let collected = table.clone();
    let collector = move |batch: &ChangeBatch| {
        let mut table = collected.lock().expect("no one panics with it");
        let applied = match table.as_mut() {
            Ok(table) => apply(table, batch),
            Err(_) => return false,
        };
        match applied {
            Ok(()) => true,
            Err(error) => {
                *table = Err(error);
                false
            }
        }
    };
    let (sink, stop) = CollectSink::new(Arc::new(Mutex::new(collector)));
    let options = JobOptions::default();
    let job = compile_query(&script, &options, sink)?;
    let folder = tempfile::tempdir()?;
    local::run(&job, &options, folder.path(), &stop)?;
    let mut table = table.lock().expect("no one panics with it");
    let table = std::mem::replace(&mut *table, Ok(Table::new()))?;
    Ok(table.iter().flat_map(|(row, copies)| (0..*copies).map(move |_| format!("{row}\n"))).collect())
}
