//! What of a job outlives the process.
//!
//! Keys: `job/<id>` holds a [`JobRecord`], written by the job's master alone once it was submitted;
//! `next-checkpoint/<id>` holds the number of the job's next checkpoint, written by its checkpoint coordinator alone;
//! `last-checkpoint/<id>` holds that of its newest completed one, so that it is missed if it is gone. What is under
//! `history/` is in [`history_store`].

use std::sync::Arc;

use headwater_core::{
    codec,
    execution::ExecutionState,
    graph::JobGraph,
    ids::{CheckpointId, JobId},
    job::{JobSpec, JobStatus},
    store::{DurableStore, StoreError},
    time::TimestampMs,
};
use serde::{Deserialize, Serialize};

use crate::{history_store, view::UnreadableJob};

const RECORD_VERSION: u16 = 3;
/// The one before, which had no idempotency key.
const OLD_RECORD_VERSION: u16 = 2;
const RECORDS: &str = "job/";

/// A job as it is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    pub(crate) id: JobId,
    pub(crate) spec: JobSpec,
    pub(crate) graph: JobGraph,
    pub(crate) status: JobStatus,
    pub(crate) submitted_at_ms: TimestampMs,
    pub(crate) started_at_ms: Option<TimestampMs>,
    pub(crate) ended_at_ms: Option<TimestampMs>,
    pub(crate) restarts: u32,
    /// Whether tasks were ever deployed, so that a further deployment is a restart.
    pub(crate) was_deployed: bool,
    pub(crate) root_cause: Option<String>,
    /// The last state of each subtask, in the graph's order; empty until the job has ended.
    pub(crate) final_states: Vec<ExecutionState>,
    /// Whether what an ended job leaves behind was removed.
    pub(crate) is_cleaned: bool,
    /// What it was submitted under. Stored after all else, where records of the old version end.
    #[serde(skip)]
    pub(crate) idempotency: Option<IdempotencyKey>,
}

/// What makes a submission that is sent again the same one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IdempotencyKey {
    /// Chosen by the client.
    pub key: String,
    /// The hash of the request's body.
    pub body_hash: u64,
}

impl JobRecord {
    pub(crate) fn new(id: JobId, spec: JobSpec, graph: JobGraph, submitted_at_ms: TimestampMs) -> Self {
        Self {
            id,
            spec,
            graph,
            status: JobStatus::Initializing,
            submitted_at_ms,
            started_at_ms: None,
            ended_at_ms: None,
            restarts: 0,
            was_deployed: false,
            root_cause: None,
            final_states: Vec::new(),
            is_cleaned: false,
            idempotency: None,
        }
    }
}

/// The job store: [`DurableStore`] in the control plane's words.
#[derive(Clone)]
pub(crate) struct JobStore(pub(crate) Arc<dyn DurableStore>);

impl JobStore {
    pub(crate) fn put(&self, record: &JobRecord) -> Result<(), StoreError> {
        let bytes = codec::encode(&(RECORD_VERSION, record, &record.idempotency))
            .map_err(|error| StoreError(error.to_string()))?;
        self.0.put(&record_key(record.id), &bytes)
    }

    pub(crate) fn get(&self, job: JobId) -> Result<JobRecord, StoreError> {
        let key = record_key(job);
        let bytes = self.0.get(&key)?.ok_or_else(|| StoreError(format!("no record under `{key}`")))?;
        decode_record(&key, &bytes)
    }

