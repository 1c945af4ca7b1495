//! The deletion of a job that has ended. It is promised in the job store before it is answered, and so comes to its end whatever
//! dies; with much state that takes its time.

use std::sync::Arc;

use headwater_core::{gateway::ToWorker, store::StoreError};

use super::cell::JobCell;
use crate::{
    checkpoint::storage,
    services::Services,
    view::{JobEventKind, JobEventView},
};

/// Begins to delete a job, unless that is under way.
pub(crate) fn begin(
    services: &Arc<Services>,
    cell: &Arc<JobCell>,
    by: Option<String>,
) -> Result<(), StoreError> {
    if cell.is_being_deleted() {
        return Ok(());
    }
    services.store.put_deletion(cell.id, by.as_deref())?;
    let event = cell.event(JobEventKind::DeleteRequested, "the job is being deleted");
    cell.log(JobEventView { by: by.clone(), ..event });
    carry_out(services, cell, by);
    Ok(())
}

/// Goes on with a deletion that was promised.
pub(crate) fn carry_out(services: &Arc<Services>, cell: &Arc<JobCell>, by: Option<String>) {
    cell.begin_deletion();
    services.worker.send(ToWorker::Release { job: cell.id, purge: true });
    services.has_changed();
    let (services, cell) = (Arc::clone(services), Arc::clone(cell));
    actix::spawn(async move {
        let removed = storage::delete_job(&services, &cell).await;
        let event = match removed.and_then(|()| services.delete_stored(&cell)) {
            Ok(()) => {
                services.jobs.take(cell.id);
                tracing::info!(job = %cell.id, "the job was deleted");
                cell.event(JobEventKind::Deleted, "the job was deleted")
            }
            Err(error) => {
                tracing::error!(job = %cell.id, %error, "the job could not be deleted");
                cell.fail_deletion(error.to_string());
                cell.event(JobEventKind::DeleteFailed, format!("the job could not be deleted: {error}"))
            }
        };
        cell.log(JobEventView { by, ..event });
        services.has_changed();
    });
}
