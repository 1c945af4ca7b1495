//! Slice arithmetic: timestamps to slices, slices to windows. Windows and slices are named by their ends.

use headwater_core::time::{NO_TIMESTAMP, TimestampMs};
use serde_json::json;

use super::TimeWindow;

/// The end of a slice, exclusive.
pub(crate) type SliceEnd = TimestampMs;

/// The end of the one slice and window of a bounded stream.
const END_OF_STREAM: TimestampMs = TimestampMs::MAX;

/// A slice may be part of very many windows.
const WINDOWS_SHOWN_MAX: usize = 100;

/// How time is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowPlan {
    /// A window of `size_ms` begins every `slide_ms`.
    Sliding { size_ms: i64, slide_ms: i64, slice_ms: i64 },
    /// One window over everything.
    EndOfStream,
}

impl WindowPlan {
    pub(crate) fn sliding(size_ms: i64, slide_ms: i64) -> Self {
        Self::Sliding { size_ms, slide_ms, slice_ms: greatest_common_divisor(size_ms, slide_ms) }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn validate(&self) -> Result<(), String> {
        match *self {
            Self::Sliding { size_ms, slide_ms, .. } if size_ms <= 0 || slide_ms <= 0 => Err(format!(
                "windows need a size and a slide of at least 1 ms: found a size of {size_ms} ms and a slide of {slide_ms} ms"
            )),
            _ => Ok(()),
        }
    }

    /// The ends of the windows that a slice belongs to, ascending.
    pub(crate) fn windows_of(&self, slice: SliceEnd) -> impl Iterator<Item = TimestampMs> + use<> {
        let (first, last, step) = match *self {
            Self::EndOfStream => (END_OF_STREAM, END_OF_STREAM, 1),
            Self::Sliding { size_ms, slide_ms, slice_ms } => {
                // A window [start, start + size) holds the slice if start <= slice - width and slice <= start + size,
                // where every start is a multiple of the slide.
                let last_start = (slice - slice_ms).div_euclid(slide_ms) * slide_ms;
                let first_start = (slice - size_ms + slide_ms - 1).div_euclid(slide_ms) * slide_ms;
                (first_start + size_ms, last_start + size_ms, slide_ms)
            }
        };
        std::iter::successors(Some(first), move |end| end.checked_add(step))
            .take_while(move |end| *end <= last)
    }

    /// The end of the last window that a slice belongs to; none if it falls into a gap between windows.
    pub(crate) fn last_window_of(&self, slice: SliceEnd) -> Option<TimestampMs> {
        match *self {
            Self::EndOfStream => Some(END_OF_STREAM),
            Self::Sliding { size_ms, slide_ms, slice_ms } => {
                let end = (slice - slice_ms).div_euclid(slide_ms) * slide_ms + size_ms;
                (end >= slice).then_some(end)
            }
        }
    }

    /// A slice and its windows, for people.
    pub(crate) fn show_slice(&self, slice: SliceEnd) -> serde_json::Value {
        let Self::Sliding { slice_ms, .. } = *self else { return json!({ "all_of_the_stream": true }) };
        let windows: Vec<_> = self
            .windows_of(slice)
            .take(WINDOWS_SHOWN_MAX)
            .map(|end| self.window(end))
            .map(|window| json!({ "start_ms": window.start_ms, "end_ms": window.end_ms }))
            .collect();
        json!({ "start_ms": slice - slice_ms, "end_ms": slice, "windows": windows })
    }

    /// The window with this end.
    pub(crate) fn window(&self, end_ms: TimestampMs) -> TimeWindow {
        match *self {
            Self::EndOfStream => TimeWindow { start_ms: TimestampMs::MIN, end_ms },
            Self::Sliding { size_ms, .. } => TimeWindow { start_ms: end_ms - size_ms, end_ms },
        }
    }
}

/// Gives rows their slices. Most rows are of the same slice as the one before.
#[derive(Debug, Clone)]
pub(crate) struct SliceAssigner {
    slice_ms: i64,
    current: std::ops::Range<TimestampMs>,
    /// Whether a row without a timestamp was seen where one is needed.
    pub(crate) missed_timestamp: bool,
}

impl SliceAssigner {
    pub(crate) fn new(plan: WindowPlan) -> Self {
        let (slice_ms, current) = match plan {
            WindowPlan::Sliding { slice_ms, .. } => (slice_ms, 0..0),
            // NO_TIMESTAMP is the least timestamp: this range holds every one but the greatest.
            WindowPlan::EndOfStream => (i64::MAX, TimestampMs::MIN..END_OF_STREAM),
        };
        Self { slice_ms, current, missed_timestamp: false }
    }

    #[inline]
    pub(crate) fn slice_of(&mut self, timestamp: TimestampMs) -> SliceEnd {
        if !self.current.contains(&timestamp) {
            self.move_to(timestamp);
        }
        self.current.end
    }

    #[cold]
    fn move_to(&mut self, timestamp: TimestampMs) {
        if self.current.end == END_OF_STREAM {
            return;
        }
        if timestamp == NO_TIMESTAMP {
            self.missed_timestamp = true;
            return;
        }
        let start = timestamp.div_euclid(self.slice_ms) * self.slice_ms;
        self.current = start..start.saturating_add(self.slice_ms);
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_is_in_exactly_the_windows_that_its_slice_is_in(
            size in 1i64..50, slide in 1i64..50, timestamp in -1_000i64..1_000,
        ) {
            let plan = WindowPlan::sliding(size, slide);
            let slice = SliceAssigner::new(plan).slice_of(timestamp);
            let expected: Vec<i64> = (-2_000..2_000)
                .filter(|start| start % slide == 0 && (*start..*start + size).contains(&timestamp))
                .map(|start| start + size)
                .collect();
            let found: Vec<i64> = plan.windows_of(slice).collect();
            prop_assert_eq!(plan.last_window_of(slice), expected.last().copied());
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn one_window_holds_a_whole_bounded_stream_with_or_without_timestamps() {
        let mut slices = SliceAssigner::new(WindowPlan::EndOfStream);
        assert_eq!(slices.slice_of(NO_TIMESTAMP), END_OF_STREAM);
        assert_eq!(slices.slice_of(42), END_OF_STREAM);
        assert!(!slices.missed_timestamp);
        assert_eq!(WindowPlan::EndOfStream.windows_of(END_OF_STREAM).collect::<Vec<_>>(), [END_OF_STREAM]);
    }
}
