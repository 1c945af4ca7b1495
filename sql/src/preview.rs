//! Shows the results of a query: runs it here and now, and gives its rows as texts.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
};

use arrow::{array::Array, error::ArrowError};

use crate::{
    batch::{ChangeBatch, RowKind},
    connectors::row_text::RowText,
    error::SqlError,
    local::{self, CollectSink},
    session::{QueryRequest, compile_query},
};

/// A row of a query's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRow {
    /// What it does to the table that is the result.
    pub kind: RowKind,
    /// A text for each column; `None` for NULL.
    pub cells: Vec<Option<String>>,
}

/// Runs a query to its end, until `take` returns `false`, or until `stop`. What it has to keep meanwhile is below `folder`.
///
/// Blocks the thread, which must not belong to a runtime.
pub fn run(
    request: &QueryRequest,
    folder: &Path,
    stop: &Arc<AtomicBool>,
    mut take: impl FnMut(Vec<ShownRow>) -> bool + Send + 'static,
) -> Result<(), SqlError> {
    let failure = Arc::new(Mutex::new(None));
    let failed = failure.clone();
    let collector = Arc::new(Mutex::new(move |batch: &ChangeBatch| match shown(batch) {
        Ok(rows) => take(rows),
        Err(error) => {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            false
        }
    }));
    let sink = CollectSink::with_stop(collector, stop.clone());
    let job = compile_query(&request.script, &request.options, sink)?;
    local::run(&job, &request.options, folder, stop).map_err(|error| SqlError::new(error.to_string()))?;
    let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(Ok(()), |error| Err(SqlError::new(format!("rows cannot be shown: {error}"))))
}

fn shown(batch: &ChangeBatch) -> Result<Vec<ShownRow>, ArrowError> {
    let text = RowText::new(&batch.rows)?;
    let cell = |column: usize, row: usize| {
        let is_null = batch.rows.column(column).is_null(row);
        (!is_null).then(|| {
            let mut out = String::new();
            text.write_cell(column, row, &mut out);
            out
        })
    };
    let row = |row| ShownRow {
        kind: batch.kind(row),
        cells: (0..batch.rows.num_columns()).map(|column| cell(column, row)).collect(),
    };
    Ok((0..batch.len()).map(row).collect())
}
