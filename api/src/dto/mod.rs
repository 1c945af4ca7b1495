//! The shapes of requests and answers: snake_case fields, times in `…_ms` since 1970, durations with their unit, states
//! and option keys as Flink writes them. They read back, so a client in Rust can use them, too.

mod checkpoint;
mod exception;
mod job;
mod options;
mod overview;
mod program;
mod sql;

pub use checkpoint::{Checkpoint, Checkpoints};
pub use exception::{Exception, Exceptions, Recovery};
pub use job::{Actor, Edge, JobDetails, Subtask, Vertex};
pub use options::written as written_options;
pub use overview::{JobSummary, Jobs, Overview, UnreadableJob};
pub use program::{Argument, Program, Programs};
use serde::{Deserialize, Serialize};
pub use sql::{
    PreviewEnd, PreviewEndReason, PreviewRow, PreviewRows, PreviewSchema, SqlColumn, SqlFault, SqlLocation,
    SqlStatement, Validation,
};

/// The job that was accepted, or is being cancelled.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Submitted {
    /// Its id: 32 hex characters.
    pub id: String,
}

/// The actor that is being killed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct KilledActor {
    /// Its id.
    pub actor: String,
}

/// The server is well.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// `ok`; anything else is an error's status.
    pub status: String,
    /// The server's version.
    pub version: String,
}

/// All about one job at one moment: the data of an event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
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
