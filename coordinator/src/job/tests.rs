//! Failover in a simulated world: tasks that die, answer late or not at all, and users who cancel.

mod damage;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_core::{
    checkpoint::{Manifest, SubtaskSnapshot},
    execution::{ExecutionState, Failure, FailureKind},
    graph::{JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId, VertexId},
    job::JobStatus,
    options::RestartOptions,
};
use proptest::prelude::*;

use super::failover::{Culprit, Effect, Event, FailoverId, Goal, JobMachine, Moment, Timer};
use crate::checkpoint::storage::RestorePoint;

/// Two regions of a source and a sink each.
fn graph() -> Arc<JobGraph> {
    let vertex = |id: u32, kind| JobVertex {
        id: VertexId(id),
        uid: format!("u{id}"),
        name: format!("n{id}"),
        kind,
        parallelism: 2,
    };
    Arc::new(JobGraph {
        vertices: vec![vertex(0, VertexKind::Source), vertex(1, VertexKind::Sink)],
        edges: vec![JobEdge { from: VertexId(0), to: VertexId(1), partitioning: Partitioning::Forward }],
        max_parallelism: 128,
    })
}

fn manifest(checkpoint: u64) -> Manifest {
    let subtasks = graph()
        .subtasks()
        .map(|subtask| {
            let uid = format!("u{}", subtask.vertex.0);
            ((uid, subtask.index), SubtaskSnapshot::default())
        })
        .collect();
    Manifest {
        job: JobId::random(),
        checkpoint: CheckpointId(checkpoint),
        triggered_at_ms: 0,
        max_parallelism: 128,
        is_final: false,
        subtasks,
    }
}

fn failure() -> Failure {
    Failure { kind: FailureKind::Error, message: "boom".into(), at_ms: 0 }
}

fn damage() -> Failure {
    Failure { kind: FailureKind::DamagedCheckpoint, message: "a bit flipped".into(), at_ms: 0 }
}

#[derive(Clone, Debug)]
enum Action {
    /// A task goes one state further, or answers that it has stopped.
    Advance(usize),
    Fail(usize),
    FailDeadAttempt(usize),
    /// A task finds the checkpoint damaged that it was to go on from.
    FindDamage(usize),
    FireTimer(usize),
    FindRestorePoint {
        can_be_read: bool,
    },
    FailAll,
    CompleteFinalCheckpoint,
    Cancel,
}

struct World {
    machine: JobMachine,
    now_ms: u64,
    /// What each attempt at the worker reports next; `Canceling` once it was told to stop.
    alive: BTreeMap<ExecutionAttemptId, ExecutionState>,
    dead: Vec<ExecutionAttemptId>,
    told_to_stop: BTreeSet<ExecutionAttemptId>,
    /// Whether tasks may be overdue with their answers; else nothing may go on without them.
    can_be_overdue: bool,
    last_attempt: BTreeMap<SubtaskId, u32>,
    timers: Vec<Timer>,
    /// Lookups under way, each with what is to be given up before it.
    loading: Vec<(FailoverId, Vec<CheckpointId>)>,
    /// Usable checkpoints, and the newest that was ever completed.
    usable: BTreeSet<CheckpointId>,
    newest_completed: Option<CheckpointId>,
    /// What each attempt went on from.
    restored: BTreeMap<ExecutionAttemptId, CheckpointId>,
    status: JobStatus,
    ended: Option<Goal>,
    has_root_cause: bool,
}

impl World {
    fn new(restart: RestartOptions, survivors: usize, can_be_overdue: bool) -> Self {
        let mut world = Self {
            machine: JobMachine::new(graph(), restart, &BTreeMap::new(), survivors > 0),
            now_ms: 0,
            alive: BTreeMap::new(),
            dead: Vec::new(),
            told_to_stop: BTreeSet::new(),
            can_be_overdue,
            last_attempt: BTreeMap::new(),
            timers: Vec::new(),
            loading: Vec::new(),
            usable: (1..=3).map(CheckpointId).collect(),
            newest_completed: Some(CheckpointId(3)),
            restored: BTreeMap::new(),
            status: JobStatus::Initializing,
            ended: None,
            has_root_cause: false,
        };
        let survivors: BTreeSet<ExecutionAttemptId> =
            graph().subtasks().take(survivors).map(|subtask| ExecutionAttemptId::new(subtask, 0)).collect();
        world.alive = survivors.iter().map(|attempt| (*attempt, ExecutionState::Running)).collect();
        world.step(Event::Start { status: JobStatus::Initializing, survivors });
        world
    }

