//! A job's executions and its recovery from failures, as a pure state machine: events in, effects out.
//!
//! A failure stops the regions that it touches and restarts them from the newest completed checkpoint, once all
//! their old attempts have answered (or are overdue, and fenced) and the restart strategy's delay is over. The
//! job's start is a failover of all regions from nothing. Effects come in an order in which a cause is recorded before
//! the state that follows from it can be seen, and a state is stored before it is acted upon.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{ExecutionState, Failure, FailureKind, TaskDeployment},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
    job::JobStatus,
    options::RestartOptions,
    restart::{RestartDecision, RestartStrategy},
    time::TimestampMs,
};

use super::execution_graph::{Execution, ExecutionGraph, Region};
use crate::{
    checkpoint::{
        lifecycle::{Members, Readiness},
        storage::RestorePoint,
    },
    deadlines,
};

/// A failover, by the order in which they began; 0 is the job's start.
pub(super) type FailoverId = u64;

/// What the machine cannot know by itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Monotonic, from any origin.
    pub(super) mono_ms: u64,
    /// The wall clock.
    pub(super) wall_ms: TimestampMs,
    /// Uniform in 0..1.
    pub(super) random: f64,
}

/// How a job can end, or be left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Goal {
    Finished,
    Failed,
    Canceled,
    /// The process stops: the job goes on with the next one.
    Suspended,
}

/// What runs out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    /// The restart strategy's delay.
    Delay(FailoverId),
    /// The time for cancelled tasks to answer.
    Stop(FailoverId),
    /// The time for deployed tasks to run.
    Start(FailoverId),
    /// The time for tasks to commit the final checkpoint.
    Commit(CheckpointId),
    /// The time for tasks to answer when the job ends.
    End,
}

/// Who failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Culprit {
    Task(ExecutionAttemptId),
    JobMaster,
    CheckpointCoordinator,
}

/// What happens to a job.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The job master begins; `survivors` are attempts of an earlier one that may be alive.
    Start { status: JobStatus, survivors: BTreeSet<ExecutionAttemptId> },
    /// A task changed its state.
    Task { attempt: ExecutionAttemptId, state: ExecutionState, failure: Option<Failure> },
    /// The newest completed checkpoint was looked up.
    RestorePoint { failover: FailoverId, found: Result<RestorePoint, String> },
    /// Time is up.
    Due(Timer),
    /// A checkpoint is durable that holds the end of all input, and its tasks are about to be told.
    FinalCheckpoint(CheckpointId),
    /// Something failed that concerns all tasks.
    GlobalFailure(Culprit, Failure),
    /// Something failed that no restart can mend.
    Fatal(Culprit, Failure),
    /// The user wants everything restarted.
    Restart,
    /// The user wants an end.
    Cancel,
    /// The process wants an end.
    Suspend,
}

/// What the job master must do, in order.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Effect {
    /// Record a failure, and which failover mends it, if any does.
    Record { culprit: Culprit, failure: Failure, failover: Option<FailoverId> },
    /// One failover has become part of another.
    Merge { from: FailoverId, into: FailoverId },
    /// Record why the job fails for good.
    RootCause { culprit: Culprit, failure: Failure },
    /// Store and show the job's new state.
    Status(JobStatus),
    /// Cancel attempts.
    Cancel(Vec<ExecutionAttemptId>),
    /// Give up checkpoints that tasks found damaged, and look up the newest completed one that is left.
    LoadRestorePoint { failover: FailoverId, damaged: Vec<(CheckpointId, String)> },
    /// Deploy tasks, which go on from this checkpoint.
    Deploy { failover: FailoverId, restored: Option<CheckpointId>, tasks: Vec<TaskDeployment> },
    /// Set a timer, in milliseconds.
    Arm(Timer, u64),
    /// The job has ended, or is left.
    End(Goal),
}

