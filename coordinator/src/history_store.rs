//! What was written down of a job, in the job store: failures, checkpoints, attempts and events, the newest of each.
//!
//! Keys: `history/<id>/<part>`. It is saved a moment after it has changed, not with every change, so that a process that
//! is killed loses the last moment of it, and nobody waits for the disk: no job depends on it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use headwater_core::{
    codec,
    ids::{JobId, SubtaskId},
    store::{DurableStore, StoreError},
    supervision::panic_message,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::sleep;

use crate::{
    job::cell::JobCell,
    services::Services,
    view::{AttemptView, CheckpointView, ExceptionView, JobEventView},
};

const HISTORY_VERSION: u16 = 1;
/// How long changes are gathered.
const SAVE_AFTER: Duration = Duration::from_secs(2);

/// What is stored apart, since it changes at times of its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    Exceptions,
    Checkpoints,
    Attempts,
    Events,
}

const PARTS: [Part; 4] = [Part::Exceptions, Part::Checkpoints, Part::Attempts, Part::Events];

impl Part {
    fn key(self, job: JobId) -> String {
        let name = match self {
            Self::Exceptions => "exceptions",
            Self::Checkpoints => "checkpoints",
            Self::Attempts => "attempts",
            Self::Events => "events",
        };
        format!("history/{job}/{name}")
    }
}

/// A part as it is to be stored.
pub(crate) struct PartBytes {
    part: Part,
    bytes: Result<Vec<u8>, StoreError>,
}

impl PartBytes {
    pub(crate) fn new(part: Part, entries: &impl Serialize) -> Self {
        let bytes = codec::encode(&(HISTORY_VERSION, entries)).map_err(|error| StoreError(error.to_string()));
        Self { part, bytes }
    }
}

/// All of it; each oldest first.
#[derive(Default)]
pub(crate) struct History {
    pub(crate) exceptions: Vec<ExceptionView>,
    pub(crate) checkpoints: Vec<CheckpointView>,
    pub(crate) attempts: Vec<(SubtaskId, Vec<AttemptView>)>,
    pub(crate) events: Vec<JobEventView>,
}

/// What is stored of a job's history. What cannot be read is missing in it: a job does not wait for its past.
pub(crate) fn load(store: &dyn DurableStore, job: JobId) -> History {
    History {
        exceptions: part(store, job, Part::Exceptions),
        checkpoints: part(store, job, Part::Checkpoints),
        attempts: part(store, job, Part::Attempts),
        events: part(store, job, Part::Events),
    }
}

fn part<T: DeserializeOwned + Default>(store: &dyn DurableStore, job: JobId, part: Part) -> T {
    let key = part.key(job);
    let decoded = store.get(&key).and_then(|bytes| bytes.map(|bytes| decode(&bytes)).transpose());
    match decoded {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => {
            tracing::warn!(%job, key, %error, "a part of the job's history cannot be read and is not shown");
            T::default()
        }
    }
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let wrong = |error: codec::CodecError| StoreError(error.to_string());
    let (version, used) = codec::decode_prefix::<u16>(bytes).map_err(wrong)?;
    if version != HISTORY_VERSION {
        return Err(StoreError(format!("expected version {HISTORY_VERSION}, found {version}")));
    }
    codec::decode(&bytes[used..]).map_err(wrong)
}

/// Removes all of a job's history.
pub(crate) fn delete(store: &dyn DurableStore, job: JobId) -> Result<(), StoreError> {
    PARTS.into_iter().try_for_each(|part| store.delete(&part.key(job)))
}

/// Saves the history of all jobs whenever it has changed, for as long as the process lives.
pub(crate) async fn keep_saved(services: Arc<Services>) {
    loop {
        services.recorder.until_unsaved().await;
        sleep(SAVE_AFTER).await;
        for cell in services.jobs.all() {
            // Nobody supervises this, and what goes wrong with one job must not end it for all.
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| save(&services, &cell))) {
                let message = panic_message(&*panic);
                tracing::error!(job = %cell.id, message, "saving the job's history panicked");
            }
        }
    }
}

/// Saves what has changed in a job's history.
pub(crate) fn save(services: &Services, cell: &JobCell) {
    for PartBytes { part, bytes } in cell.take_unsaved() {
        let saved = bytes.and_then(|bytes| services.store.0.put_unsynced(&part.key(cell.id), &bytes));
        if let Err(error) = saved {
            tracing::warn!(job = %cell.id, ?part, %error, "a part of the job's history could not be saved");
            cell.is_unsaved(part);
        }
    }
}
