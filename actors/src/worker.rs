//! The worker: runs the tasks that the coordinator deploys, in its slots, and tells how they end.

mod local;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use actix::Addr;
use headwater_core::{
    execution::{ActivityKind, ExecutionState, Failure, FailureKind, TaskDeployment, TaskMetrics},
    fault::{FaultPoint, reach},
    gateway::{CoordinatorGateway, FromWorker, ToWorker},
    graph::JobGraph,
    ids::{ExecutionAttemptId, JobId},
    job::JobSpec,
    time::{Clock, TimestampMs},
};
use headwater_state::StateEnv;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::Instrument;

use crate::{
    actor::{Control, Kill, TaskActor, TaskBody, TaskExit},
    context::TaskContext,
    fence::Fence,
    gate::InputGate,
    metrics::TaskCounters,
    observer::Observer,
    operator::{CodeResolver, Invokable, JobCode},
    output::Output,
    slots::{Placement, Slots},
    tap::WorkerTaps,
    task::{Surroundings, Task, TaskCommand, TaskIdentity},
    wiring::{Wiring, wire},
};

pub use local::LocalWorker;

/// How often metrics are reported and hung tasks are looked for.
const REPORT_INTERVAL: Duration = Duration::from_millis(250);

/// What a worker needs.
pub struct WorkerConfig {
    /// Where its slots are.
    pub placement: Placement,
    /// The folder for state, checkpoints and journals.
    pub data_dir: PathBuf,
    /// Keyed state below it.
    pub state: StateEnv,
    /// Finds the code of jobs.
    pub code: Arc<dyn CodeResolver>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Whom it reports to.
    pub coordinator: Arc<dyn CoordinatorGateway>,
}

/// Starts a worker on the current Arbiter.
pub fn start(config: WorkerConfig) -> LocalWorker {
    let (messages, mail) = unbounded_channel();
    let slots = config.placement.slots();
    actix::spawn(Worker::new(config).run(mail));
    LocalWorker { messages, slots }
}

struct RunningTask {
    actor: Addr<TaskActor>,
    counters: Arc<TaskCounters>,
    observer: Observer,
    /// How much it had done when it was last asked to measure itself.
    measured_at: u64,
    fence: Fence,
    slot: usize,
    stall_timeout: Duration,
    /// The piece of work that it was last seen in, and since when.
    seen_in: Option<(u64, Instant)>,
}

struct TaskExited {
    job: JobId,
    attempt: ExecutionAttemptId,
    exit: TaskExit,
}

struct Worker {
    config: WorkerConfig,
    slots: Slots,
    code: BTreeMap<JobId, Arc<dyn JobCode>>,
    tasks: BTreeMap<(JobId, ExecutionAttemptId), RunningTask>,
    taps: WorkerTaps,
    exits: UnboundedSender<TaskExited>,
    exited: Option<UnboundedReceiver<TaskExited>>,
}

impl Worker {
    fn new(config: WorkerConfig) -> Self {
        let (exits, exited) = unbounded_channel();
        Self {
            slots: Slots::new(config.placement),
            config,
            code: BTreeMap::new(),
            tasks: BTreeMap::new(),
            taps: WorkerTaps::default(),
            exits,
            exited: Some(exited),
        }
    }

