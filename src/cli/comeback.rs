//! Says how far the jobs of an earlier process are with coming back: to restore much state takes its time.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use headwater_coordinator::{
    handle::DispatcherHandle,
    view::{CheckpointStatus, JobSummary},
};
use headwater_core::{ids::JobId, job::JobStatus};
use tokio::time::sleep;

use super::table::{size, span};

const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// From one line to the next; each pause is twice the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Logs how far they are until all of them run, or have ended.
pub(super) async fn watch(dispatcher: DispatcherHandle) {
    let began = Instant::now();
    let elapsed = || span(began.elapsed().as_millis() as i64);
    let mut jobs: Option<BTreeSet<JobId>> = None;
    let (mut pause, mut last) = (FIRST_PAUSE, began);
    loop {
        // Before the stored jobs are taken up there is no answer.
        if let Ok(overview) = dispatcher.overview().await {
            let is_earlier =
                |job: &&JobSummary| job.submitted_at_ms < overview.started_at_ms && !job.status.is_terminal();
            let earlier = || overview.jobs.iter().filter(is_earlier);
            if jobs.is_none() {
                let bytes = state_of(&dispatcher, earlier()).await;
                let count = earlier().count();
                if count > 0 {
                    tracing::info!("jobs that come back: {count}, with {} of state", size(bytes));
                }
            }
            let jobs = jobs.get_or_insert_with(|| earlier().map(|job| job.id).collect());
            let all = jobs.len();
            let missing: Vec<&JobSummary> =
                earlier().filter(|job| jobs.contains(&job.id) && !is_back(job)).collect();
            let back = all - missing.len();
            if missing.is_empty() {
                if all > 0 {
                    tracing::info!("jobs that are back, or have ended: {back} of {all} after {}", elapsed());
                }
                return;
            }
            if last.elapsed() >= pause {
                (last, pause) = (Instant::now(), (pause * 2).min(LONGEST_PAUSE));
                let up: usize = missing.iter().map(|job| tasks(job).0).sum();
                let expected: usize = missing.iter().map(|job| tasks(job).1).sum();
                tracing::info!(
                    "jobs that are back, or have ended: {back} of {all} after {}; of the others {up} of {expected} tasks run",
                    elapsed()
                );
            }
        }
        sleep(POLL_INTERVAL).await;
    }
}

fn is_back(job: &JobSummary) -> bool {
    let (up, tasks) = tasks(job);
    job.status == JobStatus::Running && up == tasks
}

/// How many of a job's tasks run, or have run to their end, and how many there are.
fn tasks(job: &JobSummary) -> (usize, usize) {
    let is_up = |state: &str| matches!(state, "RUNNING" | "DRAINING" | "FINISHED");
    let up = job.tasks.iter().filter(|(state, _)| is_up(state.as_str()));
    (up.map(|(_, count)| count).sum(), job.tasks.iter().map(|(_, count)| count).sum())
}

/// How much state they go back to.
async fn state_of(dispatcher: &DispatcherHandle, jobs: impl Iterator<Item = &JobSummary>) -> u64 {
    let mut bytes = 0;
    for job in jobs {
        // What became of a job meanwhile is no matter of ours.
        let checkpoints = dispatcher.checkpoints(job.id).await.unwrap_or_default();
        let newest = checkpoints.iter().find(|checkpoint| checkpoint.status == CheckpointStatus::Completed);
        bytes += newest.map_or(0, |checkpoint| checkpoint.state_bytes);
    }
    bytes
}
