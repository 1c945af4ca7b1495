//! A control plane whose worker answers by script and whose stores are in memory, on one thread with paused time.
#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod stores;
mod worker;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use headwater_coordinator::{
    CoordinatorConfig, DispatcherHandle, RememberedJobs,
    view::{CheckpointStatus, CheckpointView, JobDetails},
};
use headwater_core::{
    graph::{JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::{CheckpointId, JobId, SubtaskId, VertexId},
    job::{JobPlan, JobSpec, JobStatus, PlanError, ProgramCatalog, ProgramInfo},
    options::{JobOptions, RestartOptions},
    time::{Clock, TimestampMs},
};
use tokio::time::{Instant, sleep, timeout};

pub use stores::{MemoryCheckpoints, MemoryStore};
pub use worker::FakeWorker;

/// One region: two sources, hash-partitioned to two sinks.
pub const SHUFFLE: &str = "shuffle";
/// Two regions: two sources, each forwarding to a sink of its own.
pub const REGIONS: &str = "regions";

/// All that outlives a process of the control plane.
#[derive(Clone, Default)]
pub struct World {
    pub store: Arc<MemoryStore>,
    pub checkpoints: Arc<MemoryCheckpoints>,
    pub catalog: Arc<Catalog>,
    /// How much is added to the wall clock.
    pub clock_set_by_ms: Arc<AtomicI64>,
    pub remembered_jobs: RememberedJobs,
}

/// One process.
pub struct Process {
    pub handle: DispatcherHandle,
    pub worker: Arc<FakeWorker>,
    pub world: World,
}

impl World {
    /// Runs a process of the control plane for as long as `body` takes, then kills it as `kill -9` would.
    pub fn run<T, F: Future<Output = T>>(&self, body: impl FnOnce(Process) -> F) -> T {
        let paused_runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().start_paused(true).build().unwrap()
        };
        actix::System::with_tokio_rt(paused_runtime).block_on(async {
            let (worker, events) = FakeWorker::new();
            let config = CoordinatorConfig {
                store: self.store.clone(),
                checkpoints: self.checkpoints.clone(),
                worker: worker.clone(),
                catalog: self.catalog.clone(),
                clock: Arc::new(TestClock {
                    started: Instant::now(),
                    set_by_ms: self.clock_set_by_ms.clone(),
                }),
                chaos: true,
                remembered_jobs: self.remembered_jobs,
            };
            let handle = headwater_coordinator::start(config, events);
            body(Process { handle, worker, world: self.clone() }).await
        })
    }
}

impl Process {
    /// Waits until `condition` holds, and fails the test if it never does.
    pub async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        let holds = async {
            while !condition().await {
                sleep(Duration::from_millis(1)).await;
            }
        };
        if timeout(Duration::from_secs(300), holds).await.is_err() {
            panic!("waited in vain until {what}; jobs: {:#?}", self.handle.jobs().await);
        }
    }

    pub async fn status(&self, job: JobId) -> JobStatus {
        self.details(job).await.summary.status
    }

    pub async fn details(&self, job: JobId) -> JobDetails {
        self.handle.job(job).await.unwrap()
    }

    pub async fn until_status(&self, job: JobId, status: JobStatus) {
        let what = format!("the job is {}", status.as_str());
        self.until(&what, async || self.status(job).await == status).await;
    }

    /// Waits for the next checkpoint to complete, and returns its id.
    pub async fn next_completed(&self, job: JobId) -> CheckpointId {
        let before = self.details(job).await.last_completed_checkpoint;
        let completed = async || self.details(job).await.last_completed_checkpoint;
        self.until("a checkpoint completes", async || completed().await > before).await;
        completed().await.unwrap()
    }

    pub async fn submit(&self, program: &str) -> JobId {
        let job = self.handle.submit(spec(program)).await.unwrap();
        self.until_status(job, JobStatus::Running).await;
        job
    }

    pub async fn checkpoint(&self, job: JobId, id: CheckpointId) -> CheckpointView {
        let checkpoints = self.handle.checkpoints(job).await.unwrap();
        checkpoints.into_iter().find(|checkpoint| checkpoint.id == id).unwrap()
    }

    pub async fn failed_checkpoints(&self, job: JobId) -> Vec<CheckpointView> {
        let mut checkpoints = self.handle.checkpoints(job).await.unwrap();
        checkpoints.retain(|checkpoint| matches!(checkpoint.status, CheckpointStatus::Failed(_)));
        checkpoints
    }
}

pub fn spec(program: &str) -> JobSpec {
    let restart = RestartOptions::FixedDelay { attempts: 1_000, delay_ms: 10 };
    let options = JobOptions { restart, ..JobOptions::default() };
    JobSpec { name: "test".into(), program: program.into(), args: Default::default(), options }
}

pub fn subtask(vertex: u32, index: u32) -> SubtaskId {
    SubtaskId { vertex: VertexId(vertex), index }
}

/// Plans the test programs; a new version of the code plans them otherwise.
#[derive(Default)]
pub struct Catalog {
    pub is_new_version: AtomicBool,
}

impl ProgramCatalog for Catalog {
    fn programs(&self) -> Vec<ProgramInfo> {
        Vec::new()
    }

    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError> {
        let partitioning = match spec.program.as_str() {
            SHUFFLE => Partitioning::Hash,
            REGIONS => Partitioning::Forward,
            other => {
                return Err(PlanError::UnknownProgram { name: other.to_owned(), known: SHUFFLE.to_owned() });
            }
        };
        let version = u32::from(self.is_new_version.load(Ordering::SeqCst));
        let vertex = |id: u32, kind| JobVertex {
            id: VertexId(id),
            uid: format!("u{id}-{version}"),
            name: format!("n{id}"),
            kind,
            parallelism: 2,
        };
        let graph = JobGraph {
            vertices: vec![vertex(0, VertexKind::Source), vertex(1, VertexKind::Sink)],
            edges: vec![JobEdge { from: VertexId(0), to: VertexId(1), partitioning }],
            max_parallelism: 128,
        };
        Ok(JobPlan { name: "planned".to_owned(), graph, options: spec.options.clone() })
    }
}

/// A wall clock that goes with tokio's, unless it is set.
struct TestClock {
    started: Instant,
    set_by_ms: Arc<AtomicI64>,
}

impl Clock for TestClock {
    fn now_ms(&self) -> TimestampMs {
        let set_by_ms = self.set_by_ms.load(Ordering::SeqCst);
        1_700_000_000_000 + set_by_ms + self.started.elapsed().as_millis() as TimestampMs
    }
}
