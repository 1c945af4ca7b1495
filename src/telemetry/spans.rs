//! Checkpoints and recoveries as spans, each a trace of its own.

use std::collections::{BTreeMap, BTreeSet};

use headwater_coordinator::view::{CheckpointStatus, CheckpointView, ExceptionView, JobSummary};
use headwater_core::{ids::JobId, secret::hide};
use serde_json::{Value, json};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::otlp::{attribute, nanoseconds};

const INTERNAL: u8 = 1;
const STATUS_OK: u8 = 1;
const STATUS_ERROR: u8 = 2;

/// Makes a span of everything once it has ended.
#[derive(Default)]
pub(super) struct Spans {
    /// What was made of each job's views already, of what these still show.
    seen: BTreeMap<JobId, BTreeSet<String>>,
}

/// What a span says.
struct Span<'a> {
    name: &'a str,
    /// Unique among those of all jobs.
    key: String,
    start_us: i64,
    duration_us: u64,
    error: Option<String>,
    attributes: Vec<(&'a str, Value)>,
}

impl Spans {
    /// Spans of what has ended since the last call.
    pub(super) fn of(
        &mut self,
        job: &JobSummary,
        checkpoints: &[CheckpointView],
        exceptions: &[ExceptionView],
    ) -> Vec<Value> {
        let checkpoints = checkpoints.iter().filter_map(|view| checkpoint(job, view));
        let recoveries = exceptions.iter().filter_map(|view| recovery(job, view));
        let ended: Vec<Span<'_>> = checkpoints.chain(recoveries).collect();
        let keys = ended.iter().map(|span| span.key.clone()).collect();
        let seen = self.seen.insert(job.id, keys).unwrap_or_default();
        ended.iter().filter(|span| !seen.contains(&span.key)).map(|span| span.written(job)).collect()
    }

    /// Forgets jobs.
    pub(super) fn retain(&mut self, is_known: impl Fn(JobId) -> bool) {
        self.seen.retain(|job, _| is_known(*job));
    }
}

fn checkpoint<'a>(job: &JobSummary, view: &CheckpointView) -> Option<Span<'a>> {
    let error = match &view.status {
        CheckpointStatus::InProgress => return None,
        CheckpointStatus::Completed => None,
        CheckpointStatus::Failed(failure) => Some(hide(&failure.to_string()).into_owned()),
    };
    Some(Span {
        name: "checkpoint",
        key: format!("{} checkpoint {}", job.id, view.id.0),
        start_us: view.triggered_at_ms.saturating_mul(1_000),
        duration_us: view.duration_us.unwrap_or(0),
        error,
        attributes: vec![
            ("headwater.checkpoint.id", view.id.0.into()),
            ("headwater.checkpoint.is_final", view.is_final.into()),
            ("headwater.checkpoint.acknowledged", view.acknowledged.into()),
            ("headwater.checkpoint.expected", view.expected.into()),
            ("headwater.checkpoint.state_bytes", view.state_bytes.into()),
            ("headwater.checkpoint.new_bytes", view.new_bytes.into()),
            ("headwater.checkpoint.sync_us_max", view.sync_us_max.into()),
            ("headwater.checkpoint.async_us_max", view.async_us_max.into()),
            ("headwater.checkpoint.alignment_us_max", view.alignment_us_max.into()),
        ],
    })
}

/// From the death until all tasks were running again.
fn recovery<'a>(job: &JobSummary, view: &ExceptionView) -> Option<Span<'a>> {
    let recovery = view.recovery.as_ref()?;
    let restored = recovery.restored_checkpoint.map(|checkpoint| checkpoint.0);
    Some(Span {
        name: "recovery",
        key: format!("{} recovery {} {}", job.id, view.actor, view.at_ms),
        start_us: view.at_ms.saturating_mul(1_000),
        duration_us: recovery.running_after_us?,
        error: None,
        attributes: vec![
            ("headwater.actor", view.actor.as_str().into()),
            ("headwater.failure.kind", view.kind.as_str().into()),
            ("exception.message", hide(&view.message).into()),
            ("headwater.recovery.restored_checkpoint", restored.into()),
            ("headwater.recovery.tasks_restarted", recovery.tasks_restarted.into()),
            ("headwater.recovery.first_record_after_us", recovery.first_record_after_us.into()),
        ],
    })
}

impl Span<'_> {
    fn written(&self, job: &JobSummary) -> Value {
        let of_job = [
            ("headwater.job.id", job.id.to_string().into()),
            ("headwater.job.name", job.name.as_str().into()),
        ];
        let attributes: Vec<Value> = of_job
            .iter()
            .chain(&self.attributes)
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| attribute(key, value))
            .collect();
        let duration_us = i64::try_from(self.duration_us).unwrap_or(i64::MAX);
        let status = match &self.error {
            None => json!({ "code": STATUS_OK }),
            Some(error) => json!({ "code": STATUS_ERROR, "message": error }),
        };
        json!({
            "traceId": format!("{:032x}", xxh3_128(self.key.as_bytes())),
            "spanId": format!("{:016x}", xxh3_64(self.key.as_bytes())),
            "name": self.name,
            "kind": INTERNAL,
            "startTimeUnixNano": nanoseconds(self.start_us),
            "endTimeUnixNano": nanoseconds(self.start_us.saturating_add(duration_us)),
            "attributes": attributes,
            "status": status,
        })
    }
}
