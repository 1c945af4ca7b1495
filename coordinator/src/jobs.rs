//! All jobs that the process knows. However many have ended, those that have not are found at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use headwater_core::{ids::JobId, job::JobStatus, time::TimestampMs};

use crate::{job::cell::JobCell, supervisor::lock};

/// How many jobs are remembered once they have ended, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RememberedJobs {
    /// Beyond so many the one that ended first is forgotten.
    pub max: usize,
    /// Whatever ended so long ago is forgotten.
    pub for_ms: Option<TimestampMs>,
}

impl Default for RememberedJobs {
    fn default() -> Self {
        Self { max: 200, for_ms: None }
    }
}

/// When something happened, and to which job: an order without ties.
type At = (TimestampMs, JobId);

pub(crate) struct Jobs {
    remembered: RememberedJobs,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_id: BTreeMap<JobId, Arc<JobCell>>,
    by_submission: BTreeMap<At, Arc<JobCell>>,
    live: BTreeMap<At, Arc<JobCell>>,
    by_end: BTreeMap<At, (JobStatus, Arc<JobCell>)>,
}

/// The jobs that matter most, and how many there are.
pub(crate) struct Glance {
    /// Newest first.
    pub(crate) live: Vec<Arc<JobCell>>,
    /// Those that ended last.
    pub(crate) ended: Vec<Arc<JobCell>>,
    /// The states of all that have ended.
    pub(crate) ended_by_status: Vec<(JobStatus, usize)>,
}

impl Jobs {
    pub(crate) fn new(remembered: RememberedJobs) -> Self {
        Self { remembered, known: Mutex::default() }
    }

    pub(crate) fn get(&self, job: JobId) -> Option<Arc<JobCell>> {
        lock(&self.known).by_id.get(&job).cloned()
    }

    /// All jobs, newest first.
    pub(crate) fn all(&self) -> Vec<Arc<JobCell>> {
        lock(&self.known).by_submission.values().rev().cloned().collect()
    }

    /// Those that have not ended, newest first.
    pub(crate) fn live(&self) -> Vec<Arc<JobCell>> {
        lock(&self.known).live.values().rev().cloned().collect()
    }

    pub(crate) fn glance(&self, ended_max: usize) -> Glance {
        let known = lock(&self.known);
        let mut ended_by_status: Vec<(JobStatus, usize)> = Vec::new();
        for (status, _) in known.by_end.values() {
            match ended_by_status.iter_mut().find(|(counted, _)| counted == status) {
                Some((_, count)) => *count += 1,
                None => ended_by_status.push((*status, 1)),
            }
        }
        Glance {
            live: known.live.values().rev().cloned().collect(),
            ended: known.by_end.values().rev().take(ended_max).map(|(_, cell)| cell.clone()).collect(),
            ended_by_status,
        }
    }

    /// Takes a job in, or takes note that it has ended, or goes on.
    pub(crate) fn put(&self, cell: &Arc<JobCell>) {
        let mut known = lock(&self.known);
        known.take(cell.id);
        let submission = (cell.submitted_at_ms, cell.id);
        known.by_id.insert(cell.id, Arc::clone(cell));
        known.by_submission.insert(submission, Arc::clone(cell));
        match cell.end() {
            Some((status, ended_at_ms)) => {
                known.by_end.insert((ended_at_ms, cell.id), (status, Arc::clone(cell)));
            }
            None => {
                known.live.insert(submission, Arc::clone(cell));
            }
        }
    }

    /// Takes a job out.
    pub(crate) fn take(&self, job: JobId) {
        lock(&self.known).take(job);
    }

    /// Takes out those that ended first, as far as they are too many or too old.
    pub(crate) fn take_superfluous(&self, now_ms: TimestampMs) -> Vec<Arc<JobCell>> {
        let mut known = lock(&self.known);
        let mut taken = Vec::new();
        while let Some(((ended_at_ms, job), (_, cell))) = known.by_end.first_key_value() {
            let is_old = self.remembered.for_ms.is_some_and(|for_ms| now_ms - ended_at_ms >= for_ms);
            if !is_old && known.by_end.len() <= self.remembered.max {
                break;
            }
            let job = *job;
            taken.push(Arc::clone(cell));
            known.take(job);
        }
        taken
    }
}

impl Known {
    fn take(&mut self, job: JobId) {
        let Some(cell) = self.by_id.remove(&job) else { return };
        let submission = (cell.submitted_at_ms, job);
        self.by_submission.remove(&submission);
        if self.live.remove(&submission).is_none() {
            // When it had ended may be gone from its record: it is about to go on.
            self.by_end.retain(|(_, other), _| *other != job);
        }
    }
}
