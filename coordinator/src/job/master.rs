//! The job master: the actor that carries out a job's [`JobMachine`] and supervises its checkpoint coordinator.
//!
//! It may die at any moment. Its successor takes the job from the store, has the attempts that may still be alive
//! cancelled, and restarts the job from its newest completed checkpoint.

mod messages;
mod requests;

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use headwater_core::{
    execution::{ExecutionState, Failure, FailureKind},
    fault::{FaultPoint, reach},
    gateway::{FromWorker, ToWorker},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId},
    job::JobStatus,
    random,
    supervision::{DeathWatch, Exit},
};

use super::{
    cell::{CHECKPOINT_COORDINATOR, JOB_MASTER, JobCell, failure_of},
    ending,
    execution_graph::Execution,
    failover::{Culprit, Effect, Event, FailoverId, Goal, JobMachine, Moment, Timer},
    history::ExceptionId,
    recoveries::Recoveries,
};
use crate::{
    checkpoint::{
        coordinator::{CheckpointCoordinator, CheckpointEvent},
        lifecycle::{Ack, Event as LifecycleEvent, Members},
        storage,
    },
    deadlines, history_store,
    job_store::JobRecord,
    services::Services,
    supervisor::{Child, Death, Notice, guarded, supervise, supervised},
};

pub(crate) use messages::{Cancel, FromCoordinator, KillChild, Restart, Suspend, WhoTriggers, WorkerEvent};

const STORE_TRIES_MAX: u32 = 10;

/// Starts a job's master, which is kept alive until the job has ended.
pub(crate) fn launch(services: &Arc<Services>, cell: &Arc<JobCell>) {
    let factory = {
        let (services, cell) = (Arc::clone(services), Arc::clone(cell));
        move |watch| JobMaster {
            services: Arc::clone(&services),
            cell: Arc::clone(&cell),
            watch,
            state: None,
        }
    };
    let notify = {
        let (services, cell) = (Arc::clone(services), Arc::clone(cell));
        move |notice| match notice {
            Notice::Died(death) => {
                log_death(&cell, JOB_MASTER, &death);
                cell.record_control_death(&services, JOB_MASTER, &death);
            }
            Notice::GaveUp(death) => {
                log_death(&cell, JOB_MASTER, &death);
                cell.record_control_death(&services, JOB_MASTER, &death);
                ending::fail_without_master(&services, &cell, &death);
            }
        }
    };
    cell.set_master(Some(supervise(factory, notify)));
}

fn log_death(cell: &JobCell, actor: &str, death: &Death) {
    tracing::warn!(job = %cell.id, actor, kind = death.kind.as_str(), cause = death.message, "an actor died");
}

pub(crate) struct JobMaster {
    services: Arc<Services>,
    cell: Arc<JobCell>,
    watch: DeathWatch,
    /// Set once the job was read from the store.
    state: Option<State>,
}

struct State {
    record: JobRecord,
    graph: Arc<JobGraph>,
    machine: JobMachine,
    recoveries: Recoveries,
    coordinator: Child<CheckpointCoordinator>,
    sent_members: Option<Members>,
}

impl JobMaster {
    fn begin(&mut self, ctx: &mut Context<Self>) {
        self.cell.control_is_up(&self.services, JOB_MASTER);
        let record = match self.services.store.get(self.cell.id) {
            Ok(record) => record,
            Err(error) => {
                self.watch.recorder().record(Exit::Failed(format!("the job cannot be read: {error}")));
                return ctx.stop();
            }
        };
        if record.status.is_terminal() {
            self.cell.set_master(None);
            return ending::settle(&self.services, &self.cell, &record);
        }
        let graph = Arc::new(record.graph.clone());
        let misplanned = self.check_plan(&record);
        let status = record.status;
        let has_run = record.started_at_ms.is_some();
        let machine = JobMachine::new(
            Arc::clone(&graph),
            record.spec.options.restart.clone(),
            &self.cell.attempt_numbers(),
            has_run,
        );
        let mut recoveries = Recoveries::default();
        let was_cut_off = record.was_deployed && status != JobStatus::Suspended;
        if was_cut_off && self.cell.is_masters_first_life() {
            self.cell.record_process_death(&self.services);
        }
        for death in self.cell.unmended_deaths() {
            recoveries.add_cause(0, death);
        }
        let coordinator = self.start_coordinator(&graph, &record, ctx);
        self.state = Some(State { record, graph, machine, recoveries, coordinator, sent_members: None });
        self.step(Event::Start { status, survivors: self.cell.survivors() }, ctx);
        if let Err(message) = misplanned {
            let failure = Failure { kind: FailureKind::Error, message, at_ms: self.services.clock.now_ms() };
            self.step(Event::Fatal(Culprit::JobMaster, failure), ctx);
        }
        if self.services.is_stopping() {
            self.step(Event::Suspend, ctx);
        }
    }

