//! Timestamps and watermarks: how a stream learns its event time.

use std::{marker::PhantomData, time::Duration};

use headwater_core::time::{MIN_WATERMARK, NO_TIMESTAMP, TimestampMs};

use crate::chain::Chain;

/// How timestamps are taken from records and how far out of order they may be.
#[derive(Clone)]
pub struct WatermarkStrategy<T, F = fn(&T) -> TimestampMs> {
    assigner: Option<F>,
    out_of_orderness_ms: i64,
    idleness_ms: Option<i64>,
    records: PhantomData<fn(T)>,
}

impl<T> WatermarkStrategy<T> {
    /// Timestamps come at most this much later than a greater one. A record that comes later than that is late.
    pub fn for_bounded_out_of_orderness(bound: Duration) -> Self {
        Self {
            assigner: None,
            out_of_orderness_ms: bound.as_millis() as i64,
            idleness_ms: None,
            records: PhantomData,
        }
    }

    /// Timestamps never decrease.
    pub fn for_monotonous_timestamps() -> Self {
        Self::for_bounded_out_of_orderness(Duration::ZERO)
    }
}

impl<T, F> WatermarkStrategy<T, F> {
    /// Takes the timestamp from the record: milliseconds since 1970-01-01T00:00:00Z. Without this the source's own hold.
    pub fn with_timestamp_assigner<G>(self, assigner: G) -> WatermarkStrategy<T, G>
    where
        G: Fn(&T) -> TimestampMs + Clone + Send + Sync + 'static,
    {
        WatermarkStrategy {
            assigner: Some(assigner),
            out_of_orderness_ms: self.out_of_orderness_ms,
            idleness_ms: self.idleness_ms,
            records: PhantomData,
        }
    }

    /// A subtask that sees no record for so long is idle and doesn't hold the others' event time back.
    pub fn with_idleness(mut self, timeout: Duration) -> Self {
        self.idleness_ms = Some(timeout.as_millis() as i64);
        self
    }

    pub(crate) fn into_operator(self) -> AssignTimestamps<T, F> {
        AssignTimestamps {
            watermarks: Watermarks::new(self.out_of_orderness_ms, self.idleness_ms),
            assigner: self.assigner,
            records: PhantomData,
        }
    }
}

/// The bookkeeping of one watermark generator.
#[derive(Clone, Debug)]
pub struct Watermarks {
    out_of_orderness_ms: i64,
    idleness_ms: Option<i64>,
    greatest: TimestampMs,
    given_out: TimestampMs,
    is_idle: bool,
    last_record_at_ms: Option<TimestampMs>,
}

impl Watermarks {
    fn new(out_of_orderness_ms: i64, idleness_ms: Option<i64>) -> Self {
        Self {
            out_of_orderness_ms,
            idleness_ms,
            greatest: NO_TIMESTAMP,
            given_out: MIN_WATERMARK,
            is_idle: false,
            last_record_at_ms: None,
        }
    }

    /// The watermark, if it has progressed since the last call.
    pub(crate) fn advance(&mut self) -> Option<TimestampMs> {
        let watermark = self.greatest.saturating_sub(self.out_of_orderness_ms).saturating_sub(1);
        (watermark > self.given_out).then(|| {
            self.given_out = watermark;
            watermark
        })
    }

    /// Whether idleness is watched, and so the clock must be read for every batch.
    pub(crate) fn watches_idleness(&self) -> bool {
        self.idleness_ms.is_some()
    }

    /// There were records, or there was no room to read any. Returns whether this ends an idle time.
    pub(crate) fn on_alive(&mut self, now_ms: TimestampMs) -> bool {
        self.last_record_at_ms = Some(now_ms);
        std::mem::take(&mut self.is_idle)
    }

    /// When the subtask becomes idle if nothing comes until then.
    pub(crate) fn idle_at_ms(&self) -> Option<TimestampMs> {
        match (self.idleness_ms, self.last_record_at_ms) {
            (Some(timeout), Some(last)) if !self.is_idle => Some(last + timeout),
            _ => None,
        }
    }

    /// Returns whether the subtask has become idle.
    pub(crate) fn on_idle_check(&mut self, now_ms: TimestampMs) -> bool {
        let becomes_idle = self.idle_at_ms().is_some_and(|at| now_ms >= at);
        self.is_idle |= becomes_idle;
        becomes_idle
    }

    /// What a successor goes on from.
    pub(crate) fn position(&self) -> TimestampMs {
        self.greatest
    }

    pub(crate) fn restore(&mut self, position: TimestampMs) {
        self.greatest = position;
    }
}

/// Gives records their timestamps and keeps track of the watermark.
pub struct AssignTimestamps<T, F> {
    watermarks: Watermarks,
    assigner: Option<F>,
    records: PhantomData<fn(T)>,
}

impl<T, F: Clone> Clone for AssignTimestamps<T, F> {
    fn clone(&self) -> Self {
        Self { watermarks: self.watermarks.clone(), assigner: self.assigner.clone(), records: PhantomData }
    }
}

impl<T, F> Chain for AssignTimestamps<T, F>
where
    T: Send + 'static,
    F: Fn(&T) -> TimestampMs + Clone + Send + Sync + 'static,
{
    type In = T;
    type Out = T;

    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs, emit: &mut impl FnMut(T, TimestampMs)) {
        let timestamp = self.assigner.as_ref().map_or(timestamp, |assign| assign(&value));
        self.watermarks.greatest = self.watermarks.greatest.max(timestamp);
        emit(value, timestamp);
    }

    fn watermarks(&mut self) -> Option<&mut Watermarks> {
        Some(&mut self.watermarks)
    }

    fn names(&self, names: &mut Vec<String>) {
        names.push("Timestamps/Watermarks".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watermark_trails_the_greatest_timestamp_and_never_regresses() {
        let strategy = WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(10))
            .with_timestamp_assigner(|at: &i64| *at);
        let mut operator = strategy.into_operator();
        let mut push = |at| {
            operator.push(at, NO_TIMESTAMP, &mut |value, timestamp| assert_eq!(value, timestamp));
            operator.watermarks().unwrap().advance()
        };
        assert_eq!(push(100), Some(89));
        assert_eq!(push(95), None);
        assert_eq!(push(101), Some(90));
    }

    #[test]
    fn a_subtask_is_idle_after_its_timeout_and_until_its_next_record() {
        let mut watermarks = Watermarks::new(0, Some(1_000));
        watermarks.on_alive(5_000);
        assert!(!watermarks.on_idle_check(5_999));
        assert!(watermarks.on_idle_check(6_000));
        assert_eq!(watermarks.idle_at_ms(), None);
        assert!(watermarks.on_alive(7_000));
    }
}
