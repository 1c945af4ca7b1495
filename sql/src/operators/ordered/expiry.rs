//! State that was not written to for the time to live of `table.exec.state.ttl` goes.

use std::{ops::Range, sync::Arc};

use headwater_actors::context::TaskContext;
use headwater_core::{
    key_group::KeyGroup,
    time::{Clock, TimestampMs},
};
use headwater_state::{StateError, Table, Value};

use crate::rows::RowBytes;

/// The shortest time between two sweeps.
const MIN_SWEEP_MS: i64 = 100;

/// Tells what has expired, and when to look for it: a key group at a time, all of them within one time to live.
pub(crate) struct Expiry {
    ttl_ms: Option<i64>,
    clock: Arc<dyn Clock>,
    now_ms: TimestampMs,
    groups: Range<KeyGroup>,
    next_group: KeyGroup,
    next_sweep_ms: TimestampMs,
}

impl Expiry {
    /// `None` or 0: nothing ever expires.
    pub fn new(ttl_ms: Option<i64>, task: &TaskContext) -> Self {
        let groups = task.key_groups();
        let mut expiry = Self {
            ttl_ms: ttl_ms.filter(|ttl_ms| *ttl_ms > 0),
            clock: task.clock.clone(),
            now_ms: 0,
            next_group: groups.start,
            groups,
            next_sweep_ms: 0,
        };
        expiry.read_clock();
        expiry.next_sweep_ms = expiry.now_ms.saturating_add(expiry.sweep_interval_ms());
        expiry
    }

    /// To be called for every batch.
    pub fn read_clock(&mut self) {
        if self.ttl_ms.is_some() {
            self.now_ms = self.clock.now_ms();
        }
    }

    /// The time at which a value is written; 0 if nothing expires.
    #[inline]
    pub fn now_ms(&self) -> TimestampMs {
        self.now_ms
    }

    /// Whether a value that was written then is no longer there.
    #[inline]
    pub fn is_over(&self, written_ms: TimestampMs) -> bool {
        self.ttl_ms.is_some_and(|ttl_ms| written_ms.saturating_add(ttl_ms) <= self.now_ms)
    }

    /// When to sweep.
    pub fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.ttl_ms.map(|_| self.next_sweep_ms)
    }

    /// Removes what is over of the key groups whose turn it is.
    pub fn sweep<V: Value>(
        &mut self,
        now_ms: TimestampMs,
        table: &mut Table<RowBytes, V>,
        written_ms: impl Fn(&V) -> TimestampMs,
    ) -> Result<(), StateError> {
        for group in self.due_groups(now_ms) {
            let over = self.find_over(group, table, &written_ms)?;
            let mut table = table.select(0)?;
            for (hash, key) in &over {
                table.remove(*hash, key)?;
            }
        }
        Ok(())
    }

    /// The keys of a group whose values are over.
    pub fn find_over<V: Value>(
        &self,
        group: KeyGroup,
        table: &mut Table<RowBytes, V>,
        written_ms: impl Fn(&V) -> TimestampMs,
    ) -> Result<Vec<(u64, RowBytes)>, StateError> {
        let mut over = Vec::new();
        table.scan(0, group, |hash, key, value| {
            if self.is_over(written_ms(value)) {
                over.push((hash, key.clone()));
            }
        })?;
        Ok(over)
    }

    /// The key groups that are to be swept now.
    pub fn due_groups(&mut self, now_ms: TimestampMs) -> Vec<KeyGroup> {
        if self.ttl_ms.is_none() || self.groups.is_empty() {
            return Vec::new();
        }
        self.now_ms = now_ms;
        let interval_ms = self.sweep_interval_ms();
        let missed = (now_ms.saturating_sub(self.next_sweep_ms) / interval_ms).max(0) as usize;
        let due = (missed + 1).min(self.groups.len());
        self.next_sweep_ms = now_ms.saturating_add(interval_ms);
        (0..due)
            .map(|_| {
                let group = self.next_group;
                self.next_group = if group + 1 < self.groups.end { group + 1 } else { self.groups.start };
                group
            })
            .collect()
    }

    fn sweep_interval_ms(&self) -> i64 {
        let ttl_ms = self.ttl_ms.unwrap_or(i64::MAX);
        (ttl_ms / self.groups.len().max(1) as i64).max(MIN_SWEEP_MS)
    }
}
