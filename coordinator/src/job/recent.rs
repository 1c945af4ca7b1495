//! What a task has done of late: what its counters have grown by between two reports.

use std::collections::VecDeque;

use headwater_core::execution::TaskMetrics;

use crate::{rates::Counters, view::Recent};

/// How far back shares and rates look.
const SECONDS_US: u64 = 5_000_000;

/// How far back is looked for what is rare.
const MINUTE_US: u64 = 60_000_000;

/// Samples that are only there for the minute are so far apart.
const COARSE_US: u64 = 5_000_000;

/// An attempt's samples, oldest first. What came before the first report counts from nothing: the attempt began then. Their
/// time is the attempt's own, so that the wall clock may be set.
#[derive(Default)]
pub(super) struct Samples {
    fine: VecDeque<Counters>,
    coarse: VecDeque<Counters>,
}

impl Samples {
    pub(super) fn add(&mut self, metrics: &TaskMetrics) {
        let sample = Counters::from(metrics);
        if self.fine.is_empty() {
            self.coarse.push_back(Counters::default());
        }
        let is_coarse = |last: &Counters| sample.running_us.saturating_sub(last.running_us) >= COARSE_US;
        if self.coarse.back().is_none_or(is_coarse) {
            self.coarse.push_back(sample);
        }
        self.fine.push_back(sample);
        drop_older(&mut self.fine, sample.running_us.saturating_sub(SECONDS_US));
        drop_older(&mut self.coarse, sample.running_us.saturating_sub(MINUTE_US));
    }

    pub(super) fn recent(&self) -> Option<Recent> {
        let (first, last) = (self.fine.front()?, self.fine.back()?);
        let rates = last.since(first)?;
        let minute_ago = self.coarse.front()?;
        Some(Recent {
            over_ms: (last.running_us - first.running_us) / 1_000,
            busy_share: rates.busy,
            backpressured_share: rates.backpressured,
            idle_share: rates.idle,
            records_in_per_second: rates.records_in,
            records_out_per_second: rates.records_out,
            late_records: last.late_records.saturating_sub(minute_ago.late_records),
            malformed_records: last.malformed_records.saturating_sub(minute_ago.malformed_records),
        })
    }
}

/// Drops what lies wholly before `from_us`: the newest sample that does stays, so that the time from then on is covered.
fn drop_older(samples: &mut VecDeque<Counters>, from_us: u64) {
    while samples.get(1).is_some_and(|second| second.running_us <= from_us) {
        samples.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(seconds: u64, busy_us: u64, records_in: u64, late_records: u64) -> TaskMetrics {
        TaskMetrics {
            running_us: seconds * 1_000_000,
            busy_us,
            records_in,
            late_records,
            ..TaskMetrics::default()
        }
    }

    #[test]
    fn shares_are_of_the_last_seconds_and_not_of_the_whole_life() {
        let mut samples = Samples::default();
        samples.add(&metrics(0, 0, 0, 0));
        assert_eq!(samples.recent(), None);
        for second in 1..=100 {
            // Busy for 50 seconds, idle from then on.
            samples.add(&metrics(second, 1_000_000 * second.min(50), 0, 0));
        }
        let recent = samples.recent().unwrap();
        assert_eq!((recent.over_ms, recent.busy_share, recent.idle_share), (5_000, 0.0, 1.0));
    }

    #[test]
    fn what_is_rare_is_seen_for_a_minute() {
        let mut samples = Samples::default();
        samples.add(&metrics(0, 0, 0, 3));
        samples.add(&metrics(1, 0, 500, 3));
        let recent = samples.recent().unwrap();
        assert_eq!((recent.late_records, recent.records_in_per_second), (3, 500.0));
        for second in 2..=59 {
            samples.add(&metrics(second, 0, 500, 3));
        }
        assert_eq!(samples.recent().unwrap().late_records, 3);
        for second in 60..=130 {
            samples.add(&metrics(second, 0, 500, 3));
        }
        assert_eq!(samples.recent().unwrap().late_records, 0);
    }
}
