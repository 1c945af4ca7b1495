//! What the tests of state have in common.
#![allow(dead_code, missing_docs, clippy::unwrap_used, reason = "every test takes what it needs")]

use std::ops::Range;

use headwater_core::{
    checkpoint::KeyedStateHandle,
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId, VertexId},
    key_group::KeyGroup,
    options::StateBackend,
};
use headwater_state::{BackendConfig, KeyedBackend, StateEnv};

pub const MAX_PARALLELISM: u16 = 8;

/// A data folder of one job, gone at the end of the test.
pub struct World {
    pub folder: tempfile::TempDir,
    pub env: StateEnv,
    pub job: JobId,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let env = StateEnv::open(folder.path()).unwrap();
        Self { folder, env, job: JobId::random() }
    }

    pub fn config(&self, backend: StateBackend) -> BackendConfig {
        let subtask = SubtaskId { vertex: VertexId(1), index: 0 };
        BackendConfig {
            backend,
            job: self.job,
            attempt: ExecutionAttemptId::new(subtask, 0),
            key_groups: 0..MAX_PARALLELISM,
            max_parallelism: MAX_PARALLELISM,
            cache_bytes: 64 << 20,
            incremental_from_bytes: 1 << 10,
        }
    }

    pub fn owning(&self, backend: StateBackend, key_groups: Range<KeyGroup>) -> BackendConfig {
        BackendConfig { key_groups, ..self.config(backend) }
    }

    pub fn open(
        &self,
        backend: StateBackend,
        restore: Option<(CheckpointId, &KeyedStateHandle)>,
    ) -> KeyedBackend {
        KeyedBackend::open(&self.env, self.config(backend), restore).unwrap()
    }

    pub fn checkpoint_folder(&self, checkpoint: CheckpointId) -> std::path::PathBuf {
        let name = format!("checkpoints/{}/chk-{checkpoint}", self.job);
        self.folder.path().join(name)
    }
}

pub const BACKENDS: [StateBackend; 2] = [StateBackend::HashMap, StateBackend::RocksDb];
