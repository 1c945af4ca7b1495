//! The checkpoint coordinator: the actor that carries out a job's checkpoint [`Lifecycle`].
//!
//! It may die at any moment. Its successor goes on from the store and from the tasks as the job master knows them.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use headwater_core::{
    checkpoint::CheckpointFailure,
    fault::{FaultPoint, reach},
    gateway::ToWorker,
    graph::JobGraph,
    ids::CheckpointId,
    options::CheckpointOptions,
    store::StoreError,
    supervision::{DeathWatch, Exit},
};

use super::{
    lifecycle::{AckAnswer, Effect, Event, Lifecycle, Stored},
    storage,
};
use crate::{
    deadlines,
    job::{
        cell::{CHECKPOINT_COORDINATOR, JobCell},
        master::{FromCoordinator, JobMaster},
    },
    services::Services,
    supervisor::{guarded, supervised},
    view::{CheckpointStatus, TriggerView},
};

const LOAD_TRIES_MAX: u32 = 10;

/// Something happened that concerns the job's checkpoints.
pub(crate) struct CheckpointEvent(pub(crate) Event);

impl Message for CheckpointEvent {
    type Result = ();
}

/// Take a checkpoint now. `None`: the job's tasks are not all running.
pub(crate) struct TriggerNow;

impl Message for TriggerNow {
    type Result = Option<TriggerView>;
}

pub(crate) struct CheckpointCoordinator {
    services: Arc<Services>,
    cell: Arc<JobCell>,
    master: Addr<JobMaster>,
    graph: Arc<JobGraph>,
    options: CheckpointOptions,
    watch: DeathWatch,
    lifecycle: Option<Lifecycle>,
    /// The checkpoint that is shown as under way.
    shown: Option<CheckpointId>,
    trigger_timer: Option<SpawnHandle>,
    timeout_timer: Option<SpawnHandle>,
}

impl CheckpointCoordinator {
    pub(crate) fn new(
        services: Arc<Services>,
        cell: Arc<JobCell>,
        master: Addr<JobMaster>,
        graph: Arc<JobGraph>,
        options: CheckpointOptions,
        watch: DeathWatch,
    ) -> Self {
        Self {
            services,
            cell,
            master,
            graph,
            options,
            watch,
            lifecycle: None,
            shown: None,
            trigger_timer: None,
            timeout_timer: None,
        }
    }

    fn load(&self, tries: u32, ctx: &mut Context<Self>) {
        let (services, cell) = (Arc::clone(&self.services), Arc::clone(&self.cell));
        let stored = async move { storage::stored(&services, &cell).await };
        ctx.spawn(stored.into_actor(self).map(move |stored, actor, ctx| {
            guarded(&actor.watch.recorder(), || actor.on_loaded(tries, stored, ctx));
        }));
    }

    fn on_loaded(&mut self, tries: u32, stored: Result<Stored, StoreError>, ctx: &mut Context<Self>) {
        match stored {
            Ok(mut stored) => {
                stored.manifests.retain(|manifest| !self.cell.is_damaged(*manifest));
                let latest = stored.latest.map(|(checkpoint, _)| checkpoint);
                self.cell.settle_checkpoints(&stored.manifests, latest);
                let graph = Arc::clone(&self.graph);
                self.lifecycle = Some(Lifecycle::new(self.cell.id, graph, self.options.clone(), stored));
                self.master.do_send(FromCoordinator::MembersWanted);
                self.cell.control_is_up(&self.services, CHECKPOINT_COORDINATOR);
            }
            Err(error) if tries < LOAD_TRIES_MAX => {
                tracing::warn!(job = %self.cell.id, %error, "the checkpoint store cannot be read: trying again");
                ctx.run_later(deadlines::STORE_RETRY, move |actor, ctx| actor.load(tries + 1, ctx));
            }
            Err(error) => {
                let reason = format!("the checkpoint store cannot be read: {error}");
                self.watch.recorder().record(Exit::Failed(reason));
                ctx.stop();
            }
        }
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        guarded(&self.watch.recorder(), || self.step_unguarded(event, ctx));
    }

    fn step_unguarded(&mut self, event: Event, ctx: &mut Context<Self>) {
        let mut next = Some(event);
        while let Some(event) = next.take() {
            // Until the stores are read there is nothing that an event could be about; the tasks are asked for then.
            let Some(lifecycle) = self.lifecycle.as_mut() else { return };
            let acknowledgement = match &event {
                Event::Ack(_, attempt, ack) => Some((attempt.subtask, ack.view())),
                _ => None,
            };
            let effects = lifecycle.step(event, self.services.now());
            let is_counted =
                effects.iter().any(|effect| matches!(effect, Effect::Answer(AckAnswer::Success)));
            if let Some(pending) = lifecycle.pending() {
                let acknowledgement = acknowledgement.filter(|_| is_counted);
                // All of it only at its beginning and its end: there are as many acknowledgements as subtasks.
                match acknowledgement.filter(|_| !pending.is_acknowledged()) {
                    Some((subtask, ack)) => self.cell.observe_ack(pending.id, subtask, ack),
                    None if is_counted || self.shown != Some(pending.id) => {
                        self.cell.observe_checkpoint(pending.view());
                        self.shown = Some(pending.id);
                    }
                    None => {}
                }
            }
            for effect in effects {
                next = self.carry_out(effect, ctx).or(next);
            }
        }
        self.services.has_changed();
    }

    fn trigger_now(&mut self, ctx: &mut Context<Self>) -> Option<TriggerView> {
        let lifecycle = self.lifecycle.as_ref().filter(|lifecycle| lifecycle.can_trigger())?;
        if let Some(pending) = lifecycle.pending() {
            return Some(TriggerView { checkpoint: pending.id, was_under_way: true });
        }
        self.step_unguarded(Event::TriggerDue, ctx);
        let checkpoint = self.lifecycle.as_ref()?.pending()?.id;
        Some(TriggerView { checkpoint, was_under_way: false })
    }

