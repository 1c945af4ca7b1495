//! How long the control plane waits for anything: nothing waits for ever.

use std::time::Duration;

/// For cancelled tasks to answer. Those that don't are fenced, and the job goes on without them.
pub(crate) const STOP_MS: u64 = 10_000;

/// For deployed tasks to restore their state and run.
pub(crate) const START_MS: u64 = 60_000;

/// For tasks to commit the final checkpoint and finish.
pub(crate) const COMMIT_MS: u64 = 60_000;

/// For one operation of the checkpoint store.
pub(crate) const STORAGE: Duration = Duration::from_secs(60);

/// For the checkpoints of a job that has ended to be removed: nobody waits for it.
pub(crate) const DELETION: Duration = Duration::from_secs(600);

/// What is done within this time is answered with its end, and not with where that can be seen.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);

/// Between two looks for jobs that are too old to be remembered.
pub(crate) const EXPIRY: Duration = Duration::from_secs(10);

/// Between two attempts at an operation of a store that failed.
pub(crate) const STORE_RETRY: Duration = Duration::from_secs(1);

/// For the dispatcher to answer a request.
pub(crate) const REQUEST: Duration = Duration::from_secs(10);
