//! What clients send, and what they get for it.

use std::collections::BTreeMap;

use headwater_coordinator::view;
use headwater_core::ids::JobId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `POST /jobs`: a registered program with its arguments, or a script in SQL.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Submission {
    /// The program's name; not with `sql`.
    #[schemars(length(min = 1, max = 256))]
    pub program: Option<String>,
    /// The program's arguments.
    pub args: Option<BTreeMap<String, Scalar>>,
    /// A script in SQL, with its INSERT last; not with `program`.
    #[schemars(length(min = 1, max = 1_048_576))]
    pub sql: Option<String>,
    /// The job's name; the program's own if it is not given.
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// As option `parallelism.default`.
    pub parallelism: Option<u64>,
    /// As option `execution.checkpointing.interval`; 0 is never.
    pub checkpoint_interval_ms: Option<u64>,
    /// Options by Flink's keys.
    pub options: Option<BTreeMap<String, Scalar>>,
}

/// A value of an argument or an option.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A text.
    Text(String),
    /// A truth value.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
}

/// What `GET /jobs` is to list.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobFilter {
    /// Only jobs in these states, by comma: `RUNNING,FAILED`.
    #[schemars(regex(
        pattern = "^(INITIALIZING|CREATED|RUNNING|FAILING|FAILED|CANCELLING|CANCELED|FINISHED|RESTARTING|SUSPENDED|RECONCILING)(,(INITIALIZING|CREATED|RUNNING|FAILING|FAILED|CANCELLING|CANCELED|FINISHED|RESTARTING|SUSPENDED|RECONCILING))*$"
    ))]
    pub state: Option<String>,
    /// Only jobs in whose name this is, whatever its case.
    pub name: Option<String>,
    /// How many, at most; 100 if it isn't said.
    #[schemars(range(min = 1, max = 1_000))]
    pub limit: Option<u32>,
    /// Only jobs that come after this one: an answer's `next`.
    pub after: Option<String>,
}

/// What of a job's events is to be listed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EventFilter {
    /// Only those after the one with this id.
    pub after: Option<u64>,
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

/// The job that was accepted, or is being cancelled or deleted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Submitted {
    /// Its id: 32 hex characters.
    pub id: String,
}

/// The job that is being restarted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restarted {
    /// The job that runs.
    pub id: String,
    /// Whether it is another job, since nothing was kept of the one that finished or was cancelled.
    pub is_new_job: bool,
    /// The checkpoint that it is expected to go on from; `null` is the beginning.
    pub checkpoint: Option<u64>,
}

/// The checkpoint that was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Triggered {
    /// Its number.
    pub id: u64,
    /// Whether it was under way already; no other begins until it has ended.
    pub was_under_way: bool,
}

/// The actor that is being killed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct KilledActor {
    /// Its id.
    pub actor: String,
}

impl Restarted {
    /// What the client who asked to restart `asked` is told.
    pub fn of(asked: JobId, restart: &view::RestartView) -> Self {
        Self {
            id: restart.job.to_string(),
            is_new_job: restart.job != asked,
            checkpoint: restart.checkpoint.map(|checkpoint| checkpoint.0),
        }
    }
}
