//! `POST /sql/validate` and `POST /sql/preview`: what an editor asks of a script.
//!
//! This crate knows no SQL: a [`SqlFrontEnd`] does.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{self, Bytes},
};
use futures::stream;
use headwater_core::{job::JobSpec, secret::Secrets};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;
use tokio::{
    sync::{
        Semaphore,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::{Instant, timeout_at},
};

use crate::{
    dto::{
        PreviewEnd, PreviewEndReason, PreviewRow, PreviewRows, PreviewSchema, SqlFault, SqlStatement,
        Validation,
    },
    endpoint::Endpoint,
    events::event,
    problem::{Problem, ProblemKind},
    routes::{self, Answer},
    submission,
};

/// Every preview has a thread.
const PREVIEWS_MAX: usize = 4;
const ROWS_DEFAULT: u64 = 100;
const ROWS_MAX: u64 = 10_000;
const TIMEOUT_DEFAULT_MS: u64 = 60_000;
const TIMEOUT_MAX_MS: u64 = 600_000;
/// Scripts nest; a thread's usual 2 MiB are little for a planner.
const STACK_BYTES: usize = 128 << 20;
/// Without rows for this long, the client is written to, which tells whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What REST asks of SQL. Both calls block.
pub trait SqlFrontEnd: Send + Sync + 'static {
    /// Tells what the statements of a script are; nothing of it runs.
    fn validate(&self, script: &str) -> Result<Vec<SqlStatement>, SqlFault>;

    /// What is wrong with a job's script; `None` if nothing is, or if the job is not one in SQL.
    fn fault_of_job(&self, spec: &JobSpec) -> Option<SqlFault>;

    /// Runs the last query of a script here and now, until it ends or `out` says that it is enough. Keeps nothing.
    fn preview(&self, script: &str, out: &PreviewOut) -> Result<(), SqlFault>;
}

pub(crate) type FrontEnd = web::Data<dyn SqlFrontEnd>;

/// Where a preview's results go.
#[derive(Clone)]
pub struct PreviewOut {
    events: UnboundedSender<PreviewEvent>,
    stop: Arc<AtomicBool>,
    rows_max: usize,
}

enum PreviewEvent {
    Schema(PreviewSchema),
    Rows(Vec<PreviewRow>),
    Fault(SqlFault),
    End,
}

impl PreviewOut {
    /// At most so many rows are wanted, in all.
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Set when no more is wanted.
    pub fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// Comes first.
    pub fn schema(&self, schema: PreviewSchema) {
        self.send(PreviewEvent::Schema(schema));
    }

    /// The next rows.
    pub fn rows(&self, rows: Vec<PreviewRow>) {
        self.send(PreviewEvent::Rows(rows));
    }

    fn send(&self, event: PreviewEvent) {
        if self.events.send(event).is_err() {
            self.stop.store(true, Relaxed);
        }
    }
}

/// Bounds the number of previews.
#[derive(Clone)]
pub(crate) struct PreviewSlots(Arc<Semaphore>);

impl Default for PreviewSlots {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(PREVIEWS_MAX)))
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ValidateRequest {
    /// The script.
    sql: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PreviewRequest {
    /// The script; its last statement is the query.
    sql: String,
    /// How many rows are wanted, at most; 100 if it isn't said.
    #[schemars(range(min = 1, max = 10_000))]
    #[serde(default, deserialize_with = "whole")]
    rows: Option<u64>,
    /// For how long it may run; a minute if it isn't said.
    #[schemars(range(min = 1, max = 600_000))]
    #[serde(default, deserialize_with = "whole")]
    timeout_ms: Option<u64>,
}

fn whole<'de, D: Deserializer<'de>>(field: D) -> Result<Option<u64>, D::Error> {
    let refuse = |value: &Value| D::Error::custom(format!("expected a whole number, found {value}"));
    let number = |value: Value| submission::whole_number(&value).ok_or_else(|| refuse(&value));
    Option::<Value>::deserialize(field)?.map(number).transpose()
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/sql/validate", "Look for what is wrong with a script in SQL", validate)
            .body::<ValidateRequest>()
            .answers::<Validation>(StatusCode::OK)
            .problems(&[ProblemKind::SqlFailed]),
        Endpoint::post("/sql/preview", "Run a query here and now and follow its rows", preview)
            .body::<PreviewRequest>()
            .answers_with("text/event-stream")
            .problems(&[ProblemKind::SqlFailed, ProblemKind::TooManyStreams]),
    ]
}

