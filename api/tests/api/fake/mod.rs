//! A control plane with known answers, rich enough to show every part of the page.

mod data;
mod inspect;
mod job;
mod moods;
mod sql;

use std::{
    future::pending,
    sync::{Arc, Mutex, MutexGuard},
};

use data::{PROGRAMS, attempts, checkpoint};
use headwater_api::{ControlPlane, LogBook, Reply, SqlFrontEnd};
use headwater_coordinator::{
    IdempotencyKey,
    handle::DispatcherError,
    view::{
        Accepted, AttemptView, CheckpointView, ClusterOverview, DeleteView, DeletionView, ExceptionView,
        FeedEvent, FeedPage, JobDetails, JobEventKind, JobEventView, JobSummary, RestartView, SlotTask,
        TriggerView, UnreadableJob,
    },
};
use headwater_core::{
    ids::{CheckpointId, JobId, SubtaskId},
    job::{JobSpec, JobStatus, PlanError, ProgramInfo},
    time::{Clock, SystemClock},
};
use job::Job;
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
    hanging: bool,
    is_ready: bool,
    is_slow_to_delete: bool,
    started_at_ms: i64,
    keys: Vec<(IdempotencyKey, JobId)>,
    feed: Vec<FeedEvent>,
    forgotten: usize,
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
            hanging: false,
            is_ready: true,
            is_slow_to_delete: false,
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

    /// Lets the running jobs process `elapsed_ms` worth of records and tells everyone.
    pub fn advance(&self, elapsed_ms: u64) {
        for job in &mut self.state().jobs {
            job.advance(elapsed_ms);
        }
        self.changed();
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

    fn summaries(&self) -> Vec<JobSummary> {
        self.jobs.iter().map(|job| job.details.summary.clone()).collect()
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
            if summary.status == JobStatus::Canceled {
                return Ok(());
            }
            if summary.status.is_terminal() {
                return Err(DispatcherError::NotCancellable { job, status: summary.status });
            }
            summary.status = JobStatus::Canceled;
            summary.ended_at_ms = Some(SystemClock.now_ms());
            state.tell(job, JobEventKind::CancelRequested, "the job is cancelled", by);
            Ok(())
        });
        self.changed();
        let is_hanging = self.state().hanging;
        Box::pin(async move { if is_hanging { pending().await } else { canceled } })
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

    fn restart(&self, job: JobId, _: Option<IdempotencyKey>, by: Option<String>) -> Reply<'_, RestartView> {
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

    fn delete(&self, job: JobId, by: Option<String>) -> Reply<'_, DeleteView> {
        let deleted = self.answer(|state| {
            let is_slow = state.is_slow_to_delete;
            let summary = &mut state.job(job)?.details.summary;
            if !summary.status.is_terminal() {
                return Err(DispatcherError::NotEnded { job, status: summary.status });
            }
            if is_slow {
                summary.deletion = Some(DeletionView { since_ms: SystemClock.now_ms(), failure: None });
                return Ok(DeleteView { is_done: false });
            }
            state.jobs.retain(|other| other.details.summary.id != job);
            state.tell(job, JobEventKind::Deleted, "the job was deleted", by);
            Ok(DeleteView { is_done: true })
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

    fn jobs(&self) -> Reply<'_, Vec<JobSummary>> {
        let jobs = self.answer(|state| Ok(state.summaries()));
        Box::pin(async { jobs })
    }

    fn overview(&self) -> Reply<'_, ClusterOverview> {
        let overview = self.answer(|state| {
            let mut jobs_by_status: Vec<(JobStatus, usize)> = Vec::new();
            for job in state.summaries() {
                match jobs_by_status.iter_mut().find(|(status, _)| *status == job.status) {
                    Some((_, count)) => *count += 1,
                    None => jobs_by_status.push((job.status, 1)),
                }
            }
            Ok(ClusterOverview {
                started_at_ms: state.started_at_ms,
                slots_total: 4,
                slots_used: 2,
                tasks_running: 6,
                chaos: state.chaos,
                jobs: state.summaries(),
                jobs_by_status,
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