#[derive(Clone, Debug, Default)]
struct Failover {
    regions: BTreeSet<Region>,
    waiting: BTreeSet<ExecutionAttemptId>,
    /// Checkpoints that tasks found damaged, and how.
    damaged: BTreeMap<CheckpointId, String>,
    is_delay_over: bool,
    is_loading: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Mode {
    Working,
    Ending { goal: Goal, waiting: BTreeSet<ExecutionAttemptId> },
    Ended,
}

/// The state.
#[derive(Clone, Debug)]
pub(super) struct JobMachine {
    graph: ExecutionGraph,
    strategy: RestartStrategy,
    pub(super) mode: Mode,
    failovers: BTreeMap<FailoverId, Failover>,
    next_failover: FailoverId,
    status: JobStatus,
    has_run: bool,
    final_checkpoint: Option<CheckpointId>,
    effects: Vec<Effect>,
}

impl JobMachine {
    /// A job of which nothing runs. `has_run` tells whether it ever did.
    pub(super) fn new(
        graph: Arc<JobGraph>,
        restart: RestartOptions,
        last_attempts: &BTreeMap<SubtaskId, u32>,
        has_run: bool,
    ) -> Self {
        Self {
            graph: ExecutionGraph::new(graph, last_attempts),
            strategy: RestartStrategy::new(restart),
            mode: Mode::Working,
            failovers: BTreeMap::new(),
            next_failover: 0,
            status: JobStatus::Initializing,
            has_run,
            final_checkpoint: None,
            effects: Vec::new(),
        }
    }

    pub(super) fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.graph.executions()
    }

    pub(super) fn is_current(&self, attempt: ExecutionAttemptId) -> bool {
        self.graph.is_current(attempt)
    }

    /// Whether anything is expected of this attempt.
    pub(super) fn knows(&self, attempt: ExecutionAttemptId) -> bool {
        let is_stopping = match &self.mode {
            Mode::Ending { waiting, .. } => waiting.contains(&attempt),
            _ => self.failovers.values().any(|failover| failover.waiting.contains(&attempt)),
        };
        is_stopping || self.is_current(attempt)
    }

    /// The tasks as the checkpoint coordinator must know them.
    pub(super) fn members(&self) -> Members {
        let mut members = self.graph.members();
        if !matches!(self.mode, Mode::Working) {
            members.readiness = Readiness::NotReady(CheckpointFailure::JobStopping);
        } else if !self.failovers.is_empty() {
            members.readiness = Readiness::NotReady(CheckpointFailure::TaskFailed);
        }
        members
    }

    /// Takes one step.
    pub(super) fn step(&mut self, event: Event, at: Moment) -> Vec<Effect> {
        match (event, &self.mode) {
            (_, Mode::Ended) => {}
            (Event::Start { status, survivors }, _) => self.start(status, survivors),
            (Event::Task { attempt, state, failure }, Mode::Ending { .. }) => {
                self.on_task_while_ending(attempt, state, failure);
            }
            (Event::Task { attempt, state, failure }, _) => self.on_task(attempt, state, failure, at),
            (Event::Due(Timer::End), Mode::Ending { goal, .. }) => self.finish(*goal),
            (Event::Cancel, Mode::Ending { goal: Goal::Canceled, .. }) => {}
            (Event::Cancel, _) => self.end(Goal::Canceled),
            // No failure: the restart strategy does not count it.
            (Event::Restart, Mode::Working) => self.fail_over(self.graph.all_regions(), 0, None),
            (Event::Suspend, Mode::Working) => self.end(Goal::Suspended),
            (
                Event::GlobalFailure(culprit, failure) | Event::Fatal(culprit, failure),
                Mode::Ending { .. },
            ) => {
                self.effects.push(Effect::Record { culprit, failure, failover: None });
            }
            (_, Mode::Ending { .. }) => {}
            (Event::RestorePoint { failover, found }, _) => self.on_restore_point(failover, found, at),
            (Event::Due(timer), _) => self.on_due(timer, at),
            (Event::FinalCheckpoint(checkpoint), _) => self.on_final_checkpoint(checkpoint),
            (Event::GlobalFailure(culprit, failure), _) => {
                let regions = self.graph.all_regions();
                self.fail(culprit, regions, failure, at);
            }
            (Event::Fatal(culprit, failure), _) => self.fail_for_good(culprit, failure),
        }
        self.take_effects()
    }

    /// Records first, then the state, then what is done about it.
    fn take_effects(&mut self) -> Vec<Effect> {
        let is_record = |effect: &Effect| {
            matches!(effect, Effect::Record { .. } | Effect::Merge { .. } | Effect::RootCause { .. })
        };
        let (mut effects, actions): (Vec<_>, Vec<_>) = self.effects.drain(..).partition(is_record);
        let status = self.current_status();
        if status != self.status {
            self.status = status;
            effects.push(Effect::Status(status));
        }
        effects.extend(actions);
        effects
    }

