//! What of a job outlives the process.
//!
//! Keys: `job/<id>` holds a [`JobRecord`], written by the job's master alone once it was submitted;
//! `next-checkpoint/<id>` holds the number of the job's next checkpoint, written by its checkpoint coordinator alone;
//! `last-checkpoint/<id>` holds that of its newest completed one, so that it is missed if it is gone; `deletion/<id>` says that
//! the job is being deleted. `submission/<key>` holds what was submitted under the key of a job that is gone, and `process`
//! which process uses all this. What is under `history/` is in [`history_store`].

use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{
    codec,
    execution::ExecutionState,
    graph::JobGraph,
    ids::{CheckpointId, JobId},
    job::{JobSpec, JobStatus},
    store::{DurableStore, StoreError},
    time::TimestampMs,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{history_store, view::UnreadableJob};

const RECORD_VERSION: u16 = 3;
/// The one before, which had no idempotency key.
const OLD_RECORD_VERSION: u16 = 2;
const RECORDS: &str = "job/";
const DELETIONS: &str = "deletion/";
const SUBMISSIONS: &str = "submission/";
const PROCESS: &str = "process";

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

/// What was submitted under a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct StoredSubmission {
    pub(crate) job: JobId,
    pub(crate) body_hash: u64,
    pub(crate) at_ms: TimestampMs,
}

/// One of the processes that used the job store, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Incarnation {
    /// From 0.
    pub(crate) number: u64,
    /// About when it began: later than the one before, whatever the clock said.
    pub(crate) began_ms: TimestampMs,
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
        self.0.delete(&next_checkpoint_key(job))?;
        self.0.delete(&deletion_key(job))
    }

    /// Promises that a job is deleted, and says who wants it.
    pub(crate) fn put_deletion(&self, job: JobId, by: Option<&str>) -> Result<(), StoreError> {
        self.put_value(&deletion_key(job), &by)
    }

    /// The jobs that are to be deleted.
    pub(crate) fn deletions(&self) -> Result<BTreeMap<JobId, Option<String>>, StoreError> {
        let by_id = |(id, by): (String, Option<String>)| Some((id.parse().ok()?, by));
        Ok(self.scan(DELETIONS)?.into_iter().filter_map(by_id).collect())
    }

    /// What was submitted under the keys of jobs that are gone.
    pub(crate) fn submissions(&self) -> Result<Vec<(String, StoredSubmission)>, StoreError> {
        self.scan(SUBMISSIONS)
    }

    pub(crate) fn put_submission(&self, key: &str, submission: &StoredSubmission) -> Result<(), StoreError> {
        self.put_value(&format!("{SUBMISSIONS}{key}"), submission)
    }

    pub(crate) fn delete_submission(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(&format!("{SUBMISSIONS}{key}"))
    }

    /// Counts a process that begins now. If that cannot be read or written, as on a full disk, it begins all the same.
    pub(crate) fn begin_process(&self, now_ms: TimestampMs) -> Incarnation {
        let last = self.value::<Incarnation>(PROCESS);
        let began = match &last {
            Ok(Some(last)) => {
                Incarnation { number: last.number + 1, began_ms: now_ms.max(last.began_ms + 1) }
            }
            Ok(None) | Err(_) => Incarnation { number: 0, began_ms: now_ms },
        };
        if let Err(error) = last.and_then(|_| self.put_value(PROCESS, &began)) {
            tracing::error!(%error, "this process is not counted: its events may have the numbers of another's");
        }
        began
    }

    /// The number of the job's next checkpoint, as far as it was promised.
    pub(crate) fn next_checkpoint(&self, job: JobId) -> Result<CheckpointId, StoreError> {
        Ok(self.value(&next_checkpoint_key(job))?.unwrap_or(CheckpointId::FIRST))
    }

    pub(crate) fn put_next_checkpoint(&self, job: JobId, next: CheckpointId) -> Result<(), StoreError> {
        self.put_value(&next_checkpoint_key(job), &next)
    }

    /// The newest checkpoint that is known to have been completed and was not given up as damaged for an older one.
    pub(crate) fn last_checkpoint(&self, job: JobId) -> Result<Option<CheckpointId>, StoreError> {
        self.value(&last_checkpoint_key(job))
    }

    pub(crate) fn put_last_checkpoint(&self, job: JobId, last: CheckpointId) -> Result<(), StoreError> {
        self.put_value(&last_checkpoint_key(job), &last)
    }

    fn value<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.0.get(key)?.map(|bytes| decode_value(key, &bytes)).transpose()
    }

    fn put_value(&self, key: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let bytes = codec::encode(value).map_err(|error| StoreError(error.to_string()))?;
        self.0.put(key, &bytes)
    }

    /// All values below a prefix that can be read, by the rest of their keys.
    fn scan<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, StoreError> {
        let mut values = Vec::new();
        for (key, bytes) in self.0.scan(prefix)? {
            match bytes.and_then(|bytes| decode_value(&key, &bytes)) {
                Ok(value) => values.push((key[prefix.len()..].to_owned(), value)),
                Err(error) => tracing::error!(%error, "a part of the job store is passed over"),
            }
        }
        Ok(values)
    }
}

fn record_key(job: JobId) -> String {
    format!("{RECORDS}{job}")
}

fn deletion_key(job: JobId) -> String {
    format!("{DELETIONS}{job}")
}

fn next_checkpoint_key(job: JobId) -> String {
    format!("next-checkpoint/{job}")
}

fn last_checkpoint_key(job: JobId) -> String {
    format!("last-checkpoint/{job}")
}

fn decode_value<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, StoreError> {
    codec::decode(bytes).map_err(|error| StoreError(format!("what is under `{key}` cannot be read: {error}")))
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
