//! A task's surroundings, made by hand.

use std::{future::poll_fn, path::Path, sync::Arc, task::Waker, time::Duration};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    fence::Fence,
    metrics::TaskCounters,
    operator::SourceStatus,
    source::SourceReader,
};
use headwater_core::{
    checkpoint::SubtaskSnapshot,
    execution::RestoredSubtask,
    graph::{JobVertex, VertexKind},
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId, VertexId},
    options::JobOptions,
    time::SystemClock,
};
use headwater_state::StateEnv;
use tempfile::TempDir;

/// Every wait ends in a failure after this.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// One job with one vertex.
pub struct Harness {
    pub job: JobId,
    pub parallelism: u32,
    folder: TempDir,
    state: StateEnv,
}

impl Harness {
    pub fn new(parallelism: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = StateEnv::open(folder.path()).unwrap();
        Self { job: JobId::random(), parallelism, folder, state }
    }

    /// The worker's data folder.
    pub fn data_dir(&self) -> &Path {
        self.folder.path()
    }

    /// The context of a new attempt at a subtask.
    pub fn context(&self, index: u32) -> TaskContext {
        TaskContext {
            job: self.job,
            attempt: ExecutionAttemptId::new(SubtaskId { vertex: VertexId(0), index }, 0),
            vertex: JobVertex {
                id: VertexId(0),
                uid: "the vertex".to_owned(),
                name: "The vertex".to_owned(),
                kind: VertexKind::Source,
                parallelism: self.parallelism,
            },
            downstream: Vec::new(),
            options: JobOptions::default(),
            clock: Arc::new(SystemClock),
            data_dir: self.data_dir().to_owned(),
            state: self.state.clone(),
            restored: None,
            counters: Arc::new(TaskCounters::default()),
            fence: Fence::default(),
        }
    }

    /// The context of a new attempt that goes on from a checkpoint.
    pub fn restored(&self, index: u32, checkpoint: CheckpointId, snapshot: SubtaskSnapshot) -> TaskContext {
        TaskContext { restored: Some(RestoredSubtask { checkpoint, snapshot }), ..self.context(index) }
    }
}

/// Reads once from a source that always has something.
pub fn read_now<T>(
    reader: &mut impl SourceReader<T>,
    rows_max: usize,
) -> Result<(Batch<T>, SourceStatus), TaskError> {
    let mut batch = Batch::default();
    let mut context = std::task::Context::from_waker(Waker::noop());
    match reader.poll_read(&mut context, rows_max, &mut batch) {
        std::task::Poll::Ready(result) => result.map(|status| (batch, status)),
        std::task::Poll::Pending => panic!("the source has nothing to read"),
    }
}

/// Waits for the next batch.
pub async fn read<T>(reader: &mut impl SourceReader<T>) -> Result<Vec<T>, TaskError> {
    let mut batch = Batch::default();
    let read = poll_fn(|context| reader.poll_read(context, 1024, &mut batch));
    tokio::time::timeout(DEADLINE, read).await.expect("the source has nothing to read")?;
    Ok(batch.values)
}

/// Waits until so many rows have come.
pub async fn read_rows<T>(reader: &mut impl SourceReader<T>, rows: usize) -> Vec<T> {
    let mut values = Vec::new();
    while values.len() < rows {
        values.extend(read(reader).await.unwrap());
    }
    values
}
