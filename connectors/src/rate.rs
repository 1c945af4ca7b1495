//! A limit on the rate of a source: a token bucket.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use headwater_actors::context::TaskError;
use tokio::time::{Instant, Sleep, sleep_until};

/// A fast source is woken so often rather than once per row.
const TICK: Duration = Duration::from_millis(10);

/// What was not read in time is made up for up to so much time, no further: a source that stood still doesn't flood.
const BURST: Duration = Duration::from_millis(100);

/// Says how many rows may be read now.
#[derive(Debug)]
pub struct RateLimit {
    rows_per_second: f64,
    /// Rows that may be read, as of `counted_at`.
    credit: f64,
    counted_at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl RateLimit {
    /// A limit that grants its first row at once.
    pub fn new(rows_per_second: f64) -> Result<Self, TaskError> {
        if !(rows_per_second.is_finite() && rows_per_second > 0.0) {
            return Err(TaskError::Connector(format!(
                "rate of a source: expected a number of rows per second above 0, found {rows_per_second}"
            )));
        }
        Ok(Self { rows_per_second, credit: 1.0, counted_at: None, timer: None })
    }

    /// How many rows may be read, at least 1 and at most `rows_max`; `Pending` until there is one, or a tick's worth.
    pub fn poll_rows(&mut self, context: &mut Context<'_>, rows_max: usize) -> Poll<usize> {
        loop {
            let now = Instant::now();
            self.count(now);
            if self.credit >= 1.0 {
                self.timer = None;
                return Poll::Ready((self.credit as usize).min(rows_max));
            }
            let wanted = (self.rows_per_second * TICK.as_secs_f64()).max(1.0);
            let wait_seconds = ((wanted - self.credit) / self.rows_per_second).min(3600.0);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(now + Duration::from_secs_f64(wait_seconds))));
            ready!(timer.as_mut().poll(context));
            self.timer = None;
        }
    }

    /// Takes note of rows that were read.
    pub fn spend(&mut self, rows: usize) {
        self.credit -= rows as f64;
    }

    fn count(&mut self, now: Instant) {
        let elapsed = now - self.counted_at.unwrap_or(now);
        let credit_max = (self.rows_per_second * BURST.as_secs_f64()).max(1.0);
        self.credit = (self.credit + elapsed.as_secs_f64() * self.rows_per_second).min(credit_max);
        self.counted_at = Some(now);
    }
}

/// [`RateLimit::poll_rows`] of an optional limit.
pub fn poll_rows(limit: &mut Option<RateLimit>, context: &mut Context<'_>, rows_max: usize) -> Poll<usize> {
    limit.as_mut().map_or(Poll::Ready(rows_max), |limit| limit.poll_rows(context, rows_max))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn rows_in(limit: &mut RateLimit, window: Duration) -> (usize, usize) {
        let (end, mut rows, mut batches) = (Instant::now() + window, 0, 0);
        loop {
            let granted = poll_fn(|context| limit.poll_rows(context, 1024)).await;
            if Instant::now() > end {
                return (rows, batches);
            }
            limit.spend(granted);
            rows += granted;
            batches += 1;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_kept_in_small_batches() {
        for rate in [2.5, 40.0, 1000.0, 500_000.0] {
            let (rows, batches) = rows_in(&mut RateLimit::new(rate).unwrap(), Duration::from_secs(10)).await;
            let expected = rate * 10.0;
            assert!(
                (rows as f64 - expected).abs() <= expected * 0.02 + 1.0,
                "{rows} rows at {rate} a second"
            );
            assert!(
                batches as f64 >= (10.0 * 10.0_f64).min(expected),
                "{batches} batches at {rate} a second"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_during_a_long_stop_is_not_made_up_for() {
        let mut limit = RateLimit::new(1000.0).unwrap();
        rows_in(&mut limit, Duration::from_secs(1)).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        let (rows, _) = rows_in(&mut limit, Duration::from_secs(1)).await;
        assert!((1000..=1110).contains(&rows), "{rows} rows in the second after a stop");
    }

    #[test]
    fn a_rate_that_makes_no_sense_is_refused() {
        assert!(RateLimit::new(0.0).is_err());
        assert!(RateLimit::new(f64::NAN).is_err());
    }
}
