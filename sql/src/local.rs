//! Runs a query here and now, in one thread and without a coordinator: for previews and SELECTs. Nothing is kept of it.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use headwater_actors::{
    context::{TaskContext, TaskError},
    gate::InputGate,
    operator::{Invokable, JobCode},
    output::Output,
    task::{Surroundings, Task, TaskIdentity},
    wiring::{Wiring, wire},
};
use headwater_core::{
    execution::ExecutionState,
    gateway::{CoordinatorGateway, FromWorker},
    ids::{ExecutionAttemptId, JobId},
    options::{JobOptions, StateBackend},
    time::SystemClock,
};
use headwater_state::{Blocking, StateEnv};
use tokio::{
    sync::mpsc::unbounded_channel,
    task::{JoinSet, LocalSet},
    time::timeout,
};

use crate::{
    batch::ChangeBatch,
    connectors::{Accepts, TableSink, TableWriter},
    runtime::SqlJob,
};

/// How often it is looked whether more rows are wanted.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Takes results as they come; `false` says that no more are wanted.
pub type Collector = Arc<Mutex<dyn FnMut(&ChangeBatch) -> bool + Send>>;

/// A sink that hands rows to a function.
pub struct CollectSink {
    collector: Collector,
    stop: Arc<AtomicBool>,
}

impl CollectSink {
    /// A sink, and what tells that no more rows are wanted.
    pub fn new(collector: Collector) -> (Arc<Self>, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        (Self::with_stop(collector, stop.clone()), stop)
    }

    /// A sink with what tells that no more rows are wanted.
    pub fn with_stop(collector: Collector, stop: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self { collector, stop })
    }
}

impl TableSink for CollectSink {
    fn accepts(&self) -> Accepts {
        Accepts::Changelog
    }

    fn open(
        &self,
        _: &TaskContext,
        _: Option<&[u8]>,
        _: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError> {
        Ok(Box::new(Collect { collector: self.collector.clone(), stop: self.stop.clone() }))
    }
}

struct Collect {
    collector: Collector,
    stop: Arc<AtomicBool>,
}

impl TableWriter for Collect {
    fn write(&mut self, batch: &ChangeBatch) -> Result<(), TaskError> {
        let mut collector = self.collector.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stop.load(Relaxed) && !(*collector)(batch) {
            self.stop.store(true, Relaxed);
        }
        Ok(())
    }
}

/// Hears which tasks have processed all their input.
struct Ends(Mutex<usize>);

impl CoordinatorGateway for Ends {
    fn send(&self, message: FromWorker) {
        if let FromWorker::TaskState { state: ExecutionState::Draining, .. } = message {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }
}

/// Runs a job whose vertices have one subtask each, to its end or until `stop`. State is kept below `folder`, on the heap.
///
/// Blocks the thread, which must not belong to a runtime.
pub fn run(
    job: &SqlJob,
    options: &JobOptions,
    folder: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<(), TaskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| TaskError::io("cannot start a runtime", error))?;
    let local = LocalSet::new();
    runtime.block_on(local.run_until(run_tasks(job, options, folder, stop)))
}

async fn run_tasks(
    job: &SqlJob,
    options: &JobOptions,
    folder: &Path,
    stop: &Arc<AtomicBool>,
) -> Result<(), TaskError> {
    let graph = job.graph();
    let state = StateEnv::open(folder)?;
    let id = JobId::random();
    let ends = Arc::new(Ends(Mutex::new(0)));
    let mut wiring = wire(graph, graph.subtasks());
    let mut tasks = JoinSet::new();
    let mut commands = Vec::new();
    for subtask in graph.subtasks() {
        let Wiring { signal, inputs, outputs } = wiring.remove(&subtask).unwrap_or_default();
        let context = TaskContext {
            job: id,
            attempt: ExecutionAttemptId::new(subtask, 0),
            vertex: graph.vertex(subtask.vertex).clone(),
            downstream: outputs.values().map(|senders| senders.len() as u32).collect(),
            options: JobOptions { state_backend: StateBackend::HashMap, ..options.clone() },
            clock: Arc::new(SystemClock),
            data_dir: folder.to_owned(),
            state: state.clone(),
            restored: None,
            counters: Arc::default(),
            fence: Default::default(),
        };
        let counters = context.counters.clone();
        let attempt = context.attempt;
        let code = job.open(subtask.vertex, context)?;
        let gate = match &code {
            Invokable::Source(_) => None,
            Invokable::Operator(_) => Some(InputGate::new(inputs.into_values().collect(), signal)),
        };
        let output = Output::new(outputs.into_values().collect(), counters.clone());
        let (sender, receiver) = unbounded_channel();
        commands.push(sender);
        let surroundings =
            Surroundings { clock: Arc::new(SystemClock), blocking: Blocking::default(), commands: receiver };
        let identity = TaskIdentity { job: id, attempt, coordinator: ends.clone() };
        let task = Task::new(identity, code, gate, output, counters, surroundings);
        tasks.spawn_local(task.run());
    }
    let all = commands.len();
    let is_over = || stop.load(Relaxed) || *ends.0.lock().unwrap_or_else(PoisonError::into_inner) >= all;
    // The tasks run on this thread. One that ends by itself has failed: at the end of their input they wait to be told.
    while !is_over() {
        match timeout(LOOK_INTERVAL, tasks.join_next()).await {
            Ok(Some(Ok(ended))) => drop(ended?),
            Ok(Some(Err(panicked))) => return Err(TaskError::Function(panicked.to_string())),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(())
}
