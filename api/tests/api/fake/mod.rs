//! A control plane with known answers, rich enough to show every part of the page.

mod data;
mod inspect;
mod sql;

use std::sync::{Arc, Mutex, MutexGuard};

use data::{PROGRAMS, actors, attempts, checkpoint, exception, graph, subtask};
use headwater_api::{ControlPlane, LogBook, Reply, SqlFrontEnd};
use headwater_coordinator::{
    IdempotencyKey,
    handle::DispatcherError,
    view::{
        Accepted, AttemptView, CheckpointView, ClusterOverview, ExceptionView, FeedEvent, FeedPage,
        JobDetails, JobEventKind, JobEventView, JobSummary, RestartView, SlotTask, TriggerView,
        UnreadableJob,
    },
};
use headwater_core::{
    execution::{ExecutionState, FailureKind},
    ids::{CheckpointId, JobId, SubtaskId},
    job::{ArgValue, Args, JobSpec, JobStatus, PlanError, ProgramInfo},
    options::JobOptions,
    time::{Clock, MAX_WATERMARK, SystemClock},
};
pub use sql::FakeSql;
use tokio::sync::watch;

/// A control plane that lives in memory and does what it is told.
#[derive(Clone)]
pub struct Fake {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<u64>,
    /// What knows SQL.
    pub sql: FakeSql,
    /// What has been logged.
    pub logs: Arc<LogBook>,
}

struct State {
    jobs: Vec<Job>,
    chaos: bool,
    timing_out: bool,
    is_ready: bool,
    started_at_ms: i64,
    keys: Vec<(IdempotencyKey, JobId)>,
    feed: Vec<FeedEvent>,
    forgotten: usize,
}

struct Job {
    details: JobDetails,
    checkpoints: Vec<CheckpointView>,
    exceptions: Vec<ExceptionView>,
}

impl Fake {
    /// One running, one finished and one failed job.
    pub fn new(chaos: bool) -> Self {
        let now_ms = SystemClock.now_ms();
        let running = Job::running("Socket word count", now_ms - 754_000, JobStatus::Running);
        let finished = Job::ended("Nightly totals", now_ms - 7_200_000, 93_400, None);
        let root_cause = "sink failed: cannot write `/data/out`: no space left on device";
        let failed = Job::ended("Clicks by region", now_ms - 9_000_000, 1_204_000, Some(root_cause));
        let state = State {
            jobs: vec![running, finished, failed],
            chaos,
            timing_out: false,
            is_ready: true,
            started_at_ms: now_ms - 9_400_000,
            keys: Vec::new(),
            feed: Vec::new(),
            forgotten: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changes: watch::channel(0).0,
            sql: FakeSql::default(),
            logs: Arc::default(),
        }
    }

    /// The ids of the running, the finished and the failed job.
    pub fn ids(&self) -> [JobId; 3] {
        let state = self.state();
        [0, 1, 2].map(|index| state.jobs[state.jobs.len() - 3 + index].details.summary.id)
    }

    /// From now on nothing is answered in time.
    pub fn time_out(&self) {
        self.state().timing_out = true;
    }

    /// Lets the running jobs process `elapsed_ms` worth of records and tells everyone.
    pub fn advance(&self, elapsed_ms: u64) {
        for job in &mut self.state().jobs {
            job.advance(elapsed_ms);
        }
        self.changed();
    }

    /// Readiness, as it is asked for from outside.
    pub fn set_ready(&self, is_ready: bool) {
        self.state().is_ready = is_ready;
    }

    /// Writes something down about a job and tells everyone.
    pub fn tell(&self, job: JobId, message: &str) {
        self.state().tell(job, JobEventKind::StateChanged, message, None);
        self.changed();
    }

    /// From now on nothing is known of what was told before.
    pub fn forget_what_was_told(&self) {
        let mut state = self.state();
        state.forgotten = state.feed.len();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }

    fn changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    fn answer<T>(
        &self,
        answer: impl FnOnce(&mut State) -> Result<T, DispatcherError>,
    ) -> Result<T, DispatcherError> {
        let mut state = self.state();
        if state.timing_out { Err(DispatcherError::Timeout(5_000)) } else { answer(&mut state) }
    }
}

impl State {
    fn add(&mut self, spec: JobSpec) -> JobId {
        let mut job = Job::running(&spec.name, SystemClock.now_ms(), JobStatus::Running);
        let id = job.details.summary.id;
        job.details.summary.program.clone_from(&spec.program);
        job.details.spec = spec;
        job.exceptions.clear();
        job.checkpoints.clear();
        self.jobs.insert(0, job);
        id
    }

