//! The life cycle in a simulated world that crashes it before and after every effect.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use headwater_core::{
    checkpoint::{ChannelCount, ChannelId, CheckpointFailure, Ledger, Manifest},
    graph::{JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId, VertexId},
    options::CheckpointOptions,
};
use proptest::prelude::*;

use super::lifecycle::{
    Ack, AckAnswer, Effect, Event, Lifecycle, Member, Members, Moment, Readiness, Stored, WriteOutcome,
};

const RETAINED: usize = 2;
const CHANNEL: ChannelId = ChannelId { edge: 0, from: 0, to: 0 };

fn graph() -> Arc<JobGraph> {
    let vertex = |id: u32, kind| JobVertex {
        id: VertexId(id),
        uid: format!("u{id}"),
        name: format!("n{id}"),
        kind,
        parallelism: 1,
    };
    Arc::new(JobGraph {
        vertices: vec![vertex(0, VertexKind::Source), vertex(1, VertexKind::Sink)],
        edges: vec![JobEdge { from: VertexId(0), to: VertexId(1), partitioning: Partitioning::Forward }],
        max_parallelism: 128,
    })
}

fn ack_of(attempt: ExecutionAttemptId, rows: u64, drained: bool) -> Ack {
    let counts = vec![(CHANNEL, ChannelCount { batches: 1, rows })];
    let ledger = if attempt.subtask.vertex == VertexId(0) {
        Ledger { sent: counts, received: vec![] }
    } else {
        Ledger { sent: vec![], received: counts }
    };
    Ack { ledger, drained, ..Ack::default() }
}

#[derive(Clone, Copy, Debug)]
enum Crash {
    Coordinator,
    Process,
}

#[derive(Clone, Debug)]
enum Action {
    TriggerDue,
    Ack(usize),
    Decline(usize),
    EndWrite {
        is_refused: bool,
    },
    LoseWrite {
        is_durable: bool,
    },
    TimeOut,
    FailTask,
    /// The newest checkpoint is found damaged by the tasks that restart from it.
    Damage,
    Drain,
}

