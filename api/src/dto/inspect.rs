//! What is seen of a job from inside: records that pass, and the state in its checkpoints.

use headwater_core::{shown::Json, tap::TapSample, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A record that passed: an event `record` of `GET /jobs/{id}/vertices/{vertex}/tap`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TapRecord {
    /// When it left the vertex.
    pub at_ms: TimestampMs,
    /// The index of the subtask that it left.
    pub subtask: u32,
    /// Which attempt at the subtask that was.
    pub attempt: u32,
    /// The vertex that it went to; `null`: into a sink that is part of this vertex.
    pub to: Option<String>,
    /// Its event time, if it has one. That of a row in SQL is one of its columns.
    pub timestamp_ms: Option<TimestampMs>,
    /// `+I`, `-U`, `+U` or `-D` for a change of a table; `partial` if it stands for several records of a window.
    pub kind: Option<String>,
    /// The record; if it is too long, a text with how its JSON begins.
    #[schemars(with = "serde_json::Value")]
    pub value: Json,
    /// What is missing of it, and why.
    pub note: Option<String>,
}

impl TapRecord {
    pub(crate) fn of(sample: TapSample) -> Self {
        Self {
            value: sample.value.read(),
            at_ms: sample.at_ms,
            subtask: sample.subtask,
            attempt: sample.attempt,
            to: sample.to.map(|vertex| vertex.to_string()),
            timestamp_ms: sample.timestamp_ms,
            kind: sample.kind,
            note: sample.value.note,
        }
    }
}

/// Records were dropped since nobody took them: an event `lost`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TapLost {
    /// How many.
    pub lost: u64,
}

/// Nothing more will come: an event `end`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct TapEnd {
    /// Why.
    pub reason: String,
    /// How many records were shown.
    pub records: u64,
    /// How many passed meanwhile, shown or not.
    pub passed: u64,
    /// How many were seen and dropped, since nobody took them.
    pub lost: u64,
}

/// `GET /jobs/{id}/state`: what the job keeps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobState {
    /// The checkpoint that was looked at.
    pub checkpoint: u64,
    /// Those that can be looked at, newest first.
    pub checkpoints: Vec<RetainedCheckpoint>,
    /// Those vertices that keep something, upstream first.
    pub vertices: Vec<VertexState>,
}

/// A completed checkpoint that is still there.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RetainedCheckpoint {
    /// Its number.
    pub id: u64,
    /// When it was triggered.
    pub triggered_at_ms: TimestampMs,
}

/// What a vertex keeps.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VertexState {
    /// Its id, e.g. `v1`.
    pub vertex: String,
    /// The names of its operators.
    pub name: String,
    /// The bytes of its keyed state in the checkpoint's files.
    pub keyed_bytes: u64,
    /// Its states, by name.
    pub states: Vec<StateInfo>,
}

/// One state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StateInfo {
    /// Its name.
    pub name: String,
    /// `value`, `list`, `map`, `window`, `timers`: by key. `operator`: of each subtask, without keys.
    pub kind: String,
    /// The type of its keys; for SQL the columns.
    pub key_type: Option<String>,
    /// The type of its values; for SQL the columns.
    pub value_type: Option<String>,
    /// Why its entries are shown as bytes, if they are.
    pub note: Option<String>,
}

/// `GET /jobs/{id}/state/{vertex}/{state}`: a page of entries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StateEntries {
    /// The checkpoint that was looked at.
    pub checkpoint: u64,
    /// The entries, in an order that stays the same within a checkpoint.
    pub entries: Vec<StateEntry>,
    /// What to give as `after` for the next page; `null` if this was the last one.
    pub next: Option<String>,
}

/// One entry of a state.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StateEntry {
    /// Its key.
    #[schemars(with = "serde_json::Value")]
    pub key: Json,
    /// For windows: the slice of time, and the windows that it is part of.
    #[schemars(with = "serde_json::Value")]
    pub namespace: Json,
    /// Its value.
    #[schemars(with = "serde_json::Value")]
    pub value: Json,
    /// The key group; `null` for state without keys.
    pub key_group: Option<u16>,
    /// The index of the subtask that keeps it.
    pub subtask: u32,
    /// What is missing of it, and why.
    pub note: Option<String>,
}
