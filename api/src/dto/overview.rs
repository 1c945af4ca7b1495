//! The server at a glance.

use std::collections::BTreeMap;

use headwater_coordinator::view;
use headwater_core::{secret::hide, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::server::BuildInfo;

/// `GET /overview`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Overview {
    /// The server's version.
    pub version: String,
    /// The commit that it was built from, if known.
    pub commit: Option<String>,
    /// When the process began to serve.
    pub started_at_ms: TimestampMs,
    /// The server's clock.
    pub now_ms: TimestampMs,
    /// Slots of all workers.
    pub slots_total: usize,
    /// Slots in which at least one task is.
    pub slots_used: usize,
    /// Tasks that are running.
    pub tasks_running: usize,
    /// Whether actors may be killed on purpose.
    pub chaos: bool,
    /// The number of jobs in each state that any job is in.
    pub jobs_by_state: BTreeMap<String, usize>,
    /// All jobs that have not ended, and the 100 that ended last, newest first. `GET /jobs` lists all.
    pub jobs: Vec<JobSummary>,
    /// Jobs that are stored but cannot be read.
    pub unreadable_jobs: Vec<UnreadableJob>,
}

/// `GET /jobs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Jobs {
    /// Newest first.
    pub jobs: Vec<JobSummary>,
    /// How many jobs fit, on all pages.
    pub total: usize,
    /// What to ask for as `after` to get the next page; `null` if this is the last.
    pub next: Option<String>,
    /// Jobs that are stored but cannot be read: they do not run, and what is kept of them is left alone.
    pub unreadable_jobs: Vec<UnreadableJob>,
}

/// `GET /slots`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Slots {
    /// By number.
    pub slots: Vec<Slot>,
}

/// A slot: a thread of a worker.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    /// Its number, from 0.
    pub slot: usize,
    /// What is in it.
    pub tasks: Vec<SlotTask>,
}

/// A task in a slot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SlotTask {
    /// Its job's id.
    pub job: String,
    /// The subtask, e.g. `v0-1`.
    pub subtask: String,
    /// Its state.
    pub state: String,
}

/// A job whose record in the job store is damaged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct UnreadableJob {
    /// Its id.
    pub id: String,
    /// What is wrong with the record.
    pub reason: String,
}

/// A job in a list.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobSummary {
    /// Its id: 32 hex characters.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The program that it runs.
    pub program: String,
    /// Its state, e.g. `RUNNING`.
    pub state: String,
    /// When it was submitted.
    pub submitted_at_ms: TimestampMs,
    /// When it was first running.
    pub started_at_ms: Option<TimestampMs>,
    /// When it ended.
    pub ended_at_ms: Option<TimestampMs>,
    /// From its first running, or else its submission, to its end or else now.
    pub duration_ms: i64,
    /// How often it was restarted, as a whole or in part.
    pub restarts: u32,
    /// The number of its tasks in each state that any task is in.
    pub tasks: BTreeMap<String, usize>,
    /// The root cause, if it failed.
    pub failure: Option<String>,
    /// Its deletion, if that was asked for. Once it is through, the job is unknown.
    pub deletion: Option<Deletion>,
}

/// A deletion that was asked for.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Deletion {
    /// When it was asked for.
    pub since_ms: TimestampMs,
    /// Why it did not go through: ask for it again, or it is tried again when the server is next started. `null` while it is under
    /// way.
    pub failure: Option<String>,
}

impl Overview {
    /// What clients see of `overview`.
    pub fn of(overview: &view::ClusterOverview, build: &BuildInfo, now_ms: TimestampMs) -> Self {
        let by_status = overview.jobs_by_status.iter();
        Self {
            version: build.version.clone(),
            commit: build.commit.clone(),
            started_at_ms: overview.started_at_ms,
            now_ms,
            slots_total: overview.slots_total,
            slots_used: overview.slots_used,
            tasks_running: overview.tasks_running,
            chaos: overview.chaos,
            jobs_by_state: by_status.map(|(status, count)| (status.as_str().to_owned(), *count)).collect(),
            jobs: overview.jobs.iter().map(|job| JobSummary::of(job, now_ms)).collect(),
            unreadable_jobs: overview.unreadable_jobs.iter().map(UnreadableJob::of).collect(),
        }
    }
}

impl Slots {
    /// The tasks in each of so many slots.
    pub fn of(total: usize, tasks: &[view::SlotTask]) -> Self {
        let of_slot = |slot| {
            let tasks = tasks.iter().filter(|task| task.slot == slot).map(|task| SlotTask {
                job: task.job.to_string(),
                subtask: task.subtask.to_string(),
                state: task.state.as_str().to_owned(),
            });
            Slot { slot, tasks: tasks.collect() }
        };
        Self { slots: (0..total).map(of_slot).collect() }
    }
}

impl UnreadableJob {
    /// What clients see of `job`.
    pub fn of(job: &view::UnreadableJob) -> Self {
        Self { id: job.id.clone(), reason: hide(&job.reason).into() }
    }
}

impl JobSummary {
    /// What clients see of `job`.
    pub fn of(job: &view::JobSummary, now_ms: TimestampMs) -> Self {
        let began_at_ms = job.started_at_ms.unwrap_or(job.submitted_at_ms);
        let until_ms = job.ended_at_ms.unwrap_or(now_ms);
        Self {
            id: job.id.to_string(),
            name: job.name.clone(),
            program: job.program.clone(),
            state: job.status.as_str().to_owned(),
            submitted_at_ms: job.submitted_at_ms,
            started_at_ms: job.started_at_ms,
            ended_at_ms: job.ended_at_ms,
            duration_ms: until_ms.saturating_sub(began_at_ms).max(0),
            restarts: job.restarts,
            tasks: job
                .tasks
                .iter()
                .filter(|(_, count)| *count > 0)
                .map(|(state, count)| (state.as_str().to_owned(), *count))
                .collect(),
            failure: job.failure.as_deref().map(|failure| hide(failure).into()),
            deletion: job
                .deletion
                .as_ref()
                .map(|deletion| Deletion { since_ms: deletion.since_ms, failure: deletion.failure.clone() }),
        }
    }
}
