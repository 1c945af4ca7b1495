//! The history of metrics.

use headwater_core::time::TimestampMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `GET /jobs/{id}/metrics` and `GET /metrics/history` take.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct MetricQuery {
    /// Where to begin; 15 minutes before the end if it is not given.
    pub from_ms: Option<TimestampMs>,
    /// The end; now, or when the job ended, if it is not given.
    pub to_ms: Option<TimestampMs>,
    /// Steps at most, from 1 to 10,000; 300 if it is not given.
    #[schemars(range(min = 1, max = 10_000))]
    pub points: Option<u32>,
    /// Only this vertex.
    pub vertex: Option<String>,
    /// Only these series, by name, with commas between them.
    pub name: Option<String>,
}

/// A stretch of history.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MetricHistory {
    /// Where it begins.
    pub from_ms: TimestampMs,
    /// Where it ends.
    pub to_ms: TimestampMs,
    /// The time that one value stands for.
    pub step_ms: TimestampMs,
    /// What there is; empty if nothing was measured in that time.
    pub series: Vec<MetricSeries>,
}

/// One series.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MetricSeries {
    /// What was measured, e.g. `records_in_per_second`.
    pub name: String,
    /// Of which vertex; `null` is the whole job or server.
    pub vertex: Option<String>,
    /// `records/s`, `bytes/s`, `ms`, `bytes`, `share` (0 to 1), `count` or `cores`.
    pub unit: String,
    /// How the samples of a step became one value: `mean` or `max`.
    pub fold: String,
    /// The begin of each step, and the value in it; `null` is a gap in which nothing was measured.
    pub values: Vec<(TimestampMs, Option<f32>)>,
}
