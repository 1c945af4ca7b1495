//! What a task did per second between two readings of its counters. Time is the task's own, which runs on evenly whatever
//! is done to the wall clock.

use headwater_core::execution::TaskMetrics;

/// The counters of an attempt at one moment; by default, when it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Since the attempt began.
    pub running_us: u64,
    pub(crate) late_records: u64,
    pub(crate) malformed_records: u64,
    busy_us: u64,
    backpressured_us: u64,
    records_in: u64,
    records_out: u64,
    bytes_in: u64,
    bytes_out: u64,
}

/// What an attempt did per second, over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskRates {
    /// Records taken in.
    pub records_in: f64,
    /// Records given out.
    pub records_out: f64,
    /// Records that came too late.
    pub late_records: f64,
    /// Records that could not be decoded.
    pub malformed_records: f64,
    /// Bytes taken in, about.
    pub bytes_in: f64,
    /// Bytes given out, about.
    pub bytes_out: f64,
    /// The share of the time that was spent working; this and the two that follow add up to 1.
    pub busy: f64,
    /// The share spent waiting for room downstream.
    pub backpressured: f64,
    /// The rest.
    pub idle: f64,
}

impl From<&TaskMetrics> for Counters {
    fn from(metrics: &TaskMetrics) -> Self {
        Self {
            running_us: metrics.running_us,
            late_records: metrics.late_records,
            malformed_records: metrics.malformed_records,
            busy_us: metrics.busy_us,
            backpressured_us: metrics.backpressured_us,
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            bytes_in: metrics.bytes_in,
            bytes_out: metrics.bytes_out,
        }
    }
}

impl Counters {
    /// What the same attempt did since an earlier reading; `None` if no time has passed.
    pub fn since(&self, before: &Self) -> Option<TaskRates> {
        let elapsed_us =
            self.running_us.checked_sub(before.running_us).filter(|elapsed| *elapsed > 0)? as f64;
        let growth = |counter: fn(&Self) -> u64| counter(self).saturating_sub(counter(before)) as f64;
        let per_second = |counter| growth(counter) * 1e6 / elapsed_us;
        let share = |counter| growth(counter) / elapsed_us;
        let busy = share(|counters| counters.busy_us).min(1.0);
        let backpressured = share(|counters| counters.backpressured_us).min(1.0 - busy);
        Some(TaskRates {
            records_in: per_second(|counters| counters.records_in),
            records_out: per_second(|counters| counters.records_out),
            late_records: per_second(|counters| counters.late_records),
            malformed_records: per_second(|counters| counters.malformed_records),
            bytes_in: per_second(|counters| counters.bytes_in),
            bytes_out: per_second(|counters| counters.bytes_out),
            busy,
            backpressured,
            idle: 1.0 - busy - backpressured,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(running_us: u64, records_in: u64, busy_us: u64) -> Counters {
        Counters { running_us, records_in, busy_us, backpressured_us: 250_000, ..Counters::default() }
    }

    #[test]
    fn rates_are_over_the_time_between_two_readings() {
        let before = counters(1_000_000, 100, 0);
        let rates = counters(3_000_000, 700, 1_000_000).since(&before).unwrap();
        assert_eq!((rates.records_in, rates.busy, rates.backpressured, rates.idle), (300.0, 0.5, 0.0, 0.5));
        assert_eq!(counters(1_000_000, 700, 0).since(&before), None, "no time has passed");
    }

    #[test]
    fn of_all_that_an_attempt_has_done_the_shares_never_exceed_the_time() {
        let rates = counters(1_000_000, 40, 90_000_000).since(&Counters::default()).unwrap();
        assert_eq!((rates.records_in, rates.busy, rates.backpressured, rates.idle), (40.0, 1.0, 0.0, 0.0));
    }
}
