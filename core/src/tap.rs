//! Taps: a look at some of the records that leave a vertex, while its job runs.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    ids::VertexId,
    shown::{Redaction, Shown},
    time::TimestampMs,
};

/// A tap, for as long as somebody looks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TapId(Uuid);

impl TapId {
    /// A new, random id.
    pub fn random() -> Self {
        Self(crate::random::uuid())
    }
}

impl fmt::Display for TapId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// What to look at, and how much of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TapSpec {
    /// The vertex whose output it is.
    pub vertex: VertexId,
    /// Only what goes to this vertex; `None`: to any, and so a record as often as it has receivers.
    pub to: Option<VertexId>,
    /// At most so many records in a second, of each subtask.
    pub per_second: u32,
    /// At most so many bytes of JSON of a record.
    pub bytes_max: u32,
    /// What is not shown.
    pub redaction: Redaction,
    /// When it ends by itself, whoever still looks.
    pub ends_at_ms: TimestampMs,
}

/// A record that was seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TapSample {
    /// When it left.
    pub at_ms: TimestampMs,
    /// The index of the subtask that it left.
    pub subtask: u32,
    /// Which attempt at the subtask that was.
    pub attempt: u32,
    /// Where it went; `None`: into a sink that is part of the vertex.
    pub to: Option<VertexId>,
    /// Its event time, if it has one.
    pub timestamp_ms: Option<TimestampMs>,
    /// What it does to a table, in Flink's short form (`+I`, `-U`, `+U`, `-D`), if it is a change; `partial` if it stands for several
    /// records of a window, merged before they cross.
    pub kind: Option<String>,
    /// The record.
    pub value: Shown,
}

/// What was seen since the last report.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TapReport {
    /// The records.
    pub samples: Vec<TapSample>,
    /// How many records passed, seen or not.
    pub passed: u64,
    /// How many were seen and then dropped, since they were not taken in time.
    pub lost: u64,
}

impl TapReport {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.passed == 0 && self.lost == 0
    }
}
