//! What outlives a job's actors in memory: the last observation of each, the attempts that may be alive at the
//! worker, and the lane to the checkpoint store. Views are read from here, so that they need no actor's answer.

mod deletion;
mod progress;
mod recorded;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{ExecutionState, Failure, FailureKind, TaskMetrics},
    graph::VertexKind,
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId},
    job::JobStatus,
    time::{ClockWatch, TimestampMs},
};
use tokio::time::Instant;

use super::{
    attempts::Attempts,
    execution_graph::Execution,
    history::{Checkpoints, ExceptionId, Exceptions, micros},
    log::JobLog,
    master::JobMaster,
    recent::Samples,
    replay::Replay,
};
use crate::{
    history_store::Part,
    job_store::JobRecord,
    recorder::Recorder,
    services::Services,
    supervisor::{Child, Death, lock},
    view::{
        ActorKind, ActorView, CheckpointAckView, CheckpointStatus, CheckpointView, DeletionView,
        ExceptionView, JobDetails, JobEventKind, JobEventView, JobSummary, SlotTask, SubtaskView,
    },
};

pub(crate) const JOB_MASTER: &str = "job-master";
/// Not an actor, but what all of them live in.
const PROCESS: &str = "process";
pub(crate) const CHECKPOINT_COORDINATOR: &str = "checkpoint-coordinator";

/// A job's cell.
pub(crate) struct JobCell {
    pub(crate) id: JobId,
    pub(crate) submitted_at_ms: TimestampMs,
    pub(crate) storage_lane: tokio::sync::Mutex<()>,
    recorder: Arc<Recorder>,
    master: Mutex<Option<Child<JobMaster>>>,
    observed: Mutex<Observed>,
}

struct Observed {
    record: JobRecord,
    survivors: BTreeSet<ExecutionAttemptId>,
    tasks: BTreeMap<SubtaskId, Task>,
    master: ControlActor,
    coordinator: ControlActor,
    exceptions: Exceptions,
    checkpoints: Checkpoints,
    replay: Replay,
    damaged: BTreeSet<CheckpointId>,
    deletion: Option<DeletionView>,
    log: JobLog,
    /// What of the history is not stored as it is here.
    unsaved: BTreeSet<Part>,
    stale_messages: u64,
    clock: ClockWatch,
}

#[derive(Default)]
struct Task {
    attempt: Option<ExecutionAttemptId>,
    state: Option<ExecutionState>,
    metrics: TaskMetrics,
    metrics_at_ms: Option<TimestampMs>,
    state_since_ms: Option<TimestampMs>,
    samples: Samples,
    state_bytes: Option<u64>,
    last_failure: Option<String>,
    attempts: Attempts,
}

impl Task {
    fn state(&self) -> ExecutionState {
        self.state.unwrap_or(ExecutionState::Created)
    }

    fn attempt_number(&self) -> u32 {
        self.attempt.map_or(0, |attempt| attempt.attempt)
    }
}

#[derive(Default)]
struct ControlActor {
    is_up: bool,
    restarts: u32,
    last_failure: Option<String>,
}

impl JobCell {
    pub(crate) fn new(record: JobRecord, recorder: Arc<Recorder>) -> Self {
        let states = record.final_states.iter().copied().map(Some).chain(std::iter::repeat(None));
        let tasks = record
            .graph
            .subtasks()
            .zip(states)
            .map(|(subtask, state)| (subtask, Task { state, ..Task::default() }))
            .collect();
        Self {
            id: record.id,
            submitted_at_ms: record.submitted_at_ms,
            storage_lane: tokio::sync::Mutex::new(()),
            recorder,
            master: Mutex::default(),
            observed: Mutex::new(Observed {
                record,
                survivors: BTreeSet::new(),
                tasks,
                master: ControlActor::default(),
                coordinator: ControlActor::default(),
                exceptions: Exceptions::default(),
                checkpoints: Checkpoints::default(),
                replay: Replay::default(),
                damaged: BTreeSet::new(),
                deletion: None,
                log: JobLog::default(),
                unsaved: BTreeSet::new(),
                stale_messages: 0,
                clock: ClockWatch::default(),
            }),
        }
    }

