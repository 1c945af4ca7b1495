//! Event time, watermarks and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// A point in event or processing time: milliseconds since 1970-01-01T00:00:00Z.
pub type TimestampMs = i64;

/// The timestamp of a record that was given none.
pub const NO_TIMESTAMP: TimestampMs = i64::MIN;

/// The watermark before any: nothing is known of the progress of event time.
pub const MIN_WATERMARK: TimestampMs = i64::MIN;

/// The last watermark of a bounded stream: no record can come any more, so every window may fire.
pub const MAX_WATERMARK: TimestampMs = i64::MAX;

/// The wall clock, behind a seam so that tests and simulations bring their own.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> TimestampMs;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> TimestampMs {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

/// A difference of less is none: clocks are read one after the other, and threads wait for a processor in between.
const SET_MIN_MS: i64 = 30_000;

/// Finds out that the wall clock was set, by a clock that runs on evenly, so that what is dated by the one can be moved
/// along: "since when" is to go on meaning "for how long".
#[derive(Debug, Default)]
pub struct ClockWatch {
    last: Option<(TimestampMs, u64)>,
}

impl ClockWatch {
    /// Takes what both clocks show. By how much the wall clock was set since they were last taken: forward, if it is positive;
    /// 0 if it was not, or by so little that it does not matter.
    pub fn set_by_ms(&mut self, wall_ms: TimestampMs, even_ms: u64) -> i64 {
        let (last_wall_ms, last_even_ms) =
            self.last.replace((wall_ms, even_ms)).unwrap_or((wall_ms, even_ms));
        let passed_ms = i64::try_from(even_ms.saturating_sub(last_even_ms)).unwrap_or(i64::MAX);
        let set_by_ms = wall_ms.saturating_sub(last_wall_ms).saturating_sub(passed_ms);
        if set_by_ms.saturating_abs() < SET_MIN_MS { 0 } else { set_by_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_from_one_that_runs() {
        let mut watch = ClockWatch::default();
        assert_eq!(watch.set_by_ms(1_000_000, 50), 0);
        assert_eq!(watch.set_by_ms(1_250_007, 250_050), 0, "time passes");
        assert_eq!(watch.set_by_ms(4_850_257, 250_300), 3_600_000);
        assert_eq!(watch.set_by_ms(1_250_507, 250_550), -3_600_000);
        assert_eq!(watch.set_by_ms(1_250_757, 250_800), 0);
    }
}
