//! The control plane as its users see it.

use std::{cmp::Reverse, collections::BTreeSet, sync::Arc, time::Duration};

use actix::{Handler, Message};
use headwater_core::{
    execution::ExecutionState,
    ids::{JobId, SubtaskId},
    job::{JobSpec, JobStatus, PlanError, ProgramInfo},
    store::StoreError,
};

use tokio::{sync::watch, time::timeout};

use crate::{
    deadlines,
    dispatcher::{
        CancelJob, Dispatcher, KillActor, Shutdown, Submit,
        requests::{DeleteJob, RestartJob, TriggerCheckpoint},
    },
    job::cell::JobCell,
    job_store::IdempotencyKey,
    jobs::Glance,
    services::Services,
    supervisor::Child,
    view::{
        Accepted, AttemptView, CheckpointView, ClusterOverview, DeleteView, ExceptionView, FeedPage,
        JobDetails, JobEventView, JobSummary, RestartView, SlotTask, TriggerView,
    },
};

/// Why the dispatcher refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatcherError {
    /// No such job.
    #[error("no job has the id `{0}`")]
    UnknownJob(String),
    /// The submission cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The job has ended already.
    #[error("job {job} is {} already and cannot be cancelled", status.as_str())]
    NotCancellable {
        /// The job.
        job: JobId,
        /// Its state.
        status: JobStatus,
    },
    /// The job is about to end, or its process is.
    #[error("job {job} is {} and cannot be restarted: wait for its end", status.as_str())]
    NotRestartable {
        /// The job.
        job: JobId,
        /// Its state.
        status: JobStatus,
    },
    /// Only ended jobs can be deleted.
    #[error("job {job} is {} and cannot be deleted: cancel it first", status.as_str())]
    NotEnded {
        /// The job.
        job: JobId,
        /// Its state.
        status: JobStatus,
    },
    /// Not all tasks of the job run, so that it cannot be checkpointed.
    #[error("job {job} is {}, and its tasks are not all running: no checkpoint can be taken now", status.as_str())]
    NotRunning {
        /// The job.
        job: JobId,
        /// Its state.
        status: JobStatus,
    },
    /// The same key came with another body.
    #[error("the idempotency key was used for another submission, which became job {job}")]
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// The job.
        job: JobId,
    },
    /// What was submitted under the same key is not there any more.
    #[error(
        "what was submitted under the idempotency key `{key}` became job {job}, which has ended and was deleted or forgotten"
    )]
    JobGone {
        /// The key.
        key: String,
        /// The job.
        job: JobId,
    },
    /// Nothing can be done with the job any more.
    #[error("job {0} is being deleted, and cannot be restarted")]
    BeingDeleted(JobId),
    /// Actors may not be killed here.
    #[error("actors can only be killed on a server that was started with --chaos")]
    ChaosDisabled,
    /// No such actor.
    #[error("job {job} has no actor `{actor}`: expected one of {known}")]
    UnknownActor {
        /// The job.
        job: JobId,
        /// The id as given.
        actor: String,
        /// Its actors.
        known: String,
    },
    /// The actor is being restarted, or is about to end, or the job has ended.
    #[error("actor `{actor}` of job {job}, which is {}, is not running now", status.as_str())]
    ActorNotRunning {
        /// The job.
        job: JobId,
        /// Its state.
        status: JobStatus,
        /// The actor's id.
        actor: String,
    },
    /// The job store could not be written.
    #[error("the job store failed: {0}")]
    Store(#[from] StoreError),
    /// No answer within the deadline.
    #[error("the dispatcher did not answer within {0} ms: try again")]
    Timeout(u64),
}

/// So many of the jobs that ended last are in an overview.
const GLANCE_ENDED: usize = 100;

/// A cheap, cloneable handle of the dispatcher.
#[derive(Clone)]
pub struct DispatcherHandle {
    services: Arc<Services>,
    dispatcher: Arc<Child<Dispatcher>>,
}

impl DispatcherHandle {
    pub(crate) fn new(services: Arc<Services>, dispatcher: Arc<Child<Dispatcher>>) -> Self {
        Self { services, dispatcher }
    }

    /// Accepts a job: durable before this returns.
    pub async fn submit(&self, spec: JobSpec) -> Result<JobId, DispatcherError> {
        Ok(self.submit_once(spec, None, None).await?.job)
    }

    /// Accepts a job, and for the same key the same job within a day; a key with another body is refused. `by` is who
    /// wants it, if that is known, here and below.
    pub async fn submit_once(
        &self,
        spec: JobSpec,
        key: Option<IdempotencyKey>,
        by: Option<String>,
    ) -> Result<Accepted, DispatcherError> {
        self.ask(Submit { spec, key, by }).await?
    }

