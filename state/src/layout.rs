//! Where things are below the data folder.
//!
//! ```text
//! checkpoints/<job>/chk-<id>/manifest[.damaged]
//! checkpoints/<job>/chk-<id>/<vertex>-<index>-<attempt>/…
//! work/<job>/<vertex>-<index>-<attempt>/…
//! ```

use std::path::{Path, PathBuf};

use headwater_core::ids::{CheckpointId, ExecutionAttemptId, JobId};

pub(crate) const MANIFEST: &str = "manifest";
/// What a manifest is called once its checkpoint was found damaged.
pub(crate) const DAMAGED_MANIFEST: &str = "manifest.damaged";
const CHECKPOINT_PREFIX: &str = "chk-";

/// The paths below one data folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    data_dir: PathBuf,
}

impl Layout {
    pub fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.data_dir.join("checkpoints")
    }

    pub fn work(&self) -> PathBuf {
        self.data_dir.join("work")
    }

    pub fn job_work(&self, job: JobId) -> PathBuf {
        self.work().join(job.to_string())
    }

    pub fn attempt_work(&self, job: JobId, attempt: ExecutionAttemptId) -> PathBuf {
        self.job_work(job).join(attempt.to_string())
    }

    pub fn job_checkpoints(&self, job: JobId) -> PathBuf {
        self.checkpoints().join(job.to_string())
    }

    pub fn checkpoint(&self, job: JobId, checkpoint: CheckpointId) -> PathBuf {
        self.job_checkpoints(job).join(checkpoint_folder(checkpoint))
    }
}

/// The name of a checkpoint's folder.
pub(crate) fn checkpoint_folder(checkpoint: CheckpointId) -> String {
    format!("{CHECKPOINT_PREFIX}{checkpoint}")
}

/// The checkpoint whose folder has this name.
pub(crate) fn checkpoint_of_folder(name: &str) -> Option<CheckpointId> {
    name.strip_prefix(CHECKPOINT_PREFIX)?.parse().ok().map(CheckpointId)
}