    fn observed(&self) -> MutexGuard<'_, Observed> {
        lock(&self.observed)
    }

    pub(crate) fn set_master(&self, master: Option<Child<JobMaster>>) {
        // The old one is dropped outside of the lock: that sends it a message.
        let before = std::mem::replace(&mut *lock(&self.master), master);
        drop(before);
    }

    /// The job's master, while it has one.
    pub(crate) fn with_master<T>(&self, use_it: impl FnOnce(&Child<JobMaster>) -> T) -> Option<T> {
        lock(&self.master).as_ref().map(use_it)
    }

    pub(crate) fn record(&self) -> JobRecord {
        self.observed().record.clone()
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.observed().record.status
    }

    /// How and when the job ended, once it has.
    pub(crate) fn end(&self) -> Option<(JobStatus, TimestampMs)> {
        let Observed { record, .. } = &*self.observed();
        let ended_at_ms = record.ended_at_ms.unwrap_or(record.submitted_at_ms);
        record.status.is_terminal().then_some((record.status, ended_at_ms))
    }

    pub(crate) fn publish_record(&self, record: &JobRecord) {
        let before = std::mem::replace(&mut self.observed().record, record.clone()).status;
        self.log_status(before, record.status, record.root_cause.as_deref());
    }

    /// The attempts that may be alive at the worker.
    pub(crate) fn survivors(&self) -> BTreeSet<ExecutionAttemptId> {
        self.observed().survivors.clone()
    }

    pub(crate) fn add_survivors(&self, attempts: impl IntoIterator<Item = ExecutionAttemptId>) {
        self.observed().survivors.extend(attempts);
    }

    pub(crate) fn remove_survivor(&self, attempt: ExecutionAttemptId) {
        self.observed().survivors.remove(&attempt);
    }

    /// The number of each subtask's last attempt, of those that had any.
    pub(crate) fn attempt_numbers(&self) -> BTreeMap<SubtaskId, u32> {
        let observed = self.observed();
        observed.tasks.iter().filter_map(|(id, task)| Some((*id, task.attempt?.attempt))).collect()
    }

    pub(super) fn publish_tasks<'a>(&self, executions: impl Iterator<Item = &'a Execution>) {
        let now_ms = self.recorder.now_ms();
        let mut is_news = false;
        let mut observed = self.observed();
        for execution in executions {
            let attempt = execution.attempt;
            let task = observed.tasks.entry(attempt.subtask).or_default();
            if task.attempt != Some(attempt) {
                task.attempt = Some(attempt);
                task.metrics = TaskMetrics::default();
                task.metrics_at_ms = None;
                task.samples = Samples::default();
                task.state = None;
            }
            if task.state.replace(execution.state) != Some(execution.state) {
                task.state_since_ms = Some(now_ms);
            }
            is_news |= task.attempts.observe(execution, now_ms);
        }
        drop(observed);
        if is_news {
            self.is_unsaved(Part::Attempts);
        }
    }

    /// The state of every subtask, in the graph's order.
    pub(crate) fn task_states(&self) -> Vec<ExecutionState> {
        self.observed().tasks.values().map(Task::state).collect()
    }

    /// Counts a message of an attempt that is not current; how many there were.
    pub(crate) fn count_stale_message(&self) -> u64 {
        let mut observed = self.observed();
        observed.stale_messages += 1;
        observed.stale_messages
    }

    pub(crate) fn record_task_failure(
        &self,
        died_at: Instant,
        attempt: ExecutionAttemptId,
        failure: &Failure,
    ) -> ExceptionId {
        let mut observed = self.observed();
        let subtask = attempt.subtask;
        let task = observed.tasks.entry(subtask).or_default();
        task.last_failure = Some(failure.message.clone());
        task.attempts.set_failure(attempt.attempt, failure);
        let view = ExceptionView {
            at_ms: failure.at_ms,
            actor: subtask.to_string(),
            actor_name: observed.record.graph.vertex(subtask.vertex).name.clone(),
            attempt: Some(attempt.attempt),
            kind: failure.kind,
            message: failure.message.clone(),
            detected_after_us: Some(micros(died_at.elapsed())),
            recovery: None,
        };
        drop(observed);
        self.record_exception(died_at, view)
    }

    /// Writes a failure down, and tells of it.
    fn record_exception(&self, died_at: Instant, view: ExceptionView) -> ExceptionId {
        let message = format!("{}: {}: {}", view.actor, view.kind.as_str(), view.message);
        let event = JobEventView {
            actor: Some(view.actor.clone()),
            ..JobEventView::new(JobEventKind::Failed, view.at_ms, message)
        };
        let id = self.observed().exceptions.record(died_at, view);
        self.log(event);
        self.is_unsaved(Part::Exceptions);
        id
    }

    /// Records the failure of a control actor without its death, or before it.
    pub(crate) fn record_control_failure(&self, actor: &'static str, failure: &Failure) -> ExceptionId {
        let mut observed = self.observed();
        observed.control(actor).last_failure = Some(failure.message.clone());
        let view = ExceptionView {
            at_ms: failure.at_ms,
            actor: actor.to_owned(),
            actor_name: actor.to_owned(),
            attempt: None,
            kind: failure.kind,
            message: failure.message.clone(),
            // Its supervisor is told of it at once.
            detected_after_us: Some(0),
            recovery: None,
        };
        drop(observed);
        self.record_exception(Instant::now(), view)
    }

    /// Records that the whole process died: the job was running when the data folder was last used, and nobody stopped
    /// it. When that was is not known, so times count from now.
    pub(crate) fn record_process_death(&self, services: &Services) -> ExceptionId {
        let view = ExceptionView {
            at_ms: services.clock.now_ms(),
            actor: PROCESS.to_owned(),
            actor_name: PROCESS.to_owned(),
            attempt: None,
            kind: FailureKind::Error,
            message: "the process ended without a clean stop; the time is that of the next one's start"
                .to_owned(),
            detected_after_us: None,
            recovery: None,
        };
        self.record_exception(Instant::now(), view)
    }

    /// Whether the job's master has lived in this process before.
    pub(crate) fn is_masters_first_life(&self) -> bool {
        self.observed().master.restarts == 0
    }

    /// Records the death of a control actor.
    pub(crate) fn record_control_death(&self, services: &Services, actor: &'static str, death: &Death) {
        let failure = failure_of(services, death);
        let id = self.record_control_failure(actor, &failure);
        let mut observed = self.observed();
        let control = observed.control(actor);
        control.is_up = false;
        control.restarts += 1;
        drop(observed);
        if actor == CHECKPOINT_COORDINATOR {
            self.update_exceptions(|exceptions| exceptions.set_restarted(id, None, &[], Some(0)));
        }
        services.has_changed();
    }

    /// Takes note that a control actor is at work.
    pub(crate) fn control_is_up(&self, services: &Services, actor: &'static str) {
        self.observed().control(actor).is_up = true;
        if actor == CHECKPOINT_COORDINATOR {
            self.update_exceptions(|exceptions| exceptions.set_running_of(actor));
        }
        services.has_changed();
    }

    /// The deaths after which tasks must be restarted and do not run yet. Those from before the master's own death are among
    /// them: its restart of the job mends them, too. Those from before the job was last stopped are not: the time until somebody
    /// started it again is no recovery.
    pub(crate) fn unmended_deaths(&self) -> Vec<ExceptionId> {
        let restarts_tasks =
            |view: &ExceptionView| view.attempt.is_some() || [JOB_MASTER, PROCESS].contains(&&*view.actor);
        let observed = self.observed();
        observed.exceptions.unmended(observed.log.failures_since_stop(), restarts_tasks)
    }

    pub(super) fn update_exceptions(&self, update: impl FnOnce(&mut Exceptions)) {
        update(&mut self.observed().exceptions);
        self.is_unsaved(Part::Exceptions);
    }

    /// Takes note that a checkpoint was given up as damaged; whether that is news.
    pub(crate) fn note_damage(&self, checkpoint: CheckpointId) -> bool {
        self.observed().damaged.insert(checkpoint)
    }

    pub(crate) fn is_damaged(&self, checkpoint: CheckpointId) -> bool {
        self.observed().damaged.contains(&checkpoint)
    }

    /// The checkpoints that were given up as damaged.
    pub(crate) fn damaged(&self) -> BTreeSet<CheckpointId> {
        self.observed().damaged.clone()
    }

    pub(crate) fn record_damage(&self, services: &Services, message: String) -> ExceptionId {
        let at_ms = services.clock.now_ms();
        let failure = Failure { kind: FailureKind::DamagedCheckpoint, message, at_ms };
        self.record_control_failure(CHECKPOINT_COORDINATOR, &failure)
    }

    pub(crate) fn observe_checkpoint(&self, view: CheckpointView) {
        self.observed().checkpoints.observe(view);
    }

    pub(crate) fn observe_ack(&self, checkpoint: CheckpointId, subtask: SubtaskId, ack: CheckpointAckView) {
        self.observed().checkpoints.observe_ack(checkpoint, subtask, ack);
    }

    pub(crate) fn end_checkpoint(&self, checkpoint: CheckpointId, status: CheckpointStatus) {
        if let CheckpointStatus::Failed(failure) = &status {
            let event =
                self.event(JobEventKind::CheckpointFailed, format!("checkpoint {checkpoint}: {failure}"));
            self.log(JobEventView { checkpoint: Some(checkpoint), ..event });
        }
        self.observed().checkpoints.end(checkpoint, status);
        self.is_unsaved(Part::Checkpoints);
    }

    /// Settles what is shown of a dead coordinator's checkpoints; `durable` are those with a manifest.
    pub(crate) fn settle_checkpoints(&self, durable: &[CheckpointId], latest: Option<CheckpointId>) {
        let mut observed = self.observed();
        for checkpoint in observed.checkpoints.in_progress() {
            let status = if durable.contains(&checkpoint) {
                CheckpointStatus::Completed
            } else {
                CheckpointStatus::Failed(CheckpointFailure::CoordinatorFailed)
            };
            observed.checkpoints.end(checkpoint, status);
        }
        if let Some(latest) = latest {
            observed.checkpoints.set_last_completed(latest);
        }
        drop(observed);
        self.is_unsaved(Part::Checkpoints);
    }

    /// Gives up what is shown as under way though its outcome will not be known.
    pub(crate) fn fail_open_checkpoints(&self, failure: &CheckpointFailure) {
        let mut observed = self.observed();
        let open = observed.checkpoints.in_progress();
        for checkpoint in &open {
            observed.checkpoints.end(*checkpoint, CheckpointStatus::Failed(failure.clone()));
        }
        drop(observed);
        if !open.is_empty() {
            self.is_unsaved(Part::Checkpoints);
        }
    }

    /// The slots in which the job has tasks.
    pub(crate) fn slots_used(&self, slots: usize) -> BTreeSet<usize> {
        let observed = self.observed();
        let in_use = |task: &Task| task.attempt.is_some() && !task.state().is_terminal();
        let used = observed.tasks.iter().filter(|(_, task)| in_use(task));
        used.map(|(subtask, _)| slot_of(*subtask, slots)).collect()
    }

    pub(crate) fn checkpoints(&self) -> Vec<CheckpointView> {
        self.observed().checkpoints.views()
    }

    pub(crate) fn exceptions(&self) -> Vec<ExceptionView> {
        self.observed().exceptions.views()
    }

    pub(crate) fn summary(&self) -> JobSummary {
        self.observed().summary()
    }

    pub(crate) fn details(&self, slots: usize) -> JobDetails {
        let observed = self.observed();
        JobDetails {
            summary: observed.summary(),
            spec: observed.record.spec.clone(),
            graph: observed.record.graph.clone(),
            vertices: observed.vertices(slots),
            actors: observed.actors(),
            last_completed_checkpoint: observed.checkpoints.last_completed(),
        }
    }

    /// The states of all subtasks, and the slots that they are in.
    pub(crate) fn slots(&self, slots: usize) -> Vec<SlotTask> {
        let observed = self.observed();
        let in_use =
            observed.tasks.iter().filter(|(_, task)| task.attempt.is_some() && !task.state().is_terminal());
        in_use
            .map(|(subtask, task)| SlotTask {
                job: self.id,
                slot: slot_of(*subtask, slots),
                subtask: *subtask,
                state: task.state(),
            })
            .collect()
    }

    /// The ids of the job's actors.
    pub(crate) fn actor_ids(&self) -> Vec<String> {
        self.observed().actors().into_iter().map(|actor| actor.id).collect()
    }
}