    /// Starts to cancel a job; one that is cancelled already is as it should be.
    pub async fn cancel(&self, job: JobId, by: Option<String>) -> Result<(), DispatcherError> {
        self.cell(job).await?;
        self.ask(CancelJob { job, by }).await?
    }

    /// Kills an actor on purpose.
    pub async fn kill_actor(
        &self,
        job: JobId,
        actor: &str,
        by: Option<String>,
    ) -> Result<(), DispatcherError> {
        self.ask(KillActor { job, actor: actor.to_owned(), by }).await?
    }

    /// Restarts a running or failed job from its newest completed checkpoint; one that finished or was cancelled is
    /// submitted again, under a key if there is one, and is another job.
    pub async fn restart(
        &self,
        job: JobId,
        key: Option<IdempotencyKey>,
        by: Option<String>,
    ) -> Result<RestartView, DispatcherError> {
        self.cell(job).await?;
        self.ask(RestartJob { job, key, by }).await?
    }

    /// Deletes a job that has ended: removes all that is kept of it but its output. Once this has returned, it will be deleted
    /// even if the process dies.
    pub async fn delete(&self, job: JobId, by: Option<String>) -> Result<DeleteView, DispatcherError> {
        self.cell(job).await?;
        self.ask(DeleteJob { job, by }).await??;
        match timeout(deadlines::PROMPT, self.until_deleted(job)).await {
            Ok(deleted) => deleted.map(|()| DeleteView { is_done: true }),
            Err(_) => Ok(DeleteView { is_done: false }),
        }
    }

    async fn until_deleted(&self, job: JobId) -> Result<(), DispatcherError> {
        let mut changes = self.changes();
        while let Some(cell) = self.services.job(job) {
            if let Some(failure) = cell.deletion().and_then(|deletion| deletion.failure) {
                return Err(StoreError(failure).into());
            }
            changes.changed().await.expect("the sender is in the services, which this handle holds");
        }
        Ok(())
    }

    /// Takes a checkpoint of a job now, unless one is under way.
    pub async fn trigger_checkpoint(
        &self,
        job: JobId,
        by: Option<String>,
    ) -> Result<TriggerView, DispatcherError> {
        self.cell(job).await?;
        self.ask(TriggerCheckpoint { job, by }).await?
    }

    /// Kills the dispatcher itself on purpose, if that is allowed here; its supervisor brings it back.
    pub fn kill_dispatcher(&self) {
        if self.services.chaos {
            self.dispatcher.kill();
        }
    }

    /// All jobs, newest first.
    pub async fn jobs(&self) -> Result<Vec<JobSummary>, DispatcherError> {
        self.are_jobs_adopted().await?;
        Ok(self.services.jobs.all().iter().map(|cell| cell.summary()).collect())
    }

    /// One job.
    pub async fn job(&self, job: JobId) -> Result<JobDetails, DispatcherError> {
        let cell = self.cell(job).await?;
        Ok(cell.details(self.services.worker.slots()))
    }

    /// A job's checkpoints, newest first.
    pub async fn checkpoints(&self, job: JobId) -> Result<Vec<CheckpointView>, DispatcherError> {
        Ok(self.cell(job).await?.checkpoints())
    }

    /// A job's failures, newest first.
    pub async fn exceptions(&self, job: JobId) -> Result<Vec<ExceptionView>, DispatcherError> {
        Ok(self.cell(job).await?.exceptions())
    }

    /// What happened to a job, oldest first.
    pub async fn events(&self, job: JobId) -> Result<Vec<JobEventView>, DispatcherError> {
        Ok(self.cell(job).await?.events())
    }

    /// The attempts at a subtask, newest first; `None` if the job has no such subtask.
    pub async fn attempts(
        &self,
        job: JobId,
        subtask: SubtaskId,
    ) -> Result<Option<Vec<AttemptView>>, DispatcherError> {
        Ok(self.cell(job).await?.attempts(subtask))
    }

    /// What happened to all jobs after the event of this number.
    pub fn told_since(&self, number: u64) -> FeedPage {
        self.services.recorder.told_since(number)
    }

    /// The tasks in all slots.
    pub async fn slots(&self) -> Result<Vec<SlotTask>, DispatcherError> {
        self.are_jobs_adopted().await?;
        let slots = self.services.worker.slots();
        Ok(self.services.jobs.live().iter().flat_map(|cell| cell.slots(slots)).collect())
    }

    /// Whether all stored jobs have been taken up and new ones are, too.
    pub fn is_ready(&self) -> bool {
        self.services.is_adopted() && !self.services.is_stopping()
    }

