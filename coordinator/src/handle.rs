//! The control plane as its users see it. (Signatures fixed; bodies belong to the dispatcher.)

use headwater_core::{
    ids::JobId,
    job::{JobSpec, JobStatus, PlanError, ProgramInfo},
    store::StoreError,
};

use crate::view::{CheckpointView, ClusterOverview, ExceptionView, JobDetails, JobSummary};

/// Why the dispatcher refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DispatcherError {
    /// No such job.
    #[error("no job has the id `{0}`: `GET /api/v1/jobs` lists them")]
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
    /// The job store could not be written.
    #[error("the job store failed: {0}")]
    Store(#[from] StoreError),
    /// No answer within the deadline.
    #[error("the dispatcher did not answer within {0} ms: try again")]
    Timeout(u64),
}

/// A cheap, cloneable handle of the dispatcher.
#[derive(Clone)]
pub struct DispatcherHandle {/* yours */}

impl DispatcherHandle {
    /// Accepts a job: durable before this returns.
    pub async fn submit(&self, spec: JobSpec) -> Result<JobId, DispatcherError> {
        unimplemented!()
    }
    /// Starts to cancel a job.
    pub async fn cancel(&self, job: JobId) -> Result<(), DispatcherError> {
        unimplemented!()
    }
    /// Kills an actor on purpose.
    pub async fn kill_actor(&self, job: JobId, actor: &str) -> Result<(), DispatcherError> {
        unimplemented!()
    }
    /// All jobs, newest first.
    pub async fn jobs(&self) -> Result<Vec<JobSummary>, DispatcherError> {
        unimplemented!()
    }
    /// One job.
    pub async fn job(&self, job: JobId) -> Result<JobDetails, DispatcherError> {
        unimplemented!()
    }
    /// A job's checkpoints, newest first.
    pub async fn checkpoints(&self, job: JobId) -> Result<Vec<CheckpointView>, DispatcherError> {
        unimplemented!()
    }
    /// A job's failures, newest first.
    pub async fn exceptions(&self, job: JobId) -> Result<Vec<ExceptionView>, DispatcherError> {
        unimplemented!()
    }
    /// The whole of it.
    pub async fn overview(&self) -> Result<ClusterOverview, DispatcherError> {
        unimplemented!()
    }
    /// The programs that can be submitted.
    pub fn programs(&self) -> Vec<ProgramInfo> {
        unimplemented!()
    }
    /// Changes whenever anything that the other calls return has changed; for live pages.
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        unimplemented!()
    }
}
