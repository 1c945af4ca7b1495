//! Executes statements: most in the session, queries here and now, INSERTs as jobs of a server.

use std::{
    io::{self, Write, stdout},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};

use anyhow::Context;
use headwater_core::{options::JobOptions, secret::Secrets};
use headwater_sql::{
    error::SqlError,
    parser::parse_script,
    preview,
    session::{JobRequest, Outcome, QueryRequest, Session},
};
use serde_json::json;

use super::{
    output::{self, COLUMN_WIDTH_MAX, LiveTable},
    signals::Signals,
};
use crate::cli::{client::Client, output::note, progress::Progress, wait::how_far};

/// How often a job is asked for its state that is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

const HELP: &str = "\
Statements end with a semicolon.
  CREATE TABLE | VIEW | FUNCTION …   declares what queries can name; DROP and ALTER change it
  SELECT …                           runs here; rows appear as they come, Ctrl-C stops it
  INSERT INTO … SELECT …             is submitted to the server as a job, and so is
  EXECUTE STATEMENT SET BEGIN … END  several INSERTs as one job
  EXPLAIN …                          shows how a query or an INSERT would run
  SHOW TABLES, DESCRIBE t, SHOW …    tell what there is
  SET 'key' = 'value', SET, RESET    options of the shell and of jobs
  CLEAR, HELP, QUIT
Tab completes, Up and Down recall what was typed before, Enter goes on as long as the semicolon is missing.";

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Tables; values that are too long are cut.
    Cut,
    /// Tables with all of every value.
    Whole,
    /// An object a line.
    Json,
}

/// How it goes on behind a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// With the next one.
    Next,
    /// It was stopped by a signal.
    Interrupted,
    /// Not at all.
    Quit,
}

/// Why a statement was not executed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It is wrong.
    Sql(SqlError),
    /// The server, or what else it takes.
    Other(anyhow::Error),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

/// A session with what surrounds it.
pub(super) struct Shell {
    pub session: Session,
    pub client: Client,
    pub signals: Signals,
    pub format: Format,
    /// Those of the statements so far: what goes wrong later may quote them.
    pub secrets: Secrets,
    /// Whether every job is waited for.
    pub waits: bool,
    /// Whether what has nothing to show is confirmed.
    pub is_interactive: bool,
}

impl Shell {
    pub(super) fn new(client: Client, format: Format) -> anyhow::Result<Self> {
        let session = Session::new(JobOptions::default());
        let (signals, secrets) = (Signals::listen()?, Secrets::default());
        Ok(Self { session, client, signals, format, secrets, waits: false, is_interactive: false })
    }

