//! An attempt's own folder.

use std::path::{Path, PathBuf};

use headwater_core::fs::FileSystem;

use crate::{
    BackendConfig, StateEnv, StateError,
    durable::{create_folder, remove_folder},
};

/// An attempt's folder, for as long as the attempt lives.
pub(crate) struct WorkingFolder {
    path: PathBuf,
    env: StateEnv,
}

impl WorkingFolder {
    pub fn create(env: &StateEnv, config: &BackendConfig) -> Result<Self, StateError> {
        let path = env.layout().attempt_work(config.job, config.attempt);
        create_folder(env.fs(), &path)?;
        Ok(Self { path, env: env.clone() })
    }

    /// One for a look into a checkpoint. What a killed process leaves of it goes with all other working folders.
    pub fn to_look(env: &StateEnv) -> Result<Self, StateError> {
        let name = format!("look-{:016x}", headwater_core::random::number());
        let path = env.layout().work().join(name);
        create_folder(env.fs(), &path)?;
        Ok(Self { path, env: env.clone() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn fs(&self) -> &dyn FileSystem {
        self.env.fs()
    }
}

impl Drop for WorkingFolder {
    fn drop(&mut self) {
        // What cannot be removed now is removed with the job.
        let _ = remove_folder(self.env.fs(), &self.path);
    }
}