    fn tell(&mut self, job: JobId, kind: JobEventKind, message: &str, by: Option<String>) {
        let id = self.feed.iter().filter(|told| told.job == job).count() as u64 + 1;
        let event = JobEventView { id, by, ..JobEventView::new(kind, SystemClock.now_ms(), message) };
        let number = self.feed.len() as u64 + 1;
        self.feed.push(FeedEvent { number, job, event });
    }

    fn job(&mut self, id: JobId) -> Result<&mut Job, DispatcherError> {
        self.jobs
            .iter_mut()
            .find(|job| job.details.summary.id == id)
            .ok_or_else(|| DispatcherError::UnknownJob(id.to_string()))
    }
}

impl ControlPlane for Fake {
    fn submit(&self, spec: JobSpec, key: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, Accepted> {
        let names = || PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>().join(", ");
        let submitted = self.answer(|state| {
            let known =
                key.as_ref().and_then(|key| state.keys.iter().find(|(known, _)| known.key == key.key));
            match known {
                Some((known, job)) if Some(known) == key.as_ref() => {
                    return Ok(Accepted { job: *job, is_replay: true });
                }
                Some((known, job)) => {
                    let key = known.key.clone();
                    return Err(DispatcherError::IdempotencyKeyReused { key, job: *job });
                }
                None => {}
            }
            let accept = |state: &mut State, spec| {
                let job = state.add(spec);
                state.keys.extend(key.map(|key| (key, job)));
                state.tell(job, JobEventKind::Submitted, "the job was submitted", by);
                Ok(Accepted { job, is_replay: false })
            };
            if spec.program == "sql" {
                if self.sql.fault_of_job(&spec).is_some() {
                    return Err(PlanError::Invalid("the script is wrong".to_owned()).into());
                }
                return accept(state, spec);
            }
            let Some(program) = PROGRAMS.iter().find(|program| program.name == spec.program) else {
                return Err(PlanError::UnknownProgram { name: spec.program.clone(), known: names() }.into());
            };
            if let Some(name) =
                spec.args.keys().find(|name| !program.args.iter().any(|arg| arg.name == **name))
            {
                let reason = "the program takes no such argument".to_owned();
                return Err(PlanError::BadArgument { name: name.clone(), reason }.into());
            }
            accept(state, spec)
        });
        self.changed();
        Box::pin(async { submitted })
    }

    fn cancel(&self, job: JobId, by: Option<String>) -> Reply<'_, ()> {
        let canceled = self.answer(|state| {
            let summary = &mut state.job(job)?.details.summary;
            if summary.status.is_terminal() {
                return Err(DispatcherError::NotCancellable { job, status: summary.status });
            }
            summary.status = JobStatus::Canceled;
            summary.ended_at_ms = Some(SystemClock.now_ms());
            state.tell(job, JobEventKind::CancelRequested, "the job is cancelled", by);
            Ok(())
        });
        self.changed();
        Box::pin(async { canceled })
    }

    fn kill_actor<'a>(&'a self, job: JobId, actor: &'a str, _: Option<String>) -> Reply<'a, ()> {
        let killed = self.answer(|state| {
            if !state.chaos {
                return Err(DispatcherError::ChaosDisabled);
            }
            state.job(job)?.kill(actor)
        });
        self.changed();
        Box::pin(async { killed })
    }

