//! The life cycle of a job's checkpoints, as a pure state machine: events in, effects out.
//!
//! Rules that hold through any crash, before and after any effect: an id is made durable before anyone hears of it,
//! so that it is never used again; nobody is told of a completion before the manifest is durable, nor of an
//! abort while the manifest may be; once in [`Phase::Writing`] only the store decides.

use std::{collections::BTreeSet, sync::Arc};

use headwater_core::{
    checkpoint::{CheckpointFailure, Manifest},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    options::CheckpointOptions,
    time::TimestampMs,
};

pub(crate) use super::pending::{Ack, AckAnswer, Pending, Phase};

/// The pause before a final checkpoint is tried again, in milliseconds.
pub(crate) const FINAL_RETRY_MS: u64 = 100;

/// When an event happens, by both clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Moment {
    /// Monotonic, from any origin.
    pub(crate) mono_ms: u64,
    /// The wall clock, for people.
    pub(crate) wall_ms: TimestampMs,
}

/// A task that takes part in checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) attempt: ExecutionAttemptId,
    /// The first checkpoint that this attempt can have taken part in: the job's next when it was deployed.
    pub(crate) first_checkpoint: CheckpointId,
}

/// Whether the job's tasks can be checkpointed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    /// No: and this is what a pending checkpoint dies of.
    NotReady(CheckpointFailure),
    /// All are running or draining.
    Running,
    /// All have processed all their input and wait for the final checkpoint.
    Drained,
}

/// The job's tasks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Members {
    pub(crate) tasks: Vec<Member>,
    pub(crate) readiness: Readiness,
}

/// What a new coordinator finds in the stores.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Stored {
    /// The next id, as far as it was promised.
    pub(crate) next: CheckpointId,
    /// The newest usable checkpoint, and whether it is final.
    pub(crate) latest: Option<(CheckpointId, bool)>,
    /// All checkpoints with a manifest, oldest first.
    pub(crate) manifests: Vec<CheckpointId>,
}

/// What happens to checkpoints.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The job's tasks, or their readiness, have changed.
    Members(Members),
    /// The timer set by [`Effect::ArmTrigger`] is up, or a user wants a checkpoint.
    TriggerDue,
    /// [`Effect::PersistNextId`] was carried out, or could not be.
    NextIdPersisted(CheckpointId, Result<(), String>),
    /// A subtask's snapshot is written.
    Ack(CheckpointId, ExecutionAttemptId, Box<Ack>),
    /// A subtask could not take its snapshot.
    Decline(CheckpointId, ExecutionAttemptId, String),
    /// [`Effect::WriteManifest`] ended.
    Manifest(CheckpointId, WriteOutcome),
    /// The timer set by [`Effect::ArmTimeout`] is up.
    TimedOut(CheckpointId),
    /// Checkpoints that were completed are given up as damaged.
    Damaged(BTreeSet<CheckpointId>),
}

/// How the writing of a manifest ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum WriteOutcome {
    /// Durable.
    Written,
    /// Not there, and it never will be.
    Failed(String),
    /// It may be there or not. Never taken for either.
    Unknown(String),
}

/// What the coordinator must do, in order.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Effect {
    /// Make sure that the checkpoint's id is never used again, and report.
    PersistNextId {
        /// The id in use.
        checkpoint: CheckpointId,
        /// What to store.
        next: CheckpointId,
    },
    /// Tell the sources.
    SendTrigger(CheckpointId, Vec<ExecutionAttemptId>),
    /// Expire the checkpoint after so many milliseconds.
    ArmTimeout(CheckpointId, u64),
    /// What became of an acknowledgement, for the log.
    Answer(AckAnswer),
    /// Make the checkpoint durable, and report.
    WriteManifest(Box<Manifest>),
    /// Tell the tasks that it is durable.
    NotifyCompleted {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Whether the tasks finish now.
        is_final: bool,
        /// Those that took part.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// Tell the tasks that it will never be completed.
    NotifyAborted {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Why.
        failure: CheckpointFailure,
        /// Those that may have taken part.
        attempts: Vec<ExecutionAttemptId>,
    },
    /// Remove checkpoints that a newer one has made superfluous.
    Prune(Vec<CheckpointId>),
    /// Trigger after so many milliseconds, and not at any time set before; `None` unsets it.
    ArmTrigger(Option<u64>),
    /// The job itself fails over: for this reason.
    FailJob(String),
}

