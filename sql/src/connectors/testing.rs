//! What the connectors' tests share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use arrow::{
    array::RecordBatch,
    datatypes::{Field, Schema},
};
use headwater_actors::context::TaskContext;
use headwater_core::{
    graph::{JobVertex, VertexKind},
    ids::{ExecutionAttemptId, JobId, SubtaskId, VertexId},
    options::JobOptions,
    time::{Clock, TimestampMs},
};
use headwater_state::StateEnv;

use super::{Scan, TableDescriptor, TableReader};

/// A table of these columns with these options.
pub(crate) fn table<'a>(
    name: &str,
    columns: impl IntoIterator<Item = Field>,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> TableDescriptor {
    TableDescriptor {
        name: name.to_owned(),
        schema: Arc::new(Schema::new(columns.into_iter().collect::<Vec<_>>())),
        metadata: Default::default(),
        lengths: Default::default(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

/// A scan of all columns.
pub(crate) fn scan_all(table: &TableDescriptor) -> Scan {
    Scan { projection: (0..table.schema.fields().len()).collect(), ..Scan::default() }
}

/// Stands still until it is set.
pub(crate) struct SetClock(pub AtomicI64);

impl Clock for SetClock {
    fn now_ms(&self) -> TimestampMs {
        self.0.load(Relaxed)
    }
}

/// The folder of a job, and the contexts of its subtasks.
pub(crate) struct Surroundings {
    job: JobId,
    pub clock: Arc<SetClock>,
    folder: tempfile::TempDir,
    state: StateEnv,
}

impl Surroundings {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateEnv::open(folder.path()).unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_577_836_800_123)));
        Self { job: JobId::random(), clock, folder, state }
    }

    /// A subtask, at a time that stays the same unless the clock is set.
    pub fn context(&self, index: u32, parallelism: u32) -> TaskContext {
        let vertex = VertexId(0);
        TaskContext {
            job: self.job,
            attempt: ExecutionAttemptId::new(SubtaskId { vertex, index }, 0),
            vertex: JobVertex {
                id: vertex,
                uid: "table".to_owned(),
                name: "Table".to_owned(),
                kind: VertexKind::Source,
                parallelism,
            },
            downstream: Vec::new(),
            options: JobOptions::default(),
            clock: self.clock.clone(),
            data_dir: self.folder.path().to_owned(),
            state: self.state.clone(),
            restored: None,
            counters: Arc::default(),
            fence: Default::default(),
        }
    }
}

/// Reads once from what always has something, or has ended.
pub(crate) fn read_now(reader: &mut dyn TableReader, rows_max: usize) -> Option<RecordBatch> {
    match reader.poll_read(&mut Context::from_waker(Waker::noop()), rows_max) {
        Poll::Ready(batch) => batch.unwrap(),
        Poll::Pending => panic!("the table has nothing to read"),
    }
}
