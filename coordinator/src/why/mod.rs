//! Why a job is as it is: what holds it back, in sentences, the most pressing first. A pure function of what the control
//! plane shows.

mod checkpoints;
mod event_time;
mod evidence;
mod input;
mod pressure;
mod state;
#[cfg(test)]
mod tests;
mod text;

use headwater_core::{
    ids::{CheckpointId, SubtaskId},
    job::JobStatus,
    time::TimestampMs,
};

use crate::view::{CheckpointView, ExceptionView, JobDetails};
use evidence::Evidence;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// The job does not do its work, or is about to stop doing it.
    Critical,
    /// It does less than it could, or will be in trouble.
    Warning,
    /// How things are.
    Info,
}

impl Severity {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What was found. Of findings that are equally bad, those that stand here first come first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum FindingKind {
    /// The job has failed for good.
    Failed,
    /// The same thing has killed it over and again.
    CrashLoop,
    /// It is not running, and will be.
    NotRunning,
    /// A task has been in one piece of work for long.
    StuckTask,
    /// A sink has been committing for long.
    SinkNotCommitting,
    /// A checkpoint is not acknowledged by some.
    CheckpointWaiting,
    /// Checkpoints fail.
    CheckpointsFailing,
    /// Nothing has been committed for long.
    NothingCommitted,
    /// One subtask holds up those before it.
    Bottleneck,
    /// One subtask has much more to do than its siblings.
    Skew,
    /// Event time waits for an input.
    WatermarkHeldBack,
    /// The sources read again what they had read before a failure.
    CatchingUp,
    /// Records come after their windows have fired.
    LateRecords,
    /// Records cannot be decoded.
    MalformedRecords,
    /// Connections to the outside are being made anew.
    Reconnecting,
    /// It has come back from a failure not long ago.
    Recovered,
    /// All input is processed; the last checkpoint is to commit it.
    InputEnded,
    /// There is nothing to read.
    WaitingForInput,
    /// When the next window fires.
    NextWindow,
    /// What is left to read.
    InputLeft,
    /// It has ended as it was meant to.
    Ended,
    /// All is well.
    Healthy,
}

impl FindingKind {
    /// The name that users see; it never changes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::CrashLoop => "crash-loop",
            Self::NotRunning => "not-running",
            Self::StuckTask => "stuck-task",
            Self::SinkNotCommitting => "sink-not-committing",
            Self::CheckpointWaiting => "checkpoint-waiting",
            Self::CheckpointsFailing => "checkpoints-failing",
            Self::NothingCommitted => "nothing-committed",
            Self::Bottleneck => "bottleneck",
            Self::Skew => "skew",
            Self::WatermarkHeldBack => "watermark-held-back",
            Self::CatchingUp => "catching-up",
            Self::LateRecords => "late-records",
            Self::MalformedRecords => "malformed-records",
            Self::Reconnecting => "reconnecting",
            Self::Recovered => "recovered",
            Self::InputEnded => "input-ended",
            Self::WaitingForInput => "waiting-for-input",
            Self::NextWindow => "next-window",
            Self::InputLeft => "input-left",
            Self::Ended => "ended",
            Self::Healthy => "healthy",
        }
    }
}

/// One thing that was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// How bad.
    pub severity: Severity,
    /// For people.
    pub sentence: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The subtask that it is about: for a chain of causes its last link.
    pub subtask: Option<SubtaskId>,
    /// Other subtasks that it concerns: those that wait, from the outside in.
    pub others: Vec<SubtaskId>,
    /// The checkpoint that it is about.
    pub checkpoint: Option<CheckpointId>,
    /// Since when.
    pub since_ms: Option<TimestampMs>,
    /// What it was concluded from, by name.
    pub numbers: Vec<(&'static str, f64)>,
}

impl Finding {
    fn new(kind: FindingKind, severity: Severity, sentence: impl Into<String>) -> Self {
        Self {
            kind,
            severity,
            sentence: sentence.into(),
            advice: None,
            subtask: None,
            others: Vec::new(),
            checkpoint: None,
            since_ms: None,
            numbers: Vec::new(),
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn subtask(mut self, subtask: SubtaskId) -> Self {
        self.subtask = Some(subtask);
        self
    }

    fn others(mut self, others: impl IntoIterator<Item = SubtaskId>) -> Self {
        self.others = others.into_iter().collect();
        self
    }

    fn since(mut self, since_ms: Option<TimestampMs>) -> Self {
        self.since_ms = since_ms;
        self
    }

    fn number(mut self, name: &'static str, value: f64) -> Self {
        self.numbers.push((name, value));
        self
    }
}

/// What was found of a job.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnosis {
    /// The most pressing finding's sentence; of a healthy job, that it is.
    pub summary: String,
    /// The most pressing first. Never empty.
    pub findings: Vec<Finding>,
}

/// Finds out what holds a job back. `checkpoints` and `exceptions` are the job's, newest first.
pub fn diagnose(
    job: &JobDetails,
    checkpoints: &[CheckpointView],
    exceptions: &[ExceptionView],
    now_ms: TimestampMs,
) -> Diagnosis {
    let evidence = Evidence::new(job, checkpoints, exceptions, now_ms);
    let mut findings = state::find(&evidence);
    if matches!(job.summary.status, JobStatus::Running) {
        findings.extend(checkpoints::find(&evidence));
        findings.extend(pressure::find(&evidence));
        findings.extend(event_time::find(&evidence));
        findings.extend(input::find(&evidence));
        if findings.iter().all(|finding| finding.severity == Severity::Info) {
            findings.push(state::healthy(&evidence));
        }
    }
    findings.sort_by_key(|finding| (finding.severity, finding.kind));
    let pressing = findings.first().filter(|finding| finding.severity != Severity::Info);
    let is_summary = |finding: &&Finding| matches!(finding.kind, FindingKind::Healthy | FindingKind::Ended);
    let summary = pressing.or_else(|| findings.iter().find(is_summary)).or(findings.first());
    Diagnosis { summary: summary.map(|finding| finding.sentence.clone()).unwrap_or_default(), findings }
}
