//! The composition root: a control plane, a worker and REST in one process.

use std::{
    fs::{File, TryLockError},
    io::Write,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use headwater_actors::{
    operator::CodeResolver,
    slots::Placement,
    worker::{self, WorkerConfig},
};
use headwater_api::{BuildInfo, HistoryConfig, ServerConfig};
use headwater_coordinator::{CoordinatorConfig, RememberedJobs, handle::DispatcherHandle};
use headwater_core::{
    gateway::{CoordinatorGateway, FromWorker},
    job::ProgramCatalog,
    malformed,
    options::parse_duration_ms,
    shown::Redaction,
    time::SystemClock,
};
use headwater_state::{FileCheckpointStore, RocksJobStore, StateEnv};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedSender, unbounded_channel},
};

use crate::{
    config::{Config, table::keys},
    inspect::{Lookable, Looker},
    logging, security,
    sql::{FrontEnd, WithSql},
};

/// How long a stop waits for the tasks to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(10);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The folder for jobs, checkpoints, state and journals. Made if it is missing; used by one process at a time.
    pub data_dir: PathBuf,
    /// Where REST and the page are served; port 0 is any free one.
    pub bind: SocketAddr,
    /// The number of slots.
    pub slots: usize,
    /// Whether actors may be killed on purpose.
    pub chaos: bool,
    /// What nobody sees who looks into jobs, besides secrets: the names of fields and columns.
    pub redact: Redaction,
    /// Everything else.
    pub config: Config,
}

/// The slots that a machine has by default: its cores.
pub fn default_slots() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A running server.
pub struct Server {
    /// The control plane.
    pub dispatcher: DispatcherHandle,
    /// Where REST and the page are.
    pub address: SocketAddr,
    /// A token to operate the server, if it has just been made; it is never seen again.
    pub new_token: Option<String>,
    is_secure: bool,
    shutdown: Arc<Notify>,
    web: actix_web::dev::ServerHandle,
    _lock: File,
}

/// The worker's way to the coordinator in the same process.
struct LocalCoordinator(UnboundedSender<FromWorker>);

impl CoordinatorGateway for LocalCoordinator {
    fn send(&self, message: FromWorker) {
        // Once the coordinator has stopped, there is nobody to tell.
        let _ = self.0.send(message);
    }
}

impl Server {
    /// Starts a server on the current actix System. Jobs that were running when the data folder was last used go on.
    pub async fn start<P>(options: ServerOptions, programs: Arc<P>) -> anyhow::Result<Self>
    where
        P: ProgramCatalog + CodeResolver + 'static,
    {
        let programs = Arc::new(WithSql::new(programs));
        let access = security::Access::of(&options);
        let listener = headwater_api::listen(options.bind, access != security::Access::Loopback)?;
        let lock = lock_data_dir(&options.data_dir)?;
        security::close_own_folders(&options)?;
        security::guard_connectors(&options, access)?;
        if options.redact.has_names() {
            malformed::hide_causes();
        }
        let (settings, new_token) = security::settings(&options, access)?;
        let shutdown = settings.shutdown.clone();
        let is_secure = settings.tls.is_some();
        let state = StateEnv::open(&options.data_dir)?;
        // What a killed process left in its working folders is of no use: state is reopened from checkpoints.
        state.purge_all()?;
        let checkpoints = FileCheckpointStore::new(state.clone());
        let store = Arc::new(open_job_store(&options.data_dir)?);
        security::close_new_folders(&options.data_dir);
        let synced = state.fs().sync_folder(&options.data_dir);
        synced.with_context(|| format!("cannot sync {}", options.data_dir.display()))?;
        let clock = Arc::new(SystemClock);
        let history = HistoryConfig::in_data_dir(&options.data_dir);
        let (reports, events) = unbounded_channel();
        let look = Lookable {
            checkpoints: checkpoints.clone(),
            state: state.clone(),
            data_dir: options.data_dir.clone(),
            code: programs.clone(),
        };
        let worker = worker::start(WorkerConfig {
            placement: Placement::Threads(options.slots),
            data_dir: options.data_dir,
            state,
            code: programs.clone(),
            clock: clock.clone(),
            coordinator: Arc::new(LocalCoordinator(reports)),
        });
        let dispatcher = headwater_coordinator::start(
            CoordinatorConfig {
                store,
                checkpoints: Arc::new(checkpoints),
                worker: Arc::new(worker),
                catalog: programs,
                clock,
                chaos: options.chaos,
                remembered_jobs: remembered_jobs(&options.config),
            },
            events,
        );
        let build = BuildInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("HEADWATER_COMMIT").map(str::to_owned),
        };
        let (web, address) = headwater_api::serve(ServerConfig {
            listener,
            handle: dispatcher.clone(),
            sql: Arc::new(FrontEnd),
            inspector: Arc::new(Looker::new(dispatcher.clone(), look, options.redact)),
            build,
            history: Some(history),
            logs: logging::book(),
            settings,
        })?;
        let handle = web.handle();
        actix::spawn(web);
        Ok(Self { dispatcher, address, new_token, is_secure, shutdown, web: handle, _lock: lock })
    }

    /// Where the page is, for people.
    pub fn url(&self) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        format!("{scheme}://{}/", self.address)
    }

    /// Ends when a client asks the server to stop.
    pub async fn stop_asked(&self) {
        self.shutdown.notified().await;
    }

    /// Stops: jobs that are running go on when the data folder is next used.
    pub async fn stop(self) {
        self.dispatcher.shutdown(SHUTDOWN_DEADLINE).await;
        self.web.stop(false).await;
    }
}

fn remembered_jobs(config: &Config) -> RememberedJobs {
    let for_ms = config.text(keys::JOBS_FOR).and_then(|text| parse_duration_ms(&text));
    RememberedJobs {
        max: config.parsed(keys::JOBS_MAX).unwrap_or(RememberedJobs::default().max),
        for_ms: for_ms.map(|for_ms| for_ms.try_into().unwrap_or(i64::MAX)),
    }
}

/// An empty job store beside checkpoints would leave their jobs out without a word.
fn open_job_store(data_dir: &Path) -> anyhow::Result<RocksJobStore> {
    let (jobs, checkpoints) = (data_dir.join("jobs"), data_dir.join("checkpoints"));
    let has_checkpoints =
        || std::fs::read_dir(&checkpoints).is_ok_and(|mut entries| entries.next().is_some());
    if !jobs.exists() && has_checkpoints() {
        bail!(
            "the job store {} is missing, but there are checkpoints of jobs in {}: put it back from a copy, or move the \
             whole data folder away to start without its jobs",
            jobs.display(),
            checkpoints.display()
        );
    }
    Ok(RocksJobStore::open(&jobs)?)
}

/// Two processes on one folder would destroy each other's state. If it is made here, it is its owner's alone: records and secrets of jobs
/// are in it.
fn lock_data_dir(data_dir: &Path) -> anyhow::Result<File> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("cannot make the folder {}", data_dir.display()))?;
    let path = data_dir.join("lock");
    // Not cut before it is locked: another process's id may be in it.
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)
                .and_then(|()| writeln!(file, "{}", std::process::id()))
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => bail!(
            "the data folder {} is used by another headwater process: stop that one or choose another with --data-dir",
            data_dir.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