    fn step(&mut self, event: Event) {
        self.now_ms += 1;
        let at = Moment { mono_ms: self.now_ms, wall_ms: 0, random: 0.5 };
        let effects = self.machine.step(event, at);
        assert!(self.ended.is_none() || effects.is_empty(), "an ended job does nothing: {effects:?}");
        for effect in effects {
            self.carry_out(effect);
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Deploy { tasks, .. } => {
                for task in tasks {
                    let restored = task.restore.as_ref().map(|restored| restored.checkpoint);
                    assert!(restored.is_some(), "a job that has completed a checkpoint begins anew");
                    self.restored.extend(restored.map(|checkpoint| (task.attempt, checkpoint)));
                    let subtask = task.attempt.subtask;
                    let is_out_of_the_way = |other: &ExecutionAttemptId| {
                        let is_fenced = self.can_be_overdue && self.told_to_stop.contains(other);
                        other.subtask != subtask || is_fenced
                    };
                    assert!(self.alive.keys().all(is_out_of_the_way), "two live attempts at {subtask}");
                    let last = self.last_attempt.insert(subtask, task.attempt.attempt);
                    assert!(last < Some(task.attempt.attempt), "an attempt's number was used before");
                    self.alive.insert(task.attempt, ExecutionState::Initializing);
                }
            }
            Effect::Cancel(attempts) => self.told_to_stop.extend(attempts),
            Effect::LoadRestorePoint { failover, damaged } => {
                let damaged = damaged.into_iter().map(|(checkpoint, _)| checkpoint).collect();
                self.loading.push((failover, damaged));
            }
            Effect::Arm(timer, _) => self.timers.push(timer),
            Effect::Status(status) => {
                assert!(status != JobStatus::Failing || self.has_root_cause, "the cause comes first");
                self.status = status;
            }
            Effect::RootCause { .. } => self.has_root_cause = true,
            Effect::End(goal) => {
                assert!(goal != Goal::Failed || self.has_root_cause, "the cause comes first");
                assert!(self.can_be_overdue || self.alive.is_empty(), "tasks outlive their job");
                self.ended = Some(goal);
            }
            Effect::Record { .. } | Effect::Merge { .. } => {}
        }
    }

    fn restore_point(&self) -> RestorePoint {
        let manifest = self.usable.last().map(|newest| Box::new(manifest(newest.0)));
        RestorePoint { manifest, newest_completed: self.newest_completed, next: CheckpointId(4) }
    }

    fn nth_alive(&self, n: usize) -> Option<ExecutionAttemptId> {
        self.alive.keys().nth(n % self.alive.len().max(1)).copied()
    }