    /// The whole of it at a glance: of jobs that have ended only the last. It is asked for at every change.
    pub async fn overview(&self) -> Result<ClusterOverview, DispatcherError> {
        self.are_jobs_adopted().await?;
        let Glance { live, ended, ended_by_status } = self.services.jobs.glance(GLANCE_ENDED);
        let slots_total = self.services.worker.slots();
        let slots_used: BTreeSet<usize> = live.iter().flat_map(|cell| cell.slots_used(slots_total)).collect();
        let live: Vec<JobSummary> = live.iter().map(|cell| cell.summary()).collect();
        let is_running = |state: ExecutionState| state.is_live();
        let counts = live.iter().flat_map(|job| &job.tasks);
        let tasks_running = counts.filter(|(state, _)| is_running(*state)).map(|(_, count)| count).sum();
        let mut jobs_by_status = ended_by_status;
        for job in &live {
            match jobs_by_status.iter_mut().find(|(status, _)| *status == job.status) {
                Some((_, count)) => *count += 1,
                None => jobs_by_status.push((job.status, 1)),
            }
        }
        let mut jobs = live;
        jobs.extend(ended.iter().map(|cell| cell.summary()));
        jobs.sort_by_key(|job| Reverse((job.submitted_at_ms, job.id)));
        Ok(ClusterOverview {
            started_at_ms: self.services.started_at_ms,
            slots_total,
            slots_used: slots_used.len(),
            tasks_running,
            chaos: self.services.chaos,
            jobs,
            jobs_by_status,
            unreadable_jobs: self.services.unreadable_jobs(),
        })
    }

    /// The programs that can be submitted.
    pub fn programs(&self) -> Vec<ProgramInfo> {
        self.services.catalog.programs()
    }

    /// Changes whenever anything that the other calls return has changed; for live pages.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.services.changes.subscribe()
    }

    /// Resolves with the job's last state once it has ended.
    pub async fn wait_for_end(&self, job: JobId) -> Result<JobSummary, DispatcherError> {
        let mut changes = self.changes();
        let cell = self.cell(job).await?;
        loop {
            changes.mark_unchanged();
            let summary = cell.summary();
            if summary.status.is_terminal() {
                return Ok(summary);
            }
            changes.changed().await.expect("the sender is in the services, which this handle holds");
        }
    }

    /// Leaves all jobs to the next process: no further checkpoints, tasks are stopped, the jobs stay in the store as they
    /// are and go on from their last completed checkpoints. Returns when all tasks have stopped, or at the deadline.
    pub async fn shutdown(&self, deadline: Duration) {
        let stopped = async {
            let mut changes = self.changes();
            if let Err(error) = self.ask(Shutdown).await {
                tracing::warn!(%error, "the dispatcher could not be told to stop");
            }
            while self.services.jobs.live().iter().any(|cell| cell.with_master(|_| ()).is_some()) {
                changes.changed().await.expect("the sender is in the services, which this handle holds");
            }
        };
        if timeout(deadline, stopped).await.is_err() {
            tracing::warn!(
                "not all tasks stopped in time: their jobs go on from the last completed checkpoints"
            );
        }
    }

    async fn ask<M>(&self, message: M) -> Result<M::Result, DispatcherError>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        Dispatcher: Handler<M>,
    {
        self.are_jobs_adopted().await?;
        match timeout(ANSWER, self.dispatcher.addr().send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(timed_out()),
        }
    }

    /// A process that has just started reads its jobs before it speaks of them.
    async fn are_jobs_adopted(&self) -> Result<(), DispatcherError> {
        timeout(deadlines::REQUEST, self.services.wait_until_adopted()).await.map_err(|_| timed_out())
    }

    pub(crate) fn services(&self) -> &Arc<Services> {
        &self.services
    }

    pub(crate) async fn cell(&self, job: JobId) -> Result<Arc<JobCell>, DispatcherError> {
        self.are_jobs_adopted().await?;
        let job_id = job.to_string();
        if let Some(unreadable) = self.services.unreadable_jobs().into_iter().find(|other| other.id == job_id)
        {
            return Err(StoreError(unreadable.reason).into());
        }
        self.services.job(job).ok_or(DispatcherError::UnknownJob(job_id))
    }
}

/// A little more than the dispatcher's own deadline, so that its answer is heard.
const ANSWER: Duration = Duration::from_millis(deadlines::REQUEST.as_millis() as u64 + 500);

fn timed_out() -> DispatcherError {
    DispatcherError::Timeout(deadlines::REQUEST.as_millis() as u64)
}