/// What is durable, and what lives at the worker and in the store's lane: all that outlives the coordinator.
struct World {
    lifecycle: Lifecycle,
    next: CheckpointId,
    manifests: BTreeMap<CheckpointId, bool>,
    writes: VecDeque<Manifest>,
    tasks: Vec<Member>,
    is_drained: bool,
    is_persist_failing: bool,
    now: Moment,
    is_trigger_armed: bool,
    /// The barrier that each task has yet to acknowledge.
    barriers: BTreeMap<ExecutionAttemptId, CheckpointId>,
    triggered: Option<CheckpointId>,
    told_completed: BTreeSet<(ExecutionAttemptId, CheckpointId)>,
    told_final: BTreeSet<ExecutionAttemptId>,
    newest_told: Option<CheckpointId>,
    effects_until_crash: Option<(usize, Crash)>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            lifecycle: Self::recover(CheckpointId::FIRST, &BTreeMap::new()),
            next: CheckpointId::FIRST,
            manifests: BTreeMap::new(),
            writes: VecDeque::new(),
            tasks: Vec::new(),
            is_drained: false,
            is_persist_failing: false,
            now: Moment::default(),
            is_trigger_armed: false,
            barriers: BTreeMap::new(),
            triggered: None,
            told_completed: BTreeSet::new(),
            told_final: BTreeSet::new(),
            newest_told: None,
            effects_until_crash: None,
        };
        world.restart_tasks();
        world
    }

    fn recover(next: CheckpointId, manifests: &BTreeMap<CheckpointId, bool>) -> Lifecycle {
        let options =
            CheckpointOptions { tolerable_failures: 1, num_retained: RETAINED as u32, ..Default::default() };
        let stored = Stored {
            next,
            latest: manifests.last_key_value().map(|(id, is_final)| (*id, *is_final)),
            manifests: manifests.keys().copied().collect(),
        };
        Lifecycle::new(JobId::random(), graph(), options, stored)
    }

    fn members(&self) -> Members {
        let readiness = if self.is_drained { Readiness::Drained } else { Readiness::Running };
        Members { tasks: self.tasks.clone(), readiness }
    }

    /// All tasks go back to the newest checkpoint, which is looked up when the lane is free.
    fn restart_tasks(&mut self) {
        let doomed =
            Members { readiness: Readiness::NotReady(CheckpointFailure::TaskFailed), ..self.members() };
        if !self.tasks.is_empty() {
            self.step(Event::Members(doomed));
        }
        self.end_all_writes();
        let member = |vertex| Member {
            attempt: ExecutionAttemptId::new(SubtaskId { vertex: VertexId(vertex), index: 0 }, 0),
            first_checkpoint: self.next,
        };
        self.tasks = vec![member(0), member(1)];
        self.barriers.clear();
        self.told_final.clear();
        self.step(Event::Members(self.members()));
    }

    fn crash(&mut self, crash: Crash) {
        self.effects_until_crash = None;
        self.is_trigger_armed = false;
        // The successor's look at the store waits for the lane; a dead process leaves some writes unfinished.
        match crash {
            Crash::Coordinator => {
                let ended: Vec<_> = self.writes.drain(..).collect();
                ended.into_iter().for_each(|manifest| self.make_durable(&manifest));
                self.lifecycle = Self::recover(self.next, &self.manifests);
                self.step(Event::Members(self.members()));
            }
            Crash::Process => {
                self.writes.clear();
                self.lifecycle = Self::recover(self.next, &self.manifests);
                self.tasks.clear();
                self.restart_tasks();
            }
        }
    }

    fn make_durable(&mut self, manifest: &Manifest) {
        self.manifests.insert(manifest.checkpoint, manifest.is_final);
    }

    fn end_all_writes(&mut self) {
        while let Some(manifest) = self.writes.pop_front() {
            self.make_durable(&manifest);
            self.step(Event::Manifest(manifest.checkpoint, WriteOutcome::Written));
        }
    }

    fn step(&mut self, event: Event) {
        self.now.mono_ms += 1_000;
        let mut effects: VecDeque<Effect> = self.lifecycle.step(event, self.now).into();
        loop {
            match &mut self.effects_until_crash {
                Some((0, crash)) => {
                    let crash = *crash;
                    return self.crash(crash);
                }
                Some((left, _)) => *left -= 1,
                None => {}
            }
            let Some(effect) = effects.pop_front() else { return };
            if let Some(event) = self.carry_out(effect) {
                effects.extend(self.lifecycle.step(event, self.now));
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::PersistNextId { checkpoint, next } => {
                if self.is_persist_failing {
                    return Some(Event::NextIdPersisted(checkpoint, Err("disk full".into())));
                }
                self.next = next;
                return Some(Event::NextIdPersisted(checkpoint, Ok(())));
            }
            Effect::SendTrigger(checkpoint, sources) => {
                assert!(Some(checkpoint) > self.triggered, "id {checkpoint} was used before");
                assert!(self.next > checkpoint, "the id is durable before anyone hears of it");
                assert_eq!(sources.len(), 1, "only vertices without inputs are triggered");
                self.triggered = Some(checkpoint);
                self.barriers = self.tasks.iter().map(|member| (member.attempt, checkpoint)).collect();
            }
            Effect::WriteManifest(manifest) => self.writes.push_back(*manifest),
            Effect::NotifyCompleted { checkpoint, is_final, attempts } => {
                assert!(
                    self.manifests.contains_key(&checkpoint),
                    "no word of {checkpoint} before it is durable"
                );
                assert!(!is_final || self.manifests[&checkpoint], "only drained tasks finish");
                self.told_completed.extend(attempts.iter().map(|attempt| (*attempt, checkpoint)));
                self.newest_told = self.newest_told.max(Some(checkpoint));
                if is_final {
                    self.told_final.extend(attempts);
                }
            }
            Effect::NotifyAborted { checkpoint, .. } => {
                let is_written = self.writes.iter().any(|manifest| manifest.checkpoint == checkpoint);
                assert!(!is_written, "the outcome of {checkpoint} is not known yet");
                assert!(!self.manifests.contains_key(&checkpoint), "{checkpoint} is durable");
                self.barriers.retain(|_, barrier| *barrier != checkpoint);
            }
            Effect::Prune(checkpoints) => {
                self.manifests.retain(|checkpoint, _| !checkpoints.contains(checkpoint));
                assert!(self.manifests.len() >= RETAINED, "fewer are left than are to be kept");
            }
            Effect::ArmTrigger(after_ms) => self.is_trigger_armed = after_ms.is_some(),
            Effect::FailJob(_) => self.restart_tasks(),
            Effect::ArmTimeout(..) | Effect::Answer(_) => {}
        }
        None
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::TriggerDue if self.is_trigger_armed => {
                self.is_trigger_armed = false;
                self.step(Event::TriggerDue);
            }
            Action::Ack(task) => self.ack(*task),
            Action::Decline(task) => {
                let attempt = self.tasks[*task].attempt;
                if let Some(checkpoint) = self.barriers.remove(&attempt) {
                    self.step(Event::Decline(checkpoint, attempt, "disk full".into()));
                }
            }
            Action::EndWrite { is_refused } => {
                let Some(manifest) = self.writes.pop_front() else { return };
                let outcome = if *is_refused {
                    WriteOutcome::Failed("disk full".into())
                } else {
                    self.make_durable(&manifest);
                    WriteOutcome::Written
                };
                self.step(Event::Manifest(manifest.checkpoint, outcome));
            }
            Action::LoseWrite { is_durable } => {
                let Some(manifest) = self.writes.pop_front() else { return };
                if *is_durable {
                    self.make_durable(&manifest);
                }
                let outcome = WriteOutcome::Unknown("no answer".into());
                self.step(Event::Manifest(manifest.checkpoint, outcome));
            }
            Action::TimeOut => {
                if let Some(checkpoint) = self.triggered {
                    self.step(Event::TimedOut(checkpoint));
                }
            }
            Action::FailTask => {
                self.is_drained = false;
                self.restart_tasks();
            }
            Action::Damage => {
                self.end_all_writes();
                if self.manifests.len() > 1
                    && let Some((damaged, _)) = self.manifests.pop_last()
                {
                    self.newest_told = self.manifests.keys().next_back().copied();
                    self.step(Event::Damaged(BTreeSet::from([damaged])));
                    self.is_drained = false;
                    self.restart_tasks();
                }
            }
            Action::Drain => {
                self.is_drained = true;
                self.step(Event::Members(self.members()));
            }
            Action::TriggerDue => {}
        }
    }

    fn ack(&mut self, task: usize) {
        let attempt = self.tasks[task].attempt;
        if let Some(checkpoint) = self.barriers.remove(&attempt) {
            let ack = Box::new(ack_of(attempt, checkpoint.0, self.is_drained));
            self.step(Event::Ack(checkpoint, attempt, ack));
        }
    }

    fn check(&self) {
        let newest = self.manifests.keys().next_back().copied();
        assert!(newest >= self.newest_told, "a completed checkpoint was lost");
        let is_settled = self.writes.is_empty() && self.lifecycle.pending().is_none();
        if let Some(newest) = newest.filter(|_| is_settled) {
            for member in self.tasks.iter().filter(|member| member.first_checkpoint <= newest) {
                let is_told = self.told_completed.contains(&(member.attempt, newest));
                assert!(is_told, "{} was never told that {newest} is durable", member.attempt);
            }
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => Just(Action::TriggerDue),
        8 => (0..2usize).prop_map(Action::Ack),
        1 => (0..2usize).prop_map(Action::Decline),
        4 => prop::bool::weighted(0.2).prop_map(|is_refused| Action::EndWrite { is_refused }),
        1 => any::<bool>().prop_map(|is_durable| Action::LoseWrite { is_durable }),
        1 => Just(Action::TimeOut),
        1 => Just(Action::FailTask),
        1 => Just(Action::Damage),
        1 => Just(Action::Drain),
    ]
}

