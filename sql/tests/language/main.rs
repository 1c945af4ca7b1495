//! What Flink's SQL has, statement by statement: each query with the rows that are left when all its changes are applied.

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod create_as;
mod early_fire;
mod grouping_sets;
mod literals;
mod not_in;
mod ranks;
mod sinks;
mod unnest;

use anyhow::{Context, Result};
use headwater_core::options::JobOptions;
use headwater_sql::session::{Outcome, Session};

use common::result_of;

/// Checks queries: statements before, the query, the rows in alphabetical order, each with `; ` behind it.
fn check(before: &str, cases: &[(&str, &str)]) -> Result<()> {
    let mut wrong = String::new();
    for (query, expected) in cases {
        match result_of(before, query) {
            Ok(found) => {
                let found: String = found.lines().map(|line| format!("{line}; ")).collect();
                if found.trim_end() != *expected {
                    wrong.push_str(&format!("{query}\n  expected {expected}\n  found    {found}\n"));
                }
            }
            Err(error) => wrong.push_str(&format!("{query}\n  {error:#}\n")),
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// Checks statements that are refused, each with a part of the message.
fn check_refused(before: &str, cases: &[(&str, &str)]) -> Result<()> {
    let mut wrong = String::new();
    for (statement, message) in cases {
        match Session::new(JobOptions::default()).execute_script(&format!("{before}{statement};")) {
            Err(error) if error.to_string().contains(message) => {}
            Err(error) => wrong.push_str(&format!("{statement}\n  expected {message}\n  found    {error}\n")),
            Ok(_) => wrong.push_str(&format!("{statement}\n  expected {message}\n")),
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// The columns of a query, with their types.
fn columns_of(before: &str, query: &str) -> Result<String> {
    let outcomes = Session::new(JobOptions::default()).execute_script(&format!("{before}{query};"));
    let Some(Outcome::Query(request)) = outcomes.context(query.to_owned())?.pop() else {
        anyhow::bail!("expected a query")
    };
    let columns = request.columns.iter().map(|(name, data_type)| format!("{name} {data_type}"));
    Ok(columns.collect::<Vec<_>>().join(", "))
}
