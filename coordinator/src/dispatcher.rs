//! The dispatcher: the actor that accepts jobs and brings back those that had not ended.
//!
//! It holds nothing of its own: jobs and their masters are in [`Services`], so that its death disturbs no job.

use std::sync::Arc;

use actix::prelude::*;
use headwater_core::{
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
    job::{
        cell::{JOB_MASTER, JobCell},
        ending,
        master::{self, Cancel, JobMaster, KillChild, Suspend, WorkerEvent},
    },
    job_store::JobRecord,
    services::Services,
    supervisor::{guarded, supervised},
};

const MASTER_RETRY: Duration = Duration::from_millis(10);

/// Accept a job.
pub(crate) struct Submit(pub(crate) JobSpec);

impl Message for Submit {
    type Result = Result<JobId, DispatcherError>;
}

/// Cancel a job.
pub(crate) struct CancelJob(pub(crate) JobId);

impl Message for CancelJob {
    type Result = Result<(), DispatcherError>;
}

/// Kill an actor of a job on purpose.
pub(crate) struct KillActor(pub(crate) JobId, pub(crate) String);

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
        let mut unreadable = Vec::new();
        for record in self.services.store.all()? {
            match record {
                Err(job) => {
                    tracing::error!(job = job.id, reason = job.reason, "a stored job cannot be read");
                    unreadable.push(job);
                }
                Ok(record) if self.services.job(record.id).is_some() => {}
                Ok(record) => self.adopt(record),
            }
        }
        self.services.set_unreadable_jobs(unreadable);
        self.services.set_adopted();
        Ok(())
    }

    fn adopt(&self, record: JobRecord) {
        let cell = Arc::new(JobCell::new(record.clone()));
        self.services.add_job(Arc::clone(&cell));
        if !record.status.is_terminal() {
            tracing::info!(job = %record.id, status = record.status.as_str(), "the job goes on");
            master::launch(&self.services, &cell);
        } else if record.status != JobStatus::Failed && !record.is_cleaned {
            ending::settle(&self.services, &cell, &record);
        }
    }

    fn submit(&self, mut spec: JobSpec) -> Result<JobId, DispatcherError> {
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
        let record = JobRecord::new(job, spec, graph, self.services.clock.now_ms());
        self.services.store.put(&record)?;
        reach(FaultPoint::JobSubmitStored);
        tracing::info!(%job, program = record.spec.program, "a job was accepted");
        self.adopt(record);
        Ok(job)
    }

    fn kill_actor(
        &self,
        job: JobId,
        actor: String,
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

async fn cancel(services: &Services, job: JobId) -> Result<(), DispatcherError> {
    let cell = services.job(job).ok_or_else(|| DispatcherError::UnknownJob(job.to_string()))?;
    let not_cancellable = || DispatcherError::NotCancellable { job, status: cell.status() };
    if cell.status().is_terminal() {
        return Err(not_cancellable());
    }
    match ask_master(&cell, || Cancel).await? {
        Some(cancelled) => Ok(cancelled?),
        // A master that died after it had stored this very cancel; its successor has carried it out.
        None if cell.status() == JobStatus::Canceled => Ok(()),
        None => Err(not_cancellable()),
    }
}

/// Hands the worker's messages on to the job masters, for as long as there is a worker.
pub(crate) async fn pump(services: Arc<Services>, mut events: UnboundedReceiver<FromWorker>) {
    while let Some(event) = events.recv().await {
        let job = match &event {
            FromWorker::TaskState { job, .. }
            | FromWorker::Ack { job, .. }
            | FromWorker::Decline { job, .. }
            | FromWorker::Metrics { job, .. }
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
    type Result = Result<JobId, DispatcherError>;

    fn handle(&mut self, Submit(spec): Submit, _: &mut Self::Context) -> Self::Result {
        guarded(&self.watch.recorder(), || self.submit(spec))
    }
}

impl Handler<CancelJob> for Dispatcher {
    type Result = ResponseFuture<Result<(), DispatcherError>>;

    fn handle(&mut self, CancelJob(job): CancelJob, _: &mut Self::Context) -> Self::Result {
        let services = Arc::clone(&self.services);
        Box::pin(async move { cancel(&services, job).await })
    }
}

impl Handler<KillActor> for Dispatcher {
    type Result = ResponseFuture<Result<(), DispatcherError>>;

    fn handle(&mut self, KillActor(job, actor): KillActor, _: &mut Self::Context) -> Self::Result {
        let child = guarded(&self.watch.recorder(), || self.kill_actor(job, actor));
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
            for cell in self.services.jobs() {
                cell.with_master(|master| master.addr().do_send(Suspend));
            }
        });
    }
}
