//! Windows of event or processing time, and the slices that they are made of.
//!
//! A slice is the longest stretch of time that no window's boundary cuts, named by its end. Aggregating by slice and merging
//! slices when a window ends costs one update per row however many windows overlap (Li et al., "No pane, no gain", 2005).

use headwater_core::time::TimestampMs;
use serde::{Deserialize, Serialize};

/// Which time a window is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WindowTime {
    /// The rows' own, up to the watermark.
    Event,
    /// The wall clock's.
    Processing,
}

/// The windowing table functions but for SESSION, with lengths in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WindowKind {
    /// Windows side by side.
    Tumble {
        /// Their length.
        size: i64,
        /// Where they are aligned, from the epoch.
        offset: i64,
    },
    /// Windows that overlap.
    Hop {
        /// Their length.
        size: i64,
        /// From one start to the next.
        slide: i64,
        /// Where they are aligned.
        offset: i64,
    },
    /// Windows that begin together and end step by step.
    Cumulate {
        /// The length of the longest.
        max: i64,
        /// From one end to the next; a part of `max`.
        step: i64,
        /// Where they are aligned.
        offset: i64,
    },
}

fn floor(value: i64, length: i64, offset: i64) -> i64 {
    value.saturating_sub((value.wrapping_sub(offset)).rem_euclid(length))
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl WindowKind {
    /// The length of a slice.
    pub fn slice_length(&self) -> i64 {
        match *self {
            Self::Tumble { size, .. } => size,
            Self::Hop { size, slide, .. } => gcd(size, slide),
            Self::Cumulate { step, .. } => step,
        }
    }

    fn offset(&self) -> i64 {
        match *self {
            Self::Tumble { offset, .. } | Self::Hop { offset, .. } | Self::Cumulate { offset, .. } => offset,
        }
    }

    /// The end of the slice that a time is in.
    #[inline]
    pub fn slice_of(&self, time: TimestampMs) -> TimestampMs {
        let length = self.slice_length();
        floor(time, length, self.offset()).saturating_add(length)
    }

    /// The windows that contain a slice: the first end, and from one end to the next, and the last end. There may be none, between
    /// windows that hop further than they are long.
    fn ends_of(&self, slice: TimestampMs) -> (TimestampMs, i64, TimestampMs) {
        match *self {
            Self::Tumble { size, .. } => (slice, size, slice),
            Self::Hop { size, slide, offset } => {
                let length = self.slice_length();
                let last = floor(slice - length, slide, offset) + size;
                // The earliest window whose end is not before the slice's.
                let first = last - (last - slice).div_euclid(slide) * slide;
                (first, slide, last)
            }
            Self::Cumulate { max, step, offset } => {
                (slice, step, floor(slice - 1, max, offset).saturating_add(max))
            }
        }
    }

    /// The ends of the windows that contain a slice, ascending.
    pub fn windows_of(&self, slice: TimestampMs) -> impl Iterator<Item = TimestampMs> + use<> {
        let (first, step, last) = self.ends_of(slice);
        std::iter::successors(Some(first), move |end| end.checked_add(step))
            .take_while(move |end| *end <= last)
    }

    /// The end of the last window that contains a slice.
    #[inline]
    pub fn last_window_of(&self, slice: TimestampMs) -> Option<TimestampMs> {
        let (first, _, last) = self.ends_of(slice);
        (first <= last).then_some(last)
    }

    /// Where the window with this end begins.
    pub fn start_of(&self, end: TimestampMs) -> TimestampMs {
        match *self {
            Self::Tumble { size, .. } | Self::Hop { size, .. } => end.saturating_sub(size),
            Self::Cumulate { max, offset, .. } => floor(end - 1, max, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All windows that contain a time, by definition.
    fn naive(kind: WindowKind, time: i64) -> Vec<(i64, i64)> {
        let mut windows = Vec::new();
        for end in time + 1..time + 200 {
            let start = kind.start_of(end);
            let is_aligned = match kind {
                WindowKind::Tumble { size, offset } => (start - offset).rem_euclid(size) == 0,
                WindowKind::Hop { slide, offset, .. } => (start - offset).rem_euclid(slide) == 0,
                WindowKind::Cumulate { step, .. } => (end - start).rem_euclid(step) == 0,
            };
            if is_aligned && start <= time && time < end {
                windows.push((start, end));
            }
        }
        windows
    }

    proptest! {
        #[test]
        fn a_row_is_in_the_windows_of_its_slice(
            time in -500i64..500, size in 1i64..40, slide in 1i64..40, offset in -20i64..20, steps in 1i64..6,
        ) {
            for kind in [
                WindowKind::Tumble { size, offset },
                WindowKind::Hop { size, slide, offset },
                WindowKind::Cumulate { max: slide * steps, step: slide, offset },
            ] {
                let slice = kind.slice_of(time);
                prop_assert!(slice - kind.slice_length() <= time && time < slice);
                let windows: Vec<_> = kind.windows_of(slice).map(|end| (kind.start_of(end), end)).collect();
                prop_assert_eq!(&windows, &naive(kind, time), "{:?}", kind);
                prop_assert_eq!(kind.last_window_of(slice), windows.last().map(|window| window.1));
            }
        }
    }
}