    fn report(&mut self, attempt: ExecutionAttemptId, state: ExecutionState, failure: Option<Failure>) {
        if state.is_terminal() {
            self.alive.remove(&attempt);
            self.dead.push(attempt);
        }
        self.step(Event::Task { attempt, state, failure });
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Advance(n) => {
                let Some(attempt) = self.nth_alive(*n) else { return };
                if self.told_to_stop.contains(&attempt) {
                    return self.report(attempt, ExecutionState::Canceled, None);
                }
                let state = self.alive[&attempt];
                let next = match state {
                    ExecutionState::Initializing => ExecutionState::Running,
                    _ => ExecutionState::Draining,
                };
                self.alive.insert(attempt, next);
                self.report(attempt, state, None);
            }
            Action::Fail(n) => {
                if let Some(attempt) = self.nth_alive(*n) {
                    self.report(attempt, ExecutionState::Failed, Some(failure()));
                }
            }
            Action::FailDeadAttempt(n) => {
                if let Some(attempt) = self.dead.get(*n).copied() {
                    let before = self.status;
                    self.step(Event::Task {
                        attempt,
                        state: ExecutionState::Failed,
                        failure: Some(failure()),
                    });
                    assert_eq!(self.status, before, "a dead attempt's message concerns nobody");
                }
            }
            Action::FindDamage(n) => {
                let Some(attempt) = self.nth_alive(*n) else { return };
                if self.alive[&attempt] == ExecutionState::Initializing {
                    self.report(attempt, ExecutionState::Failed, Some(damage()));
                }
            }
            Action::FireTimer(n) => {
                if self.timers.is_empty() {
                    return;
                }
                let timer = self.timers.remove(n % self.timers.len());
                if self.can_be_overdue || !matches!(timer, Timer::Stop(_) | Timer::End) {
                    self.step(Event::Due(timer));
                }
            }
            Action::FindRestorePoint { can_be_read } => {
                if let Some((failover, damaged)) = self.loading.pop() {
                    let found = if *can_be_read {
                        self.usable.retain(|checkpoint| !damaged.contains(checkpoint));
                        Ok(self.restore_point())
                    } else {
                        Err("disk gone".to_owned())
                    };
                    self.step(Event::RestorePoint { failover, found });
                }
            }
            Action::FailAll => {
                self.step(Event::GlobalFailure(Culprit::CheckpointCoordinator, failure()));
            }
            Action::CompleteFinalCheckpoint => {
                if self.alive.values().all(|state| *state == ExecutionState::Draining) {
                    self.step(Event::FinalCheckpoint(CheckpointId(4)));
                }
            }
            Action::Cancel => self.step(Event::Cancel),
        }
    }

    /// Lets what is stopping stop and what is to be deployed be deployed.
    fn settle_until_deployed(&mut self) {
        let stopping: Vec<_> =
            self.alive.keys().filter(|it| self.told_to_stop.contains(it)).copied().collect();
        stopping.into_iter().for_each(|attempt| self.report(attempt, ExecutionState::Canceled, None));
        self.act(&Action::FindRestorePoint { can_be_read: true });
    }

    /// Lets everything happen that is under way, and no further fault.
    fn settle(&mut self) {
        for _ in 0..100 {
            self.act(&Action::FindRestorePoint { can_be_read: true });
            while let Some(n) = self.timers.iter().position(|timer| matches!(timer, Timer::Delay(_))) {
                self.act(&Action::FireTimer(n));
            }
            let pending: Vec<ExecutionAttemptId> = self.alive.keys().copied().collect();
            for attempt in pending {
                if self.told_to_stop.contains(&attempt) {
                    self.report(attempt, ExecutionState::Canceled, None);
                } else {
                    self.report(attempt, ExecutionState::Running, None);
                }
            }
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => (0..8usize).prop_map(Action::Advance),
        2 => (0..8usize).prop_map(Action::Fail),
        2 => (0..8usize).prop_map(Action::FailDeadAttempt),
        1 => (0..8usize).prop_map(Action::FindDamage),
        4 => (0..8usize).prop_map(Action::FireTimer),
        4 => prop::bool::weighted(0.9).prop_map(|can_be_read| Action::FindRestorePoint { can_be_read }),
        1 => Just(Action::FailAll),
        1 => Just(Action::CompleteFinalCheckpoint),
        1 => prop::bool::weighted(0.1).prop_map(|cancel| if cancel { Action::Cancel } else { Action::FailAll }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_dies_the_job_runs_again_or_ends_as_it_was_meant_to(
        script in prop::collection::vec(action(), 0..80),
        attempts in prop_oneof![Just(1u32), Just(1_000u32)],
        delay_ms in 0..2u64,
        survivors in 0..5usize,
        can_be_overdue: bool,
    ) {
        let mut world = World::new(RestartOptions::FixedDelay { attempts, delay_ms }, survivors, can_be_overdue);
        for action in &script {
            world.act(action);
        }
        world.settle();
        let was_cancelled = script.iter().any(|action| matches!(action, Action::Cancel));
        match world.ended {
            None => {
                prop_assert!(!was_cancelled, "cancelling always ends");
                prop_assert_eq!(world.status, JobStatus::Running);
                prop_assert_eq!(world.alive.len(), 4);
            }
            Some(Goal::Canceled) => prop_assert!(was_cancelled),
            Some(goal) => {
                prop_assert_eq!(goal, Goal::Failed);
                let is_nothing_left = world.usable.is_empty();
                prop_assert!(attempts == 1 || is_nothing_left, "the budget was not used up");
            }
        }
    }
}

/// A job that runs with nothing under way.
fn running() -> World {
    let mut world = World::new(RestartOptions::FixedDelay { attempts: 9, delay_ms: 0 }, 0, false);
    world.settle();
    assert_eq!(world.status, JobStatus::Running);
    world.told_to_stop.clear();
    world
}

#[test]
fn a_failure_cancels_its_own_region_and_no_other() {
    let mut world = running();
    let failed = world.nth_alive(0).unwrap();
    world.report(failed, ExecutionState::Failed, Some(failure()));
    let stopped: Vec<SubtaskId> = world.told_to_stop.iter().map(|attempt| attempt.subtask).collect();
    assert_eq!(stopped, [SubtaskId { vertex: VertexId(1), index: 0 }]);
}

#[test]
fn a_final_checkpoint_that_meets_a_failover_sends_every_region_back() {
    let mut world = running();
    let failed = world.nth_alive(0).unwrap();
    world.report(failed, ExecutionState::Failed, Some(failure()));
    world.step(Event::FinalCheckpoint(CheckpointId(3)));
    assert_eq!(world.told_to_stop.len(), 3, "or the others would finish without the restarted ones");
    world.settle();
    assert_eq!(world.status, JobStatus::Running);
}

#[test]
fn tasks_that_never_start_are_given_up() {
    let mut world = World::new(RestartOptions::None, 0, false);
    world.act(&Action::FindRestorePoint { can_be_read: true });
    let start = world.timers.iter().position(|timer| matches!(timer, Timer::Start(_))).unwrap();
    world.act(&Action::FireTimer(start));
    assert_eq!(world.status, JobStatus::Failing);
}

#[test]
fn a_checkpoint_that_does_not_fit_the_graph_fails_the_job() {
    let mut world = World::new(RestartOptions::FixedDelay { attempts: 9, delay_ms: 0 }, 0, false);
    let mut misfit = manifest(3);
    misfit.subtasks.pop_first();
    let found = Ok(RestorePoint { manifest: Some(Box::new(misfit)), ..world.restore_point() });
    world.step(Event::RestorePoint { failover: 0, found });
    assert_eq!(world.ended, Some(Goal::Failed));
}