fn crash() -> impl Strategy<Value = Option<(usize, Crash)>> {
    let kind = prop_oneof![Just(Crash::Coordinator), Just(Crash::Process)];
    prop::option::weighted(0.3, (0..4usize, kind))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_crash_reuses_an_id_loses_a_completed_checkpoint_or_stops_the_next(
        script in prop::collection::vec((action(), crash(), prop::bool::weighted(0.05)), 1..60),
    ) {
        let mut world = World::new();
        for (action, crash, is_persist_failing) in &script {
            world.effects_until_crash = *crash;
            world.is_persist_failing = *is_persist_failing;
            world.act(action);
            world.effects_until_crash = None;
            world.is_persist_failing = false;
            world.check();
        }
        let before = world.newest_told;
        let is_done = |world: &World| if world.is_drained {
            world.tasks.iter().all(|member| world.told_final.contains(&member.attempt))
        } else {
            world.newest_told > before
        };
        for _ in 0..4 {
            world.end_all_writes();
            world.ack(0);
            world.ack(1);
            world.end_all_writes();
            world.act(&Action::TriggerDue);
            world.check();
        }
        prop_assert!(is_done(&world), "no checkpoint completes any more");
    }
}

/// A running lifecycle whose first checkpoint has been triggered, and its two attempts.
fn triggered() -> (Lifecycle, [ExecutionAttemptId; 2]) {
    let mut world = World::new();
    world.act(&Action::TriggerDue);
    assert_eq!(world.triggered, Some(CheckpointId::FIRST));
    (world.lifecycle, [world.tasks[0].attempt, world.tasks[1].attempt])
}