    /// Executes the statements of a text.
    pub(super) fn execute(&mut self, text: &str) -> Result<Flow, Failure> {
        self.secrets.add_text(text);
        if let Some(flow) = self.command(text)? {
            return Ok(flow);
        }
        for statement in &parse_script(text)? {
            let outcome = self.session.execute(statement)?;
            let flow = self.carry_out(outcome)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    /// The shell's own commands.
    fn command(&self, text: &str) -> io::Result<Option<Flow>> {
        match command_of(text).as_deref() {
            Some("QUIT" | "EXIT") => return Ok(Some(Flow::Quit)),
            Some("HELP") => writeln!(stdout(), "{HELP}")?,
            Some("CLEAR") if self.is_interactive => {
                write!(stdout(), "{}{}", termion::clear::All, termion::cursor::Goto(1, 1))?;
            }
            Some(_) => {}
            None => return Ok(None),
        }
        Ok(Some(Flow::Next))
    }

    fn carry_out(&mut self, outcome: Outcome) -> Result<Flow, Failure> {
        let is_json = self.format == Format::Json;
        match outcome {
            Outcome::Done if self.is_interactive && !is_json => writeln!(stdout(), "done")?,
            Outcome::Done => {}
            Outcome::Rows { columns, rows } if is_json => {
                writeln!(stdout(), "{}", json!({ "columns": columns, "rows": rows }))?;
            }
            Outcome::Rows { columns, rows } => output::write_table(&mut stdout().lock(), &columns, &rows)?,
            Outcome::Text(text) if is_json => writeln!(stdout(), "{}", json!({ "text": text }))?,
            Outcome::Text(text) => writeln!(stdout(), "{}", text.trim_end())?,
            Outcome::Job(job) => return self.submit(&job),
            Outcome::Query(query) => return self.select(&query),
        }
        Ok(Flow::Next)
    }

    fn submit(&self, job: &JobRequest) -> Result<Flow, Failure> {
        let answer = self.client.post("/jobs", &json!({ "sql": job.script }))?;
        let id = answer["id"].as_str().context("the server's answer has no id")?;
        if self.format == Format::Json {
            writeln!(stdout(), "{}", json!({ "job": id, "name": job.name }))?;
        } else {
            writeln!(stdout(), "submitted job {id}: {}", job.name)?;
        }
        if !self.waits && !job.is_synchronous {
            return Ok(Flow::Next);
        }
        let (ended, is_stopped) = self.signals.while_running(|| self.wait_for(id));
        ended?;
        if is_stopped {
            note(format_args!("job {id} goes on; `headwater cancel {id}` ends it"));
            return Ok(Flow::Interrupted);
        }
        Ok(Flow::Next)
    }

    /// Waits for a job's end, which must be a good one, or until it is stopped.
    fn wait_for(&self, id: &str) -> anyhow::Result<()> {
        let mut progress = Progress::new();
        while !self.signals.stop().load(Relaxed) {
            let job = self.client.job(id)?;
            match job.summary.state.as_str() {
                "FINISHED" => return Ok(()),
                "FAILED" => {
                    let cause = job.summary.failure.unwrap_or_else(|| "without a recorded cause".to_owned());
                    anyhow::bail!("job {id} failed: {cause}");
                }
                "CANCELED" => anyhow::bail!("job {id} was cancelled"),
                _ => progress.show(|| how_far(&job)),
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn select(&self, query: &QueryRequest) -> Result<Flow, Failure> {
        let folder = tempfile::Builder::new().prefix("headwater-query-").tempdir()?;
        let results = Arc::new(Mutex::new(Results::new(query, self.format, self.column_width_max())));
        lock(&results).head(&query.columns)?;
        let taker = results.clone();
        let (ended, is_stopped) = self.signals.while_running(|| {
            preview::run(query, folder.path(), self.signals.stop(), move |rows| lock(&taker).rows(&rows))
        });
        // A place in the script that was made for the query is none in what the user wrote.
        ended.map_err(|error| SqlError { location: None, ..error })?;
        let mut results = lock(&results);
        if let Some(error) = results.failure.take() {
            return Err(error.into());
        }
        results.foot()?;
        Ok(if is_stopped { Flow::Interrupted } else { Flow::Next })
    }

    fn column_width_max(&self) -> usize {
        let set = self.session.settings().get("sql-client.display.max-column-width");
        set.and_then(|width| width.trim().parse().ok()).unwrap_or(COLUMN_WIDTH_MAX)
    }
}

fn lock(results: &Mutex<Results>) -> std::sync::MutexGuard<'_, Results> {
    results.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A query's results on their way to standard output.
struct Results {
    /// `None`: as JSON.
    table: Option<LiveTable>,
    is_updating: bool,
    rows: u64,
    /// What kept a row from being written.
    failure: Option<io::Error>,
}

impl Results {
    fn new(query: &QueryRequest, format: Format, width_max: usize) -> Self {
        let width_max = (format == Format::Cut).then_some(width_max);
        let table =
            (format != Format::Json).then(|| LiveTable::new(&query.columns, query.is_updating, width_max));
        Self { table, is_updating: query.is_updating, rows: 0, failure: None }
    }

    fn head(&self, columns: &[(String, String)]) -> io::Result<()> {
        if let Some(table) = &self.table {
            return table.write_head(&mut stdout().lock(), columns);
        }
        let columns: Vec<_> =
            columns.iter().map(|(name, r#type)| json!({ "name": name, "type": r#type })).collect();
        writeln!(stdout(), "{}", json!({ "columns": columns, "updating": self.is_updating }))
    }

    /// `false`: nobody reads them any more.
    fn rows(&mut self, rows: &[preview::ShownRow]) -> bool {
        let mut out = Vec::new();
        let written = rows.iter().try_for_each(|row| match &self.table {
            Some(table) => table.write_row(&mut out, row),
            None => writeln!(out, "{}", output::json_of_row(row)),
        });
        let written = written.and_then(|()| {
            let mut stdout = stdout().lock();
            stdout.write_all(&out)?;
            stdout.flush()
        });
        self.rows += rows.len() as u64;
        self.failure = written.err();
        self.failure.is_none()
    }

    fn foot(&self) -> io::Result<()> {
        self.table.as_ref().map_or(Ok(()), |table| table.write_foot(&mut stdout().lock(), self.rows))
    }
}

/// A command of the shell's own, in upper case.
pub(super) fn command_of(text: &str) -> Option<String> {
    let word = text.trim().trim_end_matches(';').trim_end().to_uppercase();
    matches!(word.as_str(), "QUIT" | "EXIT" | "HELP" | "CLEAR").then_some(word)
}