    /// Carries an effect out; what comes of it, if that is known at once.
    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        let job = self.cell.id;
        let worker = &self.services.worker;
        match effect {
            Effect::PersistNextId { checkpoint, next } => {
                let stored = self.services.store.put_next_checkpoint(job, next);
                reach(FaultPoint::CheckpointIdPersisted);
                return Some(Event::NextIdPersisted(checkpoint, stored.map_err(|error| error.to_string())));
            }
            Effect::SendTrigger(checkpoint, attempts) => {
                worker.send(ToWorker::TriggerCheckpoint { job, checkpoint, attempts });
                reach(FaultPoint::CheckpointTriggered);
            }
            Effect::ArmTimeout(checkpoint, after_ms) => {
                let after = Duration::from_millis(after_ms);
                let timer =
                    ctx.run_later(after, move |actor, ctx| actor.step(Event::TimedOut(checkpoint), ctx));
                replace_timer(&mut self.timeout_timer, Some(timer), ctx);
            }
            Effect::Answer(AckAnswer::Success) => reach(FaultPoint::CheckpointAck),
            Effect::Answer(answer) => tracing::debug!(%job, ?answer, "an acknowledgement was dropped"),
            Effect::WriteManifest(manifest) => {
                reach(FaultPoint::CheckpointAcknowledged);
                let (services, cell, me) =
                    (Arc::clone(&self.services), Arc::clone(&self.cell), ctx.address());
                // Not a future of this actor: a write that has begun is seen through even if the actor dies.
                actix::spawn(async move {
                    let checkpoint = manifest.checkpoint;
                    let report = |outcome| me.do_send(CheckpointEvent(Event::Manifest(checkpoint, outcome)));
                    storage::write(&services, &cell, *manifest, report).await;
                });
            }
            Effect::NotifyCompleted { checkpoint, is_final, attempts } => {
                reach(FaultPoint::CheckpointCompleted);
                replace_timer(&mut self.timeout_timer, None, ctx);
                self.cell.end_checkpoint(checkpoint, CheckpointStatus::Completed);
                if is_final {
                    self.master.do_send(FromCoordinator::FinalCheckpoint(checkpoint));
                }
                worker.send(ToWorker::CheckpointCompleted { job, checkpoint, is_final, attempts });
            }
            Effect::NotifyAborted { checkpoint, failure, attempts } => {
                replace_timer(&mut self.timeout_timer, None, ctx);
                log_failure(&self.cell, checkpoint, &failure);
                self.cell.end_checkpoint(checkpoint, CheckpointStatus::Failed(failure));
                worker.send(ToWorker::CheckpointAborted { job, checkpoint, attempts });
            }
            Effect::Prune(checkpoints) => self.prune(checkpoints),
            Effect::ArmTrigger(after_ms) => {
                let timer = after_ms.map(|after_ms| {
                    let after = Duration::from_millis(after_ms);
                    ctx.run_later(after, |actor, ctx| actor.step(Event::TriggerDue, ctx))
                });
                replace_timer(&mut self.trigger_timer, timer, ctx);
            }
            Effect::FailJob(reason) => {
                self.cell.fail_open_checkpoints(&CheckpointFailure::Storage(reason.clone()));
                self.master.do_send(FromCoordinator::JobFailure(reason));
            }
        }
        None
    }

    /// In the background, and in nobody's way: what cannot be removed is tried again by a later coordinator.
    fn prune(&self, checkpoints: Vec<CheckpointId>) {
        let (services, job) = (Arc::clone(&self.services), self.cell.id);
        actix::spawn(async move {
            let Some(newest) = checkpoints.iter().max().copied() else { return };
            for checkpoint in checkpoints {
                reach(FaultPoint::CheckpointPrune);
                if let Err(error) = services.checkpoints.delete(job, checkpoint).await {
                    tracing::warn!(%job, %checkpoint, %error, "an old checkpoint could not be removed");
                }
            }
            if let Err(error) = services.checkpoints.delete_incomplete(job, newest).await {
                tracing::warn!(%job, %error, "what failed checkpoints left could not be removed");
            }
        });
    }
}

fn log_failure(cell: &JobCell, checkpoint: CheckpointId, failure: &CheckpointFailure) {
    match failure {
        CheckpointFailure::LedgerMismatch { .. } => {
            tracing::error!(job = %cell.id, %checkpoint, %failure, "records were lost or doubled inside the job");
        }
        _ => tracing::warn!(job = %cell.id, %checkpoint, %failure, "a checkpoint failed"),
    }
}

fn replace_timer<A: Actor<Context = Context<A>>>(
    timer: &mut Option<SpawnHandle>,
    new: Option<SpawnHandle>,
    ctx: &mut Context<A>,
) {
    if let Some(old) = std::mem::replace(timer, new) {
        ctx.cancel_future(old);
    }
}

impl Actor for CheckpointCoordinator {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        guarded(&self.watch.recorder(), || self.load(1, ctx));
    }
}

supervised!(CheckpointCoordinator);

impl Handler<TriggerNow> for CheckpointCoordinator {
    type Result = Option<TriggerView>;

    fn handle(&mut self, _: TriggerNow, ctx: &mut Self::Context) -> Self::Result {
        guarded(&self.watch.recorder(), || self.trigger_now(ctx))
    }
}

impl Handler<CheckpointEvent> for CheckpointCoordinator {
    type Result = ();

    fn handle(&mut self, CheckpointEvent(event): CheckpointEvent, ctx: &mut Self::Context) {
        self.step(event, ctx);
    }
}
