//! Taps on what leaves a task: a sample of it, bounded, and at no cost while nobody looks.
//!
//! A task has one [`TapPoint`], which its code asks once per batch whether anybody looks. What is seen waits in a buffer that the worker
//! empties some times a second. Whoever is too slow there loses samples; the task never waits.

mod worker;

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Instant,
};

use headwater_core::{
    ids::{ExecutionAttemptId, VertexId},
    shown::{Redaction, Shown},
    supervision::panic_message,
    tap::{TapId, TapReport, TapSample, TapSpec},
    time::{Clock, NO_TIMESTAMP, TimestampMs},
};

pub(crate) use worker::WorkerTaps;

/// So many samples wait at most, of all subtasks of a vertex together, and so many bytes of them.
const WAITING_MAX: usize = 4_096;
const WAITING_BYTES_MAX: usize = 2 << 20;

/// What a task shows of a row.
pub struct TappedRow {
    /// The row.
    pub value: Shown,
    /// Its timestamp; [`NO_TIMESTAMP`] if it has none.
    pub timestamp: TimestampMs,
    /// See [`TapSample::kind`].
    pub kind: Option<&'static str>,
}

/// Shows rows: given one's index, what is not shown of it, and how many bytes there may be.
pub type ShowRow<'a> = dyn FnMut(usize, &Redaction, usize) -> TappedRow + 'a;

/// Where the output of a task can be looked at.
#[derive(Default)]
pub struct TapPoint {
    is_open: AtomicBool,
    taps: Mutex<Vec<Arc<OpenTap>>>,
    place: Option<Place>,
}

/// Whose output it is.
struct Place {
    attempt: ExecutionAttemptId,
    /// Where each outgoing edge leads.
    downstream: Vec<VertexId>,
    clock: Arc<dyn Clock>,
}

struct OpenTap {
    id: TapId,
    spec: Arc<TapSpec>,
    waiting: Arc<Waiting>,
    allowance: Mutex<Allowance>,
}

/// What was seen and not yet reported, and how many bytes that is.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<(TapReport, usize)>);

impl Waiting {
    /// Takes everything out.
    pub fn take(&self) -> TapReport {
        std::mem::take(&mut *lock(&self.0)).0
    }

    fn add(&self, samples: VecDeque<TapSample>, passed: u64) {
        let (report, bytes) = &mut *lock(&self.0);
        report.passed += passed;
        for sample in samples {
            if report.samples.len() < WAITING_MAX && *bytes < WAITING_BYTES_MAX {
                *bytes += sample.value.json.len();
                report.samples.push(sample);
            } else {
                report.lost += 1;
            }
        }
    }
}

/// How many more records may be shown now: `per_second`, and after a pause no more than that at once.
struct Allowance {
    left: f64,
    at: Instant,
}

impl Allowance {
    /// Of so many rows, how many may be shown.
    fn take(&mut self, per_second: u32, rows: usize) -> usize {
        let now = Instant::now();
        let earned = now.duration_since(self.at).as_secs_f64() * f64::from(per_second);
        self.at = now;
        // A quarter of a second's at once, so that a busy task's samples come from all of the second.
        let most = (f64::from(per_second) / 4.0).max(1.0);
        self.left = (self.left + earned).min(most);
        let count = (self.left as usize).min(rows);
        self.left -= count as f64;
        count
    }
}

impl TapPoint {
    /// The output of an attempt, whose edges lead to `downstream`.
    pub fn new(attempt: ExecutionAttemptId, downstream: Vec<VertexId>, clock: Arc<dyn Clock>) -> Self {
        Self { place: Some(Place { attempt, downstream, clock }), ..Self::default() }
    }

    /// Whether anybody looks.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Lets whoever looks see some of `rows` rows that leave by an outgoing edge, or into the task's own sink.
    #[cold]
    #[inline(never)]
    pub fn pass(&self, edge: Option<usize>, rows: usize, show: &mut ShowRow<'_>) {
        let Some(place) = &self.place else { return };
        let to = edge.and_then(|edge| place.downstream.get(edge).copied());
        // Not while they are locked: how a record is shown may be the user's code, and the worker opens and closes taps.
        let taps = lock(&self.taps).clone();
        for tap in taps.iter().filter(|tap| tap.spec.to.is_none() || tap.spec.to == to) {
            let count = lock(&tap.allowance).take(tap.spec.per_second, rows);
            // Evenly from the whole batch.
            let indices = (0..count).map(|index| index * rows / count);
            let samples = indices.map(|row| place.sample(row, to, &tap.spec, show)).collect();
            tap.waiting.add(samples, rows as u64);
        }
    }