impl Observed {
    fn control(&mut self, actor: &'static str) -> &mut ControlActor {
        if actor == JOB_MASTER { &mut self.master } else { &mut self.coordinator }
    }

    fn summary(&self) -> JobSummary {
        let mut tasks: Vec<(ExecutionState, usize)> = Vec::new();
        for state in self.tasks.values().map(Task::state) {
            match tasks.iter_mut().find(|(known, _)| *known == state) {
                Some((_, count)) => *count += 1,
                None => tasks.push((state, 1)),
            }
        }
        let record = &self.record;
        JobSummary {
            id: record.id,
            name: record.spec.name.clone(),
            program: record.spec.program.clone(),
            status: record.status,
            submitted_at_ms: record.submitted_at_ms,
            started_at_ms: record.started_at_ms,
            ended_at_ms: record.ended_at_ms,
            restarts: record.restarts,
            tasks,
            failure: record.root_cause.clone(),
            deletion: self.deletion.clone(),
        }
    }

    fn vertices(&self, slots: usize) -> Vec<Vec<SubtaskView>> {
        let subtask_view = |subtask: &SubtaskId, task: &Task| SubtaskView {
            subtask: *subtask,
            attempt: task.attempt_number(),
            state: task.state(),
            slot: slot_of(*subtask, slots),
            metrics: task.metrics.clone(),
            metrics_at_ms: task.metrics_at_ms,
            state_since_ms: task.state_since_ms,
            recent: task.samples.recent().filter(|_| task.state().is_live()),
            state_bytes: task.state_bytes,
        };
        let of_vertex = |vertex| {
            let first = SubtaskId { vertex, index: 0 };
            let last = SubtaskId { vertex, index: u32::MAX };
            self.tasks.range(first..=last).map(|(subtask, task)| subtask_view(subtask, task)).collect()
        };
        self.record.graph.vertices.iter().map(|vertex| of_vertex(vertex.id)).collect()
    }