    /// Every job's record, and what is wrong with those that cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<Result<JobRecord, UnreadableJob>>, StoreError> {
        let decode = |(key, bytes): (String, Result<Vec<u8>, StoreError>)| {
            let record = bytes.and_then(|bytes| decode_record(&key, &bytes));
            record.map_err(|StoreError(reason)| UnreadableJob { id: key[RECORDS.len()..].to_owned(), reason })
        };
        Ok(self.0.scan(RECORDS)?.into_iter().map(decode).collect())
    }

    /// Forgets a job altogether. What says how far it had come goes behind its record: without that, a job of which a crash left the
    /// record could be begun anew.
    pub(crate) fn delete(&self, job: JobId) -> Result<(), StoreError> {
        history_store::delete(&*self.0, job)?;
        self.0.delete(&record_key(job))?;
        self.0.delete(&last_checkpoint_key(job))?;
        self.0.delete(&next_checkpoint_key(job))
    }

    /// The number of the job's next checkpoint, as far as it was promised.
    pub(crate) fn next_checkpoint(&self, job: JobId) -> Result<CheckpointId, StoreError> {
        Ok(self.checkpoint(&next_checkpoint_key(job))?.unwrap_or(CheckpointId::FIRST))
    }

    pub(crate) fn put_next_checkpoint(&self, job: JobId, next: CheckpointId) -> Result<(), StoreError> {
        self.put_checkpoint(&next_checkpoint_key(job), next)
    }

    /// The newest checkpoint that is known to have been completed and was not given up as damaged for an older one.
    pub(crate) fn last_checkpoint(&self, job: JobId) -> Result<Option<CheckpointId>, StoreError> {
        self.checkpoint(&last_checkpoint_key(job))
    }

    pub(crate) fn put_last_checkpoint(&self, job: JobId, last: CheckpointId) -> Result<(), StoreError> {
        self.put_checkpoint(&last_checkpoint_key(job), last)
    }

    fn checkpoint(&self, key: &str) -> Result<Option<CheckpointId>, StoreError> {
        let decode = |bytes: Vec<u8>| {
            codec::decode(&bytes)
                .map_err(|error| StoreError(format!("the number under `{key}` cannot be read: {error}")))
        };
        self.0.get(key)?.map(decode).transpose()
    }

    fn put_checkpoint(&self, key: &str, checkpoint: CheckpointId) -> Result<(), StoreError> {
        let bytes = codec::encode(&checkpoint).map_err(|error| StoreError(error.to_string()))?;
        self.0.put(key, &bytes)
    }
}

fn record_key(job: JobId) -> String {
    format!("{RECORDS}{job}")
}

fn next_checkpoint_key(job: JobId) -> String {
    format!("next-checkpoint/{job}")
}

fn last_checkpoint_key(job: JobId) -> String {
    format!("last-checkpoint/{job}")
}

fn decode_record(key: &str, bytes: &[u8]) -> Result<JobRecord, StoreError> {
    let wrong = |reason: String| StoreError(format!("the record `{key}` cannot be read: {reason}"));
    let (version, used) = codec::decode_prefix::<u16>(bytes).map_err(|error| wrong(error.to_string()))?;
    let rest = &bytes[used..];
    let decoded = match version {
        OLD_RECORD_VERSION => codec::decode(rest),
        RECORD_VERSION => codec::decode(rest)
            .map(|(record, idempotency): (JobRecord, _)| JobRecord { idempotency, ..record }),
        _ => {
            let expected =
                format!("expected version {OLD_RECORD_VERSION} or {RECORD_VERSION}, found {version}");
            return Err(wrong(expected));
        }
    };
    decoded.map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use headwater_core::{job::Args, options::JobOptions};

    use super::*;

    #[test]
    fn records_of_the_version_before_are_read_and_others_are_refused_by_their_number() {
        let (name, program) = ("Words".to_owned(), "word_count".to_owned());
        let spec = JobSpec { name, program, args: Args::new(), options: JobOptions::default() };
        let record = JobRecord::new(JobId::random(), spec, JobGraph::default(), 7);
        let old = codec::encode(&(OLD_RECORD_VERSION, &record)).unwrap();
        assert_eq!(decode_record("job/x", &old).unwrap(), record);

        let key = IdempotencyKey { key: "order-66".to_owned(), body_hash: 9 };
        let keyed = JobRecord { idempotency: Some(key), ..record };
        let new = codec::encode(&(RECORD_VERSION, &keyed, &keyed.idempotency)).unwrap();
        assert_eq!(decode_record("job/x", &new).unwrap(), keyed);

        let next = codec::encode(&(RECORD_VERSION + 1, &keyed)).unwrap();
        let refused = decode_record("job/x", &next).unwrap_err().to_string();
        assert!(refused.contains("expected version 2 or 3, found 4"), "{refused}");
    }
}