    fn job(&self, job: JobId) -> Reply<'_, JobDetails> {
        let details = self.answer(|state| Ok(state.job(job)?.details.clone()));
        Box::pin(async { details })
    }

    fn checkpoints(&self, job: JobId) -> Reply<'_, Vec<CheckpointView>> {
        let checkpoints = self.answer(|state| Ok(state.job(job)?.checkpoints.clone()));
        Box::pin(async { checkpoints })
    }

    fn exceptions(&self, job: JobId) -> Reply<'_, Vec<ExceptionView>> {
        let exceptions = self.answer(|state| Ok(state.job(job)?.exceptions.clone()));
        Box::pin(async { exceptions })
    }

    fn restart(&self, job: JobId, by: Option<String>) -> Reply<'_, RestartView> {
        let restarted = self.answer(|state| {
            let details = &mut state.job(job)?.details;
            let checkpoint = details.last_completed_checkpoint;
            match details.summary.status {
                JobStatus::Running | JobStatus::Failed => {
                    details.summary.status = JobStatus::Running;
                    details.summary.restarts += 1;
                    state.tell(job, JobEventKind::RestartRequested, "the job is restarted", by);
                    Ok(RestartView { job, checkpoint })
                }
                JobStatus::Canceled | JobStatus::Finished => {
                    let spec = details.spec.clone();
                    Ok(RestartView { job: state.add(spec), checkpoint: None })
                }
                status => Err(DispatcherError::NotRestartable { job, status }),
            }
        });
        self.changed();
        Box::pin(async { restarted })
    }

    fn delete(&self, job: JobId, by: Option<String>) -> Reply<'_, ()> {
        let deleted = self.answer(|state| {
            let status = state.job(job)?.details.summary.status;
            if !status.is_terminal() {
                return Err(DispatcherError::NotEnded { job, status });
            }
            state.jobs.retain(|other| other.details.summary.id != job);
            state.tell(job, JobEventKind::Deleted, "the job is deleted", by);
            Ok(())
        });
        self.changed();
        Box::pin(async { deleted })
    }

    fn trigger_checkpoint(&self, job: JobId, _: Option<String>) -> Reply<'_, TriggerView> {
        let triggered = self.answer(|state| {
            let found = state.job(job)?;
            let status = found.details.summary.status;
            if status != JobStatus::Running {
                return Err(DispatcherError::NotRunning { job, status });
            }
            let next = found.checkpoints.first().map_or(1, |newest| newest.id.0 + 1);
            found.checkpoints.insert(0, checkpoint(next, SystemClock.now_ms()));
            Ok(TriggerView { checkpoint: CheckpointId(next), was_under_way: false })
        });
        self.changed();
        Box::pin(async { triggered })
    }

    fn events(&self, job: JobId) -> Reply<'_, Vec<JobEventView>> {
        let events = self.answer(|state| {
            state.job(job)?;
            Ok(state.feed.iter().filter(|told| told.job == job).map(|told| told.event.clone()).collect())
        });
        Box::pin(async { events })
    }

    fn attempts(&self, job: JobId, subtask: SubtaskId) -> Reply<'_, Option<Vec<AttemptView>>> {
        let found = self.answer(|state| {
            let is_there = state.job(job)?.details.graph.subtasks().any(|other| other == subtask);
            Ok(is_there.then(attempts))
        });
        Box::pin(async { found })
    }

    fn told_since(&self, number: u64) -> FeedPage {
        let state = self.state();
        let known = state.feed.iter().skip(state.forgotten);
        let events: Vec<FeedEvent> = known.filter(|told| told.number > number).cloned().collect();
        let newest = state.feed.len() as u64;
        let missed = newest.saturating_sub(number).saturating_sub(events.len() as u64);
        FeedPage { process: state.started_at_ms, newest, missed, events }
    }

    fn slots(&self) -> Reply<'_, Vec<SlotTask>> {
        let slots = self.answer(|state| {
            let running = state.jobs.iter().filter(|job| !job.details.summary.status.is_terminal());
            let tasks = running.flat_map(|job| {
                let id = job.details.summary.id;
                job.details.vertices.iter().flatten().map(move |task| SlotTask {
                    slot: task.slot,
                    job: id,
                    subtask: task.subtask,
                    state: task.state,
                })
            });
            Ok(tasks.collect())
        });
        Box::pin(async { slots })
    }

    fn is_ready(&self) -> bool {
        self.state().is_ready
    }

    fn overview(&self) -> Reply<'_, ClusterOverview> {
        let overview = self.answer(|state| {
            Ok(ClusterOverview {
                started_at_ms: state.started_at_ms,
                slots_total: 4,
                slots_used: 2,
                tasks_running: 6,
                chaos: state.chaos,
                jobs: state.jobs.iter().map(|job| job.details.summary.clone()).collect(),
                unreadable_jobs: vec![UnreadableJob {
                    id: "00000000000000000000000000000bad".to_owned(),
                    reason: "the checksum does not match".to_owned(),
                }],
            })
        });
        Box::pin(async { overview })
    }

    fn programs(&self) -> Vec<ProgramInfo> {
        PROGRAMS.to_vec()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Job {
    fn running(name: &str, submitted_at_ms: i64, status: JobStatus) -> Self {
        let graph = graph();
        let vertices = graph
            .vertices
            .iter()
            .map(|vertex| (0..vertex.parallelism).map(|index| subtask(vertex.id, index)).collect())
            .collect();
        let actors = actors(&graph);
        let summary = JobSummary {
            id: JobId::random(),
            name: name.to_owned(),
            program: "socket-word-count".to_owned(),
            status,
            submitted_at_ms,
            started_at_ms: Some(submitted_at_ms + 14),
            ended_at_ms: None,
            restarts: 2,
            tasks: vec![(ExecutionState::Running, 6)],
            failure: None,
        };
        let spec = JobSpec {
            name: name.to_owned(),
            program: summary.program.clone(),
            args: Args::from([
                ("host".to_owned(), ArgValue::Text("localhost".to_owned())),
                ("port".to_owned(), ArgValue::Integer(9_000)),
            ]),
            options: JobOptions { parallelism: 2, ..JobOptions::default() },
        };
        let checkpoints =
            (1..=40).rev().map(|id| checkpoint(id, submitted_at_ms + id as i64 * 1_000)).collect();
        let last_completed_checkpoint = Some(CheckpointId(40));
        let exceptions = vec![
            exception(
                submitted_at_ms + 31_200,
                "v1-1",
                FailureKind::Panic,
                "index out of bounds: the len is 3 but the index is 7",
            ),
            exception(
                submitted_at_ms + 12_400,
                "v0-0",
                FailureKind::Error,
                "connection to `localhost:9000` was reset by the peer",
            ),
        ];
        let details = JobDetails { summary, spec, graph, vertices, actors, last_completed_checkpoint };
        Self { details, checkpoints, exceptions }
    }

    fn ended(name: &str, submitted_at_ms: i64, took_ms: i64, root_cause: Option<&str>) -> Self {
        let status = if root_cause.is_some() { JobStatus::Failed } else { JobStatus::Finished };
        let mut job = Self::running(name, submitted_at_ms, status);
        let summary = &mut job.details.summary;
        summary.ended_at_ms = Some(submitted_at_ms + took_ms);
        summary.failure = root_cause.map(str::to_owned);
        summary.tasks = if root_cause.is_some() {
            vec![(ExecutionState::Canceled, 5), (ExecutionState::Failed, 1)]
        } else {
            summary.restarts = 0;
            vec![(ExecutionState::Finished, 6)]
        };
        for subtask in job.details.vertices.iter_mut().flatten() {
            subtask.state =
                if root_cause.is_some() { ExecutionState::Canceled } else { ExecutionState::Finished };
            subtask.metrics.watermark_ms = Some(MAX_WATERMARK);
            subtask.recent = None;
        }
        job
    }

    fn advance(&mut self, elapsed_ms: u64) {
        if self.details.summary.status != JobStatus::Running {
            return;
        }
        for (vertex, subtask) in self.details.vertices.iter_mut().flatten().enumerate() {
            let busy_percent = [18, 22, 71, 64, 35, 30][vertex];
            subtask.metrics_at_ms = subtask.metrics_at_ms.map(|at_ms| at_ms + elapsed_ms as i64);
            let metrics = &mut subtask.metrics;
            metrics.records_in += elapsed_ms * 1_900 / (1 + vertex as u64);
            metrics.records_out += elapsed_ms * 1_700 / (1 + vertex as u64);
            metrics.busy_us += elapsed_ms * busy_percent * 10;
            metrics.backpressured_us += if vertex < 2 { elapsed_ms * 450 } else { 0 };
            metrics.running_us += elapsed_ms * 1_000;
            metrics.idle_us = metrics.running_us.saturating_sub(metrics.busy_us + metrics.backpressured_us);
            let now_ms = SystemClock.now_ms();
            metrics.watermark_ms = Some(now_ms - 1_200);
            metrics.activity.since_ms = now_ms - 40;
            for input in &mut metrics.inputs {
                input.watermark_ms = Some(now_ms - 1_200);
                input.unchanged_since_ms = now_ms - 200;
            }
        }
        let newest = &self.checkpoints.first().map_or((0, 0), |newest| (newest.id.0, newest.triggered_at_ms));
        if SystemClock.now_ms() - newest.1 >= 1_000 {
            self.checkpoints.insert(0, checkpoint(newest.0 + 1, SystemClock.now_ms()));
            self.checkpoints.truncate(60);
            self.details.last_completed_checkpoint = Some(CheckpointId(newest.0 + 1));
        }
    }

    fn kill(&mut self, id: &str) -> Result<(), DispatcherError> {
        let job = self.details.summary.id;
        let known =
            || self.details.actors.iter().map(|actor| actor.id.as_str()).collect::<Vec<_>>().join(", ");
        if !self.details.actors.iter().any(|actor| actor.id == id) {
            return Err(DispatcherError::UnknownActor { job, actor: id.to_owned(), known: known() });
        }
        for actor in self.details.actors.iter_mut().filter(|actor| actor.id == id) {
            actor.restarts += 1;
            actor.last_failure = Some("killed on purpose".to_owned());
        }
        for subtask in self.details.vertices.iter_mut().flatten() {
            subtask.attempt += 1;
        }
        self.details.summary.restarts += 1;
        self.exceptions
            .insert(0, exception(SystemClock.now_ms(), id, FailureKind::Kill, "killed on purpose"));
        Ok(())
    }
}
