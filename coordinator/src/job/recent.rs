//! What a task has done of late: what its counters have grown by between two reports.

use std::collections::VecDeque;

use headwater_core::{execution::TaskMetrics, time::TimestampMs};

use crate::view::Recent;

/// How far back shares and rates look.
const SECONDS_MS: i64 = 5_000;

/// How far back is looked for what is rare.
const MINUTE_MS: i64 = 60_000;

/// Samples that are only there for the minute are so far apart.
const COARSE_MS: i64 = 5_000;

#[derive(Clone, Copy)]
struct Sample {
    at_ms: TimestampMs,
    running_us: u64,
    busy_us: u64,
    backpressured_us: u64,
    records_in: u64,
    records_out: u64,
    late: u64,
    malformed: u64,
}

/// An attempt's samples, oldest first. What came before the first report counts from nothing: the attempt began then.
#[derive(Default)]
pub(super) struct Samples {
    fine: VecDeque<Sample>,
    coarse: VecDeque<Sample>,
}

impl Samples {
    pub(super) fn add(&mut self, at_ms: TimestampMs, metrics: &TaskMetrics) {
        let sample = Sample {
            at_ms,
            running_us: metrics.running_us,
            busy_us: metrics.busy_us,
            backpressured_us: metrics.backpressured_us,
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            late: metrics.late_records,
            malformed: metrics.malformed_records,
        };
        if self.fine.is_empty() {
            let began_ms = at_ms.saturating_sub((metrics.running_us / 1_000) as i64);
            self.coarse.push_back(Sample { at_ms: began_ms, late: 0, malformed: 0, ..sample });
        }
        if self.coarse.back().is_none_or(|last| at_ms.saturating_sub(last.at_ms) >= COARSE_MS) {
            self.coarse.push_back(sample);
        }
        self.fine.push_back(sample);
        drop_older(&mut self.fine, at_ms - SECONDS_MS);
        drop_older(&mut self.coarse, at_ms - MINUTE_MS);
    }

    pub(super) fn recent(&self) -> Option<Recent> {
        let (first, last) = (self.fine.front()?, self.fine.back()?);
        let over_us = last.running_us.checked_sub(first.running_us).filter(|over| *over > 0)?;
        let share = |now: u64, then: u64| (now.saturating_sub(then) as f64 / over_us as f64).min(1.0);
        let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 * 1e6 / over_us as f64;
        let busy_share = share(last.busy_us, first.busy_us);
        let backpressured_share = share(last.backpressured_us, first.backpressured_us).min(1.0 - busy_share);
        let minute_ago = self.coarse.front()?;
        Some(Recent {
            over_ms: over_us / 1_000,
            busy_share,
            backpressured_share,
            idle_share: (1.0 - busy_share - backpressured_share).max(0.0),
            records_in_per_second: per_second(last.records_in, first.records_in),
            records_out_per_second: per_second(last.records_out, first.records_out),
            late_records: last.late.saturating_sub(minute_ago.late),
            malformed_records: last.malformed.saturating_sub(minute_ago.malformed),
        })
    }
}

/// Drops what lies wholly before `from_ms`: the newest sample that does stays, so that the time from then on is covered.
fn drop_older(samples: &mut VecDeque<Sample>, from_ms: TimestampMs) {
    while samples.get(1).is_some_and(|second| second.at_ms <= from_ms) {
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
        samples.add(0, &metrics(0, 0, 0, 0));
        assert_eq!(samples.recent(), None);
        for second in 1..=100 {
            // Busy for 50 seconds, idle from then on.
            samples.add(second * 1_000, &metrics(second as u64, 1_000_000 * second.min(50) as u64, 0, 0));
        }
        let recent = samples.recent().unwrap();
        assert_eq!((recent.over_ms, recent.busy_share, recent.idle_share), (5_000, 0.0, 1.0));
    }

    #[test]
    fn what_is_rare_is_seen_for_a_minute() {
        let mut samples = Samples::default();
        samples.add(250, &metrics(0, 0, 0, 3));
        samples.add(1_000, &metrics(1, 0, 500, 3));
        let recent = samples.recent().unwrap();
        assert_eq!((recent.late_records, recent.records_in_per_second), (3, 500.0));
        for second in 2..=59 {
            samples.add(second * 1_000, &metrics(second as u64, 0, 500, 3));
        }
        assert_eq!(samples.recent().unwrap().late_records, 3);
        for second in 60..=130 {
            samples.add(second * 1_000, &metrics(second as u64, 0, 500, 3));
        }
        assert_eq!(samples.recent().unwrap().late_records, 0);
    }
}
