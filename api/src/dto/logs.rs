//! The log.

use std::collections::BTreeMap;

use headwater_core::time::TimestampMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `GET /logs` and `GET /logs/stream` take.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct LogQuery {
    /// Only lines of this level and worse ones: `error`, `warn`, `info`, `debug` or `trace`.
    #[schemars(regex(pattern = "^(error|warn|info|debug|trace)$"))]
    pub level: Option<String>,
    /// Only lines that belong to this job.
    pub job: Option<String>,
    /// Lines at most, from 1 to 10,000; 200 if it is not given. A stream begins with so many.
    #[schemars(range(min = 1, max = 10_000))]
    pub limit: Option<u32>,
    /// Only lines behind this one, by `seq`, oldest first; without it the newest are given.
    pub after: Option<u64>,
}

/// `GET /logs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogLines {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// What `after` is to be in order to go on.
    pub next: u64,
}

/// A line of the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// Greater than those of all lines before it.
    pub seq: u64,
    /// When.
    pub at_ms: TimestampMs,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The part of the program that it comes from.
    pub target: String,
    /// What happened.
    pub message: String,
    /// The particulars.
    pub fields: BTreeMap<String, Value>,
    /// The job that it belongs to, if it belongs to one.
    pub job: Option<String>,
}
