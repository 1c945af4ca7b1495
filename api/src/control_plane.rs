//! What REST needs of the control plane.

use futures::future::LocalBoxFuture;
use headwater_coordinator::{
    handle::{DispatcherError, DispatcherHandle},
    view::{CheckpointView, ClusterOverview, ExceptionView, JobDetails},
};
use headwater_core::{
    ids::JobId,
    job::{JobSpec, ProgramInfo},
};
use tokio::sync::watch;

/// A pending answer of the control plane. Every one has a deadline of the control plane's own.
pub type Reply<'a, T> = LocalBoxFuture<'a, Result<T, DispatcherError>>;

/// The control plane as REST sees it: [`DispatcherHandle`], or a stand-in with known answers.
pub trait ControlPlane: Send + Sync + 'static {
    /// Accepts a job: durable before this returns.
    fn submit(&self, spec: JobSpec) -> Reply<'_, JobId>;
    /// Starts to cancel a job.
    fn cancel(&self, job: JobId) -> Reply<'_, ()>;
    /// Kills an actor on purpose.
    fn kill_actor<'a>(&'a self, job: JobId, actor: &'a str) -> Reply<'a, ()>;
    /// One job.
    fn job(&self, job: JobId) -> Reply<'_, JobDetails>;
    /// A job's checkpoints, newest first.
    fn checkpoints(&self, job: JobId) -> Reply<'_, Vec<CheckpointView>>;
    /// A job's failures, newest first.
    fn exceptions(&self, job: JobId) -> Reply<'_, Vec<ExceptionView>>;
    /// The whole of it.
    fn overview(&self) -> Reply<'_, ClusterOverview>;
    /// The programs that can be submitted.
    fn programs(&self) -> Vec<ProgramInfo>;
    /// Changes whenever anything that the other calls return has changed.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl ControlPlane for DispatcherHandle {
    fn submit(&self, spec: JobSpec) -> Reply<'_, JobId> {
        Box::pin(Self::submit(self, spec))
    }

    fn cancel(&self, job: JobId) -> Reply<'_, ()> {
        Box::pin(Self::cancel(self, job))
    }

    fn kill_actor<'a>(&'a self, job: JobId, actor: &'a str) -> Reply<'a, ()> {
        Box::pin(Self::kill_actor(self, job, actor))
    }

    fn job(&self, job: JobId) -> Reply<'_, JobDetails> {
        Box::pin(Self::job(self, job))
    }

    fn checkpoints(&self, job: JobId) -> Reply<'_, Vec<CheckpointView>> {
        Box::pin(Self::checkpoints(self, job))
    }

    fn exceptions(&self, job: JobId) -> Reply<'_, Vec<ExceptionView>> {
        Box::pin(Self::exceptions(self, job))
    }

    fn overview(&self) -> Reply<'_, ClusterOverview> {
        Box::pin(Self::overview(self))
    }

    fn programs(&self) -> Vec<ProgramInfo> {
        Self::programs(self)
    }

    fn changes(&self) -> watch::Receiver<u64> {
        Self::changes(self)
    }
}
