//! Where work that blocks is done, so that it keeps no task waiting.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use headwater_core::supervision::panic_message;
use tokio::{runtime::Handle, task::spawn_blocking, time::sleep};

/// Where work that blocks is done.
#[derive(Clone, Default)]
pub enum Blocking {
    /// On threads of the runtime's own, or at once if there is no runtime.
    #[default]
    Threads,
    /// On the current thread, after a delay that this gives: for simulations, which can be repeated.
    Inline(Arc<dyn Fn() -> Duration + Send + Sync>),
}

/// The message of a panic in the work.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
pub struct Panicked(pub String);

impl Blocking {
    /// Does the work. Once begun on a thread it goes on even if this future is dropped.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let guarded =
            move || catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Panicked(panic_message(&*panic)));
        match self {
            Self::Threads if Handle::try_current().is_ok() => match spawn_blocking(guarded).await {
                Ok(done) => done,
                Err(error) => Err(Panicked(error.to_string())),
            },
            Self::Threads => guarded(),
            Self::Inline(delay) => {
                sleep(delay()).await;
                guarded()
            }
        }
    }
}

impl fmt::Debug for Blocking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Threads => "Threads",
            Self::Inline(_) => "Inline",
        })
    }
}