    /// A job that goes on must still be the one that was submitted: its state belongs to that graph.
    fn check_plan(&self, record: &JobRecord) -> Result<(), String> {
        if !record.was_deployed {
            return Ok(());
        }
        match self.services.catalog.plan(&record.spec) {
            Ok(plan) if plan.graph == record.graph => Ok(()),
            Ok(_) => Err(format!(
                "the program `{}` is not planned as it was when the job was submitted, so the job's state does not fit it: submit it as a new job",
                record.spec.program
            )),
            Err(error) => Err(format!("the job can no longer be planned: {error}")),
        }
    }

    fn start_coordinator(
        &self,
        graph: &Arc<JobGraph>,
        record: &JobRecord,
        ctx: &Context<Self>,
    ) -> Child<CheckpointCoordinator> {
        let factory = {
            let (services, cell) = (Arc::clone(&self.services), Arc::clone(&self.cell));
            let (master, graph) = (ctx.address(), Arc::clone(graph));
            let options = record.spec.options.checkpointing.clone();
            move |watch| {
                CheckpointCoordinator::new(
                    Arc::clone(&services),
                    Arc::clone(&cell),
                    master.clone(),
                    Arc::clone(&graph),
                    options.clone(),
                    watch,
                )
            }
        };
        let (services, cell, master) = (Arc::clone(&self.services), Arc::clone(&self.cell), ctx.address());
        supervise(factory, move |notice| match notice {
            Notice::Died(death) => {
                log_death(&cell, CHECKPOINT_COORDINATOR, &death);
                cell.record_control_death(&services, CHECKPOINT_COORDINATOR, &death);
            }
            Notice::GaveUp(death) => {
                log_death(&cell, CHECKPOINT_COORDINATOR, &death);
                master.do_send(FromCoordinator::GaveUp(death));
            }
        })
    }

    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        guarded(&self.watch.recorder(), || self.step_unguarded(event, ctx));
    }

    fn step_unguarded(&mut self, event: Event, ctx: &mut Context<Self>) {
        let Some(state) = self.state.as_mut() else { return };
        let now = self.services.now();
        let at = Moment { mono_ms: now.mono_ms, wall_ms: now.wall_ms, random: random::fraction() };
        for effect in state.machine.step(event, at) {
            self.carry_out(effect, ctx);
        }
        self.publish();
    }

    fn publish(&mut self) {
        let Some(state) = self.state.as_mut() else { return };
        let executions = || state.machine.executions();
        self.cell.publish_tasks(executions());
        let states: std::collections::BTreeMap<ExecutionAttemptId, ExecutionState> =
            executions().map(|execution| (execution.attempt, execution.state)).collect();
        let running = state.recoveries.newly_running(|attempt| states.get(&attempt).copied());
        if !running.is_empty() {
            self.cell.update_exceptions(|exceptions| {
                running.iter().for_each(|exception| exceptions.set_running(*exception));
            });
        }
        let members = state.machine.members();
        if state.sent_members.as_ref() != Some(&members) {
            state.coordinator.addr().do_send(CheckpointEvent(LifecycleEvent::Members(members.clone())));
            state.sent_members = Some(members);
        }
        self.services.has_changed();
    }

    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) {
        let Some(state) = self.state.as_mut() else { return };
        let job = self.cell.id;
        match effect {
            Effect::Record { culprit, failure, failover } => {
                let exception = match culprit {
                    Culprit::Task(attempt) => {
                        tracing::warn!(%job, %attempt, kind = failure.kind.as_str(), cause = failure.message, "a task failed");
                        let died_at = self.services.instant_of(failure.at_ms);
                        self.cell.record_task_failure(died_at, attempt, &failure)
                    }
                    Culprit::JobMaster => self.cell.record_control_failure(JOB_MASTER, &failure),
                    Culprit::CheckpointCoordinator => {
                        self.cell.record_control_failure(CHECKPOINT_COORDINATOR, &failure)
                    }
                };
                if let Some(failover) = failover {
                    state.recoveries.add_cause(failover, exception);
                }
            }
            Effect::Merge { from, into } => state.recoveries.merge(from, into),
            Effect::RootCause { culprit, failure } => {
                let cause = root_cause(&state.graph, culprit, &failure);
                tracing::error!(%job, cause, "the job fails");
                state.record.root_cause = Some(cause);
            }
            Effect::Status(status) => {
                state.record.status = status;
                if status == JobStatus::Running {
                    state.record.started_at_ms.get_or_insert(self.services.clock.now_ms());
                }
                self.save();
            }
            Effect::Cancel(attempts) => self.services.worker.send(ToWorker::Cancel { job, attempts }),
            Effect::LoadRestorePoint { failover, damaged } => {
                self.load_restore_point(failover, damaged, ctx);
            }
            Effect::Deploy { failover, restored, tasks } => {
                reach(FaultPoint::JobDeployBefore);
                self.cell.add_survivors(tasks.iter().map(|task| task.attempt));
                let attempts: Vec<_> = tasks.iter().map(|task| task.attempt).collect();
                let mended = state.recoveries.restart(failover, attempts.iter().copied());
                self.cell.publish_restart(&mended, restored, &attempts);
                if state.record.was_deployed {
                    self.cell.log_restart(restored, tasks.len());
                }
                state.record.restarts += u32::from(state.record.was_deployed);
                state.record.was_deployed = true;
                let spec = Box::new(state.record.spec.clone());
                let graph = state.record.graph.clone();
                self.save();
                self.services.worker.send(ToWorker::Deploy { job, spec, graph, tasks });
            }
            Effect::Arm(timer, after_ms) => self.arm(timer, after_ms, ctx),
            Effect::End(goal) => self.end(goal, 1, ctx),
        }
    }

    fn arm(&self, timer: Timer, after_ms: u64, ctx: &mut Context<Self>) {
        ctx.run_later(Duration::from_millis(after_ms), move |actor, ctx| actor.step(Event::Due(timer), ctx));
    }

    fn load_restore_point(
        &self,
        failover: FailoverId,
        damaged: Vec<(CheckpointId, String)>,
        ctx: &mut Context<Self>,
    ) {
        let (services, cell) = (Arc::clone(&self.services), Arc::clone(&self.cell));
        let found = async move { storage::restore_point(&services, &cell, damaged).await };
        ctx.spawn(found.into_actor(self).map(move |found, actor, ctx| {
            let found = found.map_err(|error| error.to_string()).map(|(point, recorded)| {
                actor.note_damage(failover, recorded);
                point
            });
            actor.step(Event::RestorePoint { failover, found }, ctx);
        }));
    }

    /// The restart mends the failures that damage was recorded as; the coordinator must not count on the checkpoints.
    fn note_damage(&mut self, failover: FailoverId, recorded: Vec<ExceptionId>) {
        if let Some(state) = self.state.as_mut().filter(|_| !recorded.is_empty()) {
            recorded.into_iter().for_each(|exception| state.recoveries.add_cause(failover, exception));
            let damaged = LifecycleEvent::Damaged(self.cell.damaged());
            state.coordinator.addr().do_send(CheckpointEvent(damaged));
        }
    }

    /// Stores and shows the record. A state that is not terminal may be missed: it is found out again after a crash.
    fn save(&self) {
        let Some(state) = self.state.as_ref() else { return };
        if let Err(error) = self.services.store.put(&state.record) {
            tracing::error!(job = %self.cell.id, %error, "the job's state could not be stored");
        }
        self.cell.publish_record(&state.record);
    }

    fn end(&mut self, goal: Goal, tries: u32, ctx: &mut Context<Self>) {
        let Some(state) = self.state.as_mut() else { return };
        self.cell.publish_tasks(state.machine.executions());
        let status = match goal {
            Goal::Finished => JobStatus::Finished,
            Goal::Failed => JobStatus::Failed,
            Goal::Canceled => JobStatus::Canceled,
            Goal::Suspended => {
                state.record.status = JobStatus::Suspended;
                self.save();
                self.services.worker.send(ToWorker::Release { job: self.cell.id, purge: false });
                history_store::save(&self.services, &self.cell);
                self.cell.set_master(None);
                return;
            }
        };
        let mut record = state.record.clone();
        record.status = status;
        record.ended_at_ms = Some(self.services.clock.now_ms());
        record.final_states = self.cell.task_states();
        match self.services.store.put(&record) {
            Err(error) if tries < STORE_TRIES_MAX => {
                tracing::error!(job = %self.cell.id, %error, "the job's end could not be stored: trying again");
                ctx.run_later(deadlines::STORE_RETRY, move |actor, ctx| {
                    guarded(&actor.watch.recorder(), || actor.end(goal, tries + 1, ctx));
                });
            }
            Err(error) => {
                // Its checkpoints stay, so that the next process can bring it to its end once more.
                self.watch
                    .recorder()
                    .record(Exit::Failed(format!("the job's end cannot be stored: {error}")));
                ctx.stop();
            }
            Ok(()) => {
                reach(FaultPoint::JobEndStored);
                tracing::info!(job = %self.cell.id, status = status.as_str(), "the job has ended");
                ending::settle(&self.services, &self.cell, &record);
                self.cell.set_master(None);
            }
        }
    }

    fn on_worker(&mut self, event: FromWorker, ctx: &mut Context<Self>) {
        let Some(state) = self.state.as_mut() else { return };
        match event {
            FromWorker::TaskState { attempt, state: reported, failure, .. } => {
                if reported.is_terminal() {
                    self.cell.remove_survivor(attempt);
                }
                if !state.machine.knows(attempt) {
                    return self.drop_stale(attempt);
                }
                self.step(Event::Task { attempt, state: reported, failure }, ctx);
            }
            FromWorker::Ack {
                attempt,
                checkpoint,
                snapshot,
                ledger,
                drained,
                records_in,
                sync_us,
                async_us,
                alignment_us,
                ..
            } => {
                if state.machine.is_current(attempt) {
                    self.cell.publish_ack(attempt, checkpoint, records_in, &snapshot);
                }
                let at_ms = self.services.clock.now_ms();
                let ack = Ack { snapshot, ledger, drained, sync_us, async_us, alignment_us, at_ms };
                self.forward(attempt, LifecycleEvent::Ack(checkpoint, attempt, Box::new(ack)));
            }
            FromWorker::Decline { attempt, checkpoint, reason, .. } => {
                self.forward(attempt, LifecycleEvent::Decline(checkpoint, attempt, reason));
            }
            FromWorker::Metrics { at_ms, tasks, .. } => {
                self.cell.publish_metrics(self.services.now(), at_ms, tasks);
                self.services.has_changed();
            }
            FromWorker::Tapped { .. } => {} // They go to those who look, not to the job.
            FromWorker::FirstRecord { attempt, .. } => {
                if !state.machine.is_current(attempt) {
                    return self.drop_stale(attempt);
                }
                let mended = state.recoveries.first_record(attempt);
                if !mended.is_empty() {
                    self.cell.update_exceptions(|exceptions| {
                        mended.into_iter().for_each(|exception| exceptions.set_first_record(exception));
                    });
                }
                self.services.has_changed();
            }
        }
    }

    fn forward(&self, attempt: ExecutionAttemptId, event: LifecycleEvent) {
        match self.state.as_ref() {
            Some(state) if state.machine.is_current(attempt) => {
                state.coordinator.addr().do_send(CheckpointEvent(event));
            }
            _ => self.drop_stale(attempt),
        }
    }

    fn drop_stale(&self, attempt: ExecutionAttemptId) {
        let dropped = self.cell.count_stale_message();
        tracing::debug!(job = %self.cell.id, %attempt, dropped, "a message of an attempt that is not current was dropped");
    }

    /// Returns whether there was something alive to kill.
    fn kill_child(&self, actor: &str) -> bool {
        let Some(state) = self.state.as_ref() else { return false };
        if actor == CHECKPOINT_COORDINATOR {
            state.coordinator.kill();
            return true;
        }
        let mut executions = state.machine.executions();
        let is_meant = |execution: &&Execution| execution.attempt.subtask.to_string() == actor;
        let is_stopping = |state: ExecutionState| state.is_terminal() || state == ExecutionState::Canceling;
        let Some(task) = executions.find(is_meant).filter(|execution| !is_stopping(execution.state)) else {
            return false;
        };
        self.services.worker.send(ToWorker::Kill { job: self.cell.id, attempt: task.attempt });
        true
    }

    fn on_coordinator(&mut self, message: FromCoordinator, ctx: &mut Context<Self>) {
        match message {
            FromCoordinator::MembersWanted => {
                if let Some(state) = self.state.as_mut() {
                    state.sent_members = None;
                }
                self.publish();
            }
            FromCoordinator::FinalCheckpoint(checkpoint) => {
                self.step(Event::FinalCheckpoint(checkpoint), ctx)
            }
            FromCoordinator::JobFailure(message) => {
                let failure =
                    Failure { kind: FailureKind::Error, message, at_ms: self.services.clock.now_ms() };
                self.step(Event::GlobalFailure(Culprit::CheckpointCoordinator, failure), ctx);
            }
            FromCoordinator::GaveUp(death) => {
                let failure = failure_of(&self.services, &death);
                self.step(Event::Fatal(Culprit::CheckpointCoordinator, failure), ctx);
            }
        }
    }
}

