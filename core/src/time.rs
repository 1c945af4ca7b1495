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
