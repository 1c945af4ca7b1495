//! What REST needs of the control plane.

use futures::future::LocalBoxFuture;
use headwater_coordinator::{
    IdempotencyKey,
    handle::{DispatcherError, DispatcherHandle},
    view::{
        Accepted, AttemptView, CheckpointView, ClusterOverview, DeleteView, ExceptionView, FeedPage,
        JobDetails, JobEventView, JobSummary, RestartView, SlotTask, TriggerView,
    },
};
use headwater_core::{
    ids::{JobId, SubtaskId},
    job::{JobSpec, ProgramInfo},
};
use tokio::sync::watch;

/// A pending answer of the control plane. Every one has a deadline of the control plane's own.
pub type Reply<'a, T> = LocalBoxFuture<'a, Result<T, DispatcherError>>;

/// The control plane as REST sees it: [`DispatcherHandle`], or a stand-in with known answers.
pub trait ControlPlane: Send + Sync + 'static {
    /// Accepts a job: durable before this returns.
    /// The same key gives the same job for a day. `by` is who wants it, if that is known, here and below.
    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, Accepted>;
    /// Starts to cancel a job.
    fn cancel(&self, job: JobId, by: Option<String>) -> Reply<'_, ()>;
    /// Kills an actor on purpose.
    fn kill_actor<'a>(&'a self, job: JobId, actor: &'a str, by: Option<String>) -> Reply<'a, ()>;
    /// Restarts a job, running or ended; the key is for one that is submitted again.
    fn restart(&self, job: JobId, key: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, RestartView>;
    /// Deletes an ended job, or begins to.
    fn delete(&self, job: JobId, by: Option<String>) -> Reply<'_, DeleteView>;
    /// Takes a checkpoint of a job now.
    fn trigger_checkpoint(&self, job: JobId, by: Option<String>) -> Reply<'_, TriggerView>;
    /// One job.
    fn job(&self, job: JobId) -> Reply<'_, JobDetails>;
    /// A job's checkpoints, newest first.
    fn checkpoints(&self, job: JobId) -> Reply<'_, Vec<CheckpointView>>;
    /// A job's failures, newest first.
    fn exceptions(&self, job: JobId) -> Reply<'_, Vec<ExceptionView>>;
    /// What happened to a job, oldest first.
    fn events(&self, job: JobId) -> Reply<'_, Vec<JobEventView>>;
    /// The attempts at a subtask, newest first; `None` if there is no such subtask.
    fn attempts(&self, job: JobId, subtask: SubtaskId) -> Reply<'_, Option<Vec<AttemptView>>>;
    /// What happened to all jobs after the event of this number.
    fn told_since(&self, number: u64) -> FeedPage;
    /// The tasks in all slots.
    fn slots(&self) -> Reply<'_, Vec<SlotTask>>;
    /// Whether all stored jobs have been taken up and new ones are, too.
    fn is_ready(&self) -> bool;
    /// All jobs, newest first.
    fn jobs(&self) -> Reply<'_, Vec<JobSummary>>;
    /// The whole of it at a glance.
    fn overview(&self) -> Reply<'_, ClusterOverview>;
    /// The programs that can be submitted.
    fn programs(&self) -> Vec<ProgramInfo>;
    /// Changes whenever anything that the other calls return has changed.
    fn changes(&self) -> watch::Receiver<u64>;
}

impl ControlPlane for DispatcherHandle {
    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, Accepted> {
        Box::pin(self.submit_once(spec, key, by))
    }

    fn cancel(&self, job: JobId, by: Option<String>) -> Reply<'_, ()> {
        Box::pin(Self::cancel(self, job, by))
    }

    fn kill_actor<'a>(&'a self, job: JobId, actor: &'a str, by: Option<String>) -> Reply<'a, ()> {
        Box::pin(Self::kill_actor(self, job, actor, by))
    }

    fn restart(&self, job: JobId, key: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, RestartView> {
        Box::pin(Self::restart(self, job, key, by))
    }

    fn delete(&self, job: JobId, by: Option<String>) -> Reply<'_, DeleteView> {
        Box::pin(Self::delete(self, job, by))
    }

    fn trigger_checkpoint(&self, job: JobId, by: Option<String>) -> Reply<'_, TriggerView> {
        Box::pin(Self::trigger_checkpoint(self, job, by))
    }

    fn events(&self, job: JobId) -> Reply<'_, Vec<JobEventView>> {
        Box::pin(Self::events(self, job))
    }

    fn attempts(&self, job: JobId, subtask: SubtaskId) -> Reply<'_, Option<Vec<AttemptView>>> {
        Box::pin(Self::attempts(self, job, subtask))
    }

    fn told_since(&self, number: u64) -> FeedPage {
        Self::told_since(self, number)
    }

    fn slots(&self) -> Reply<'_, Vec<SlotTask>> {
        Box::pin(Self::slots(self))
    }

    fn is_ready(&self) -> bool {
        Self::is_ready(self)
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

    fn jobs(&self) -> Reply<'_, Vec<JobSummary>> {
        Box::pin(Self::jobs(self))
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
