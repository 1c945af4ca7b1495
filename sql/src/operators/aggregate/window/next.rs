//! Which windows there are, and which one is next.

use headwater_core::time::TimestampMs;

use super::{WindowAggregate, Windowing};
use crate::operators::window::{WindowKind, WindowTime};

impl WindowAggregate {
    pub(super) fn kind(&self) -> Option<WindowKind> {
        match self.windowing {
            Windowing::Sliced { kind, .. } | Windowing::Presliced { kind, .. } => Some(kind),
            Windowing::Attached { .. } => None,
        }
    }

    pub(super) fn last_window_of(&self, slice: TimestampMs) -> Option<TimestampMs> {
        self.kind().map_or(Some(slice), |kind| kind.last_window_of(slice))
    }

    pub(super) fn windows_of(&self, slice: TimestampMs) -> Vec<TimestampMs> {
        self.kind().map_or_else(|| vec![slice], |kind| kind.windows_of(slice).collect())
    }

    /// The end of the first window that has not fired: those of later slices end no earlier.
    pub(super) fn first_end(&self) -> Option<TimestampMs> {
        let is_unfired = |end: &TimestampMs| end.saturating_sub(1) > self.fired_up_to;
        self.table.iter_namespaces().find_map(|slice| match self.kind() {
            Some(kind) => kind.windows_of(slice).find(is_unfired),
            None => Some(slice).filter(is_unfired),
        })
    }

    pub(super) fn find_next_end(&mut self) {
        if self.time == WindowTime::Processing {
            self.next_end = self.first_end();
        }
    }
}