/// The state.
#[derive(Clone, Debug)]
pub(crate) struct Lifecycle {
    job: JobId,
    graph: Arc<JobGraph>,
    options: CheckpointOptions,
    next: CheckpointId,
    /// The predecessor's newest checkpoint, until it is settled.
    inherited: Option<(CheckpointId, bool)>,
    retained: BTreeSet<CheckpointId>,
    members: Option<Members>,
    pending: Option<Pending>,
    last_trigger_ms: Option<u64>,
    last_end_ms: Option<u64>,
    consecutive_failures: u32,
    /// A final checkpoint has been tried on these very attempts; the next try waits a little.
    final_was_tried: bool,
    is_final_done: bool,
}

impl Lifecycle {
    /// Goes on from what is stored. The first [`Event::Members`] settles what the predecessor left open.
    pub(crate) fn new(job: JobId, graph: Arc<JobGraph>, options: CheckpointOptions, stored: Stored) -> Self {
        let after_stored = stored.manifests.iter().max().map_or(CheckpointId::FIRST, |newest| newest.next());
        Self {
            job,
            graph,
            options,
            next: stored.next.max(after_stored),
            inherited: stored.latest,
            retained: stored.manifests.into_iter().collect(),
            members: None,
            pending: None,
            last_trigger_ms: None,
            last_end_ms: None,
            consecutive_failures: 0,
            final_was_tried: false,
            is_final_done: false,
        }
    }

    /// The checkpoint that is under way.
    pub(crate) fn pending(&self) -> Option<&Pending> {
        self.pending.as_ref()
    }

    /// Whether a checkpoint can begin now, or is under way.
    pub(crate) fn can_trigger(&self) -> bool {
        let is_ready = |members: &Members| match members.readiness {
            Readiness::NotReady(_) => false,
            Readiness::Drained => !self.is_final_done,
            Readiness::Running => true,
        };
        self.pending.is_some() || self.members.as_ref().is_some_and(is_ready)
    }

    /// Takes one step.
    pub(crate) fn step(&mut self, event: Event, now: Moment) -> Vec<Effect> {
        match event {
            Event::Members(members) => self.on_members(members, now),
            Event::TriggerDue => self.trigger(now),
            Event::NextIdPersisted(checkpoint, result) => self.on_persisted(checkpoint, result, now),
            Event::Ack(checkpoint, attempt, ack) => self.on_ack(checkpoint, attempt, *ack, now),
            Event::Decline(checkpoint, attempt, reason) => {
                let is_meant = |pending: &Pending| pending.expects(attempt);
                if !self.is_collecting(checkpoint) || !self.pending.as_ref().is_some_and(is_meant) {
                    return vec![Effect::Answer(AckAnswer::Discarded)];
                }
                self.fail(CheckpointFailure::Declined { subtask: attempt.subtask, reason }, now)
            }
            Event::Manifest(checkpoint, outcome) => self.on_manifest(checkpoint, outcome, now),
            Event::TimedOut(checkpoint) if self.is_collecting(checkpoint) => {
                self.fail(CheckpointFailure::Expired, now)
            }
            // The write has a deadline of its own, and only the store knows how it ends.
            Event::TimedOut(_) => Vec::new(),
            // They are no longer of those that there must be so many of.
            Event::Damaged(damaged) => {
                self.retained.retain(|checkpoint| !damaged.contains(checkpoint));
                Vec::new()
            }
        }
    }

    fn on_members(&mut self, members: Members, now: Moment) -> Vec<Effect> {
        let Some(before) = self.members.replace(members.clone()) else {
            let mut effects = self.settle(&members);
            effects.extend(self.schedule(now));
            return effects;
        };
        let have_changed = before.tasks != members.tasks;
        if have_changed {
            self.is_final_done = false;
            self.final_was_tried = false;
        }
        let death = match members.readiness {
            Readiness::NotReady(failure) => Some(failure),
            _ if have_changed => Some(CheckpointFailure::TaskFailed),
            _ => None,
        };
        let can_abort = self.pending.as_ref().is_some_and(|pending| pending.phase != Phase::Writing);
        match death {
            Some(failure) if can_abort => self.fail(failure, now),
            _ => self.schedule(now).into_iter().collect(),
        }
    }