    fn current_status(&mut self) -> JobStatus {
        match &self.mode {
            Mode::Ended => self.status,
            Mode::Ending { goal: Goal::Canceled, .. } => JobStatus::Cancelling,
            Mode::Ending { goal: Goal::Failed, .. } => JobStatus::Failing,
            Mode::Ending { .. } => self.status,
            Mode::Working => {
                let is_up = |state: ExecutionState| state.is_live() || state == ExecutionState::Finished;
                if self.failovers.is_empty() && self.graph.all(is_up) {
                    self.has_run = true;
                    return JobStatus::Running;
                }
                let is_first_start = self.next_failover == 1;
                match self.failovers.get(&0) {
                    _ if is_first_start && !self.has_run => JobStatus::Created,
                    Some(start) if !start.is_loading => JobStatus::Reconciling,
                    _ => JobStatus::Restarting,
                }
            }
        }
    }

    fn start(&mut self, status: JobStatus, survivors: BTreeSet<ExecutionAttemptId>) {
        self.status = status;
        let start = Failover {
            regions: self.graph.all_regions(),
            waiting: survivors.clone(),
            is_delay_over: true,
            ..Failover::default()
        };
        self.failovers.insert(0, start);
        self.next_failover = 1;
        match status {
            JobStatus::Cancelling => return self.end(Goal::Canceled),
            JobStatus::Failing => return self.end(Goal::Failed),
            _ => {}
        }
        self.cancel(survivors.into_iter().collect());
        self.effects.push(Effect::Arm(Timer::Stop(0), deadlines::STOP_MS));
        self.advance(0);
    }

    fn on_task(
        &mut self,
        attempt: ExecutionAttemptId,
        state: ExecutionState,
        failure: Option<Failure>,
        at: Moment,
    ) {
        let stopping = self.failovers.iter().find(|(_, failover)| failover.waiting.contains(&attempt));
        if let Some((failover, _)) = stopping {
            let failover = *failover;
            return self.on_stopping_task(failover, attempt, state, failure);
        }
        let Some(execution) = self.graph.current(attempt).filter(|execution| !execution.state.is_terminal())
        else {
            return;
        };
        let unexpected = |message: &str| Failure {
            kind: FailureKind::Error,
            message: message.to_owned(),
            at_ms: at.wall_ms,
        };
        let failure = match state {
            ExecutionState::Failed => failure.unwrap_or_else(|| unexpected("failed without a reason")),
            ExecutionState::Canceled => unexpected("stopped without being told to"),
            ExecutionState::Finished if self.final_checkpoint.is_none() => {
                unexpected("finished before its output was committed")
            }
            _ => {
                execution.state = state;
                if self.graph.all(|state| state == ExecutionState::Finished) {
                    self.finish(Goal::Finished);
                }
                return;
            }
        };
        execution.state = ExecutionState::Failed;
        self.fail_task(attempt, failure, at);
    }

    fn on_stopping_task(
        &mut self,
        id: FailoverId,
        attempt: ExecutionAttemptId,
        state: ExecutionState,
        failure: Option<Failure>,
    ) {
        if !state.is_terminal() {
            return;
        }
        let failure = failure.filter(|_| state == ExecutionState::Failed);
        let damaged = failure.as_ref().and_then(|failure| self.damaged_checkpoint(attempt, failure));
        if let Some(failure) = failure {
            self.effects.push(Effect::Record {
                culprit: Culprit::Task(attempt),
                failure,
                failover: Some(id),
            });
        }
        if let Some(execution) = self.graph.current(attempt) {
            execution.state = state;
        }
        if let Some(failover) = self.failovers.get_mut(&id) {
            failover.waiting.remove(&attempt);
            failover.damaged.extend(damaged);
        }
        self.advance(id);
    }

    fn on_task_while_ending(
        &mut self,
        attempt: ExecutionAttemptId,
        state: ExecutionState,
        failure: Option<Failure>,
    ) {
        let Mode::Ending { goal, waiting } = &mut self.mode else { return };
        if !state.is_terminal() || !waiting.remove(&attempt) {
            return;
        }
        let (goal, is_last) = (*goal, waiting.is_empty());
        if let Some(failure) = failure.filter(|_| state == ExecutionState::Failed) {
            self.effects.push(Effect::Record { culprit: Culprit::Task(attempt), failure, failover: None });
        }
        if let Some(execution) = self.graph.current(attempt) {
            execution.state = state;
        }
        if is_last {
            self.finish(goal);
        }
    }

