//! Per-second rates: what counters have grown by between two reports of the worker, over the task's time between those.

use std::collections::{BTreeMap, VecDeque};

pub(crate) use headwater_coordinator::rates::TaskRates;
use headwater_coordinator::{
    rates::Counters,
    view::{CheckpointStatus, SubtaskView},
};
use headwater_core::{
    execution::ExecutionState,
    ids::{CheckpointId, JobId, SubtaskId},
    time::TimestampMs,
};

use super::{JobSnapshot, Snapshot};

/// The rates that a scrape sees are means over as many samples; a history's sample is one.
const SAMPLES_MAX: usize = 11;

/// The counters of one subtask at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Reading {
    attempt: u32,
    counters: Counters,
}

impl Reading {
    fn of(subtask: &SubtaskView) -> Option<Self> {
        subtask.metrics_at_ms?;
        Some(Self { attempt: subtask.attempt, counters: Counters::from(&subtask.metrics) })
    }

    /// A new attempt counts from zero, and did so in between.
    fn since(&self, before: &Self) -> Option<TaskRates> {
        let goes_on = self.attempt == before.attempt;
        self.counters.since(&if goes_on { before.counters } else { Counters::default() })
    }
}

/// How many checkpoints of a job ended, counted since this process first saw the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct CheckpointCounts {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    last_ended: Option<CheckpointId>,
}

/// The newest samples of what runs.
#[derive(Default)]
pub(crate) struct Window {
    tasks: BTreeMap<(JobId, SubtaskId), VecDeque<Reading>>,
    checkpoints: BTreeMap<JobId, CheckpointCounts>,
}

impl Window {
    /// Takes a sample; what is no longer in it is forgotten.
    pub(crate) fn push(&mut self, snapshot: &Snapshot) {
        let mut tasks = BTreeMap::new();
        let mut checkpoints = BTreeMap::new();
        for job in &snapshot.jobs {
            let id = job.details.summary.id;
            let mut counts = self.checkpoints.remove(&id).unwrap_or_default();
            counts.add(job, snapshot.overview.started_at_ms);
            checkpoints.insert(id, counts);
            for subtask in job.details.vertices.iter().flatten() {
                let key = (id, subtask.subtask);
                let mut samples = self.tasks.remove(&key).unwrap_or_default();
                samples.extend(Reading::of(subtask).filter(|now| samples.back() != Some(now)));
                if samples.len() > SAMPLES_MAX {
                    samples.pop_front();
                }
                tasks.insert(key, samples);
            }
        }
        *self = Self { tasks, checkpoints };
    }

    /// Over the last sample.
    pub(crate) fn newest_rates(&self, job: JobId, subtask: &SubtaskView) -> Option<TaskRates> {
        self.rates(job, subtask, |samples| samples.iter().rev().nth(1))
    }

    /// Over all samples that are kept.
    pub(crate) fn mean_rates(&self, job: JobId, subtask: &SubtaskView) -> Option<TaskRates> {
        self.rates(job, subtask, |samples| {
            // Rates of an attempt are not to be mixed with those of the one before.
            let attempt = samples.back()?.attempt;
            let first = samples.iter().position(|reading| reading.attempt == attempt)?;
            samples.get(first.min(samples.len().checked_sub(2)?))
        })
    }

    fn rates<'a>(
        &'a self,
        job: JobId,
        subtask: &SubtaskView,
        before: impl FnOnce(&'a VecDeque<Reading>) -> Option<&'a Reading>,
    ) -> Option<TaskRates> {
        match subtask.state {
            ExecutionState::Finished => Some(TaskRates { idle: 1.0, ..TaskRates::default() }),
            state if state.is_live() => {
                let samples = self.tasks.get(&(job, subtask.subtask))?;
                samples.back()?.since(before(samples)?)
            }
            _ => None,
        }
    }

    /// The checkpoints of a job.
    pub(crate) fn checkpoints(&self, job: JobId) -> CheckpointCounts {
        self.checkpoints.get(&job).copied().unwrap_or_default()
    }
}

impl CheckpointCounts {
    /// What ended in the processes before is known, too, and does not count.
    fn add(&mut self, job: &JobSnapshot, started_at_ms: TimestampMs) {
        let last_ended = self.last_ended;
        for checkpoint in job.checkpoints.iter().rev().filter(|checkpoint| Some(checkpoint.id) > last_ended) {
            let counts = u64::from(checkpoint.triggered_at_ms >= started_at_ms);
            match &checkpoint.status {
                CheckpointStatus::InProgress => continue,
                CheckpointStatus::Completed => self.completed += counts,
                CheckpointStatus::Failed(_) => self.failed += counts,
            }
            self.last_ended = Some(checkpoint.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::execution::TaskMetrics;

    use super::*;

    fn reading(attempt: u32, running_us: u64, records_in: u64) -> Reading {
        let metrics = TaskMetrics { running_us, records_in, ..TaskMetrics::default() };
        Reading { attempt, counters: Counters::from(&metrics) }
    }

    #[test]
    fn a_new_attempt_counts_from_zero_and_never_gives_a_negative_rate() {
        let before = reading(0, 90_000_000, 1_000_000);
        let rates = reading(1, 2_000_000, 80).since(&before).unwrap();
        assert_eq!((rates.records_in, rates.idle), (40.0, 1.0));
        assert_eq!(reading(0, 92_000_000, 1_000_600).since(&before).unwrap().records_in, 300.0);
    }
}
