//! Runs a query here and now, in one thread and without a coordinator: for previews and SELECTs. Nothing is kept of it.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::poll_fn,
    path::Path,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use headwater_actors::{
    context::{TaskContext, TaskError},
    exchange::{GateSignal, Receiver, Sender, channel},
    gate::InputGate,
    operator::{Invokable, JobCode},
    output::Output,
    task::{Surroundings, Task, TaskIdentity},
};
use headwater_core::{
    checkpoint::ChannelId,
    execution::ExecutionState,
    gateway::{CoordinatorGateway, FromWorker},
    ids::{ExecutionAttemptId, JobId, SubtaskId},
    options::{JobOptions, StateBackend},
    time::SystemClock,
};
use headwater_state::{Blocking, StateEnv};
use tokio::{sync::mpsc::unbounded_channel, task::LocalSet, time::timeout};

use crate::{
    batch::ChangeBatch,
    connectors::{Accepts, TableSink, TableWriter},
    runtime::SqlJob,
};

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
    let mut wiring = wire(graph);
    let failure: Rc<RefCell<Option<TaskError>>> = Rc::default();
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
        let failure = failure.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = task.run().await {
                failure.borrow_mut().get_or_insert(error);
            }
        });
    }
    let all = commands.len();
    let is_over = || {
        stop.load(Relaxed)
            || failure.borrow().is_some()
            || *ends.0.lock().unwrap_or_else(PoisonError::into_inner) >= all
    };
    // The tasks run on this thread: whenever they pause, this has a look.
    while !is_over() {
        let looked = poll_fn(|_| if is_over() { Poll::Ready(()) } else { Poll::Pending });
        let _ = timeout(Duration::from_millis(5), looked).await;
    }
    drop(commands);
    failure.take().map_or(Ok(()), Err)
}

/// The channel ends of one task.
#[derive(Default)]
struct Wiring {
    signal: Arc<GateSignal>,
    inputs: BTreeMap<u32, Vec<(SubtaskId, Receiver)>>,
    outputs: BTreeMap<u32, Vec<Sender>>,
}

fn wire(graph: &headwater_core::graph::JobGraph) -> BTreeMap<SubtaskId, Wiring> {
    let mut wiring: BTreeMap<SubtaskId, Wiring> =
        graph.subtasks().map(|subtask| (subtask, Wiring::default())).collect();
    for (index, edge) in (0u32..).zip(&graph.edges) {
        for (from, to) in graph.channels(edge) {
            let id = ChannelId { edge: index, from: from.index, to: to.index };
            let Some(downstream) = wiring.get_mut(&to) else { continue };
            let (sender, receiver) = channel(id, downstream.signal.clone());
            downstream.inputs.entry(index).or_default().push((from, receiver));
            if let Some(upstream) = wiring.get_mut(&from) {
                upstream.outputs.entry(index).or_default().push(sender);
            }
        }
    }
    wiring
}
