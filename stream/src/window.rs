//! Windows: which records belong together in time.
//!
//! Windows are cut into *slices*, the shortest stretches that no window divides. A record is aggregated into its one
//! slice; a window's result is its slices merged. So a sliding window costs each record one update, not one per window. (The
//! idea is that of "panes": Li et al., "No pane, no gain", SIGMOD Record 2005; Flink's SQL runtime does the same.)

mod fold;
mod operator;
mod slices;

pub(crate) use fold::{AggregateFold, CountFold, Fold, ReduceFold};
pub(crate) use operator::WindowHead;
pub(crate) use slices::{SliceAssigner, SliceEnd, WindowPlan};

use std::time::Duration;

use headwater_core::time::TimestampMs;

/// A window: from `start_ms`, inclusive, to `end_ms`, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWindow {
    /// Inclusive.
    pub start_ms: TimestampMs,
    /// Exclusive.
    pub end_ms: TimestampMs,
}

/// Which clock a window follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowTime {
    /// The records' timestamps and the watermark.
    Event,
    /// The machine's clock.
    Processing,
}

/// Divides time into windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowAssigner {
    pub(crate) name: String,
    pub(crate) time: WindowTime,
    pub(crate) plan: WindowPlan,
}

macro_rules! windows {
    ($(#[$doc:meta])* $tumbling:ident, $(#[$sliding_doc:meta])* $sliding:ident, $time:expr) => {
        $(#[$doc])*
        pub struct $tumbling;

        impl $tumbling {
            /// Windows of this size, aligned to 1970-01-01T00:00:00Z.
            pub fn of(size: Duration) -> WindowAssigner {
                let size_ms = size.as_millis() as i64;
                WindowAssigner {
                    name: format!("{}({size_ms})", stringify!($tumbling)),
                    time: $time,
                    plan: WindowPlan::sliding(size_ms, size_ms),
                }
            }
        }

        $(#[$sliding_doc])*
        pub struct $sliding;

        impl $sliding {
            /// Windows of this size, one beginning every `slide`, aligned to 1970-01-01T00:00:00Z.
            pub fn of(size: Duration, slide: Duration) -> WindowAssigner {
                let (size_ms, slide_ms) = (size.as_millis() as i64, slide.as_millis() as i64);
                WindowAssigner {
                    name: format!("{}({size_ms}, {slide_ms})", stringify!($sliding)),
                    time: $time,
                    plan: WindowPlan::sliding(size_ms, slide_ms),
                }
            }
        }
    };
}

windows! {
    /// Windows that follow one another without a gap, in event time.
    TumblingEventTimeWindows,
    /// Windows that overlap (or leave gaps, if the slide exceeds the size), in event time.
    SlidingEventTimeWindows,
    WindowTime::Event
}

windows! {
    /// Windows that follow one another without a gap, in processing time.
    TumblingProcessingTimeWindows,
    /// Windows that overlap (or leave gaps, if the slide exceeds the size), in processing time.
    SlidingProcessingTimeWindows,
    WindowTime::Processing
}

/// One window over all of a bounded stream; its results come when the stream ends. Records need no timestamps.
pub struct EndOfStreamWindows;

impl EndOfStreamWindows {
    /// The window.
    pub fn get() -> WindowAssigner {
        WindowAssigner {
            name: "EndOfStreamWindows".to_owned(),
            time: WindowTime::Event,
            plan: WindowPlan::EndOfStream,
        }
    }
}
