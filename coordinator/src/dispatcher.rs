//! The dispatcher: the actor that accepts jobs and brings back those that had not ended.
//!
//! It holds nothing of its own: jobs and their masters are in [`Services`], so that its death disturbs no job.

pub(crate) mod requests;

use std::sync::Arc;

use actix::prelude::*;
use headwater_core::{
    checkpoint::CheckpointFailure,
    fault::{FaultPoint, reach},
    gateway::FromWorker,
    ids::JobId,
    job::{JobPlan, JobSpec, JobStatus},
    store::StoreError,
    supervision::DeathWatch,
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Duration, Instant, sleep, timeout_at},
};

use crate::{
    deadlines,
    handle::DispatcherError,
    history_store::{self, History},
    job::{
        cell::{JOB_MASTER, JobCell},
        deletion, ending,
        master::{self, Cancel, JobMaster, KillChild, Suspend, WorkerEvent},
    },
    job_store::{IdempotencyKey, JobRecord, StoredSubmission},
    services::Services,
    supervisor::{guarded, supervised},
    view::{Accepted, JobEventKind, JobEventView},
};

const MASTER_RETRY: Duration = Duration::from_millis(10);

/// Accept a job.
pub(crate) struct Submit {
    pub(crate) spec: JobSpec,
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) by: Option<String>,
}

impl Message for Submit {
    type Result = Result<Accepted, DispatcherError>;
}

/// Cancel a job.
pub(crate) struct CancelJob {
    pub(crate) job: JobId,
    pub(crate) by: Option<String>,
}

impl Message for CancelJob {
    type Result = Result<(), DispatcherError>;
}

/// Kill an actor of a job on purpose.
pub(crate) struct KillActor {
    pub(crate) job: JobId,
    pub(crate) actor: String,
    pub(crate) by: Option<String>,
}

impl Message for KillActor {
    type Result = Result<(), DispatcherError>;
}

/// Leave all jobs to the next process.
pub(crate) struct Shutdown;

impl Message for Shutdown {
    type Result = ();
}

pub(crate) struct Dispatcher {
    services: Arc<Services>,
    watch: DeathWatch,
}

impl Dispatcher {
    pub(crate) fn new(services: Arc<Services>, watch: DeathWatch) -> Self {
        Self { services, watch }
    }

    fn adopt_or_retry(&mut self, ctx: &mut Context<Self>) {
        if let Err(error) = self.adopt_stored_jobs() {
            tracing::error!(%error, "the job store cannot be read: trying again");
            ctx.run_later(deadlines::STORE_RETRY, |actor, ctx| {
                guarded(&actor.watch.recorder(), || actor.adopt_or_retry(ctx));
            });
        }
    }

    /// Takes over every stored job that is not here yet: all of them when the process starts.
    fn adopt_stored_jobs(&mut self) -> Result<(), StoreError> {
        self.services.recorder.begin(&self.services.store);
        self.services.submissions.load(&self.services.store)?;
        let mut deletions = self.services.store.deletions()?;
        let mut unreadable = Vec::new();
        for record in self.services.store.all()? {
            match record {
                Err(job) => {
                    tracing::error!(job = job.id, reason = job.reason, "a stored job cannot be read");
                    deletions.retain(|id, _| id.to_string() != job.id);
                    unreadable.push(job);
                }
                Ok(record) => {
                    let deletion = deletions.remove(&record.id);
                    if self.services.job(record.id).is_none() {
                        self.take_over(record, deletion);
                    }
                }
            }
        }
        // What is left of jobs whose records went before the process died.
        for job in deletions.into_keys() {
            if let Err(error) = self.services.store.delete(job) {
                tracing::warn!(%job, %error, "what is left of a deleted job stays until the next start");
            }
        }
        self.services.set_unreadable_jobs(unreadable);
        ending::forget_oldest(&self.services);
        self.services.set_adopted();
        Ok(())
    }