    fn open(&self, id: TapId, spec: Arc<TapSpec>, waiting: Arc<Waiting>) {
        let allowance = Mutex::new(Allowance { left: 1.0, at: Instant::now() });
        lock(&self.taps).push(Arc::new(OpenTap { id, spec, waiting, allowance }));
        self.is_open.store(true, Relaxed);
    }

    fn close(&self, id: TapId) {
        let mut taps = lock(&self.taps);
        taps.retain(|tap| tap.id != id);
        self.is_open.store(!taps.is_empty(), Relaxed);
    }
}

impl Place {
    fn sample(&self, row: usize, to: Option<VertexId>, spec: &TapSpec, show: &mut ShowRow<'_>) -> TapSample {
        // How a record is shown may be the user's code, which must not fail the task that is looked at.
        let shown = catch_unwind(AssertUnwindSafe(|| show(row, &spec.redaction, spec.bytes_max as usize)));
        let TappedRow { value, timestamp, kind } = shown.unwrap_or_else(|panic| TappedRow {
            value: Shown::unknown(format!("showing it panicked: {}", panic_message(&*panic))),
            timestamp: NO_TIMESTAMP,
            kind: None,
        });
        TapSample {
            at_ms: self.clock.now_ms(),
            subtask: self.attempt.subtask.index,
            attempt: self.attempt.attempt,
            to,
            timestamp_ms: (timestamp != NO_TIMESTAMP).then_some(timestamp),
            kind: kind.map(str::to_owned),
            value,
        }
    }
}

/// What the locks guard is whole also after a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use headwater_core::{ids::SubtaskId, shown::show, time::SystemClock};

    use super::*;

    fn spec(per_second: u32, to: Option<u32>) -> Arc<TapSpec> {
        Arc::new(TapSpec {
            vertex: VertexId(0),
            to: to.map(VertexId),
            per_second,
            bytes_max: 100,
            redaction: Redaction::default(),
            ends_at_ms: TimestampMs::MAX,
        })
    }

    fn point() -> TapPoint {
        let attempt = ExecutionAttemptId::new(SubtaskId { vertex: VertexId(0), index: 3 }, 1);
        TapPoint::new(attempt, vec![VertexId(1), VertexId(2)], Arc::new(SystemClock))
    }

    fn numbers(row: usize, redaction: &Redaction, bytes_max: usize) -> TappedRow {
        TappedRow { value: show(&row, redaction, bytes_max), timestamp: row as i64, kind: None }
    }

    #[test]
    fn only_some_records_are_seen_and_all_are_counted() {
        let (point, waiting) = (point(), Arc::new(Waiting::default()));
        assert!(!point.is_open());
        let id = TapId::random();
        point.open(id, spec(4, None), waiting.clone());
        assert!(point.is_open());
        for _ in 0..50 {
            point.pass(Some(1), 1_000, &mut numbers);
        }
        let report = waiting.take();
        assert_eq!(report.passed, 50_000);
        assert!(!report.samples.is_empty() && report.samples.len() < 50, "{}", report.samples.len());
        let first = &report.samples[0];
        assert_eq!((first.subtask, first.attempt, first.to), (3, 1, Some(VertexId(2))));
        point.close(id);
        assert!(!point.is_open());
        point.pass(Some(1), 1_000, &mut numbers);
        assert!(waiting.take().is_empty());
    }

    #[test]
    fn a_tap_of_one_edge_sees_no_other() {
        let (point, waiting) = (point(), Arc::new(Waiting::default()));
        point.open(TapId::random(), spec(1_000, Some(2)), waiting.clone());
        point.pass(Some(0), 10, &mut numbers);
        point.pass(None, 10, &mut numbers);
        assert!(waiting.take().is_empty());
        point.pass(Some(1), 10, &mut numbers);
        assert_eq!(waiting.take().passed, 10);
    }

    #[test]
    fn samples_that_nobody_takes_are_lost_and_counted() {
        let (point, waiting) = (point(), Arc::new(Waiting::default()));
        point.open(TapId::random(), spec(u32::MAX, None), waiting.clone());
        let mut taken = 0;
        while lock(&waiting.0).0.lost == 0 {
            point.pass(Some(0), 1_000, &mut numbers);
            taken += 1;
            assert!(taken < 1_000_000, "the buffer has no bound");
        }
        assert_eq!(waiting.take().samples.len(), WAITING_MAX);
    }

    #[test]
    fn code_that_panics_while_it_shows_a_record_does_not_fail_the_task() {
        let (point, waiting) = (point(), Arc::new(Waiting::default()));
        point.open(TapId::random(), spec(1, None), waiting.clone());
        point.pass(None, 1, &mut |_, _, _| panic!("no"));
        let note = waiting.take().samples.remove(0).value.note.unwrap();
        assert_eq!(note, "showing it panicked: no");
    }
}
