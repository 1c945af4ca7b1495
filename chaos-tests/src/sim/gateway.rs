//! The ways between coordinator and worker: slow, in order, and watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater::{
    actors::worker::LocalWorker,
    core::{
        execution::ExecutionState,
        gateway::{CoordinatorGateway, FromWorker, ToWorker, WorkerGateway},
        graph::VertexKind,
        ids::{CheckpointId, ExecutionAttemptId, JobId},
    },
};
use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::{Instant, sleep_until},
};

use super::{
    disk::{Disk, ProcessDisk},
    injector::Faults,
    scenario::{DATA, Scenario},
    trace::Trace,
};

/// What is seen of a run on the way between coordinator and worker, over all its processes.
#[derive(Clone)]
pub struct Watch {
    inner: Arc<Mutex<Seen>>,
    disk: Disk,
    trace: Trace,
    faults: Faults,
}

#[derive(Default)]
struct Seen {
    /// The newest that was triggered; 0 if none was.
    triggered: u64,
    violations: Vec<String>,
    process: Option<ProcessDisk>,
    attempts: BTreeMap<ExecutionAttemptId, (JobId, VertexKind)>,
    restores: Vec<(usize, Option<CheckpointId>)>,
}

impl Watch {
    /// Nothing was seen yet.
    pub fn new(disk: &Disk, trace: &Trace, faults: &Faults) -> Self {
        Self { inner: Arc::default(), disk: disk.clone(), trace: trace.clone(), faults: faults.clone() }
    }

    /// A process begins: no attempt is alive.
    pub fn begin_life(&self, process: &ProcessDisk) {
        let mut seen = self.lock();
        seen.attempts.clear();
        seen.process = Some(process.clone());
    }

    /// What a dead process still says is heard by nobody.
    fn is_alive(&self) -> bool {
        self.lock().process.as_ref().is_some_and(ProcessDisk::is_alive)
    }

    /// What must not have been.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// Adds something that must not have been.
    pub fn violated(&self, what: String) {
        self.trace.note(format_args!("VIOLATION {what}"));
        self.lock().violations.push(what);
    }

    /// For each deployment, how many faults had happened before and what it went back to.
    pub fn restores(&self) -> Vec<(usize, Option<CheckpointId>)> {
        self.lock().restores.clone()
    }

    /// A live attempt of a kind, by chance.
    fn any_attempt(&self, kind: VertexKind, random: &mut StdRng) -> Option<(JobId, ExecutionAttemptId)> {
        let seen = self.lock();
        let mut candidates = seen.attempts.iter().filter(|(_, (_, found))| *found == kind);
        let candidates: Vec<_> = candidates.by_ref().map(|(attempt, (job, _))| (*job, *attempt)).collect();
        candidates.choose(random).copied()
    }

    /// The checkpoints of a job that have a manifest on the disk.
    fn durable(&self, job: JobId) -> BTreeSet<CheckpointId> {
        let folder = std::path::Path::new(DATA).join("checkpoints").join(job.to_string());
        let has_manifest =
            |name: &String| self.disk.names(&folder.join(name)).iter().any(|file| file == "manifest");
        let names = self.disk.names(&folder).into_iter().filter(has_manifest);
        names.filter_map(|name| name.strip_prefix("chk-")?.parse().ok().map(CheckpointId)).collect()
    }

    fn on_order(&self, message: &ToWorker) {
        match message {
            ToWorker::Deploy { job, graph, tasks, .. } => {
                let newest = self.durable(*job).into_iter().next_back();
                for task in tasks {
                    let restored = task.restore.as_ref().map(|restore| restore.checkpoint);
                    self.trace.note(format_args!("deploy {} from {restored:?}", task.attempt));
                    if restored != newest {
                        self.violated(format!(
                            "{} goes on from {restored:?}, but {newest:?} is durable",
                            task.attempt
                        ));
                    }
                    let kind = graph.vertex(task.attempt.subtask.vertex).kind;
                    self.lock().attempts.insert(task.attempt, (*job, kind));
                }
                let faults = self.faults.fired().len();
                self.lock().restores.push((faults, newest));
            }
            ToWorker::TriggerCheckpoint { checkpoint, .. } => {
                self.trace.note(format_args!("trigger {checkpoint}"));
                self.faults.set_under_way(*checkpoint);
                let before = std::mem::replace(&mut self.lock().triggered, checkpoint.0);
                if checkpoint.0 <= before {
                    self.violated(format!("checkpoint {checkpoint} is triggered after {}", before));
                }
            }
            ToWorker::CheckpointCompleted { job, checkpoint, is_final, attempts } => {
                self.trace.note(format_args!("completed {checkpoint} {is_final} to {}", attempts.len()));
                if !self.durable(*job).contains(checkpoint) {
                    self.violated(format!("checkpoint {checkpoint} is told of, but it is not durable"));
                }
                self.faults.set_completed(*checkpoint);
            }
            ToWorker::CheckpointAborted { job, checkpoint, .. } => {
                self.trace.note(format_args!("aborted {checkpoint}"));
                if self.durable(*job).contains(checkpoint) {
                    self.violated(format!("checkpoint {checkpoint} is called aborted, but it is durable"));
                }
            }
            ToWorker::Cancel { attempts, .. } => self.trace.note(format_args!("cancel {}", attempts.len())),
            ToWorker::Kill { attempt, .. } => self.trace.note(format_args!("kill {attempt}")),
            // Simulations look at nothing.
            ToWorker::Tap { .. } | ToWorker::Untap { .. } => {}
            ToWorker::Release { purge, .. } => self.trace.note(format_args!("release {purge}")),
        }
    }

