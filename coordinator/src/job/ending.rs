//! What is left to do for jobs that have ended: releasing, cleaning up, forgetting the oldest.

use std::sync::Arc;

use headwater_core::{gateway::ToWorker, job::JobStatus};
use tokio::time::sleep;

use super::cell::JobCell;
use crate::{
    checkpoint::storage, deadlines, history_store, job_store::JobRecord, services::Services,
    supervisor::Death,
};

/// Shows the end of a job, which must be durable, and begins to clean up behind it.
pub(crate) fn settle(services: &Arc<Services>, cell: &Arc<JobCell>, record: &JobRecord) {
    assert!(record.status.is_terminal(), "only an ended job is settled");
    let leaves_nothing = record.status != JobStatus::Failed;
    services.worker.send(ToWorker::Release { job: cell.id, purge: leaves_nothing });
    cell.publish_record(record);
    services.jobs.put(cell);
    history_store::save(services, cell);
    services.has_changed();
    if leaves_nothing && !record.is_cleaned {
        clean(services, cell, record.clone());
    }
    forget_oldest(services);
}

/// Fails a job whose master cannot be kept alive. Its attempts are cancelled, and fenced in any case.
pub(crate) fn fail_without_master(services: &Arc<Services>, cell: &Arc<JobCell>, death: &Death) {
    let mut record = cell.record();
    record.status = JobStatus::Failed;
    record.ended_at_ms = Some(services.clock.now_ms());
    record.root_cause = Some(format!("job-master: {}: {}", death.kind.as_str(), death.message));
    record.final_states = cell.task_states();
    if let Err(error) = services.store.put(&record) {
        tracing::error!(job = %cell.id, %error, "the job's failure could not be stored: it resumes with the next process");
    }
    let attempts: Vec<_> = cell.survivors().into_iter().collect();
    services.worker.send(ToWorker::Cancel { job: cell.id, attempts });
    cell.set_master(None);
    settle(services, cell, &record);
}

/// Removes an ended job's checkpoints. The record says when that is done, so that a crash does not leave them.
fn clean(services: &Arc<Services>, cell: &Arc<JobCell>, mut record: JobRecord) {
    let (services, cell) = (Arc::clone(services), Arc::clone(cell));
    actix::spawn(async move {
        let cleaned = storage::delete_job(&services, &cell).await;
        record.is_cleaned = true;
        if services.job(record.id).is_none() {
            // It was deleted in the meantime, and must not come back.
            return;
        }
        if let Err(error) = cleaned.and_then(|()| services.store.put(&record)) {
            tracing::warn!(job = %record.id, %error, "an ended job's checkpoints are left for the next start to remove");
        }
    });
}

/// Forgets jobs whose time has come, for as long as the process lives.
pub(crate) async fn forget_old(services: Arc<Services>) {
    services.wait_until_adopted().await;
    loop {
        forget_oldest(&services);
        sleep(deadlines::EXPIRY).await;
    }
}

/// Forgets jobs that ended, as far as they are too many or too old.
pub(crate) fn forget_oldest(services: &Arc<Services>) {
    for cell in services.jobs.take_superfluous(services.clock.now_ms()) {
        services.has_changed();
        services.worker.send(ToWorker::Release { job: cell.id, purge: true });
        let services = Arc::clone(services);
        actix::spawn(async move {
            let removed = storage::delete_job(&services, &cell).await;
            if let Err(error) = removed.and_then(|()| services.delete_stored(&cell)) {
                tracing::warn!(job = %cell.id, %error, "an old job could not be forgotten: the next start tries again");
            }
        });
    }
}