fn root_cause(graph: &JobGraph, culprit: Culprit, failure: &Failure) -> String {
    let who = match culprit {
        Culprit::JobMaster => JOB_MASTER.to_owned(),
        Culprit::CheckpointCoordinator => CHECKPOINT_COORDINATOR.to_owned(),
        Culprit::Task(attempt) => {
            format!("{} ({})", attempt.subtask, graph.vertex(attempt.subtask.vertex).name)
        }
    };
    format!("{who}: {}: {}", failure.kind.as_str(), failure.message)
}

impl Actor for JobMaster {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        guarded(&self.watch.recorder(), || self.begin(ctx));
    }
}

supervised!(JobMaster);

impl Handler<WorkerEvent> for JobMaster {
    type Result = ();

    fn handle(&mut self, WorkerEvent(event): WorkerEvent, ctx: &mut Self::Context) {
        guarded(&self.watch.recorder(), || self.on_worker(event, ctx));
    }
}

impl Handler<WhoTriggers> for JobMaster {
    type Result = Option<Addr<CheckpointCoordinator>>;

    fn handle(&mut self, _: WhoTriggers, _: &mut Self::Context) -> Self::Result {
        self.state.as_ref().map(|state| state.coordinator.addr())
    }
}

impl Handler<Suspend> for JobMaster {
    type Result = ();

    fn handle(&mut self, _: Suspend, ctx: &mut Self::Context) {
        self.step(Event::Suspend, ctx);
    }
}

impl Handler<KillChild> for JobMaster {
    type Result = bool;

    fn handle(&mut self, KillChild(actor): KillChild, _: &mut Self::Context) -> bool {
        guarded(&self.watch.recorder(), || self.kill_child(&actor))
    }
}

impl Handler<FromCoordinator> for JobMaster {
    type Result = ();

    fn handle(&mut self, message: FromCoordinator, ctx: &mut Self::Context) {
        guarded(&self.watch.recorder(), || self.on_coordinator(message, ctx));
    }
}
