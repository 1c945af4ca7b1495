//! What a task is told about itself and its surroundings.

use std::{ops::Range, path::PathBuf, sync::Arc};

use headwater_core::{
    execution::RestoredSubtask,
    fs::FileSystem,
    graph::JobVertex,
    ids::{ExecutionAttemptId, JobId, SubtaskId},
    key_group::{KeyGroup, key_groups_of},
    options::JobOptions,
    supervision::Exit,
    time::{Clock, SystemClock},
};
use headwater_state::{BackendConfig, KeyedBackend, StateEnv, StateError};

use crate::{fence::Fence, metrics::TaskCounters};

/// Why a task cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// State could not be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Bytes that are not what they should be.
    #[error(transparent)]
    Codec(#[from] headwater_core::codec::CodecError),
    /// A source or sink failed: the message says at what and why.
    #[error("{0}")]
    Connector(String),
    /// What a source or sink keeps on the disk is damaged: the message says what, and what can be done. No restart can.
    #[error("{0}")]
    DataLoss(String),
    /// A user's function failed.
    #[error("{0}")]
    Function(String),
    /// One of the above, with where it happened.
    #[error("{error}, {place}")]
    At {
        /// What happened.
        error: Box<TaskError>,
        /// At which record.
        place: String,
    },
}

impl TaskError {
    /// An I/O failure, with what was being done.
    pub fn io(doing: impl std::fmt::Display, error: std::io::Error) -> Self {
        Self::Connector(format!("{doing}: {error}"))
    }

    /// How a task ends that dies of it.
    pub fn exit(&self) -> Exit {
        // Where it happened does not change what it is.
        let mut cause = self;
        while let Self::At { error, .. } = cause {
            cause = error;
        }
        match cause {
            Self::State(StateError::Damaged { .. }) => Exit::DamagedCheckpoint(self.to_string()),
            Self::DataLoss(_) => Exit::DataLoss(self.to_string()),
            _ => Exit::Failed(self.to_string()),
        }
    }
}

/// One attempt's view of the world.
pub struct TaskContext {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: ExecutionAttemptId,
    /// The vertex that it is an instance of.
    pub vertex: JobVertex,
    /// The parallelism at the other end of each outgoing edge.
    pub downstream: Vec<u32>,
    /// The job's options.
    pub options: JobOptions,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// The worker's data folder. A source or sink keeps what it needs in a folder of its own below it.
    pub data_dir: PathBuf,
    /// Where keyed state lives.
    pub state: StateEnv,
    /// What the attempt goes on from.
    pub restored: Option<RestoredSubtask>,
    /// The task's counters.
    pub counters: Arc<TaskCounters>,
    /// Whether the attempt is given up.
    pub fence: Fence,
}

impl TaskContext {
    /// A context in which operators are opened only to be described: `state` records what they register.
    pub fn to_describe(
        job: JobId,
        vertex: JobVertex,
        options: JobOptions,
        data_dir: PathBuf,
        state: StateEnv,
    ) -> Self {
        let subtask = SubtaskId { vertex: vertex.id, index: 0 };
        Self {
            job,
            attempt: ExecutionAttemptId::new(subtask, 0),
            vertex,
            downstream: Vec::new(),
            options,
            clock: Arc::new(SystemClock),
            data_dir,
            state,
            restored: None,
            counters: Arc::default(),
            fence: Fence::default(),
        }
    }

    /// The subtask's index.
    pub fn index(&self) -> u32 {
        self.attempt.subtask.index
    }

    /// Where files are.
    pub fn fs(&self) -> Arc<dyn FileSystem> {
        self.state.shared_fs()
    }

    /// The key groups that the subtask owns.
    pub fn key_groups(&self) -> Range<KeyGroup> {
        key_groups_of(self.index(), self.vertex.parallelism, self.options.max_parallelism)
    }

    /// Opens the subtask's keyed state, restored if the attempt goes on from a checkpoint.
    pub fn keyed_backend(&self) -> Result<KeyedBackend, StateError> {
        let config = BackendConfig {
            backend: self.options.state_backend,
            job: self.job,
            attempt: self.attempt,
            key_groups: self.key_groups(),
            max_parallelism: self.options.max_parallelism,
            cache_bytes: self.options.state_cache_bytes,
            incremental_from_bytes: self.options.state_incremental_from_bytes,
        };
        let restored = self.restored.as_ref().and_then(|restored| {
            restored.snapshot.keyed_state.as_ref().map(|handle| (restored.checkpoint, handle))
        });
        KeyedBackend::open(&self.state, config, restored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_what_it_is_wherever_it_happened() {
        let at = |error: TaskError| TaskError::At { error: Box::new(error), place: "at record 7".to_owned() };
        let lost = || TaskError::DataLoss("the journal is cut short".to_owned());
        let told = "the journal is cut short, at record 7".to_owned();
        assert_eq!(at(lost()).exit(), Exit::DataLoss(told));
        let damaged = StateError::Damaged { path: "state.heap".into(), reason: "a bit flipped".to_owned() };
        assert!(matches!(at(damaged.into()).exit(), Exit::DamagedCheckpoint(_)));
        assert!(matches!(at(TaskError::Function("no".to_owned())).exit(), Exit::Failed(_)));
    }
}