    /// Settles the last checkpoint of a predecessor that died. The store knows whether it was completed. Telling the
    /// tasks twice is harmless; not telling them would leave output uncommitted.
    fn settle(&mut self, members: &Members) -> Vec<Effect> {
        let Some(last) = self.next.0.checked_sub(1).filter(|id| *id > 0).map(CheckpointId) else {
            return Vec::new();
        };
        let took_part = |id: CheckpointId| {
            let members = members.tasks.iter().filter(|member| member.first_checkpoint <= id);
            members.map(|member| member.attempt).collect::<Vec<_>>()
        };
        let mut effects = Vec::new();
        if let Some((checkpoint, is_final)) = self.inherited.take() {
            let attempts = took_part(checkpoint);
            if !attempts.is_empty() {
                let is_final = is_final && attempts.len() == members.tasks.len();
                self.is_final_done = is_final;
                effects.push(Effect::NotifyCompleted { checkpoint, is_final, attempts });
            }
        }
        let attempts = took_part(last);
        if !self.retained.contains(&last) && !attempts.is_empty() {
            let failure = CheckpointFailure::CoordinatorFailed;
            effects.push(Effect::NotifyAborted { checkpoint: last, failure, attempts });
        }
        effects
    }

    fn trigger(&mut self, now: Moment) -> Vec<Effect> {
        let Some(members) = self.members.as_ref().filter(|_| self.pending.is_none()) else {
            return Vec::new();
        };
        match members.readiness {
            Readiness::NotReady(_) => return Vec::new(),
            Readiness::Drained if self.is_final_done => return Vec::new(),
            Readiness::Drained => self.final_was_tried = true,
            Readiness::Running => {}
        }
        let checkpoint = self.next;
        self.next = checkpoint.next();
        self.last_trigger_ms = Some(now.mono_ms);
        let attempts = members.tasks.iter().map(|member| member.attempt);
        self.pending = Some(Pending::new(checkpoint, now.wall_ms, attempts));
        vec![Effect::PersistNextId { checkpoint, next: self.next }]
    }

