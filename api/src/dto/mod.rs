//! The shapes of requests and answers: snake_case fields, times in `…_ms` since 1970, durations with their unit, states
//! and option keys as Flink writes them. They read back, so a client in Rust can use them, too.

mod checkpoint;
mod exception;
mod job;
mod options;
mod overview;
mod program;
mod restart;
mod sql;
mod why;

use std::collections::BTreeMap;

pub use checkpoint::{Checkpoint, Checkpoints};
pub use exception::{Exception, Exceptions, Recovery};
pub use job::{Actor, Edge, InputWatermark, JobDetails, Subtask, Vertex};
pub use options::written as written_options;
pub use overview::{JobSummary, Jobs, Overview, UnreadableJob};
pub use program::{Argument, Program, Programs};
pub use restart::{Phase, Restart, Restarts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use sql::{
    PreviewEnd, PreviewEndReason, PreviewRow, PreviewRows, PreviewSchema, SqlColumn, SqlFault, SqlLocation,
    SqlStatement, Validation,
};
pub use why::{Finding, Why};

/// `POST /jobs`: a registered program with its arguments, or a script in SQL.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Submission {
    /// The program's name, if it isn't `sql`.
    pub program: Option<String>,
    /// The program's arguments: texts, numbers and flags.
    pub args: Option<BTreeMap<String, Value>>,
    /// A script in SQL, with its INSERT last.
    pub sql: Option<String>,
    /// The job's name; the program's own if it is not given.
    pub name: Option<String>,
    /// As option `parallelism.default`.
    pub parallelism: Option<u64>,
    /// As option `execution.checkpointing.interval`; 0 is never.
    pub checkpoint_interval_ms: Option<u64>,
    /// Options by Flink's keys.
    pub options: Option<BTreeMap<String, Value>>,
}

/// What `PATCH /jobs/{id}` is to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// `cancel`.
    pub mode: ChangeMode,
}

/// How a job is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeMode {
    /// It is cancelled.
    Cancel,
}

/// The job that was accepted, or is being cancelled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// Its id: 32 hex characters.
    pub id: String,
}

/// The actor that is being killed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KilledActor {
    /// Its id.
    pub actor: String,
}

/// `GET /build`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// The server's version.
    pub version: String,
    /// The commit that it was built from, if known.
    pub commit: Option<String>,
}

/// The server is well.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok` or `ready`; anything else is a problem.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// All about one job at one moment: the data of an event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobEvent {
    /// As `GET /jobs/{id}`.
    pub job: JobDetails,
    /// As `GET /jobs/{id}/checkpoints`.
    #[serde(flatten)]
    pub checkpoints: Checkpoints,
    /// As `GET /jobs/{id}/exceptions`.
    #[serde(flatten)]
    pub exceptions: Exceptions,
}
