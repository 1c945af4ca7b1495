//! What a task counts, and the proof of life that is read from another thread.

use std::{
    hint,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicI64, AtomicU8, AtomicU64,
            Ordering::{Acquire, Relaxed, Release, SeqCst},
            fence,
        },
    },
    thread,
    time::Instant,
};

use headwater_core::{
    execution::{ActivityKind, Gauges, TaskMetrics},
    ids::CheckpointId,
    time::{MIN_WATERMARK, TimestampMs},
};

const NEVER: i64 = i64::MIN;

/// How often a reader looks again if the task changes its activity meanwhile. One that changes that fast is alive.
const READS_MAX: u32 = 10_000;
/// How many of these without letting others run.
const SPINS_MAX: u32 = 100;

/// In the order of their declaration.
const ACTIVITIES: [ActivityKind; 8] = [
    ActivityKind::Opening,
    ActivityKind::Processing,
    ActivityKind::Firing,
    ActivityKind::Snapshotting,
    ActivityKind::Committing,
    ActivityKind::Aligning,
    ActivityKind::WaitingForInput,
    ActivityKind::WaitingForRoom,
];

/// A row that a function panicked at, as seen from the end of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedRow {
    /// How many rows of the batch come behind it.
    pub behind: u64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
}

/// A task's counters: written by its thread once per batch, read by the worker's reporter.
#[derive(Debug)]
pub struct TaskCounters {
    records_in: AtomicU64,
    records_out: AtomicU64,
    late_records: AtomicU64,
    malformed_records: AtomicU64,
    watermark_ms: AtomicI64,
    first_record_at_ms: AtomicI64,
    reconnects: AtomicU64,
    writing_checkpoint: AtomicU64,
    clockwork: Clockwork,
    gauges: Mutex<Gauges>,
    failed_row: Mutex<Option<FailedRow>>,
}

/// Where a task's time goes. Its thread is the only one that writes; a sequence number, as in a seqlock, tells readers
/// whether what they have read belongs together.
#[derive(Debug)]
struct Clockwork {
    origin: Instant,
    sequence: AtomicU64,
    activity: AtomicU8,
    checkpoint: AtomicU64,
    since_us: AtomicU64,
    busy_us: AtomicU64,
    backpressured_us: AtomicU64,
    /// Pieces of work that came to something.
    pieces: AtomicU64,
}

/// What a task's clockwork shows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) running_us: u64,
    pub(crate) busy_us: u64,
    pub(crate) backpressured_us: u64,
    pub(crate) activity: ActivityKind,
    pub(crate) checkpoint: Option<CheckpointId>,
    /// How long the activity lasts already.
    pub(crate) lasts_us: u64,
    sequence: u64,
}

impl Default for Clockwork {
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            sequence: AtomicU64::new(0),
            activity: AtomicU8::new(ActivityKind::WaitingForInput as u8),
            checkpoint: AtomicU64::new(0),
            since_us: AtomicU64::new(0),
            busy_us: AtomicU64::new(0),
            backpressured_us: AtomicU64::new(0),
            pieces: AtomicU64::new(0),
        }
    }
}

impl Clockwork {
    fn now_us(&self) -> u64 {
        self.origin.elapsed().as_micros() as u64
    }

    /// Changes what it shows, at the time that `change` is given. Who reads it whole has looked at the clock before that: otherwise
    /// a reading could be ahead of the one that follows.
    fn change(&self, change: impl FnOnce(u64)) {
        let sequence = self.sequence.load(Relaxed);
        self.sequence.store(sequence + 1, Relaxed);
        fence(SeqCst);
        change(self.now_us());
        self.sequence.store(sequence + 2, Release);
    }

