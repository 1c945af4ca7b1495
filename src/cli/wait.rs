//! Waits for jobs, and says meanwhile how far they are.

use std::{thread::sleep, time::Duration};

use headwater_api::dto::{JobDetails, Subtask};

use super::{client::Client, progress::Progress, table::size};

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Whether a job has ended and does not run again by itself.
pub(super) fn has_ended(state: &str) -> bool {
    matches!(state, "FINISHED" | "FAILED" | "CANCELED")
}

/// Waits until something holds of a job, and gives the job as it is then.
pub(super) fn wait_until(
    client: &Client,
    id: &str,
    progress: &mut Progress,
    is_so: impl Fn(&JobDetails) -> bool,
) -> anyhow::Result<JobDetails> {
    loop {
        let job = client.job(id)?;
        if is_so(&job) {
            return Ok(job);
        }
        progress.show(|| how_far(&job));
        sleep(POLL_INTERVAL);
    }
}

/// Whether all of a job is at work, or over.
pub(super) fn is_up(job: &JobDetails) -> bool {
    job.summary.state == "RUNNING" && running(job).0 == running(job).1
}

/// How many of a job's tasks run, or have run to their end, and how many there are.
fn running(job: &JobDetails) -> (usize, usize) {
    let is_up = |subtask: &&Subtask| matches!(subtask.state.as_str(), "RUNNING" | "DRAINING" | "FINISHED");
    (subtasks(job, "").filter(is_up).count(), subtasks(job, "").count())
}

/// The subtasks of the vertices of a kind, or of all.
fn subtasks<'a>(job: &'a JobDetails, kind: &'a str) -> impl Iterator<Item = &'a Subtask> {
    let vertices = job.vertices.iter().filter(move |vertex| kind.is_empty() || vertex.kind == kind);
    vertices.flat_map(|vertex| &vertex.subtasks)
}

/// How far a job is, on a line.
pub(super) fn how_far(job: &JobDetails) -> String {
    let mut parts = vec![job.summary.state.clone()];
    let (up, tasks) = running(job);
    if up < tasks {
        parts.push(format!("{up} of {tasks} tasks run"));
    }
    let of_sources = |field: fn(&Subtask) -> u64| subtasks(job, "source").map(field).sum::<u64>();
    let records = of_sources(|subtask| subtask.records_in);
    if records > 0 {
        let rate: f64 = subtasks(job, "source").filter_map(|subtask| subtask.records_in_per_second).sum();
        parts.push(format!("{records} records read, {rate:.0}/s"));
    }
    let left = (
        of_sources(|source| source.pending_records.unwrap_or(0)),
        of_sources(|source| source.pending_bytes.unwrap_or(0)),
    );
    match left {
        (0, 0) => {}
        (0, bytes) => parts.push(format!("{} left", size(bytes))),
        (records, _) => parts.push(format!("{records} left")),
    }
    parts.extend(job.last_completed_checkpoint.map(|checkpoint| format!("checkpoint {checkpoint}")));
    if job.summary.restarts > 0 {
        parts.push(format!("{} restarts", job.summary.restarts));
    }
    parts.join(", ")
}