    fn on_report(&self, message: &FromWorker) {
        match message {
            FromWorker::TaskState { attempt, state, failure, .. } => {
                let why = failure.as_ref().map(|failure| &failure.message);
                self.trace.note(format_args!("{attempt} is {} {why:?}", state.as_str()));
                if state.is_terminal() {
                    self.lock().attempts.remove(attempt);
                }
                if *state == ExecutionState::Failed && failure.is_none() {
                    self.violated(format!("{attempt} failed without a reason"));
                }
            }
            FromWorker::Ack { attempt, checkpoint, snapshot, ledger, drained, .. } => self
                .trace
                .note(format_args!("{attempt} acknowledges {checkpoint} {drained} {snapshot:?} {ledger:?}")),
            FromWorker::Decline { attempt, checkpoint, reason, .. } => {
                self.trace.note(format_args!("{attempt} declines {checkpoint}: {reason}"));
            }
            FromWorker::FirstRecord { attempt, .. } => {
                self.trace.note(format_args!("{attempt} has its first record"));
            }
            // They hold times that were measured.
            FromWorker::Metrics { .. } | FromWorker::Tapped { .. } => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way on which messages take their time and keep their order.
struct SlowLane<M> {
    messages: UnboundedSender<(Instant, M)>,
    pace: Mutex<Pace>,
}

struct Pace {
    ms_max: u64,
    random: StdRng,
    /// When the last message arrives.
    last: Instant,
}

impl<M: 'static> SlowLane<M> {
    fn new(ms_max: u64, seed: u64, deliver: impl Fn(M) + 'static) -> Self {
        let (messages, mut receive) = unbounded_channel();
        actix::spawn(async move {
            while let Some((arrival, message)) = receive.recv().await {
                sleep_until(arrival).await;
                deliver(message);
            }
        });
        let pace = Pace { ms_max, random: StdRng::seed_from_u64(seed), last: Instant::now() };
        Self { messages, pace: Mutex::new(pace) }
    }

    fn send(&self, message: M) {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let ms_max = pace.ms_max;
        pace.last = pace.last.max(Instant::now() + Scenario::delay(ms_max, &mut pace.random));
        // The lane ends with its process.
        let _ = self.messages.send((pace.last, message));
    }
}

/// The coordinator's way to the worker.
#[derive(Clone)]
pub struct SlowWorker {
    lane: Arc<SlowLane<ToWorker>>,
    worker: Arc<LocalWorker>,
    watch: Watch,
}

impl SlowWorker {
    /// A way to `worker`.
    pub fn new(worker: LocalWorker, scenario: &Scenario, seed: u64, watch: &Watch) -> Self {
        let worker = Arc::new(worker);
        let inner = Arc::clone(&worker);
        let lane = SlowLane::new(scenario.message_ms_max, seed, move |message| inner.send(message));
        Self { lane: Arc::new(lane), worker, watch: watch.clone() }
    }

    /// Kills a task of a kind, at once. Whether there was one.
    pub fn kill(&self, kind: VertexKind, random: &mut StdRng) -> bool {
        let Some((job, attempt)) = self.watch.any_attempt(kind, random) else { return false };
        self.watch.trace.note(format_args!("kill {attempt}"));
        self.worker.send(ToWorker::Kill { job, attempt });
        true
    }
}

impl WorkerGateway for SlowWorker {
    fn send(&self, message: ToWorker) {
        if self.watch.is_alive() {
            self.watch.on_order(&message);
            self.lane.send(message);
        }
    }

    fn slots(&self) -> usize {
        self.worker.slots()
    }
}

/// The worker's way to the coordinator.
pub struct SlowCoordinator {
    lane: SlowLane<FromWorker>,
    watch: Watch,
}

impl SlowCoordinator {
    /// A way that ends in `events`.
    pub fn new(events: UnboundedSender<FromWorker>, scenario: &Scenario, seed: u64, watch: &Watch) -> Self {
        let lane = SlowLane::new(scenario.message_ms_max, seed, move |message| {
            // The coordinator may have ended.
            let _ = events.send(message);
        });
        Self { lane, watch: watch.clone() }
    }
}

impl CoordinatorGateway for SlowCoordinator {
    fn send(&self, message: FromWorker) {
        if self.watch.is_alive() {
            self.watch.on_report(&message);
            self.lane.send(message);
        }
    }
}
