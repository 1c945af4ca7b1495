//! What was submitted in the last day under which idempotency key, so that what is sent again does not run twice.
//!
//! As long as a job is there, its record has its key. Before the record goes, the key goes to `submission/<key>`, and only
//! so many of these are kept: a key is forgotten early if more jobs than that were deleted in a day.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use headwater_core::{ids::JobId, store::StoreError, time::TimestampMs};

use crate::{
    job_store::{IdempotencyKey, JobStore, StoredSubmission},
    supervisor::lock,
};

/// How long a submission that is sent again is the same one.
const KEPT_MS: TimestampMs = 24 * 60 * 60 * 1_000;
/// Keys of jobs that are gone.
const STORED_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Submissions(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_key: BTreeMap<String, StoredSubmission>,
    /// Those that are stored by themselves, oldest first.
    stored: BTreeSet<(TimestampMs, String)>,
}

impl Submissions {
    /// What was submitted under this key, if that is not too long ago.
    pub(crate) fn find(&self, key: &str, now_ms: TimestampMs) -> Option<StoredSubmission> {
        lock(&self.0).by_key.get(key).filter(|known| is_recent(known, now_ms)).cloned()
    }

    /// Takes note of a job that is there.
    pub(crate) fn add(&self, key: &IdempotencyKey, job: JobId, at_ms: TimestampMs) {
        lock(&self.0).add(key.key.clone(), StoredSubmission { job, body_hash: key.body_hash, at_ms });
    }

    /// Takes note of jobs that are gone, as an earlier process stored them.
    pub(crate) fn load(&self, store: &JobStore) -> Result<(), StoreError> {
        let stored = store.submissions()?;
        let mut known = lock(&self.0);
        for (key, submission) in stored {
            known.stored.insert((submission.at_ms, key.clone()));
            known.add(key, submission);
        }
        Ok(())
    }

    /// Makes the key of a job outlive the job's record. Old ones go.
    pub(crate) fn outlive(
        &self,
        store: &JobStore,
        key: &IdempotencyKey,
        now_ms: TimestampMs,
    ) -> Result<(), StoreError> {
        let mut known = lock(&self.0);
        if let Some(submission) = known.by_key.get(&key.key).filter(|known| is_recent(known, now_ms)) {
            store.put_submission(&key.key, submission)?;
            let entry = (submission.at_ms, key.key.clone());
            known.stored.insert(entry);
        }
        for (at_ms, key) in known.superfluous(now_ms) {
            store.delete_submission(&key)?;
            known.by_key.remove(&key);
            known.stored.remove(&(at_ms, key));
        }
        Ok(())
    }
}

impl Known {
    fn add(&mut self, key: String, submission: StoredSubmission) {
        if let Some(older) = self.by_key.get(&key) {
            if older.at_ms > submission.at_ms {
                return;
            }
            // What is stored of it is overwritten, or goes when the next process finds it.
            self.stored.remove(&(older.at_ms, key.clone()));
        }
        self.by_key.insert(key, submission);
    }

    fn superfluous(&self, now_ms: TimestampMs) -> Vec<(TimestampMs, String)> {
        let too_many = self.stored.len().saturating_sub(STORED_MAX);
        let is_superfluous = |(index, (at_ms, _)): &(usize, &(TimestampMs, String))| {
            *index < too_many || *at_ms <= now_ms - KEPT_MS
        };
        self.stored.iter().enumerate().take_while(is_superfluous).map(|(_, entry)| entry.clone()).collect()
    }
}

fn is_recent(submission: &StoredSubmission, now_ms: TimestampMs) -> bool {
    submission.at_ms > now_ms - KEPT_MS
}
