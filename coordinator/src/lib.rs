//! The control plane: which jobs there are, what their tasks do, when they are checkpointed, and what happens when
//! something dies.
//!
//! A [dispatcher](handle::DispatcherHandle) holds all jobs, a job master drives one, and its checkpoint coordinator takes
//! the job's checkpoints. Each is a supervised actor whose state is in the job store, or can be rebuilt from it: killing any
//! of them at any moment loses nothing. What they decide is decided by two pure state machines, one for the life of
//! a checkpoint and one for a job's executions and failover; the actors carry out their effects.
//!
//! The data plane is known as a [`WorkerGateway`] alone, in messages that serialize.

mod checkpoint;
mod deadlines;
mod dispatcher;
pub mod handle;
mod history_store;
mod job;
mod job_store;
mod jobs;
pub mod rates;
mod recorder;
mod services;
mod submissions;
mod supervisor;
pub mod tap;
pub mod view;
pub mod why;

use std::sync::Arc;

use headwater_core::{
    gateway::{FromWorker, WorkerGateway},
    job::ProgramCatalog,
    store::{CheckpointStore, DurableStore},
    time::Clock,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    dispatcher::Dispatcher,
    services::Services,
    supervisor::{Notice, supervise},
};
pub use crate::{handle::DispatcherHandle, job_store::IdempotencyKey, jobs::RememberedJobs};

/// What the control plane works with.
pub struct CoordinatorConfig {
    /// Where jobs are kept.
    pub store: Arc<dyn DurableStore>,
    /// Where completed checkpoints are kept.
    pub checkpoints: Arc<dyn CheckpointStore>,
    /// The way to the worker.
    pub worker: Arc<dyn WorkerGateway>,
    /// The programs that can be submitted.
    pub catalog: Arc<dyn ProgramCatalog>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Whether actors may be killed on purpose.
    pub chaos: bool,
    /// What is remembered of jobs that have ended.
    pub remembered_jobs: RememberedJobs,
}

/// Starts the control plane on the current Arbiter and brings back every job in the store that had not ended.
/// `events` is what the worker says.
pub fn start(config: CoordinatorConfig, events: UnboundedReceiver<FromWorker>) -> DispatcherHandle {
    let do_expire = config.remembered_jobs.for_ms.is_some();
    let services = Arc::new(Services::new(config));
    let for_dispatcher = Arc::clone(&services);
    let dispatcher = supervise(
        move |watch| Dispatcher::new(Arc::clone(&for_dispatcher), watch),
        |notice| match notice {
            Notice::Died(death) => {
                tracing::error!(kind = death.kind.as_str(), cause = death.message, "the dispatcher died");
            }
            Notice::GaveUp(death) => tracing::error!(
                kind = death.kind.as_str(),
                cause = death.message,
                "the dispatcher died once too often: no job can be submitted or cancelled until a restart"
            ),
        },
    );
    actix::spawn(history_store::keep_saved(Arc::clone(&services)));
    if do_expire {
        actix::spawn(job::ending::forget_old(Arc::clone(&services)));
    }
    let dispatcher = Arc::new(dispatcher);
    let alive = Arc::clone(&dispatcher);
    let pump = dispatcher::pump(Arc::clone(&services), events);
    actix::spawn(async move {
        pump.await;
        drop(alive);
    });
    DispatcherHandle::new(services, dispatcher)
}
