//! Random queries over bounded tables: as streams they come to what DataFusion's batch engine gives.
//!
//! Queries are made of what means the same in both dialects. Where the words differ, a text has both: `⟦ours¦theirs⟧`.

mod exprs;
mod queries;

use anyhow::{Context, Result, bail, ensure};
use arrow::array::RecordBatch;
use datafusion::{
    arrow::array::ArrayRef,
    prelude::{SessionConfig, SessionContext},
};
use headwater_core::options::JobOptions;
use headwater_sql::session::{Outcome, Session};
use queries::Queries;

use super::common;

/// The two tables: `id` and so `ts` are unique, all else is in few values, and NULL now and then.
fn tables(seed: u64) -> String {
    let table = |name: &str, rows: u64, seed: u64| {
        format!(
            "CREATE TABLE {name} (id BIGINT, k INT, v BIGINT, s STRING, x AS CAST(v AS DOUBLE) * CAST(0.25 AS DOUBLE), \
             f AS v > 1, ts AS TO_TIMESTAMP_LTZ(id * 700, 3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH (\
             'connector' = 'datagen', 'rows-per-second' = '1000000', 'seed' = '{seed}', \
             'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '{rows}', \
             'fields.k.min' = '0', 'fields.k.max' = '4', 'fields.k.null-rate' = '0.1', \
             'fields.v.min' = '-4', 'fields.v.max' = '6', 'fields.v.null-rate' = '0.15', \
             'fields.s.length' = '1', 'fields.s.null-rate' = '0.1');\n"
        )
    };
    table("t", 40, seed >> 1) + &table("u", 25, !seed >> 1)
}

/// One of the two dialects of a text.
fn rendered(text: &str, is_ours: bool) -> String {
    let mut parts = text.split(['⟦', '⟧']);
    let mut rendered = parts.next().unwrap_or_default().to_owned();
    while let (Some(both), Some(rest)) = (parts.next(), parts.next()) {
        let (ours, theirs) = both.split_once('¦').unwrap_or((both, both));
        rendered.push_str(if is_ours { ours } else { theirs });
        rendered.push_str(rest);
    }
    rendered
}

/// Makes a query, runs it with both engines and compares. `false` if one of them does not have what it asks for.
pub fn compare(seed: u64) -> Result<bool> {
    let (query, _) = Queries::new(seed).query(3);
    let tables = tables(seed % 7);
    let ours = rendered(&query, true);
    let script = format!("{tables}{ours};");
    let planned = Session::new(JobOptions::default()).execute_script(&script);
    match planned.as_ref().map(|outcomes| outcomes.last()) {
        Ok(Some(Outcome::Query(_))) => {}
        Ok(other) => bail!("expected a query: {other:?}"),
        Err(_) => return Ok(false),
    }
    let theirs = rendered(&query, false);
    let Some(expected) = batch_results(&tables, &theirs).with_context(|| ours.clone())? else {
        return Ok(false);
    };
    let found = common::run(&script).with_context(|| ours.clone())?;
    let Some(schema) = found.schema else {
        let rows: usize = expected.iter().map(RecordBatch::num_rows).sum();
        ensure!(rows == 0, "no rows, expected {rows}, of\n{ours}");
        return Ok(true);
    };
    let expected = common::counted(&expected, &schema).with_context(|| ours.clone())?;
    match common::difference(&found.rows, &expected) {
        Some(difference) => bail!("{difference}\nof\n{tables}{ours}\nas\n{theirs}"),
        None => Ok(true),
    }
}

/// What DataFusion makes of a query; nothing if it does not have what that asks for.
fn batch_results(tables: &str, query: &str) -> Result<Option<Vec<RecordBatch>>> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
    for name in ["t", "u"] {
        context.register_batch(name, all_rows(tables, name)?)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async { context.sql(query).await?.collect().await }).ok())
}

/// A table as a whole, computed columns included.
fn all_rows(tables: &str, name: &str) -> Result<RecordBatch> {
    use headwater_sql::{batch::ChangeBatch, local, session::compile_query};
    use std::sync::{Arc, Mutex};

    let batches: Arc<Mutex<Vec<RecordBatch>>> = Arc::default();
    let collected = batches.clone();
    let (sink, stop) = local::CollectSink::new(Arc::new(Mutex::new(move |batch: &ChangeBatch| {
        collected.lock().expect("nobody panics with it").push(batch.rows.clone());
        true
    })));
    let options = JobOptions::default();
    let job = compile_query(&format!("{tables}SELECT * FROM {name};"), &options, sink)?;
    let folder = tempfile::tempdir()?;
    local::run(&job, &options, folder.path(), &stop)?;
    let batches = std::mem::take(&mut *batches.lock().expect("nobody panics with it"));
    let schema = batches.first().context("a table with rows")?.schema();
    let columns: Vec<ArrayRef> = arrow::compute::concat_batches(&schema, &batches)?.columns().to_vec();
    Ok(RecordBatch::try_new(schema, columns)?)
}
