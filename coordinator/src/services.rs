//! What every actor of the control plane works with.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use headwater_core::{
    gateway::WorkerGateway,
    ids::JobId,
    job::ProgramCatalog,
    secret::{self, Secrets},
    store::{CheckpointStore, StoreError},
    time::{Clock, TimestampMs},
};
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};

use crate::{
    CoordinatorConfig, checkpoint::lifecycle::Moment, job::cell::JobCell, job_store::JobStore, jobs::Jobs,
    recorder::Recorder, submissions::Submissions, supervisor::lock, tap::Taps, view::UnreadableJob,
};

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
    pub(crate) jobs: Jobs,
    pub(crate) submissions: Submissions,
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
            jobs: Jobs::new(config.remembered_jobs),
            submissions: Submissions::default(),
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
        self.jobs.get(job)
    }

    /// Jobs that are stored but cannot be read.
    pub(crate) fn unreadable_jobs(&self) -> Vec<UnreadableJob> {
        lock(&self.unreadable_jobs).clone()
    }

    pub(crate) fn set_unreadable_jobs(&self, jobs: Vec<UnreadableJob>) {
        *lock(&self.unreadable_jobs) = jobs;
    }

    pub(crate) fn add_job(&self, cell: &Arc<JobCell>) {
        secret::remember(cell.id, Secrets::of_job(&cell.record().spec));
        if let Some(key) = cell.idempotency() {
            self.submissions.add(&key, cell.id, cell.submitted_at_ms);
        }
        self.jobs.put(cell);
        self.has_changed();
    }

    /// Removes all that is stored of a job, but for its checkpoints, which must be gone. What was submitted under its key stays known.
    pub(crate) fn delete_stored(&self, cell: &JobCell) -> Result<(), StoreError> {
        if let Some(key) = cell.idempotency() {
            self.submissions.outlive(&self.store, &key, self.clock.now_ms())?;
        }
        self.store.delete(cell.id)?;
        secret::forget(cell.id);
        Ok(())
    }
}
