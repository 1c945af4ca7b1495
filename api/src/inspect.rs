//! What REST asks of those who look into jobs.

use futures::{future::LocalBoxFuture, stream::LocalBoxStream};
use headwater_coordinator::{
    handle::DispatcherError,
    tap::{TapError, TapEvent, TapRequest},
};
use headwater_core::ids::{CheckpointId, JobId, VertexId};

use crate::{
    dto::{JobState, StateEntries},
    problem::{Problem, ProblemKind},
};

/// A pending answer.
pub type Looked<'a, T> = LocalBoxFuture<'a, Result<T, InspectError>>;

/// What a tap tells, until it is dropped.
pub type TapStream = LocalBoxStream<'static, TapEvent>;

/// Looks into jobs without disturbing them.
pub trait Inspector: Send + Sync + 'static {
    /// Opens a tap on what leaves a vertex. What the server hides is hidden beside what the request wants hidden.
    fn tap(&self, request: TapRequest) -> Looked<'_, TapStream>;

    /// What a job keeps, as one of its checkpoints has it; `None`: the last one.
    fn states(&self, job: JobId, checkpoint: Option<CheckpointId>) -> Looked<'_, JobState>;

    /// Some entries of a state.
    fn entries(&self, query: EntriesQuery) -> Looked<'_, StateEntries>;
}

/// Which entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntriesQuery {
    /// The job.
    pub job: JobId,
    /// The vertex.
    pub vertex: VertexId,
    /// The state's name.
    pub state: String,
    /// The checkpoint; `None`: the last one.
    pub checkpoint: Option<CheckpointId>,
    /// Only those of this key, in JSON or as plain text.
    pub key: Option<String>,
    /// At most so many.
    pub limit: usize,
    /// Those behind a page, by its `next`.
    pub after: Option<String>,
}

/// Why nothing can be seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// The control plane refused.
    #[error(transparent)]
    Dispatcher(#[from] DispatcherError),
    /// There is no tap.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// No such vertex.
    #[error("job {job} has no vertex `{vertex}`: expected one of {known}")]
    UnknownVertex {
        /// The job.
        job: JobId,
        /// As given.
        vertex: VertexId,
        /// The job's.
        known: String,
    },
    /// No such state.
    #[error("vertex `{vertex}` has no state `{state}` in checkpoint {checkpoint}: expected {known}")]
    UnknownState {
        /// The vertex.
        vertex: VertexId,
        /// As given.
        state: String,
        /// Where it was looked for.
        checkpoint: CheckpointId,
        /// The vertex's.
        known: String,
    },
    /// No such checkpoint.
    #[error("{0}")]
    UnknownCheckpoint(String),
    /// The key or the page cannot be read.
    #[error("query parameter `{parameter}`: {reason}")]
    BadParameter {
        /// Which one.
        parameter: &'static str,
        /// What was expected, what came.
        reason: String,
    },
    /// A file is damaged.
    #[error("{0}")]
    Damaged(String),
    /// It cannot be read for another reason.
    #[error("{0}")]
    Unreadable(String),
    /// Enough others are reading.
    #[error("{0} requests read checkpoints already: try again")]
    TooMany(usize),
}

impl From<InspectError> for Problem {
    fn from(error: InspectError) -> Self {
        let kind = match &error {
            InspectError::Dispatcher(error) | InspectError::Tap(TapError::Dispatcher(error)) => {
                return error.clone().into();
            }
            InspectError::Tap(TapError::UnknownVertex { .. } | TapError::UnknownEdge { .. })
            | InspectError::UnknownVertex { .. } => ProblemKind::UnknownVertex,
            InspectError::Tap(TapError::Ended(_)) => ProblemKind::JobHasEnded,
            InspectError::Tap(TapError::TooMany) | InspectError::TooMany(_) => ProblemKind::TooManyReaders,
            InspectError::UnknownState { .. } => ProblemKind::UnknownState,
            InspectError::UnknownCheckpoint(_) => ProblemKind::UnknownCheckpoint,
            InspectError::BadParameter { .. } => ProblemKind::InvalidRequest,
            InspectError::Damaged(_) => ProblemKind::DamagedCheckpoint,
            InspectError::Unreadable(_) => ProblemKind::StateUnreadable,
        };
        Self::new(kind, error.to_string())
    }
}