    fn on_persisted(
        &mut self,
        checkpoint: CheckpointId,
        result: Result<(), String>,
        now: Moment,
    ) -> Vec<Effect> {
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.id == checkpoint) else {
            return Vec::new();
        };
        assert_eq!(pending.phase, Phase::Persisting, "an id is persisted once");
        if let Err(reason) = result {
            return self.fail(CheckpointFailure::Storage(reason), now);
        }
        pending.phase = Phase::Collecting;
        let is_source = |attempt: &ExecutionAttemptId| {
            self.graph.edges.iter().all(|edge| edge.to != attempt.subtask.vertex)
        };
        let sources = pending.attempts().into_iter().filter(is_source).collect();
        vec![
            Effect::SendTrigger(checkpoint, sources),
            Effect::ArmTimeout(checkpoint, self.options.timeout_ms),
        ]
    }

    fn on_ack(
        &mut self,
        checkpoint: CheckpointId,
        attempt: ExecutionAttemptId,
        ack: Ack,
        now: Moment,
    ) -> Vec<Effect> {
        let is_over = checkpoint < self.next;
        let Some(pending) = self.pending.as_mut().filter(|pending| pending.id == checkpoint) else {
            let answer = if is_over { AckAnswer::Discarded } else { AckAnswer::Unknown };
            return vec![Effect::Answer(answer)];
        };
        let answer = pending.acknowledge(attempt, ack);
        let mut effects = vec![Effect::Answer(answer)];
        if answer != AckAnswer::Success || !pending.is_acknowledged() {
            return effects;
        }
        if let Err(mismatch) = pending.compare_ledgers() {
            let super::ledger::Mismatch { channel, sent, received } = mismatch;
            effects.extend(self.fail(CheckpointFailure::LedgerMismatch { channel, sent, received }, now));
            return effects;
        }
        pending.phase = Phase::Writing;
        effects.push(Effect::WriteManifest(Box::new(pending.manifest(self.job, &self.graph))));
        effects
    }

    fn on_manifest(&mut self, checkpoint: CheckpointId, outcome: WriteOutcome, now: Moment) -> Vec<Effect> {
        let is_written = |pending: &mut Pending| pending.id == checkpoint && pending.phase == Phase::Writing;
        let Some(pending) = self.pending.take_if(is_written) else {
            return Vec::new();
        };
        match outcome {
            WriteOutcome::Written => self.complete(&pending, now),
            WriteOutcome::Failed(reason) => {
                self.pending = Some(pending);
                self.fail(CheckpointFailure::Storage(reason), now)
            }
            WriteOutcome::Unknown(reason) => {
                self.last_end_ms = Some(now.mono_ms);
                vec![
                    self.fail_job(format!(
                        "whether checkpoint {checkpoint} is durable is not known: {reason}"
                    )),
                ]
            }
        }
    }

    fn complete(&mut self, pending: &Pending, now: Moment) -> Vec<Effect> {
        let (checkpoint, attempts) = (pending.id, pending.attempts());
        self.last_end_ms = Some(now.mono_ms);
        self.consecutive_failures = 0;
        self.retained.insert(checkpoint);
        // While some tasks are being replaced the others must not finish: the new ones need a further final
        // checkpoint, in which all take part.
        let are_current = self.members.as_ref().is_some_and(|members| {
            members.tasks.iter().all(|member| pending.expects(member.attempt))
                && !matches!(members.readiness, Readiness::NotReady(_))
        });
        let is_final = pending.is_final() && are_current;
        self.is_final_done = is_final;
        let mut superfluous = Vec::new();
        while self.retained.len() > self.options.num_retained.max(1) as usize {
            superfluous.extend(self.retained.pop_first());
        }
        let mut effects = vec![Effect::NotifyCompleted { checkpoint, is_final, attempts }];
        if !superfluous.is_empty() {
            effects.push(Effect::Prune(superfluous));
        }
        effects.extend(self.schedule(now));
        effects
    }

    /// Gives the pending checkpoint up.
    fn fail(&mut self, failure: CheckpointFailure, now: Moment) -> Vec<Effect> {
        let Some(pending) = self.pending.take() else {
            return Vec::new();
        };
        self.last_end_ms = Some(now.mono_ms);
        let checkpoint = pending.id;
        let mut effects = vec![Effect::NotifyAborted {
            checkpoint,
            failure: failure.clone(),
            attempts: pending.attempts(),
        }];
        let is_intolerable = match &failure {
            CheckpointFailure::TaskFailed
            | CheckpointFailure::CoordinatorFailed
            | CheckpointFailure::JobStopping => false,
            // The counts are cumulative: every later checkpoint would hold the loss.
            CheckpointFailure::LedgerMismatch { .. } => true,
            CheckpointFailure::Expired
            | CheckpointFailure::Declined { .. }
            | CheckpointFailure::Storage(_) => {
                self.consecutive_failures += 1;
                self.consecutive_failures > self.options.tolerable_failures
            }
        };
        if is_intolerable {
            effects.push(self.fail_job(format!("checkpoint {checkpoint} failed: {failure}")));
        } else {
            effects.extend(self.schedule(now));
        }
        effects
    }

    /// No checkpoint starts until the job's tasks have been restarted.
    fn fail_job(&mut self, reason: String) -> Effect {
        self.consecutive_failures = 0;
        if let Some(members) = self.members.as_mut() {
            members.readiness = Readiness::NotReady(CheckpointFailure::TaskFailed);
        }
        Effect::FailJob(reason)
    }

    fn is_collecting(&self, checkpoint: CheckpointId) -> bool {
        self.pending
            .as_ref()
            .is_some_and(|pending| pending.id == checkpoint && pending.phase == Phase::Collecting)
    }

    fn schedule(&self, now: Moment) -> Option<Effect> {
        let readiness = &self.members.as_ref()?.readiness;
        let due_ms = match readiness {
            _ if self.pending.is_some() => return None,
            Readiness::NotReady(_) => None,
            Readiness::Drained if self.is_final_done => None,
            Readiness::Drained if self.final_was_tried => {
                Some(now.mono_ms + self.options.min_pause_ms.max(FINAL_RETRY_MS))
            }
            Readiness::Drained => Some(now.mono_ms),
            Readiness::Running => self.options.interval_ms.map(|interval_ms| {
                let after_trigger = self.last_trigger_ms.unwrap_or(now.mono_ms) + interval_ms;
                let after_end = self.last_end_ms.map_or(0, |end| end + self.options.min_pause_ms);
                after_trigger.max(after_end)
            }),
        };
        Some(Effect::ArmTrigger(due_ms.map(|due| due.saturating_sub(now.mono_ms))))
    }
}