    /// Begins an activity; when the one before it had begun. A wait for room that it interrupts has still been one.
    fn begin(&self, activity: ActivityKind, checkpoint: Option<CheckpointId>) -> (u8, u64) {
        let before = (self.activity.load(Relaxed), self.since_us.load(Relaxed));
        self.change(|now_us| {
            if before.0 == ActivityKind::WaitingForRoom as u8 {
                let waited_us = now_us.saturating_sub(before.1);
                self.backpressured_us.store(self.backpressured_us.load(Relaxed) + waited_us, Relaxed);
            }
            self.activity.store(activity as u8, Relaxed);
            self.checkpoint.store(checkpoint.map_or(0, |checkpoint| checkpoint.0), Relaxed);
            self.since_us.store(now_us, Relaxed);
        });
        before
    }

    /// Ends an activity and adds its time to `total`. What follows is a wait, which may have begun before.
    fn end(&self, total: &AtomicU64, waiting_since_us: Option<u64>) {
        self.change(|now_us| {
            let taken_us = now_us.saturating_sub(self.since_us.load(Relaxed));
            total.store(total.load(Relaxed) + taken_us, Relaxed);
            self.activity.store(ActivityKind::WaitingForInput as u8, Relaxed);
            self.checkpoint.store(0, Relaxed);
            self.since_us.store(waiting_since_us.unwrap_or(now_us), Relaxed);
        });
    }

    fn read(&self) -> Reading {
        let mut tries = 0;
        loop {
            let sequence = self.sequence.load(Acquire);
            let activity = ACTIVITIES[usize::from(self.activity.load(Relaxed))];
            let checkpoint = self.checkpoint.load(Relaxed);
            let since_us = self.since_us.load(Relaxed);
            let (mut busy_us, mut backpressured_us) =
                (self.busy_us.load(Relaxed), self.backpressured_us.load(Relaxed));
            let running_us = self.now_us();
            fence(SeqCst);
            let is_whole = sequence.is_multiple_of(2) && self.sequence.load(Relaxed) == sequence;
            if !is_whole && tries < READS_MAX {
                tries += 1;
                // It may have been put off the processor in the middle of a change.
                if tries > SPINS_MAX {
                    thread::yield_now()
                } else {
                    hint::spin_loop()
                }
                continue;
            }
            let lasts_us = running_us.saturating_sub(since_us);
            match activity {
                ActivityKind::WaitingForRoom => backpressured_us += lasts_us,
                activity if activity.is_work() => busy_us += lasts_us,
                _ => {}
            }
            let checkpoint = Some(CheckpointId(checkpoint)).filter(|checkpoint| checkpoint.0 > 0);
            return Reading {
                running_us,
                busy_us,
                backpressured_us,
                activity,
                checkpoint,
                lasts_us,
                sequence,
            };
        }
    }
}

impl Default for TaskCounters {
    fn default() -> Self {
        Self {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            late_records: AtomicU64::new(0),
            malformed_records: AtomicU64::new(0),
            watermark_ms: AtomicI64::new(MIN_WATERMARK),
            first_record_at_ms: AtomicI64::new(NEVER),
            reconnects: AtomicU64::new(0),
            writing_checkpoint: AtomicU64::new(0),
            clockwork: Clockwork::default(),
            gauges: Mutex::default(),
            failed_row: Mutex::new(None),
        }
    }
}

impl TaskCounters {
    /// Counts records taken in.
    pub fn add_in(&self, records: u64) {
        self.records_in.fetch_add(records, Relaxed);
    }

    /// Counts records given out.
    pub fn add_out(&self, records: u64) {
        self.records_out.fetch_add(records, Relaxed);
    }

    /// Counts records that came too late for their windows.
    pub fn add_late(&self, records: u64) {
        self.late_records.fetch_add(records, Relaxed);
    }

    /// Counts a record that a source could not decode.
    pub fn add_malformed(&self) {
        self.malformed_records.fetch_add(1, Relaxed);
    }

    /// Counts a connection's being made anew.
    pub fn add_reconnect(&self) {
        self.reconnects.fetch_add(1, Relaxed);
    }