    fn actors(&self) -> Vec<ActorView> {
        let control = |id: &str, kind, parent: Option<&str>, actor: &ControlActor| ActorView {
            id: id.to_owned(),
            parent: parent.map(str::to_owned),
            kind,
            name: id.to_owned(),
            state: match self.record.status {
                ended if ended.is_terminal() => ended.as_str(),
                _ if actor.is_up => "RUNNING",
                _ => "RESTARTING",
            },
            restarts: actor.restarts,
            last_failure: actor.last_failure.clone(),
        };
        let mut actors = vec![
            control(JOB_MASTER, ActorKind::JobMaster, None, &self.master),
            control(
                CHECKPOINT_COORDINATOR,
                ActorKind::CheckpointCoordinator,
                Some(JOB_MASTER),
                &self.coordinator,
            ),
        ];
        actors.extend(self.tasks.iter().map(|(subtask, task)| {
            let vertex = self.record.graph.vertex(subtask.vertex);
            ActorView {
                id: subtask.to_string(),
                parent: Some(JOB_MASTER.to_owned()),
                kind: match vertex.kind {
                    VertexKind::Source => ActorKind::Source,
                    VertexKind::Operator => ActorKind::Operator,
                    VertexKind::Sink => ActorKind::Sink,
                },
                name: format!("{} ({}/{})", vertex.name, subtask.index + 1, vertex.parallelism),
                state: task.state().as_str(),
                restarts: task.attempt_number(),
                last_failure: task.last_failure.clone(),
            }
        }));
        actors
    }
}

/// A control actor's death as a failure.
pub(crate) fn failure_of(services: &Services, death: &Death) -> Failure {
    Failure { kind: death.kind, message: death.message.clone(), at_ms: services.clock.now_ms() }
}

/// Subtask i of every vertex runs in slot i mod S, so that a pipeline's hops stay on one core where they can.
fn slot_of(subtask: SubtaskId, slots: usize) -> usize {
    subtask.index as usize % slots.max(1)
}
