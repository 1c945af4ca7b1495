//! A front end for SQL that knows one mistake, `oops`, and queries that count.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::sleep,
    time::Duration,
};

use headwater_api::{
    PreviewOut, SqlFrontEnd,
    dto::{PreviewRow, PreviewSchema, SqlColumn, SqlFault, SqlLocation, SqlStatement},
};
use headwater_core::job::{ArgValue, JobSpec};

/// How often an endless query looks whether it is to stop.
const STEP: Duration = Duration::from_millis(1);

/// Counts up to three, or as far as is wanted if the script says `many`; goes on until it is stopped if it says `waiting`.
#[derive(Clone, Default)]
pub struct FakeSql {
    running: Arc<AtomicUsize>,
}

impl FakeSql {
    /// How many previews are running.
    pub fn running(&self) -> usize {
        self.running.load(SeqCst)
    }
}

fn fault(script: &str) -> Option<SqlFault> {
    let (line, text) = (1..).zip(script.lines()).find(|(_, text)| text.contains("oops"))?;
    Some(SqlFault {
        message: "table `oops` does not exist".to_owned(),
        line: Some(line),
        column: Some(text.split("oops").next()?.chars().count() as u64 + 1),
        hint: Some("did you mean `loops`?".to_owned()),
    })
}

fn columns() -> Vec<SqlColumn> {
    vec![
        SqlColumn { name: "word".to_owned(), r#type: "STRING".to_owned() },
        SqlColumn { name: "number".to_owned(), r#type: "BIGINT".to_owned() },
    ]
}

impl SqlFrontEnd for FakeSql {
    fn validate(&self, script: &str) -> Result<Vec<SqlStatement>, SqlFault> {
        fault(script).map_or(Ok(()), Err)?;
        Ok(vec![SqlStatement {
            kind: "SELECT".to_owned(),
            location: SqlLocation { line: 1, column: 1 },
            columns: Some(columns()),
            updating: Some(true),
            plan: Some("== Plan ==\nCounts".to_owned()),
        }])
    }

    fn fault_of_job(&self, spec: &JobSpec) -> Option<SqlFault> {
        match spec.args.get("script") {
            Some(ArgValue::Text(script)) => fault(script),
            _ => None,
        }
    }

    fn preview(&self, script: &str, out: &PreviewOut) -> Result<(), SqlFault> {
        assert!(!script.contains("panic"), "a fault of the front end");
        fault(script).map_or(Ok(()), Err)?;
        self.running.fetch_add(1, SeqCst);
        out.schema(PreviewSchema { columns: columns(), updating: true });
        let numbers = if script.contains("many") { out.rows_max() } else { out.rows_max().min(3) };
        for number in 1..=numbers {
            let op = if number == 1 { "+I" } else { "+U" };
            let word = (number != 2).then(|| "<b>river</b>".to_owned());
            out.rows(vec![PreviewRow { op: op.to_owned(), row: vec![word, Some(number.to_string())] }]);
        }
        while script.contains("waiting") && !out.stop().load(SeqCst) {
            sleep(STEP);
        }
        self.running.fetch_sub(1, SeqCst);
        Ok(())
    }
}
