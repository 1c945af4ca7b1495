//! What users ask of jobs that are there: restart, delete, checkpoint.

use std::sync::Arc;

use actix::prelude::*;
use headwater_core::{ids::JobId, job::JobStatus};
use tokio::time::timeout;

use super::{Dispatcher, ask_master};
use crate::{
    checkpoint::coordinator::TriggerNow,
    deadlines,
    handle::DispatcherError,
    history_store::{self, Part},
    job::{
        cell::JobCell,
        deletion,
        master::{self, Restart, WhoTriggers},
    },
    job_store::IdempotencyKey,
    services::Services,
    supervisor::guarded,
    view::{JobEventKind, JobEventView, RestartView, TriggerView},
};

/// Restart a job, running or ended.
pub(crate) struct RestartJob {
    pub(crate) job: JobId,
    /// What a job that is submitted again is submitted under.
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) by: Option<String>,
}

impl Message for RestartJob {
    type Result = Result<RestartView, DispatcherError>;
}

/// Begin to delete an ended job.
pub(crate) struct DeleteJob {
    pub(crate) job: JobId,
    pub(crate) by: Option<String>,
}

impl Message for DeleteJob {
    type Result = Result<(), DispatcherError>;
}

/// Take a checkpoint of a job now.
pub(crate) struct TriggerCheckpoint {
    pub(crate) job: JobId,
    pub(crate) by: Option<String>,
}

impl Message for TriggerCheckpoint {
    type Result = Result<TriggerView, DispatcherError>;
}

fn cell_of(services: &Services, job: JobId) -> Result<Arc<JobCell>, DispatcherError> {
    services.job(job).ok_or_else(|| DispatcherError::UnknownJob(job.to_string()))
}

impl Dispatcher {
    /// What an ended job goes on as. A failed one has kept its checkpoints and goes on from the newest; nothing is kept of
    /// the others, so that their submissions are accepted once more, as jobs of their own.
    fn restart_ended(
        &self,
        cell: &Arc<JobCell>,
        key: Option<IdempotencyKey>,
        by: Option<String>,
    ) -> Result<RestartView, DispatcherError> {
        let mut record = cell.record();
        if record.status != JobStatus::Failed {
            let restarted = self.submit(record.spec, key, by)?;
            return Ok(RestartView { job: restarted.job, checkpoint: None });
        }
        if cell.deletion().is_some() {
            return Err(DispatcherError::BeingDeleted(cell.id));
        }
        let checkpoint = self.services.store.last_checkpoint(cell.id)?;
        // As if a process had left it: nothing of it runs, and that is no failure.
        record.status = JobStatus::Suspended;
        record.ended_at_ms = None;
        record.root_cause = None;
        record.final_states = Vec::new();
        self.services.store.put(&record)?;
        tracing::info!(job = %cell.id, "the failed job is restarted");
        cell.log(JobEventView {
            by,
            ..cell.event(JobEventKind::RestartRequested, "the failed job is restarted")
        });
        cell.publish_record(&record);
        self.services.jobs.put(cell);
        master::launch(&self.services, cell);
        self.services.has_changed();
        Ok(RestartView { job: cell.id, checkpoint })
    }
}

async fn restart_running(cell: Arc<JobCell>, by: Option<String>) -> Result<RestartView, DispatcherError> {
    let not_restartable = || DispatcherError::NotRestartable { job: cell.id, status: cell.status() };
    if ask_master(&cell, || Restart { by: by.clone() }).await? != Some(true) {
        return Err(not_restartable());
    }
    Ok(RestartView { job: cell.id, checkpoint: cell.last_completed_checkpoint() })
}

fn delete(services: &Arc<Services>, DeleteJob { job, by }: DeleteJob) -> Result<(), DispatcherError> {
    let cell = cell_of(services, job)?;
    let status = cell.status();
    if !status.is_terminal() {
        return Err(DispatcherError::NotEnded { job, status });
    }
    Ok(deletion::begin(services, &cell, by)?)
}

async fn trigger(
    services: Arc<Services>,
    TriggerCheckpoint { job, by }: TriggerCheckpoint,
) -> Result<TriggerView, DispatcherError> {
    let cell = cell_of(&services, job)?;
    let not_running = || DispatcherError::NotRunning { job, status: cell.status() };
    let coordinator = ask_master(&cell, || WhoTriggers).await?.flatten().ok_or_else(not_running)?;
    let asked = timeout(deadlines::REQUEST, coordinator.send(TriggerNow)).await;
    let timed_out = DispatcherError::Timeout(deadlines::REQUEST.as_millis() as u64);
    let triggered = asked.map_err(|_| timed_out)?.ok().flatten().ok_or_else(not_running)?;
    let message = format!("checkpoint {} was asked for", triggered.checkpoint);
    let event = cell.event(JobEventKind::CheckpointTriggered, message);
    cell.log(JobEventView { by, checkpoint: Some(triggered.checkpoint), ..event });
    // Who asked for it finds it whatever dies before it ends.
    cell.is_unsaved(Part::Checkpoints);
    history_store::save(&services, &cell);
    services.has_changed();
    Ok(triggered)
}

impl Handler<RestartJob> for Dispatcher {
    type Result = ResponseFuture<Result<RestartView, DispatcherError>>;

    fn handle(&mut self, RestartJob { job, key, by }: RestartJob, _: &mut Self::Context) -> Self::Result {
        let cell = match cell_of(&self.services, job) {
            Ok(cell) => cell,
            Err(error) => return Box::pin(async { Err(error) }),
        };
        if cell.status().is_terminal() {
            let restarted = guarded(&self.watch.recorder(), || self.restart_ended(&cell, key, by));
            return Box::pin(async { restarted });
        }
        Box::pin(restart_running(cell, by))
    }
}

impl Handler<DeleteJob> for Dispatcher {
    type Result = Result<(), DispatcherError>;

    fn handle(&mut self, delete_job: DeleteJob, _: &mut Self::Context) -> Self::Result {
        guarded(&self.watch.recorder(), || delete(&self.services, delete_job))
    }
}

impl Handler<TriggerCheckpoint> for Dispatcher {
    type Result = ResponseFuture<Result<TriggerView, DispatcherError>>;

    fn handle(&mut self, trigger_checkpoint: TriggerCheckpoint, _: &mut Self::Context) -> Self::Result {
        Box::pin(trigger(Arc::clone(&self.services), trigger_checkpoint))
    }
}
