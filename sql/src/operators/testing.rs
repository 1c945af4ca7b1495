//! Runs one operator as a task does, for tests: batches and watermarks in, changes out, with checkpoints in between.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use headwater_actors::{
    context::{TaskContext, TaskError},
    operator::Step,
};
use headwater_core::{
    checkpoint::SubtaskSnapshot,
    execution::{NextTimer, RestoredSubtask, TimeDomain},
    graph::{JobVertex, VertexKind},
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId, VertexId},
    options::{JobOptions, StateBackend},
    time::{Clock, MAX_WATERMARK, TimestampMs},
};
use headwater_state::{KeyedBackend, StateEnv};
use proptest::prelude::*;

use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{OpenContext, OperatorFactory, StreamOperator},
};

/// A clock that stands still until it is set.
#[derive(Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now_ms(&self) -> TimestampMs {
        self.0.load(Relaxed)
    }
}

/// One subtask of one operator.
pub struct Harness {
    factory: Arc<dyn OperatorFactory>,
    context: TaskContext,
    clock: Arc<SetClock>,
    running: Option<Running>,
    checkpoint: CheckpointId,
    /// Of keyed state in the checkpoint that the subtask was last restarted from.
    state_bytes: u64,
    output: Vec<ChangeBatch>,
    _folder: tempfile::TempDir,
}

/// What a failure takes away.
struct Running {
    operator: Box<dyn StreamOperator>,
    backend: Option<KeyedBackend>,
}

impl Harness {
    /// Opens the only subtask of an operator, its state on this backend.
    pub fn open(factory: impl OperatorFactory + 'static, state_backend: StateBackend) -> Self {
        Self::open_with(factory, JobOptions { state_backend, ..JobOptions::default() })
    }

    /// The same with other options: a small `state_cache_bytes`, say, so that state is evicted.
    pub fn open_with(factory: impl OperatorFactory + 'static, options: JobOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock::default());
        let context = context(StateEnv::open(folder.path()).unwrap(), clock.clone(), options);
        let mut harness = Self {
            factory: Arc::new(factory),
            context,
            clock,
            running: None,
            checkpoint: CheckpointId(0),
            state_bytes: 0,
            output: Vec::new(),
            _folder: folder,
        };
        harness.start();
        harness
    }

    fn start(&mut self) {
        let mut backend = None;
        let restored = self.context.restored.as_ref().map(|restored| &restored.snapshot.operator_state[..]);
        let mut open =
            OpenContext { task: &self.context, restored, prefix: "1.".to_owned(), backend: &mut backend };
        let operator = self.factory.open(&mut open).unwrap();
        self.running = Some(Running { operator, backend });
    }

    /// Takes a checkpoint, kills the subtask, and opens its successor from that.
    pub fn restart(&mut self) {
        self.flush();
        let Running { mut operator, mut backend } = self.running.take().expect("it is only gone in here");
        self.checkpoint = self.checkpoint.next();
        let operator_state = operator.snapshot().unwrap();
        let keyed_state = backend.as_mut().map(|backend| {
            let pending = backend.snapshot(self.checkpoint, &mut operator.tables()).unwrap();
            pending.write().unwrap()
        });
        self.state_bytes = keyed_state.as_ref().map_or(0, |state| state.bytes());
        drop((operator, backend));
        let snapshot = SubtaskSnapshot { operator_state, committable: None, keyed_state };
        self.context.restored = Some(RestoredSubtask { checkpoint: self.checkpoint, snapshot });
        let attempt = self.context.attempt;
        self.context.attempt = ExecutionAttemptId::new(attempt.subtask, attempt.attempt + 1);
        self.start();
    }

    /// Takes a checkpoint and goes on, as nearly all checkpoints are.
    pub fn checkpoint(&mut self) {
        self.flush();
        let running = self.running.as_mut().expect("it is only gone while it restarts");
        self.checkpoint = self.checkpoint.next();
        running.operator.snapshot().unwrap();
        if let Some(backend) = &mut running.backend {
            backend.snapshot(self.checkpoint, &mut running.operator.tables()).unwrap().write().unwrap();
        }
    }

    /// Gives the operator a batch.
    pub fn process(&mut self, input: usize, batch: ChangeBatch) {
        self.try_process(input, batch).unwrap();
    }

    /// Gives the operator a batch that it may refuse.
    pub fn try_process(&mut self, input: usize, batch: ChangeBatch) -> Result<(), TaskError> {
        let output = &mut self.output;
        let running = self.running.as_mut().expect("it is only gone while it restarts");
        running.operator.process(input, batch, &mut |changes| {
            output.push(changes);
            Ok(())
        })
    }

    /// Lets event time progress, and returns the watermark that those downstream are told. What it emits thereby it must have announced.
    pub fn watermark(&mut self, watermark: TimestampMs) -> TimestampMs {
        self.flush();
        let (announced, emitted) = (self.next_firing(), self.output.len());
        self.steps(|operator, emit| operator.on_watermark(watermark, emit));
        let is_due = |firing: NextTimer| firing.domain == TimeDomain::Event && firing.at_ms <= watermark;
        if self.output[emitted..].iter().any(|batch| !batch.is_empty()) {
            assert!(
                announced.is_some_and(is_due),
                "emitted something at {watermark}, announced {announced:?}"
            );
        }
        if watermark != MAX_WATERMARK {
            let next = self.next_firing();
            assert!(!next.is_some_and(is_due), "announces at {watermark} what is over: {next:?}");
        }
        self.running.as_ref().expect("it is only gone while it restarts").operator.output_watermark(watermark)
    }

