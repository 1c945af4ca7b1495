//! Looks into jobs for REST: taps on what passes, and the state in checkpoints.
//!
//! State is read from the files of a checkpoint and never from the running job. What the files mean is in the job's code, whose operators
//! are opened once more, not to run but to tell what they keep.

mod checkpoint;
mod entries;
mod operator_state;

use std::{path::PathBuf, sync::Arc, thread};

use futures::{FutureExt, StreamExt, stream};
use headwater_actors::operator::CodeResolver;
use headwater_api::{
    EntriesQuery, InspectError, Inspector, Looked, TapStream,
    dto::{JobState, StateEntries},
};
use headwater_coordinator::{
    DispatcherHandle,
    tap::{Tap, TapEvent, TapRequest},
    view::JobDetails,
};
use headwater_core::{
    ids::{CheckpointId, JobId},
    shown::Redaction,
    supervision::panic_message,
};
use headwater_state::{FileCheckpointStore, StateEnv, StateError};
use tokio::sync::{Semaphore, oneshot};

/// So many requests read checkpoints at once; the others are told to come again.
const READERS_MAX: usize = 2;

/// Planning a query nests; a thread's usual 2 MiB are little for it.
const STACK_BYTES: usize = 16 << 20;

/// Where jobs are looked into.
#[derive(Clone)]
pub(crate) struct Lookable {
    pub(crate) checkpoints: FileCheckpointStore,
    pub(crate) state: StateEnv,
    pub(crate) data_dir: PathBuf,
    pub(crate) code: Arc<dyn CodeResolver>,
}

/// Looks into the jobs of one server.
pub(crate) struct Looker {
    dispatcher: DispatcherHandle,
    look: Lookable,
    redaction: Redaction,
    readers: Arc<Semaphore>,
}

impl Looker {
    /// `redaction` is what nobody sees, whatever they ask for.
    pub(crate) fn new(dispatcher: DispatcherHandle, look: Lookable, redaction: Redaction) -> Self {
        Self { dispatcher, look, redaction, readers: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Reads on a thread of its own, if not too many do.
    async fn read<T: Send + 'static>(
        &self,
        job: JobId,
        work: impl FnOnce(Lookable, JobDetails) -> Result<T, InspectError> + Send + 'static,
    ) -> Result<T, InspectError> {
        let details = self.dispatcher.job(job).await?;
        let busy = |_| InspectError::TooMany(READERS_MAX);
        let reader = self.readers.clone().try_acquire_owned().map_err(busy)?;
        let (done, answer) = oneshot::channel();
        let look = self.look.clone();
        let reading =
            thread::Builder::new().name("look".to_owned()).stack_size(STACK_BYTES).spawn(move || {
                let guarded = std::panic::AssertUnwindSafe(|| work(look, details));
                let result = std::panic::catch_unwind(guarded)
                    .unwrap_or_else(|panic| Err(InspectError::Unreadable(panic_message(&*panic))));
                drop(reader);
                // Whoever asked may have gone.
                let _ = done.send(result);
            });
        let failed = |error: &dyn std::fmt::Display| InspectError::Unreadable(error.to_string());
        reading.map_err(|error| failed(&error))?;
        answer.await.map_err(|error| failed(&error))?
    }
}

impl Inspector for Looker {
    fn tap(&self, request: TapRequest) -> Looked<'_, TapStream> {
        let redaction = request.redaction.and(&self.redaction);
        async move {
            let tap = self.dispatcher.tap(TapRequest { redaction, ..request }).await?;
            Ok(stream::unfold(Some(tap), next).boxed_local())
        }
        .boxed_local()
    }

    fn states(&self, job: JobId, checkpoint: Option<CheckpointId>) -> Looked<'_, JobState> {
        self.read(job, move |look, details| checkpoint::states(&look, &details, checkpoint)).boxed_local()
    }

    fn entries(&self, query: EntriesQuery) -> Looked<'_, StateEntries> {
        let redaction = self.redaction.clone();
        self.read(query.job, move |look, details| entries::page(&look, &details, &query, &redaction))
            .boxed_local()
    }
}

async fn next(tap: Option<Tap>) -> Option<(TapEvent, Option<Tap>)> {
    let mut tap = tap?;
    let event = tap.next().await;
    let is_end = matches!(event, TapEvent::End(_));
    Some((event, (!is_end).then_some(tap)))
}

/// What a failure to read means for whoever asked.
fn unreadable(error: StateError) -> InspectError {
    match error {
        StateError::Damaged { .. } => InspectError::Damaged(error.to_string()),
        error => InspectError::Unreadable(error.to_string()),
    }
}
