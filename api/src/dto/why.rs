//! What holds a job back.

use std::collections::BTreeMap;

use headwater_coordinator::why;
use headwater_core::{secret::hide, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /jobs/{id}/why`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Why {
    /// The job's id.
    pub job: String,
    /// The server's clock.
    pub now_ms: TimestampMs,
    /// The most pressing finding's sentence; of a healthy job, that it is.
    pub summary: String,
    /// The most pressing first. Never empty.
    pub findings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What was found, e.g. `bottleneck`; it never changes its meaning.
    pub kind: String,
    /// `critical`, `warning` or `info`.
    pub severity: String,
    /// For people.
    pub sentence: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The vertex that it is about.
    pub vertex: Option<String>,
    /// The subtask that it is about: of a chain of causes the last link.
    pub subtask: Option<String>,
    /// Other subtasks that it concerns.
    pub others: Vec<String>,
    /// The checkpoint that it is about.
    pub checkpoint: Option<u64>,
    /// Since when.
    pub since_ms: Option<TimestampMs>,
    /// What it was concluded from.
    pub numbers: BTreeMap<String, f64>,
}

impl Why {
    /// What clients see of `diagnosis`.
    pub fn of(job: String, diagnosis: &why::Diagnosis, now_ms: TimestampMs) -> Self {
        let findings = diagnosis.findings.iter().map(Finding::of).collect();
        Self { job, now_ms, summary: hide(&diagnosis.summary).into(), findings }
    }
}

impl Finding {
    fn of(finding: &why::Finding) -> Self {
        Self {
            kind: finding.kind.as_str().to_owned(),
            severity: finding.severity.as_str().to_owned(),
            sentence: hide(&finding.sentence).into(),
            advice: finding.advice.as_deref().map(|advice| hide(advice).into()),
            vertex: finding.subtask.map(|subtask| subtask.vertex.to_string()),
            subtask: finding.subtask.map(|subtask| subtask.to_string()),
            others: finding.others.iter().map(ToString::to_string).collect(),
            checkpoint: finding.checkpoint.map(|checkpoint| checkpoint.0),
            since_ms: finding.since_ms,
            numbers: finding.numbers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }
}
