//! From the script of a job or query to what runs.

use std::sync::Arc;

use headwater_core::options::JobOptions;

use super::{Outcome, Session};
use crate::{
    connectors::{Accepts, TableSink},
    deep::on_deep_stack,
    error::SqlError,
    parser::{Statement, StatementKind, parse_script},
    planner::{self, PhysicalPlanner},
    runtime::{Distribution, Node, NodeKind, SqlJob},
};

/// A job, ready to be run.
pub struct Compiled {
    /// `pipeline.name`, or what it writes to.
    pub name: String,
    /// The job.
    pub job: SqlJob,
    /// The options with what the script sets.
    pub options: JobOptions,
}

/// Compiles the script of a job: its last statement is what the job runs.
pub fn compile_job(script: &str, options: &JobOptions) -> Result<Compiled, SqlError> {
    on_deep_stack(|| compile_here(script, options))
        .map_err(|error| SqlError::new(format!("no thread to plan the job in: {error}")))?
}

fn compile_here(script: &str, options: &JobOptions) -> Result<Compiled, SqlError> {
    let (mut session, last) = replay(script, options)?;
    let inserts = match &last.kind {
        StatementKind::Insert(insert) => vec![(**insert).clone()],
        StatementKind::StatementSet(inserts) => inserts.clone(),
        StatementKind::CreateTable(table) if let Some(query) = &table.query => {
            let planned = session.plan_table_as(table, query).map_err(|error| error.at(last.location))?;
            planned.into_iter().map(|(_, insert)| insert).collect()
        }
        _ => Vec::new(),
    };
    if inserts.is_empty() {
        return Err(SqlError::new("a job's script ends with INSERT or a statement set").at(last.location));
    }
    session.compile(&inserts).map_err(|error| error.at(last.location))
}

/// Compiles the script of a query, whose results go to `sink`. Everything runs in one subtask.
pub fn compile_query(
    script: &str,
    options: &JobOptions,
    sink: Arc<dyn TableSink>,
) -> Result<SqlJob, SqlError> {
    let (session, last) = replay(script, options)?;
    let StatementKind::Query(query) = &last.kind else {
        return Err(SqlError::new("a preview's script ends with a query").at(last.location));
    };
    let options = JobOptions { parallelism: 1, ..session.settings.job_options(options.clone())? };
    let plans = planner::plan_query(&session.catalog, query)?;
    let mut planner = PhysicalPlanner::new(session.settings.plan_options(&options));
    let rel = planner.query(&plans.optimized).map_err(|error| error.at(last.location))?;
    planner.plan.add(Node {
        name: "Collect".to_owned(),
        update_before: rel.is_updating && sink.accepts() == Accepts::Changelog,
        kind: NodeKind::Sink(sink),
        inputs: vec![(rel.node, Distribution::Single)],
        parallelism: Some(1),
        schema: rel.schema.clone(),
        is_updating: rel.is_updating,
        state: String::new(),
        idle_timeout_ms: None,
    });
    SqlJob::new(&planner.finish(), &options).map_err(|error| SqlError::new(error.to_string()))
}

/// Executes all but the last statement of a script.
fn replay(script: &str, options: &JobOptions) -> Result<(Session, Statement), SqlError> {
    let mut statements = parse_script(script)?;
    let Some(last) = statements.pop() else {
        return Err(SqlError::new("the script has no statement"));
    };
    let mut session = Session::new(options.clone());
    for statement in &statements {
        match session.execute(statement)? {
            Outcome::Job(_) | Outcome::Query(_) => {
                return Err(SqlError::new(
                    "a job is one INSERT or one statement set, at the end of its script",
                )
                .hint("put several INSERTs into EXECUTE STATEMENT SET BEGIN … END")
                .at(statement.location));
            }
            _ => {}
        }
    }
    Ok((session, last))
}
