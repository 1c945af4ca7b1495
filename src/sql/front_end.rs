//! What REST and the page ask of SQL: whether a script is right, and what its query gives.

use headwater_api::{
    PreviewOut, SqlFrontEnd,
    dto::{PreviewRow, PreviewSchema, SqlColumn, SqlFault, SqlLocation, SqlStatement},
};
use headwater_core::{
    job::{ArgValue, JobSpec},
    options::JobOptions,
};
use headwater_sql::{
    deep::on_deep_stack,
    error::SqlError,
    parser::{Explain, Statement, StatementKind, parse_script},
    preview::{self, ShownRow},
    session::{Outcome, PROGRAM, QueryRequest, SCRIPT, Session, compile_job},
};

/// SQL for REST.
pub(crate) struct FrontEnd;

impl SqlFrontEnd for FrontEnd {
    fn validate(&self, script: &str) -> Result<Vec<SqlStatement>, SqlFault> {
        let validate = || {
            let mut session = Session::new(JobOptions::default());
            let statements = parse_script(script).map_err(fault)?;
            statements.iter().map(|statement| validated(&mut session, statement).map_err(fault)).collect()
        };
        let no_thread = |error| fault(SqlError::new(format!("no thread to plan the script in: {error}")));
        on_deep_stack(validate).map_err(no_thread)?
    }

    fn fault_of_job(&self, spec: &JobSpec) -> Option<SqlFault> {
        match spec.args.get(SCRIPT) {
            Some(ArgValue::Text(script)) if spec.program == PROGRAM => {
                compile_job(script, &spec.options).err().map(fault)
            }
            _ => None,
        }
    }

    fn preview(&self, script: &str, out: &PreviewOut) -> Result<(), SqlFault> {
        let request = last_query(script).map_err(fault)?;
        out.schema(PreviewSchema { columns: columns(&request), updating: request.is_updating });
        let folder = tempfile::Builder::new()
            .prefix("headwater-preview-")
            .tempdir()
            .map_err(|error| fault(SqlError::new(format!("no temporary folder: {error}"))))?;
        let rows_out = out.clone();
        let mut left = out.rows_max();
        let take = move |mut rows: Vec<ShownRow>| {
            rows.truncate(left);
            left -= rows.len();
            rows_out.rows(rows.into_iter().map(row).collect());
            left > 0
        };
        preview::run(&request, folder.path(), out.stop(), take).map_err(|error| {
            // A place in the script that was made for the query is none in what the user wrote.
            fault(SqlError { location: None, ..error })
        })
    }
}

fn validated(session: &mut Session, statement: &Statement) -> Result<SqlStatement, SqlError> {
    let outcome = session.execute(statement)?;
    let (columns, updating) = match &outcome {
        Outcome::Query(request) => (Some(columns(request)), Some(request.is_updating)),
        _ => (None, None),
    };
    let plan = match &statement.kind {
        StatementKind::Query(_) | StatementKind::Insert(_) | StatementKind::StatementSet(_) => {
            explained(session, statement)?
        }
        _ => None,
    };
    let location = SqlLocation { line: statement.location.line, column: statement.location.column };
    Ok(SqlStatement { kind: kind(&statement.kind), location, columns, updating, plan })
}

fn explained(session: &mut Session, statement: &Statement) -> Result<Option<String>, SqlError> {
    let explain = Explain { details: Vec::new(), statement: statement.kind.clone() };
    let explain = Statement { kind: StatementKind::Explain(Box::new(explain)), ..statement.clone() };
    Ok(match session.execute(&explain)? {
        Outcome::Text(plan) => Some(plan),
        _ => None,
    })
}

fn last_query(script: &str) -> Result<QueryRequest, SqlError> {
    let mut session = Session::new(JobOptions::default());
    let mut last = None;
    for statement in &parse_script(script)? {
        if let Outcome::Query(request) = session.execute(statement)? {
            last = Some(request);
        }
    }
    last.ok_or_else(|| SqlError::new("the script has no query to preview").hint("put a SELECT at its end"))
}

fn columns(request: &QueryRequest) -> Vec<SqlColumn> {
    let column = |(name, r#type): &(String, String)| SqlColumn { name: name.clone(), r#type: r#type.clone() };
    request.columns.iter().map(column).collect()
}

fn row(row: ShownRow) -> PreviewRow {
    PreviewRow { op: row.kind.short().to_owned(), row: row.cells }
}

fn fault(error: SqlError) -> SqlFault {
    let (line, column) = error.location.map(|at| (at.line, at.column)).unzip();
    SqlFault { message: error.message, line, column, hint: error.hint }
}

/// The words that a statement begins with.
fn kind(kind: &StatementKind) -> String {
    let words = match kind {
        StatementKind::CreateTable(_) => "CREATE TABLE",
        StatementKind::CreateView(_) => "CREATE VIEW",
        StatementKind::CreateFunction(_) => "CREATE FUNCTION",
        StatementKind::Drop(drop) => return format!("DROP {}", drop.kind),
        StatementKind::AlterTable(_) => "ALTER TABLE",
        StatementKind::Insert(_) => "INSERT",
        StatementKind::StatementSet(_) => "STATEMENT SET",
        StatementKind::Set(_) => "SET",
        StatementKind::Reset(_) => "RESET",
        StatementKind::Show(_) => "SHOW",
        StatementKind::Describe(_) => "DESCRIBE",
        StatementKind::Explain(_) => "EXPLAIN",
        StatementKind::UseCatalog(_) => "USE CATALOG",
        StatementKind::Use(_) => "USE",
        StatementKind::Query(_) => "SELECT",
    };
    words.to_owned()
}
