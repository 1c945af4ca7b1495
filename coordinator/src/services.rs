//! What every actor of the control plane works with.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use headwater_core::{
    gateway::WorkerGateway,
    ids::JobId,
    job::ProgramCatalog,
    store::CheckpointStore,
    time::{Clock, TimestampMs},
};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

use crate::{
    CoordinatorConfig, checkpoint::lifecycle::Moment, job::cell::JobCell, job_store::JobStore,
    recorder::Recorder, supervisor::lock, tap::Taps, view::UnreadableJob,
};

/// Ended jobs that are kept as history.
const ENDED_JOBS_MAX: usize = 200;

pub(crate) struct Services {
    pub(crate) store: JobStore,
    pub(crate) checkpoints: Arc<dyn CheckpointStore>,
    pub(crate) worker: Arc<dyn WorkerGateway>,
    pub(crate) catalog: Arc<dyn ProgramCatalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chaos: bool,
    pub(crate) started_at_ms: TimestampMs,
    pub(crate) changes: watch::Sender<u64>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) taps: Taps,
    is_adopted: watch::Sender<bool>,
    is_stopping: AtomicBool,
    origin: Instant,
    jobs: Mutex<BTreeMap<JobId, Arc<JobCell>>>,
    unreadable_jobs: Mutex<Vec<UnreadableJob>>,
}

impl Services {
    pub(crate) fn new(config: CoordinatorConfig) -> Self {
        Self {
            store: JobStore(config.store),
            checkpoints: config.checkpoints,
            worker: config.worker,
            catalog: config.catalog,
            started_at_ms: config.clock.now_ms(),
            recorder: Arc::new(Recorder::new(Arc::clone(&config.clock))),
            clock: config.clock,
            chaos: config.chaos,
            changes: watch::Sender::new(0),
            taps: Taps::default(),
            is_adopted: watch::Sender::new(false),
            is_stopping: AtomicBool::new(false),
            origin: Instant::now(),
            jobs: Mutex::default(),
            unreadable_jobs: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let mono_ms = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { mono_ms, wall_ms: self.clock.now_ms() }
    }

    /// When something happened that the wall clock dates, on the monotonic clock: what a message's way took counts.
    pub(crate) fn instant_of(&self, at_ms: TimestampMs) -> Instant {
        let age_ms = u64::try_from(self.clock.now_ms().saturating_sub(at_ms)).unwrap_or(0);
        let now = Instant::now();
        now.checked_sub(Duration::from_millis(age_ms)).unwrap_or(now)
    }

    /// Wakes whoever looks at [`changes`](Self::changes).
    pub(crate) fn has_changed(&self) {
        self.changes.send_modify(|version| *version += 1);
    }

    /// Every stored job is known here.
    pub(crate) fn set_adopted(&self) {
        self.is_adopted.send_replace(true);
    }

    pub(crate) fn is_adopted(&self) -> bool {
        *self.is_adopted.borrow()
    }

    pub(crate) async fn wait_until_adopted(&self) {
        let mut is_adopted = self.is_adopted.subscribe();
        is_adopted.wait_for(|is_adopted| *is_adopted).await.expect("the sender is in these services");
    }

    /// The process is about to end.
    pub(crate) fn set_stopping(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }

    pub(crate) fn job(&self, job: JobId) -> Option<Arc<JobCell>> {
        lock(&self.jobs).get(&job).cloned()
    }

    /// All jobs, newest first.
    pub(crate) fn jobs(&self) -> Vec<Arc<JobCell>> {
        let mut cells: Vec<_> = lock(&self.jobs).values().cloned().collect();
        cells.sort_by_key(|cell| std::cmp::Reverse((cell.submitted_at_ms, cell.id)));
        cells
    }

    /// Jobs that are stored but cannot be read.
    pub(crate) fn unreadable_jobs(&self) -> Vec<UnreadableJob> {
        lock(&self.unreadable_jobs).clone()
    }

    pub(crate) fn set_unreadable_jobs(&self, jobs: Vec<UnreadableJob>) {
        *lock(&self.unreadable_jobs) = jobs;
    }

    pub(crate) fn add_job(&self, cell: Arc<JobCell>) {
        lock(&self.jobs).insert(cell.id, cell);
        self.has_changed();
    }

    /// Takes a job out, for the caller to remove what is kept of it.
    pub(crate) fn take_job(&self, job: JobId) {
        lock(&self.jobs).remove(&job);
        self.has_changed();
    }

    /// Takes the oldest ended jobs out, as far as there are too many, for the caller to remove what is kept of them.
    pub(crate) fn take_superfluous_jobs(&self) -> Vec<Arc<JobCell>> {
        let mut ended: Vec<_> = self
            .jobs()
            .into_iter()
            .filter_map(|cell| Some((cell.summary().ended_at_ms?, cell)))
            .filter(|(_, cell)| cell.status().is_terminal())
            .collect();
        ended.sort_by_key(|(ended_at_ms, _)| std::cmp::Reverse(*ended_at_ms));
        let superfluous: Vec<_> = ended.into_iter().skip(ENDED_JOBS_MAX).map(|(_, cell)| cell).collect();
        let mut jobs = lock(&self.jobs);
        for cell in &superfluous {
            jobs.remove(&cell.id);
        }
        superfluous
    }
}
