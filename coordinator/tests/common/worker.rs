//! A worker without a data plane: it answers what a worker would, unless told to misbehave.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use headwater_core::{
    checkpoint::{Ledger, SubtaskSnapshot},
    execution::{ExecutionState, Failure, FailureKind, TaskDeployment},
    gateway::{FromWorker, ToWorker, WorkerGateway},
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct FakeWorker {
    events: UnboundedSender<FromWorker>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    log: Vec<ToWorker>,
    live: BTreeMap<ExecutionAttemptId, JobId>,
    drained: BTreeSet<SubtaskId>,
    behaviour: Behaviour,
}

/// How the worker misbehaves, and how far the input goes.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// Sources reach the end of their input at once.
    pub is_bounded: bool,
    /// Barriers are not acknowledged.
    pub is_mute: bool,
    /// Cancelling is not answered.
    pub is_deaf: bool,
    /// Tasks that die when they start.
    pub stillborn: BTreeSet<SubtaskId>,
    /// Tasks told to finish don't.
    pub never_finishes: bool,
}

impl FakeWorker {
    pub fn new() -> (Arc<Self>, UnboundedReceiver<FromWorker>) {
        let (events, receiver) = unbounded_channel();
        (Arc::new(Self { events, inner: Mutex::default() }), receiver)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.inner().behaviour);
    }

    pub fn log(&self) -> Vec<ToWorker> {
        self.inner().log.clone()
    }

    pub fn emit(&self, event: FromWorker) {
        // The control plane may be dead already.
        let _ = self.events.send(event);
    }

    /// The live attempt at a subtask.
    pub fn attempt(&self, subtask: SubtaskId) -> ExecutionAttemptId {
        *self.inner().live.keys().find(|attempt| attempt.subtask == subtask).unwrap()
    }

    pub fn live(&self) -> BTreeSet<ExecutionAttemptId> {
        self.inner().live.keys().copied().collect()
    }

    /// Every deployment so far.
    pub fn deployments(&self) -> Vec<Vec<TaskDeployment>> {
        let deployed = |message| match message {
            ToWorker::Deploy { tasks, .. } => Some(tasks),
            _ => None,
        };
        self.log().into_iter().filter_map(deployed).collect()
    }

    pub fn triggered(&self) -> Vec<CheckpointId> {
        let triggered = |message| match message {
            ToWorker::TriggerCheckpoint { checkpoint, .. } => Some(checkpoint),
            _ => None,
        };
        self.log().into_iter().filter_map(triggered).collect()
    }

    /// The completions that tasks were told of, and whether each was final.
    pub fn completions(&self) -> Vec<(CheckpointId, bool)> {
        let completed = |message| match message {
            ToWorker::CheckpointCompleted { checkpoint, is_final, .. } => Some((checkpoint, is_final)),
            _ => None,
        };
        self.log().into_iter().filter_map(completed).collect()
    }

    pub fn releases(&self) -> Vec<bool> {
        let released = |message| match message {
            ToWorker::Release { purge, .. } => Some(purge),
            _ => None,
        };
        self.log().into_iter().filter_map(released).collect()
    }

    /// Lets the live attempt at a subtask die.
    pub fn fail(&self, subtask: SubtaskId, message: &str) {
        let attempt = self.attempt(subtask);
        let job = self.inner().live.remove(&attempt).unwrap();
        self.die(job, attempt, FailureKind::Panic, message);
    }

    fn die(&self, job: JobId, attempt: ExecutionAttemptId, kind: FailureKind, message: &str) {
        let failure = Failure { kind, message: message.to_owned(), at_ms: i64::MAX };
        let state = ExecutionState::Failed;
        self.emit(FromWorker::TaskState { job, attempt, state, failure: Some(failure) });
    }

    pub fn report(&self, job: JobId, attempt: ExecutionAttemptId, state: ExecutionState) {
        self.emit(FromWorker::TaskState { job, attempt, state, failure: None });
    }

    pub fn acknowledge(&self, job: JobId, attempt: ExecutionAttemptId, checkpoint: CheckpointId) {
        let drained = self.inner().drained.contains(&attempt.subtask);
        let snapshot = SubtaskSnapshot {
            operator_state: format!("{}@{checkpoint}", attempt.subtask).into_bytes(),
            ..Default::default()
        };
        self.emit(FromWorker::Ack {
            job,
            attempt,
            checkpoint,
            snapshot,
            ledger: Ledger::default(),
            drained,
            records_in: 0,
            sync_us: 1,
            async_us: 2,
            alignment_us: 3,
        });
    }

    fn deploy(&self, job: JobId, tasks: &[TaskDeployment]) {
        for task in tasks {
            let attempt = task.attempt;
            let behaviour = self.inner().behaviour.clone();
            if behaviour.stillborn.contains(&attempt.subtask) {
                self.die(job, attempt, FailureKind::Error, "stillborn");
                continue;
            }
            self.inner().live.insert(attempt, job);
            self.report(job, attempt, ExecutionState::Initializing);
            self.report(job, attempt, ExecutionState::Running);
            self.emit(FromWorker::FirstRecord { job, attempt, at_ms: 0 });
            if behaviour.is_bounded {
                self.drain(attempt);
            }
        }
    }

    /// The attempt has come to the end of its input.
    pub fn drain(&self, attempt: ExecutionAttemptId) {
        let job = self.inner().live[&attempt];
        self.inner().drained.insert(attempt.subtask);
        self.report(job, attempt, ExecutionState::Draining);
    }
}

impl WorkerGateway for FakeWorker {
    fn send(&self, message: ToWorker) {
        self.inner().log.push(message.clone());
        let behaviour = self.inner().behaviour.clone();
        match message {
            ToWorker::Deploy { job, tasks, .. } => self.deploy(job, &tasks),
            ToWorker::TriggerCheckpoint { job, checkpoint, .. } if !behaviour.is_mute => {
                let live = self.inner().live.clone();
                for (attempt, _) in live.into_iter().filter(|(_, owner)| *owner == job) {
                    self.acknowledge(job, attempt, checkpoint);
                }
            }
            ToWorker::CheckpointCompleted { job, is_final: true, attempts, .. }
                if !behaviour.never_finishes =>
            {
                for attempt in attempts {
                    if self.inner().live.remove(&attempt).is_some() {
                        self.report(job, attempt, ExecutionState::Finished);
                    }
                }
            }
            ToWorker::Cancel { job, attempts } if !behaviour.is_deaf => {
                for attempt in attempts {
                    self.inner().live.remove(&attempt);
                    self.report(job, attempt, ExecutionState::Canceled);
                }
            }
            ToWorker::Kill { job, attempt } if self.live().contains(&attempt) => {
                self.inner().live.remove(&attempt);
                self.die(job, attempt, FailureKind::Kill, "killed on purpose");
            }
            _ => {}
        }
    }

    fn slots(&self) -> usize {
        2
    }
}