#[test]
fn acks_are_answered_by_attempt_and_checkpoint() {
    let (mut lifecycle, [source, sink]) = triggered();
    let mut answer = |checkpoint, attempt| {
        let ack = Box::new(ack_of(attempt, 1, false));
        let effects = lifecycle.step(Event::Ack(CheckpointId(checkpoint), attempt, ack), Moment::default());
        match effects.first() {
            Some(Effect::Answer(answer)) => *answer,
            other => panic!("expected an answer, found {other:?}"),
        }
    };
    assert_eq!(answer(1, source), AckAnswer::Success);
    assert_eq!(answer(1, source), AckAnswer::Duplicate);
    assert_eq!(answer(1, ExecutionAttemptId::new(sink.subtask, 0)), AckAnswer::Unknown);
    assert_eq!(answer(2, sink), AckAnswer::Unknown);
    lifecycle.step(Event::TimedOut(CheckpointId(1)), Moment::default());
    let late = Box::new(ack_of(sink, 1, false));
    let effects = lifecycle.step(Event::Ack(CheckpointId(1), sink, late), Moment::default());
    assert_eq!(effects, [Effect::Answer(AckAnswer::Discarded)]);
}

#[test]
fn a_row_lost_between_two_tasks_fails_the_checkpoint_and_the_job() {
    let (mut lifecycle, [source, sink]) = triggered();
    let mut ack = |attempt, rows| {
        let ack = Box::new(ack_of(attempt, rows, false));
        lifecycle.step(Event::Ack(CheckpointId(1), attempt, ack), Moment::default())
    };
    ack(source, 10);
    let effects = ack(sink, 9);
    let is_mismatch = |effect: &Effect| {
        matches!(effect, Effect::NotifyAborted { failure: CheckpointFailure::LedgerMismatch { .. }, .. })
    };
    assert!(effects.iter().any(is_mismatch), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::FailJob(_))), "{effects:?}");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::WriteManifest(_))), "{effects:?}");
}

#[test]
fn a_checkpoint_waits_for_the_interval_and_the_pause_after_the_one_before() {
    let options = CheckpointOptions { interval_ms: Some(1_000), min_pause_ms: 700, ..Default::default() };
    let stored = Stored { next: CheckpointId::FIRST, latest: None, manifests: vec![] };
    let mut lifecycle = Lifecycle::new(JobId::random(), graph(), options, stored);
    let world = World::new();
    let at = |mono_ms| Moment { mono_ms, wall_ms: 0 };
    let armed = lifecycle.step(Event::Members(world.members()), at(0));
    assert_eq!(armed, [Effect::ArmTrigger(Some(1_000))]);
    lifecycle.step(Event::TriggerDue, at(1_000));
    lifecycle.step(Event::NextIdPersisted(CheckpointId(1), Ok(())), at(1_000));
    for member in &world.tasks {
        let ack = Box::new(ack_of(member.attempt, 1, false));
        lifecycle.step(Event::Ack(CheckpointId(1), member.attempt, ack), at(1_500));
    }
    let effects = lifecycle.step(Event::Manifest(CheckpointId(1), WriteOutcome::Written), at(1_600));
    assert_eq!(effects.last(), Some(&Effect::ArmTrigger(Some(700))), "{effects:?}");
}
