//! Per-second rates: what counters have grown by between two reports of the worker, over the time between those.

use std::collections::{BTreeMap, VecDeque};

use headwater_coordinator::view::{CheckpointStatus, SubtaskView};
use headwater_core::{
    execution::ExecutionState,
    ids::{CheckpointId, JobId, SubtaskId},
    time::TimestampMs,
};

use super::{JobSnapshot, Snapshot};

/// The rates that a scrape sees are means over as many samples; a history's sample is one.
const SAMPLES_MAX: usize = 11;

/// What a subtask did per second.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct TaskRates {
    pub(crate) records_in: f64,
    pub(crate) records_out: f64,
    pub(crate) late_records: f64,
    pub(crate) malformed_records: f64,
    pub(crate) bytes_in: f64,
    pub(crate) bytes_out: f64,
    /// Shares of the time, from 0 to 1, that add up to about 1.
    pub(crate) busy: f64,
    pub(crate) backpressured: f64,
    pub(crate) idle: f64,
}

/// The counters of one subtask at one moment.
#[derive(Clone, Copy)]
struct Counters {
    at_ms: TimestampMs,
    attempt: u32,
    records_in: u64,
    records_out: u64,
    late_records: u64,
    malformed_records: u64,
    bytes_in: u64,
    bytes_out: u64,
    busy_us: u64,
    backpressured_us: u64,
    idle_us: u64,
}

impl Counters {
    fn of(subtask: &SubtaskView) -> Option<Self> {
        let metrics = &subtask.metrics;
        Some(Self {
            at_ms: subtask.metrics_at_ms?,
            attempt: subtask.attempt,
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            late_records: metrics.late_records,
            malformed_records: metrics.malformed_records,
            bytes_in: metrics.bytes_in,
            bytes_out: metrics.bytes_out,
            busy_us: metrics.busy_us,
            backpressured_us: metrics.backpressured_us,
            idle_us: metrics.idle_us,
        })
    }

    /// `None` if no report has come in between. A new attempt counts from zero, and did so in between.
    fn since(&self, before: &Self) -> Option<TaskRates> {
        let elapsed_ms = self.at_ms.checked_sub(before.at_ms).filter(|elapsed| *elapsed > 0)? as f64;
        let goes_on = self.attempt == before.attempt;
        let growth = |counter: fn(&Self) -> u64| {
            let from = if goes_on { counter(before) } else { 0 };
            counter(self).saturating_sub(from) as f64
        };
        let per_second = |counter| growth(counter) * 1_000.0 / elapsed_ms;
        // The worker's clock and the tasks' stopwatches are not one clock.
        let share = |counter| (growth(counter) / 1_000.0 / elapsed_ms).min(1.0);
        Some(TaskRates {
            records_in: per_second(|counters| counters.records_in),
            records_out: per_second(|counters| counters.records_out),
            late_records: per_second(|counters| counters.late_records),
            malformed_records: per_second(|counters| counters.malformed_records),
            bytes_in: per_second(|counters| counters.bytes_in),
            bytes_out: per_second(|counters| counters.bytes_out),
            busy: share(|counters| counters.busy_us),
            backpressured: share(|counters| counters.backpressured_us),
            idle: share(|counters| counters.idle_us),
        })
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
    tasks: BTreeMap<(JobId, SubtaskId), VecDeque<Counters>>,
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
                let news = Counters::of(subtask)
                    .filter(|now| samples.back().is_none_or(|last| last.at_ms != now.at_ms));
                samples.extend(news);
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
            let first = samples.iter().position(|counters| counters.attempt == attempt)?;
            samples.get(first.min(samples.len().checked_sub(2)?))
        })
    }

    fn rates<'a>(
        &'a self,
        job: JobId,
        subtask: &SubtaskView,
        before: impl FnOnce(&'a VecDeque<Counters>) -> Option<&'a Counters>,
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
    use super::*;

    fn counters(at_ms: TimestampMs, attempt: u32, records_in: u64, busy_us: u64) -> Counters {
        Counters {
            at_ms,
            attempt,
            records_in,
            records_out: 0,
            late_records: 0,
            malformed_records: 0,
            bytes_in: 0,
            bytes_out: 0,
            busy_us,
            backpressured_us: 250_000,
            idle_us: 0,
        }
    }

    #[test]
    fn rates_are_over_the_time_between_the_workers_reports() {
        let before = counters(1_000, 0, 100, 0);
        let rates = counters(3_000, 0, 700, 1_000_000).since(&before).unwrap();
        assert_eq!((rates.records_in, rates.busy, rates.backpressured, rates.idle), (300.0, 0.5, 0.0, 0.0));
        assert_eq!(counters(1_000, 0, 700, 0).since(&before), None, "nothing was reported in between");
    }

    #[test]
    fn a_new_attempt_counts_from_zero_and_never_gives_a_negative_rate() {
        let before = counters(1_000, 0, 1_000_000, 900_000);
        let rates = counters(2_000, 1, 40, 500_000).since(&before).unwrap();
        assert_eq!((rates.records_in, rates.busy, rates.backpressured, rates.idle), (40.0, 0.5, 0.25, 0.0));
    }

    #[test]
    fn shares_never_exceed_the_time() {
        let rates = counters(2_000, 0, 0, 90_000_000).since(&counters(1_000, 0, 0, 0)).unwrap();
        assert_eq!(rates.busy, 1.0);
    }
}