    /// Ends event time and the input.
    pub fn end(&mut self) {
        self.watermark(MAX_WATERMARK);
        self.steps(|operator, emit| operator.end_of_input(emit));
    }

    /// Gives out what is held back.
    pub fn flush(&mut self) {
        self.steps(|operator, emit| operator.flush(emit).map(|()| Step::Done));
    }

    /// What the operator says of when it emits next.
    pub fn next_firing(&self) -> Option<NextTimer> {
        self.running.as_ref().expect("it is only gone while it restarts").operator.next_firing()
    }

    /// Sets the clock, and calls the timers that are due.
    pub fn set_time(&mut self, now_ms: TimestampMs) {
        self.clock.0.store(now_ms, Relaxed);
        let running = self.running.as_ref().expect("it is only gone while it restarts");
        if running.operator.next_timer_ms().is_some_and(|timer| timer <= now_ms) {
            self.steps(|operator, emit| operator.on_processing_time(now_ms, emit));
        }
    }

    /// How large the keyed state was when the subtask was last restarted.
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// How many rows came too late so far.
    pub fn late_rows(&self) -> u64 {
        self.context.counters.read().late_records
    }

    /// What was emitted since this was last called.
    pub fn take_output(&mut self) -> Vec<ChangeBatch> {
        std::mem::take(&mut self.output).into_iter().filter(|batch| !batch.is_empty()).collect()
    }

    fn steps(
        &mut self,
        first: impl FnOnce(&mut dyn StreamOperator, &mut crate::operator::Emit<'_>) -> Result<Step, TaskError>,
    ) {
        let output = &mut self.output;
        let running = self.running.as_mut().expect("it is only gone while it restarts");
        let mut emit = |changes: ChangeBatch| -> Result<(), TaskError> {
            output.push(changes);
            Ok(())
        };
        let mut step = first(&mut *running.operator, &mut emit).unwrap();
        while step == Step::More {
            step = running.operator.resume(&mut emit).unwrap();
        }
    }
}

fn context(state: StateEnv, clock: Arc<dyn Clock>, options: JobOptions) -> TaskContext {
    let vertex = VertexId(0);
    TaskContext {
        job: JobId::random(),
        attempt: ExecutionAttemptId::new(SubtaskId { vertex, index: 0 }, 0),
        vertex: JobVertex {
            id: vertex,
            uid: "operator".to_owned(),
            name: "Operator".to_owned(),
            kind: VertexKind::Operator,
            parallelism: 1,
        },
        downstream: Vec::new(),
        options,
        clock,
        data_dir: std::env::temp_dir(),
        state,
        restored: None,
        counters: Arc::default(),
        fence: Default::default(),
    }
}

/// The rows of a batch as text: columns are joined by commas, and a null is `null`.
pub fn texts(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<_> =
        rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    (0..rows.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(","))
        .collect()
}

/// All changes as text, such as `+I[1,null]`.
pub fn change_texts(changes: &[ChangeBatch]) -> Vec<String> {
    changes
        .iter()
        .flat_map(|batch| {
            let texts = texts(&batch.rows).into_iter().enumerate();
            texts.map(|(row, text)| format!("{}[{text}]", batch.kind(row).short())).collect::<Vec<_>>()
        })
        .collect()
}

/// The table that a changelog describes: its rows as text, with how often each is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Materialized(pub BTreeMap<String, usize>);

impl Materialized {
    /// Applies changes.
    ///
    /// # Panics
    /// If a row goes that is not there.
    pub fn apply(&mut self, changes: &[ChangeBatch]) {
        for batch in changes {
            for (row, text) in texts(&batch.rows).into_iter().enumerate() {
                self.apply_one(batch.kind(row), text);
            }
        }
    }

    fn apply_one(&mut self, kind: RowKind, text: String) {
        if kind.is_addition() {
            *self.0.entry(text).or_default() += 1;
            return;
        }
        let Some(count) = self.0.get_mut(&text) else {
            panic!("{}[{text}] takes a row away that is not there: {:?}", kind.short(), self.0)
        };
        *count -= 1;
        if *count == 0 {
            self.0.remove(&text);
        }
    }
}

impl FromIterator<String> for Materialized {
    fn from_iter<I: IntoIterator<Item = String>>(rows: I) -> Self {
        let mut table = Self::default();
        rows.into_iter().for_each(|row| table.apply_one(RowKind::Insert, row));
        table
    }
}

/// Either backend; RocksDB's sometimes with so little memory that state is evicted all the time.
pub fn any_options() -> impl Strategy<Value = JobOptions> {
    let backends = vec![
        (StateBackend::HashMap, 1 << 20),
        (StateBackend::RocksDb, 1 << 20),
        (StateBackend::RocksDb, 1 << 10),
    ];
    prop::sample::select(backends).prop_map(|(state_backend, state_cache_bytes)| JobOptions {
        state_backend,
        state_cache_bytes,
        ..JobOptions::default()
    })
}
