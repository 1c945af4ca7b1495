//! Aggregation before the shuffle: rows of the same key and slice are merged where they arise, so that a frequent key
//! crosses once per slice instead of once per row. That pays only while keys repeat, which is observed, not assumed: a
//! sample with few repeats switches it off for a while.

use std::{hash::Hash, marker::PhantomData};

use hashbrown::HashTable;
use headwater_actors::{
    context::{TaskContext, TaskError},
    output::Output,
};
use headwater_core::{
    key_group::hash_key,
    time::{MIN_WATERMARK, NO_TIMESTAMP, TimestampMs},
};

use super::{Tail, TailFactory, scatter::Scatter};
use crate::{
    data::Data,
    show,
    window::{Fold, SliceAssigner, SliceEnd, WindowTime},
};

/// A table larger than this is handed on: it would no longer stay in the core's cache.
const ENTRIES_MAX: usize = 32 * 1024;

/// A sample smaller than this says nothing about repeats.
const SAMPLE_ROWS_MIN: u64 = 8 * 1024;

/// How many rows go straight through after a sample with few repeats.
const BYPASS_ROWS: u64 = 1 << 20;

/// In processing time, results must not be held back for long under full load.
const PROCESSING_TIME_ROWS_MAX: u64 = 64 * 1024;

/// What crosses to a window operator: a key with what its rows amount to so far. The timestamp beside it is the end of
/// the slice that they belong to.
pub(crate) type Partial<K, A> = (K, A);

struct Entry<K, A> {
    hash: u64,
    key: K,
    accumulator: A,
}

struct SliceTable<K, A> {
    slice: SliceEnd,
    entries: HashTable<Entry<K, A>>,
}

pub(crate) struct CombineTail<T, K, F, A: Fold<T>> {
    key_of: F,
    fold: A,
    slices: SliceAssigner,
    is_event_time: bool,
    tables: Vec<SliceTable<K, A::Acc>>,
    scatter: Scatter<Partial<K, A::Acc>>,
    rows_sampled: u64,
    entries_sampled: u64,
    bypass_rows_left: u64,
    /// The watermark passed on last: rows behind it may be late, so they are not merged and can be counted.
    watermark: TimestampMs,
    rows: PhantomData<fn(T)>,
}

pub(crate) struct CombineTailFactory<T, K, F, A> {
    pub key_of: F,
    pub fold: A,
    pub slices: SliceAssigner,
    pub time: WindowTime,
    pub types: PhantomData<fn(T) -> K>,
}

impl<T, K, F, A> TailFactory<T> for CombineTailFactory<T, K, F, A>
where
    T: Send + 'static,
    K: Data + Hash + Eq,
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    A: Fold<T>,
{
    type Tail = CombineTail<T, K, F, A>;

    fn open(&self, context: &TaskContext, _: Option<&[u8]>) -> Result<Self::Tail, TaskError> {
        Ok(CombineTail {
            key_of: self.key_of.clone(),
            fold: self.fold.clone(),
            slices: self.slices.clone(),
            is_event_time: self.time == WindowTime::Event,
            tables: Vec::new(),
            scatter: Scatter::new(context, show::partial, Some(show::PARTIAL)),
            rows_sampled: 0,
            entries_sampled: 0,
            bypass_rows_left: 0,
            watermark: MIN_WATERMARK,
            rows: PhantomData,
        })
    }
}

impl<T, K, F, A> CombineTail<T, K, F, A>
where
    T: Send + 'static,
    K: Data + Hash + Eq,
    F: Fn(&T) -> K + 'static,
    A: Fold<T>,
{
    #[inline]
    fn combine(&mut self, slice: SliceEnd, hash: u64, key: K, value: T) {
        let table = match self.tables.last_mut() {
            Some(table) if table.slice == slice => table,
            _ => Self::table_of(&mut self.tables, slice),
        };
        self.rows_sampled += 1;
        match table.entries.find_mut(hash, |entry| entry.hash == hash && entry.key == key) {
            Some(entry) => self.fold.add(&mut entry.accumulator, value),
            None => {
                let accumulator = self.fold.lift(value);
                table.entries.insert_unique(hash, Entry { hash, key, accumulator }, |entry| entry.hash);
                self.entries_sampled += 1;
            }
        }
    }

    /// The table of a slice, moved to the end: the slice of the next row is most likely the same.
    #[cold]
    fn table_of(tables: &mut Vec<SliceTable<K, A::Acc>>, slice: SliceEnd) -> &mut SliceTable<K, A::Acc> {
        let table = match tables.iter().position(|table| table.slice == slice) {
            Some(at) => tables.remove(at),
            None => SliceTable { slice, entries: HashTable::new() },
        };
        tables.push(table);
        let last = tables.len() - 1;
        &mut tables[last]
    }

    fn scatter_tables(&mut self, is_due: impl Fn(SliceEnd) -> bool) {
        for table in self.tables.iter_mut().filter(|table| is_due(table.slice)) {
            for Entry { hash, key, accumulator } in table.entries.drain() {
                self.scatter.push((key, accumulator), table.slice, hash);
            }
        }
        self.tables.retain(|table| !table.entries.is_empty());
    }

    fn judge_sample(&mut self) {
        if self.rows_sampled >= SAMPLE_ROWS_MIN && self.entries_sampled * 2 > self.rows_sampled {
            self.bypass_rows_left = BYPASS_ROWS;
        }
        self.rows_sampled = 0;
        self.entries_sampled = 0;
    }
}

impl<T, K, F, A> Tail<T> for CombineTail<T, K, F, A>
where
    T: Send + 'static,
    K: Data + Hash + Eq,
    F: Fn(&T) -> K + 'static,
    A: Fold<T>,
{
    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs) {
        let key = (self.key_of)(&value);
        let hash = hash_key(&key);
        // In processing time the receiver's clock assigns the slice.
        let slice = if self.is_event_time { self.slices.slice_of(timestamp) } else { NO_TIMESTAMP };
        let may_be_late = self.is_event_time && slice.saturating_sub(1) <= self.watermark;
        if self.bypass_rows_left > 0 || may_be_late {
            self.bypass_rows_left = self.bypass_rows_left.saturating_sub(1);
            self.scatter.push((key, self.fold.lift(value)), slice, hash);
        } else {
            self.combine(slice, hash, key, value);
        }
    }

    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if self.slices.missed_timestamp {
            return Err(TaskError::Function(
                "a record without a timestamp came to an event-time window: call \
                 assign_timestamps_and_watermarks before the window, or use a processing-time window"
                    .to_owned(),
            ));
        }
        let held: usize = self.tables.iter().map(|table| table.entries.len()).sum();
        let held_too_long = !self.is_event_time && self.rows_sampled >= PROCESSING_TIME_ROWS_MAX;
        if held >= ENTRIES_MAX || held_too_long {
            self.judge_sample();
            self.scatter_tables(|_| true);
        }
        self.scatter.send_full(output);
        Ok(())
    }

    fn before_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<(), TaskError> {
        if self.is_event_time {
            self.scatter_tables(|slice| slice.saturating_sub(1) <= watermark);
            self.watermark = watermark;
        }
        // What has already left the tables must not be overtaken, the rest may stay.
        self.scatter.send_all(output);
        Ok(())
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.scatter_tables(|_| true);
        self.scatter.send_all(output);
        Ok(())
    }
}