    fn fail_task(&mut self, attempt: ExecutionAttemptId, failure: Failure, at: Moment) {
        // Once tasks have been told to finish, a restarted region would wait for a further final checkpoint in vain,
        // since the others can't take part any more. So then all go back.
        let regions = if self.final_checkpoint.is_some() {
            self.graph.all_regions()
        } else {
            BTreeSet::from([self.graph.region_of(attempt.subtask)])
        };
        match self.damaged_checkpoint(attempt, &failure) {
            None => self.fail(Culprit::Task(attempt), regions, failure, at),
            // At once, and whatever the strategy says: it comes to an end, since each time fewer checkpoints are left.
            Some(damaged) => {
                let (culprit, failover) = (Culprit::Task(attempt), Some(self.next_failover));
                self.effects.push(Effect::Record { culprit, failure, failover });
                self.fail_over(regions, 0, Some(damaged));
            }
        }
    }

    /// The checkpoint that an attempt went on from, if that is what it died of, and how it is damaged.
    fn damaged_checkpoint(
        &mut self,
        attempt: ExecutionAttemptId,
        failure: &Failure,
    ) -> Option<(CheckpointId, String)> {
        let restored = self.graph.current(attempt)?.restored?;
        (failure.kind == FailureKind::DamagedCheckpoint).then(|| (restored, failure.message.clone()))
    }

    fn fail(&mut self, culprit: Culprit, regions: BTreeSet<Region>, failure: Failure, at: Moment) {
        if failure.kind == FailureKind::DataLoss {
            return self.fail_for_good(culprit, failure);
        }
        match self.strategy.on_failure(at.mono_ms, at.random) {
            RestartDecision::GiveUp => self.fail_for_good(culprit, failure),
            RestartDecision::RestartAfterMs(delay_ms) => {
                let failover = Some(self.next_failover);
                self.effects.push(Effect::Record { culprit, failure, failover });
                self.fail_over(regions, delay_ms, None);
            }
        }
    }

    fn fail_for_good(&mut self, culprit: Culprit, failure: Failure) {
        self.effects.push(Effect::Record { culprit, failure: failure.clone(), failover: None });
        self.effects.push(Effect::RootCause { culprit, failure });
        self.end(Goal::Failed);
    }

    fn fail_over(
        &mut self,
        regions: BTreeSet<Region>,
        delay_ms: u64,
        damaged: Option<(CheckpointId, String)>,
    ) {
        let id = self.next_failover;
        self.next_failover += 1;
        self.final_checkpoint = None;
        let damaged = damaged.into_iter().collect();
        let is_delay_over = delay_ms == 0;
        let mut failover = Failover { regions, damaged, is_delay_over, ..Failover::default() };
        let overlapping: Vec<FailoverId> = self
            .failovers
            .iter()
            .filter(|(_, other)| !other.regions.is_disjoint(&failover.regions))
            .map(|(other, _)| *other)
            .collect();
        for other in overlapping {
            let absorbed = self.failovers.remove(&other).expect("it was found a moment ago");
            failover.regions.extend(absorbed.regions);
            failover.waiting.extend(absorbed.waiting);
            failover.damaged.extend(absorbed.damaged);
            self.effects.push(Effect::Merge { from: other, into: id });
        }
        let cancelled = self.graph.cancel(&failover.regions);
        failover.waiting.extend(&cancelled);
        self.failovers.insert(id, failover);
        self.cancel(cancelled);
        self.effects.push(Effect::Arm(Timer::Stop(id), deadlines::STOP_MS));
        if delay_ms > 0 {
            self.effects.push(Effect::Arm(Timer::Delay(id), delay_ms));
        }
        self.advance(id);
    }

    fn advance(&mut self, id: FailoverId) {
        let Some(failover) = self.failovers.get_mut(&id) else { return };
        if failover.waiting.is_empty() && failover.is_delay_over && !failover.is_loading {
            failover.is_loading = true;
            let damaged = failover.damaged.clone().into_iter().collect();
            self.effects.push(Effect::LoadRestorePoint { failover: id, damaged });
        }
    }

