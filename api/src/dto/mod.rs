//! The shapes of requests and answers: snake_case fields, times in `…_ms` since 1970, durations with their unit, states
//! and option keys as Flink writes them. They read back, so a client in Rust can use them, too.

mod checkpoint;
mod config;
mod event;
mod exception;
mod graph;
mod inspect;
mod job;
mod logs;
mod metrics;
mod options;
mod overview;
mod program;
mod request;
mod restart;
mod security;
mod sql;
mod why;

pub use checkpoint::{Checkpoint, CheckpointConfig, CheckpointDetails, CheckpointSubtask, Checkpoints};
pub use config::{Config, ConfigEntry};
pub use event::{Gap, LogEvent, LogEvents, Resume};
pub use exception::{Exception, Exceptions, Recovery};
pub use graph::{Attempt, Plan, PlanInput, PlanNode, SubtaskDetails, Vertices};
pub use inspect::{
    JobState, RetainedCheckpoint, StateEntries, StateEntry, StateInfo, TapEnd, TapLost, TapRecord,
    VertexState,
};
pub use job::{Actor, Edge, InputWatermark, JobDetails, Subtask, Vertex};
pub use logs::{LogLine, LogLines, LogQuery};
pub use metrics::{MetricHistory, MetricQuery, MetricSeries};
pub use options::written as written_options;
pub use overview::{Deletion, JobSummary, Jobs, Overview, Slot, SlotTask, Slots, UnreadableJob};
pub use program::{Argument, Program, Programs};
pub use request::{
    Change, ChangeMode, EventFilter, JobFilter, KilledActor, Restarted, Scalar, Submission, Submitted,
    Triggered,
};
pub use restart::{Phase, Restart, Restarts};
use schemars::JsonSchema;
pub use security::{Audit, AuditEntry, Login, Session};
use serde::{Deserialize, Serialize};
pub use sql::{
    PreviewEnd, PreviewEndReason, PreviewRow, PreviewRows, PreviewSchema, SqlColumn, SqlFault, SqlLocation,
    SqlStatement, Validation,
};
pub use why::{Finding, Why};

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