    /// Takes over a stored job. If it was to be deleted, who wanted that, if that is known, is in `deletion`.
    fn take_over(&self, record: JobRecord, deletion: Option<Option<String>>) {
        let history = history_store::load(&*self.services.store.0, record.id);
        let goes_on = !record.status.is_terminal();
        let cell = self.adopt(record, history);
        if goes_on {
            cell.log(cell.event(JobEventKind::TakenOver, "the job goes on in a new process"));
            return;
        }
        cell.fail_open_checkpoints(&CheckpointFailure::JobStopping);
        if let Some(by) = deletion {
            deletion::carry_out(&self.services, &cell, by);
        }
    }

    fn adopt(&self, record: JobRecord, history: History) -> Arc<JobCell> {
        let cell = Arc::new(JobCell::new(record.clone(), Arc::clone(&self.services.recorder)));
        cell.restore_history(&self.services, history);
        self.services.add_job(&cell);
        if !record.status.is_terminal() {
            tracing::info!(job = %record.id, status = record.status.as_str(), "the job goes on");
            master::launch(&self.services, &cell);
        } else if record.status != JobStatus::Failed && !record.is_cleaned {
            ending::settle(&self.services, &cell, &record);
        }
        cell
    }

    /// The job that was submitted under this key, if that is not long ago. If it is gone, it is not submitted again.
    fn submitted_under(&self, key: &IdempotencyKey) -> Result<Option<JobId>, DispatcherError> {
        let now_ms = self.services.clock.now_ms();
        let Some(StoredSubmission { job, body_hash, .. }) = self.services.submissions.find(&key.key, now_ms)
        else {
            return Ok(None);
        };
        let key_text = || key.key.clone();
        if body_hash != key.body_hash {
            return Err(DispatcherError::IdempotencyKeyReused { key: key_text(), job });
        }
        if self.services.job(job).is_none() {
            return Err(DispatcherError::JobGone { key: key_text(), job });
        }
        Ok(Some(job))
    }

    fn submit(
        &self,
        mut spec: JobSpec,
        key: Option<IdempotencyKey>,
        by: Option<String>,
    ) -> Result<Accepted, DispatcherError> {
        if let Some(job) = key.as_ref().map_or(Ok(None), |key| self.submitted_under(key))? {
            return Ok(Accepted { job, is_replay: true });
        }
        if self.services.is_stopping() {
            let reason = "it takes no jobs while the process is stopping: submit to the next one".to_owned();
            return Err(StoreError(reason).into());
        }
        let JobPlan { name, graph, options } = self.services.catalog.plan(&spec)?;
        spec.options = options;
        if spec.name.is_empty() {
            spec.name = name;
        }
        let job = JobId::random();
        let record =
            JobRecord { idempotency: key, ..JobRecord::new(job, spec, graph, self.services.clock.now_ms()) };
        self.services.store.put(&record)?;
        reach(FaultPoint::JobSubmitStored);
        tracing::info!(%job, program = record.spec.program, "a job was accepted");
        let cell = self.adopt(record, History::default());
        cell.log(JobEventView { by, ..cell.event(JobEventKind::Submitted, "the job was submitted") });
        Ok(Accepted { job, is_replay: false })
    }

    fn kill_actor(
        &self,
        job: JobId,
        actor: String,
        by: Option<String>,
    ) -> Result<Option<(Arc<JobCell>, KillChild)>, DispatcherError> {
        if !self.services.chaos {
            return Err(DispatcherError::ChaosDisabled);
        }
        let cell = self.services.job(job).ok_or_else(|| DispatcherError::UnknownJob(job.to_string()))?;
        if !cell.actor_ids().contains(&actor) {
            let known = cell.actor_ids().join(", ");
            return Err(DispatcherError::UnknownActor { job, actor, known });
        }
        if cell.status().is_terminal() {
            return Err(DispatcherError::ActorNotRunning { job, status: cell.status(), actor });
        }
        let event = cell.event(JobEventKind::ActorKilled, format!("{actor} is killed on purpose"));
        cell.log(JobEventView { by, actor: Some(actor.clone()), ..event });
        if actor == JOB_MASTER {
            cell.with_master(|master| master.kill());
            return Ok(None);
        }
        Ok(Some((cell, KillChild(actor))))
    }
}