    fn on_restore_point(&mut self, id: FailoverId, found: Result<RestorePoint, String>, at: Moment) {
        let Some(failover) = self.failovers.get(&id) else { return };
        let failure = |message| Failure { kind: FailureKind::Error, message, at_ms: at.wall_ms };
        let RestorePoint { manifest, newest_completed, next } = match found {
            Ok(found) => found,
            Err(reason) => {
                let regions = failover.regions.clone();
                let failure = failure(format!("the newest checkpoint cannot be looked up: {reason}"));
                return self.fail(Culprit::JobMaster, regions, failure, at);
            }
        };
        if let (None, Some(newest)) = (&manifest, newest_completed) {
            // To begin anew would write again what was committed.
            return self.fail_for_good(Culprit::JobMaster, failure(nothing_left(newest)));
        }
        match self.graph.redeploy(&failover.regions, manifest.as_deref(), id, next) {
            Err(error) => self.fail_for_good(Culprit::JobMaster, failure(error.to_string())),
            Ok(tasks) => {
                self.failovers.remove(&id);
                let restored = manifest.map(|manifest| manifest.checkpoint);
                self.effects.push(Effect::Deploy { failover: id, restored, tasks });
                self.effects.push(Effect::Arm(Timer::Start(id), deadlines::START_MS));
            }
        }
    }

    fn on_due(&mut self, timer: Timer, at: Moment) {
        let overdue = match timer {
            Timer::Delay(id) => {
                if let Some(failover) = self.failovers.get_mut(&id) {
                    failover.is_delay_over = true;
                }
                return self.advance(id);
            }
            Timer::Stop(id) => {
                if let Some(failover) = self.failovers.get_mut(&id) {
                    failover.waiting.clear();
                }
                return self.advance(id);
            }
            Timer::End => return,
            Timer::Start(id) => self.overdue(|execution| {
                let has_started = execution.state.is_live() || execution.state.is_terminal();
                execution.deployment == id && !has_started
            }),
            Timer::Commit(checkpoint) if self.final_checkpoint == Some(checkpoint) => {
                self.overdue(|execution| !execution.state.is_terminal())
            }
            Timer::Commit(_) => None,
        };
        if let Some(attempt) = overdue {
            let what = if matches!(timer, Timer::Start(_)) { "run" } else { "commit its output" };
            let message = format!("did not {what} within its deadline");
            let failure = Failure { kind: FailureKind::Stall, message, at_ms: at.wall_ms };
            self.fail_task(attempt, failure, at);
        }
    }

    fn overdue(&self, is_overdue: impl Fn(&Execution) -> bool) -> Option<ExecutionAttemptId> {
        let is_stopping = |execution: &Execution| execution.state == ExecutionState::Canceling;
        let mut executions = self.graph.executions().filter(|execution| !is_stopping(execution));
        executions.find(|execution| is_overdue(execution)).map(|execution| execution.attempt)
    }

    fn on_final_checkpoint(&mut self, checkpoint: CheckpointId) {
        if self.failovers.is_empty() {
            self.final_checkpoint = Some(checkpoint);
            self.effects.push(Effect::Arm(Timer::Commit(checkpoint), deadlines::COMMIT_MS));
        } else {
            // Those that go on are about to finish, those that are being restarted cannot: see `fail_task`.
            self.fail_over(self.graph.all_regions(), 0, None);
        }
    }

    fn cancel(&mut self, attempts: Vec<ExecutionAttemptId>) {
        if !attempts.is_empty() {
            self.effects.push(Effect::Cancel(attempts));
        }
    }

    /// Stops everything; the job ends when all has stopped.
    fn end(&mut self, goal: Goal) {
        if let Mode::Ending { goal: old_goal, .. } = &mut self.mode {
            *old_goal = goal;
            return;
        }
        let cancelled = self.graph.cancel(&self.graph.all_regions());
        let mut waiting: BTreeSet<ExecutionAttemptId> = cancelled.into_iter().collect();
        for failover in std::mem::take(&mut self.failovers).into_values() {
            waiting.extend(failover.waiting);
        }
        self.cancel(waiting.iter().copied().collect());
        if waiting.is_empty() {
            self.mode = Mode::Ending { goal, waiting };
            return self.finish(goal);
        }
        self.mode = Mode::Ending { goal, waiting };
        self.effects.push(Effect::Arm(Timer::End, deadlines::STOP_MS));
    }

    fn finish(&mut self, goal: Goal) {
        self.mode = Mode::Ended;
        self.effects.push(Effect::End(goal));
    }
}

fn nothing_left(newest: CheckpointId) -> String {
    format!(
        "no checkpoint is left to go on from: checkpoint {newest} was completed, but it is damaged or missing, and so is \
         every other that was kept; stop the server and put its whole data folder back from a copy, or submit the job \
         anew with its output in another place, which processes its input from the beginning"
    )
}