    async fn run(mut self, mut mail: UnboundedReceiver<ToWorker>) {
        let Some(mut exited) = self.exited.take() else { return };
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                Some(exit) = exited.recv() => self.on_exit(exit),
                message = mail.recv() => match message {
                    Some(message) => self.on_message(message),
                    None => return,
                },
                _ = ticks.tick(), if !self.tasks.is_empty() || !self.taps.is_empty() => {
                    self.replace_hung_slots();
                    self.report_metrics();
                    self.measure();
                    self.report_taps();
                }
            }
        }
    }

    fn on_message(&mut self, message: ToWorker) {
        match message {
            ToWorker::Deploy { job, spec, graph, tasks } => self.deploy(job, &spec, &graph, tasks),
            ToWorker::TriggerCheckpoint { job, checkpoint, attempts } => {
                self.control(job, &attempts, TaskCommand::Trigger(checkpoint));
            }
            ToWorker::CheckpointCompleted { job, checkpoint, is_final, attempts } => {
                self.control(job, &attempts, TaskCommand::Completed { checkpoint, is_final });
            }
            ToWorker::CheckpointAborted { job, checkpoint, attempts } => {
                self.control(job, &attempts, TaskCommand::Aborted(checkpoint));
            }
            ToWorker::Cancel { job, attempts } => {
                for attempt in &attempts {
                    if !self.tasks.contains_key(&(job, *attempt)) {
                        self.report(job, *attempt, ExecutionState::Canceled, None);
                    }
                }
                self.control(job, &attempts, TaskCommand::Cancel);
            }
            ToWorker::Kill { job, attempt } => {
                if let Some(task) = self.tasks.get(&(job, attempt)) {
                    task.actor.do_send(Kill);
                }
            }
            ToWorker::Tap { job, tap, spec } => self.taps.open(job, tap, spec),
            ToWorker::Untap { tap } => self.taps.close(tap),
            ToWorker::Release { job, purge } => {
                self.code.remove(&job);
                self.taps.close_job(job);
                if purge {
                    if let Err(error) = self.config.state.purge_job(job) {
                        tracing::warn!("cannot remove the working folders of job {job}: {error}");
                    }
                    let journals = self.config.data_dir.join("journal").join(job.to_string());
                    if let Err(error) = self.config.state.fs().remove_folder(&journals) {
                        tracing::warn!("cannot remove {}: {error}", journals.display());
                    }
                }
            }
        }
    }

    /// Control messages are few and small; the mailbox's bound does not matter to them.
    fn control(&self, job: JobId, attempts: &[ExecutionAttemptId], command: TaskCommand) {
        for attempt in attempts {
            if let Some(task) = self.tasks.get(&(job, *attempt)) {
                task.actor.do_send(Control(command));
            }
        }
    }

    fn deploy(&mut self, job: JobId, spec: &JobSpec, graph: &JobGraph, tasks: Vec<TaskDeployment>) {
        let code = match self.code_of(job, spec, graph) {
            Ok(code) => code,
            Err(reason) => {
                for task in tasks {
                    self.report(
                        job,
                        task.attempt,
                        ExecutionState::Failed,
                        Some(self.failure(FailureKind::Error, reason.clone())),
                    );
                }
                return;
            }
        };
        let mut wiring = wire(graph, tasks.iter().map(|task| task.attempt.subtask));
        for task in tasks {
            let ends = wiring.remove(&task.attempt.subtask).unwrap_or_default();
            self.start_task(job, spec, graph, code.clone(), task, ends);
        }
    }

    fn code_of(&mut self, job: JobId, spec: &JobSpec, graph: &JobGraph) -> Result<Arc<dyn JobCode>, String> {
        if let Some(code) = self.code.get(&job) {
            return Ok(code.clone());
        }
        let code = self.config.code.resolve(spec).map_err(|error| error.to_string())?;
        if code.graph() != graph {
            return Err("this worker's program has another job graph than the coordinator's".to_owned());
        }
        self.code.insert(job, code.clone());
        Ok(code)
    }

    fn start_task(
        &mut self,
        job: JobId,
        spec: &JobSpec,
        graph: &JobGraph,
        code: Arc<dyn JobCode>,
        deployment: TaskDeployment,
        wiring: Wiring,
    ) {
        let attempt = deployment.attempt;
        let vertex = graph.vertex(attempt.subtask.vertex).clone();
        let downstream = graph.downstream(vertex.id);
        let counters = Arc::new(TaskCounters::default());
        let fence = Fence::default();
        self.fence_predecessors(job, attempt);
        let clock = self.config.clock.clone();
        let tap = self.taps.add(job, attempt, downstream.clone(), clock.clone());
        let context = TaskContext {
            job,
            attempt,
            vertex,
            downstream: downstream.iter().map(|id| graph.vertex(*id).parallelism).collect(),
            options: spec.options.clone(),
            clock: clock.clone(),
            data_dir: self.config.data_dir.clone(),
            state: self.config.state.clone(),
            restored: deployment.restore,
            counters: counters.clone(),
            fence: fence.clone(),
        };
        let observer = Observer::new(counters.clone(), &wiring, clock.now_ms());
        let identity = TaskIdentity { job, attempt, coordinator: self.config.coordinator.clone() };
        let task_counters = counters.clone();
        let blocking = self.config.state.blocking().clone();
        // What is logged on the task's behalf says so.
        let span = tracing::error_span!("task", %job, subtask = %attempt.subtask, attempt = attempt.attempt);
        let body: TaskBody = Box::new(move |commands| {
            let life = async move {
                identity.report_state(ExecutionState::Initializing);
                let vertex = attempt.subtask.vertex;
                let code = task_counters.work(ActivityKind::Opening, None, || {
                    reach(FaultPoint::TaskOpen);
                    code.open(vertex, context).inspect(|_| reach(FaultPoint::TaskOpened))
                })?;
                let channels = wiring.outputs.into_values().collect();
                let output = Output::new(channels, task_counters.clone()).tapped_at(tap);
                let gate = matches!(code, Invokable::Operator(_))
                    .then(|| InputGate::new(wiring.inputs.into_values().collect(), wiring.signal));
                identity.report_state(ExecutionState::Running);
                let surroundings = Surroundings { clock, blocking, commands };
                Task::new(identity, code, gate, output, task_counters, surroundings).run().await
            };
            Box::pin(life.instrument(span))
        });
        let slot = self.slots.slot_of(attempt.subtask.index);
        let exits = self.exits.clone();
        // Made here and not on the slot's thread: even if that thread never gets to it, its end is reported.
        let actor = TaskActor::new(body, move |exit| {
            // Nobody listens once the worker itself has stopped.
            let _ = exits.send(TaskExited { job, attempt, exit });
        });
        let actor = self.slots.start(slot, move |_| actor);
        let stall_timeout = Duration::from_millis(spec.options.stall_timeout_ms);
        let task = RunningTask {
            actor,
            counters,
            observer,
            measured_at: 0,
            fence,
            slot,
            stall_timeout,
            seen_in: None,
        };
        self.tasks.insert((job, attempt), task);
    }

    /// Earlier attempts of the same subtask may not have heard of their end.
    fn fence_predecessors(&self, job: JobId, attempt: ExecutionAttemptId) {
        let of_job = self.tasks.iter().filter(|((of, _), _)| *of == job);
        for (_, task) in of_job.filter(|((_, known), _)| known.subtask == attempt.subtask) {
            task.fence.raise();
        }
    }

    fn on_exit(&mut self, TaskExited { job, attempt, exit }: TaskExited) {
        let Some(mut task) = self.tasks.remove(&(job, attempt)) else {
            return; // Fenced: its end was reported when it was given up.
        };
        self.taps.remove(job, attempt);
        self.report_taps();
        let last = task.observer.observe(self.config.clock.now_ms());
        self.report_metrics_of(job, vec![(attempt, last)]);
        let (state, cause) = exit.outcome();
        let failure = cause.map(|(kind, message)| self.failure(kind, message));
        self.report(job, attempt, state, failure);
    }

    /// A task that works without progress past its deadline has its thread for good: every task of that slot is given up, and
    /// the slot gets a new thread.
    fn replace_hung_slots(&mut self) {
        let now = Instant::now();
        let mut hung = Vec::new();
        for (id, task) in &mut self.tasks {
            task.seen_in = match (task.counters.current_step(), task.seen_in) {
                (Some(step), Some((seen, since))) if step == seen => Some((seen, since)),
                (Some(step), _) => Some((step, now)),
                (None, _) => None,
            };
            let stood_still = task.seen_in.map(|(_, since)| now - since);
            if let Some(stood_still) = stood_still.filter(|time| *time >= task.stall_timeout) {
                hung.push((*id, task.slot, task.stall_timeout, stood_still));
            }
        }
        for ((job, attempt), slot, timeout, stood_still) in hung {
            self.slots.replace(slot);
            let mut lost: Vec<_> =
                self.tasks.iter().filter(|(_, task)| task.slot == slot).map(|(id, _)| *id).collect();
            // The cause before its consequences: the first failure that is reported becomes the job's root cause.
            lost.sort_by_key(|id| *id != (job, attempt));
            for (lost_job, lost_attempt) in lost {
                let now_ms = self.config.clock.now_ms();
                if let Some(mut task) = self.tasks.remove(&(lost_job, lost_attempt)) {
                    task.fence.raise();
                    self.report_metrics_of(lost_job, vec![(lost_attempt, task.observer.observe(now_ms))]);
                }
                self.taps.remove(lost_job, lost_attempt);
                let (message, at_ms) = if (lost_job, lost_attempt) == (job, attempt) {
                    let message = format!("made no progress for {} ms", timeout.as_millis());
                    (message, now_ms - stood_still.as_millis() as TimestampMs)
                } else {
                    (format!("lost its slot to {}, which hung", attempt.subtask), now_ms)
                };
                let failure = Failure { kind: FailureKind::Stall, message, at_ms };
                self.report(lost_job, lost_attempt, ExecutionState::Failed, Some(failure));
            }
        }
    }

    fn report_taps(&mut self) {
        self.taps.report(&*self.config.coordinator, self.config.clock.now_ms());
    }

    /// Has every task that has done anything since then say what it knows of itself.
    fn measure(&mut self) {
        for task in self.tasks.values_mut() {
            let pieces = task.counters.pieces();
            if std::mem::replace(&mut task.measured_at, pieces) != pieces {
                task.actor.do_send(Control(TaskCommand::Measure));
            }
        }
    }

    fn report_metrics(&mut self) {
        let now_ms = self.config.clock.now_ms();
        let mut by_job: BTreeMap<JobId, Vec<_>> = BTreeMap::new();
        for ((job, attempt), task) in &mut self.tasks {
            by_job.entry(*job).or_default().push((*attempt, task.observer.observe(now_ms)));
        }
        for (job, tasks) in by_job {
            self.report_metrics_of(job, tasks);
        }
    }

    fn report_metrics_of(&self, job: JobId, tasks: Vec<(ExecutionAttemptId, TaskMetrics)>) {
        self.config.coordinator.send(FromWorker::Metrics { job, at_ms: self.config.clock.now_ms(), tasks });
    }

    fn report(
        &self,
        job: JobId,
        attempt: ExecutionAttemptId,
        state: ExecutionState,
        failure: Option<Failure>,
    ) {
        self.config.coordinator.send(FromWorker::TaskState { job, attempt, state, failure });
    }

    fn failure(&self, kind: FailureKind, message: String) -> Failure {
        Failure { kind, message, at_ms: self.config.clock.now_ms() }
    }
}