/// Asks a job's master, through its deaths. `None`: the job has no master any more.
async fn ask_master<M>(cell: &JobCell, message: impl Fn() -> M) -> Result<Option<M::Result>, DispatcherError>
where
    M: Message + Send + 'static,
    M::Result: Send,
    JobMaster: Handler<M>,
{
    let deadline = Instant::now() + deadlines::REQUEST;
    loop {
        let Some(master) = cell.with_master(|master| master.addr()) else { return Ok(None) };
        match timeout_at(deadline, master.send(message())).await {
            Ok(Ok(answer)) => return Ok(Some(answer)),
            Ok(Err(_)) if Instant::now() < deadline => sleep(MASTER_RETRY).await,
            _ => return Err(DispatcherError::Timeout(deadlines::REQUEST.as_millis() as u64)),
        }
    }
}

async fn cancel(services: &Services, CancelJob { job, by }: CancelJob) -> Result<(), DispatcherError> {
    let cell = services.job(job).ok_or_else(|| DispatcherError::UnknownJob(job.to_string()))?;
    let not_cancellable = || DispatcherError::NotCancellable { job, status: cell.status() };
    let is_cancelled = ask_master(&cell, || Cancel { by: by.clone() }).await?.unwrap_or(Ok(false))?;
    // If not by this one, by a master that died after it had stored this very cancel.
    if is_cancelled || cell.status() == JobStatus::Canceled { Ok(()) } else { Err(not_cancellable()) }
}

/// Hands the worker's messages on to the job masters, for as long as there is a worker.
pub(crate) async fn pump(services: Arc<Services>, mut events: UnboundedReceiver<FromWorker>) {
    while let Some(event) = events.recv().await {
        if let FromWorker::Tapped { tap, report, .. } = event {
            services.taps.hand_over(tap, report);
            continue;
        }
        let job = match &event {
            FromWorker::TaskState { job, .. }
            | FromWorker::Ack { job, .. }
            | FromWorker::Decline { job, .. }
            | FromWorker::Metrics { job, .. }
            | FromWorker::Tapped { job, .. }
            | FromWorker::FirstRecord { job, .. } => *job,
        };
        let master = services.job(job).and_then(|cell| cell.with_master(|master| master.addr()));
        match master {
            Some(master) => master.do_send(WorkerEvent(event)),
            None => tracing::debug!(%job, "a message about a job that is not running was dropped"),
        }
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        guarded(&self.watch.recorder(), || self.adopt_or_retry(ctx));
    }
}

supervised!(Dispatcher);

impl Handler<Submit> for Dispatcher {
    type Result = Result<Accepted, DispatcherError>;

    fn handle(&mut self, Submit { spec, key, by }: Submit, _: &mut Self::Context) -> Self::Result {
        guarded(&self.watch.recorder(), || self.submit(spec, key, by))
    }
}

impl Handler<CancelJob> for Dispatcher {
    type Result = ResponseFuture<Result<(), DispatcherError>>;

    fn handle(&mut self, cancel_job: CancelJob, _: &mut Self::Context) -> Self::Result {
        let services = Arc::clone(&self.services);
        Box::pin(async move { cancel(&services, cancel_job).await })
    }
}

impl Handler<KillActor> for Dispatcher {
    type Result = ResponseFuture<Result<(), DispatcherError>>;

    fn handle(&mut self, KillActor { job, actor, by }: KillActor, _: &mut Self::Context) -> Self::Result {
        let child = guarded(&self.watch.recorder(), || self.kill_actor(job, actor, by));
        Box::pin(async move {
            let Some((cell, KillChild(actor))) = child? else { return Ok(()) };
            match ask_master(&cell, || KillChild(actor.clone())).await? {
                Some(true) => Ok(()),
                _ => Err(DispatcherError::ActorNotRunning { job, status: cell.status(), actor }),
            }
        })
    }
}

impl Handler<Shutdown> for Dispatcher {
    type Result = ();

    fn handle(&mut self, _: Shutdown, _: &mut Self::Context) {
        guarded(&self.watch.recorder(), || {
            self.services.set_stopping();
            for cell in self.services.jobs.live() {
                cell.with_master(|master| master.addr().do_send(Suspend));
            }
        });
    }
}