    /// Sets the current watermark.
    pub fn set_watermark(&self, watermark: TimestampMs) {
        self.watermark_ms.store(watermark, Relaxed);
    }

    /// Takes note of when the first record was processed.
    pub fn set_first_record_at(&self, at_ms: TimestampMs) {
        self.first_record_at_ms.store(at_ms, Relaxed);
    }

    /// The state of a checkpoint is being written.
    pub(crate) fn begin_writing(&self, checkpoint: CheckpointId) {
        self.writing_checkpoint.store(checkpoint.0, Relaxed);
    }

    /// It is written, or will not be.
    pub(crate) fn end_writing(&self, checkpoint: CheckpointId) {
        let _ = self.writing_checkpoint.compare_exchange(checkpoint.0, 0, Relaxed, Relaxed);
    }

    /// Sets what the task's code knows of itself.
    pub(crate) fn set_gauges(&self, gauges: Gauges) {
        *lock(&self.gauges) = gauges;
    }

    /// Runs a piece of the task's work. Between two such pieces the task is never taken for a hung one: it may be
    /// waiting for input, or for room.
    pub fn work<T>(
        &self,
        activity: ActivityKind,
        checkpoint: Option<CheckpointId>,
        piece: impl FnOnce() -> T,
    ) -> T {
        self.work_unless(activity, checkpoint, |_| false, piece)
    }

    /// The same for a piece that may find nothing to do, as `is_idle` tells of its result: a wait goes on then.
    pub(crate) fn work_unless<T>(
        &self,
        activity: ActivityKind,
        checkpoint: Option<CheckpointId>,
        is_idle: impl FnOnce(&T) -> bool,
        piece: impl FnOnce() -> T,
    ) -> T {
        let clockwork = &self.clockwork;
        let (before, since_us) = clockwork.begin(activity, checkpoint);
        let result = piece();
        let is_idle = is_idle(&result);
        let goes_on = is_idle && before == ActivityKind::WaitingForInput as u8;
        clockwork.end(&clockwork.busy_us, goes_on.then_some(since_us));
        if !is_idle {
            clockwork.pieces.store(clockwork.pieces.load(Relaxed) + 1, Relaxed);
        }
        result
    }

    /// There is no room downstream: from now on, or still.
    pub(crate) fn wait_for_room(&self) {
        if !self.is_waiting_for_room() {
            self.clockwork.begin(ActivityKind::WaitingForRoom, None);
        }
    }

    /// There is room again.
    pub(crate) fn end_waiting_for_room(&self) {
        if self.is_waiting_for_room() {
            self.clockwork.end(&self.clockwork.backpressured_us, None);
        }
    }

    fn is_waiting_for_room(&self) -> bool {
        self.clockwork.activity.load(Relaxed) == ActivityKind::WaitingForRoom as u8
    }

    /// Takes note of the row that a function panics at. The innermost one stands.
    pub fn note_failed_row(&self, row: FailedRow) {
        lock(&self.failed_row).get_or_insert(row);
    }

    /// The row that a function has panicked at.
    pub fn failed_row(&self) -> Option<FailedRow> {
        *lock(&self.failed_row)
    }

    /// The number of the piece of work that the task is in, if it is in one.
    pub fn current_step(&self) -> Option<u64> {
        let reading = self.clockwork.read();
        reading.activity.is_work().then_some(reading.sequence)
    }

    /// How many pieces of work the task has done that came to something.
    pub(crate) fn pieces(&self) -> u64 {
        self.clockwork.pieces.load(Relaxed)
    }

    /// Where the time goes.
    pub(crate) fn reading(&self) -> Reading {
        self.clockwork.read()
    }

    /// Records taken in so far.
    pub fn records_in(&self) -> u64 {
        self.records_in.load(Relaxed)
    }

    /// What is known without a look at channels and clocks.
    pub fn read(&self) -> TaskMetrics {
        self.metrics(&self.reading())
    }