async fn validate(front_end: FrontEnd, request: HttpRequest, payload: web::Payload) -> Answer {
    let ValidateRequest { sql } = routes::read_json(&request, payload).await?;
    let secrets = Secrets::of_text(&sql);
    let validated = web::block(move || front_end.validate(&sql)).await;
    let validation = match validated.map_err(|_| died())? {
        Ok(statements) => Validation { valid: true, statements, errors: Vec::new() },
        Err(fault) => {
            Validation { valid: false, statements: Vec::new(), errors: vec![fault.without(&secrets)] }
        }
    };
    Ok(HttpResponse::Ok().json(validation))
}

/// What the client of a preview follows. Whoever drops it stops the query.
struct Preview {
    events: UnboundedReceiver<PreviewEvent>,
    stop: Arc<AtomicBool>,
    deadline: Instant,
    rows: usize,
    rows_max: usize,
    has_ended: bool,
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

async fn preview(
    front_end: FrontEnd,
    slots: web::Data<PreviewSlots>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let PreviewRequest { sql, rows, timeout_ms } = routes::read_json(&request, payload).await?;
    let rows_max = within("rows", rows.unwrap_or(ROWS_DEFAULT), ROWS_MAX)? as usize;
    let timeout_ms = within("timeout_ms", timeout_ms.unwrap_or(TIMEOUT_DEFAULT_MS), TIMEOUT_MAX_MS)?;
    let slot = slots.0.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{PREVIEWS_MAX} previews are running: stop one");
        Problem::new(ProblemKind::TooManyStreams, detail)
    })?;
    let (sender, events) = unbounded_channel();
    let stop = Arc::new(AtomicBool::new(false));
    let out = PreviewOut { events: sender, stop: stop.clone(), rows_max };
    let run = move || {
        let last = match front_end.preview(&sql, &out) {
            Ok(()) => PreviewEvent::End,
            Err(fault) => PreviewEvent::Fault(fault.without(&Secrets::of_text(&sql))),
        };
        out.send(last);
        // The slot is that of the thread: it is free when the query has ended, which may be after its client has gone.
        drop(slot);
    };
    let thread = thread::Builder::new().name("sql-preview".to_owned()).stack_size(STACK_BYTES).spawn(run);
    thread.map_err(|error| {
        Problem::new(ProblemKind::SqlFailed, format!("no thread for the preview: {error}"))
    })?;
    let deadline = Instant::now() + Duration::from_millis(timeout_ms);
    let preview = Preview { events, stop, deadline, rows: 0, rows_max, has_ended: false };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .streaming(stream::unfold(preview, Preview::next)))
}

impl Preview {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.has_ended {
            return None;
        }
        let heartbeat = Instant::now() + HEARTBEAT;
        let piece = match timeout_at(self.deadline.min(heartbeat), self.events.recv()).await {
            Err(_) if self.deadline > heartbeat => Bytes::from_static(b": heartbeat\n\n"),
            Err(_) => self.end(PreviewEndReason::Timeout),
            Ok(Some(PreviewEvent::Schema(schema))) => event("schema", &schema),
            Ok(Some(PreviewEvent::Rows(rows))) => {
                self.rows += rows.len();
                event("rows", &PreviewRows { rows })
            }
            Ok(Some(PreviewEvent::End)) if self.rows >= self.rows_max => self.end(PreviewEndReason::Rows),
            Ok(Some(PreviewEvent::End)) => self.end(PreviewEndReason::Finished),
            Ok(Some(PreviewEvent::Fault(fault))) => self.fault(&fault),
            Ok(None) => self.fault(&SqlFault {
                message: "the query's thread died: the server's log says why".to_owned(),
                line: None,
                column: None,
                hint: None,
            }),
        };
        Some((Ok(piece), self))
    }

    fn end(&mut self, reason: PreviewEndReason) -> Bytes {
        self.has_ended = true;
        event("end", &PreviewEnd { rows: self.rows, reason })
    }

    fn fault(&mut self, fault: &SqlFault) -> Bytes {
        self.has_ended = true;
        event("error", fault)
    }
}

fn within(field: &str, value: u64, most: u64) -> Result<u64, Problem> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    let detail = format!("field `{field}`: expected 1 to {most}, found {value}");
    Err(Problem::new(ProblemKind::InvalidRequest, detail))
}

fn died() -> Problem {
    Problem::new(ProblemKind::SqlFailed, "the script could not be looked at: the server's log says why")
}