    /// The same, with where the time went by then.
    pub(crate) fn metrics(&self, reading: &Reading) -> TaskMetrics {
        let Reading { running_us, busy_us, backpressured_us, .. } = *reading;
        let writing_checkpoint = CheckpointId(self.writing_checkpoint.load(Relaxed));
        TaskMetrics {
            records_in: self.records_in(),
            records_out: self.records_out.load(Relaxed),
            late_records: self.late_records.load(Relaxed),
            malformed_records: self.malformed_records.load(Relaxed),
            watermark_ms: Some(self.watermark_ms.load(Relaxed))
                .filter(|watermark| *watermark != MIN_WATERMARK),
            running_us,
            busy_us,
            backpressured_us,
            idle_us: running_us.saturating_sub(busy_us + backpressured_us),
            first_record_at_ms: Some(self.first_record_at_ms.load(Relaxed)).filter(|at| *at != NEVER),
            restarts_of_connection: self.reconnects.load(Relaxed),
            writing_checkpoint: Some(writing_checkpoint).filter(|checkpoint| checkpoint.0 > 0),
            gauges: *lock(&self.gauges),
            ..TaskMetrics::default()
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicBool};

    use super::*;

    #[test]
    fn time_adds_up_and_never_runs_backwards_however_it_is_read() {
        let counters = Arc::new(TaskCounters::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let task = thread::spawn({
            let (counters, is_over) = (counters.clone(), is_over.clone());
            move || {
                while !is_over.load(SeqCst) {
                    counters.work(ActivityKind::Processing, None, || hint::black_box((0..100).sum::<u64>()));
                    counters.wait_for_room();
                    counters.end_waiting_for_room();
                }
            }
        });
        let mut last = counters.read();
        while counters.pieces() < 10_000 {
            let now = counters.read();
            assert_eq!(now.busy_us + now.backpressured_us + now.idle_us, now.running_us);
            assert!(now.busy_us >= last.busy_us && now.backpressured_us >= last.backpressured_us);
            last = now;
        }
        is_over.store(true, SeqCst);
        task.join().unwrap();
    }

    #[test]
    fn every_activity_is_read_as_it_was_begun() {
        let counters = TaskCounters::default();
        for activity in ACTIVITIES {
            counters.clockwork.begin(activity, None);
            assert_eq!(counters.reading().activity, activity);
        }
    }

    #[test]
    fn a_wait_for_room_that_a_command_interrupts_goes_on_and_all_of_it_counts() {
        let counters = TaskCounters::default();
        counters.wait_for_room();
        while counters.read().backpressured_us == 0 {
            hint::spin_loop();
        }
        let before = counters.read().backpressured_us;
        counters.work(ActivityKind::Committing, None, || {});
        assert!(counters.read().backpressured_us >= before);
        assert_eq!(counters.reading().activity, ActivityKind::WaitingForInput);
        counters.wait_for_room();
        assert_eq!(counters.reading().activity, ActivityKind::WaitingForRoom);
        counters.end_waiting_for_room();
        let ended = counters.read().backpressured_us;
        counters.end_waiting_for_room();
        assert_eq!(counters.read().backpressured_us, ended, "nothing is waited for any more");
    }

    #[test]
    fn work_under_way_counts_and_a_look_for_input_that_finds_none_goes_on_waiting() {
        let counters = TaskCounters::default();
        counters.work(ActivityKind::Firing, None, || {
            let reading = counters.reading();
            assert_eq!((reading.activity, counters.current_step().is_some()), (ActivityKind::Firing, true));
            while counters.read().busy_us == 0 {
                hint::spin_loop();
            }
        });
        let waiting = counters.clockwork.since_us.load(Relaxed);
        while counters.clockwork.now_us() <= waiting {
            hint::spin_loop();
        }
        counters.work_unless(ActivityKind::Processing, None, |()| true, || ());
        assert_eq!((counters.clockwork.since_us.load(Relaxed), counters.pieces()), (waiting, 1));
        assert_eq!(counters.current_step(), None);
    }
}
