//! A server in the test's own process, jobs made of closures, and what comes out of them.
#![allow(dead_code, unused_imports, reason = "every test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod feed;
mod programs;

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headwater::{
    core::{
        ids::JobId,
        job::{ArgValue, Args, JobSpec, JobStatus},
        options::JobOptions,
    },
    server::{Server, ServerOptions},
    stream::StreamExecutionEnvironment,
};
use headwater_coordinator::view::{ExceptionView, JobDetails, JobSummary};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

pub use feed::Feed;
use programs::Programs;

/// Every wait ends in a failure after this.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at that nothing announces.
const POLL: Duration = Duration::from_millis(5);

/// Both state backends.
pub const BACKENDS: [&str; 2] = ["hashmap", "rocksdb"];

/// A server with two slots and a data folder of its own.
pub struct TestServer {
    pub server: Server,
    programs: Arc<Programs>,
    folder: TempDir,
}

/// Runs a server for as long as `body` takes.
pub fn with_server(body: impl AsyncFnOnce(&TestServer)) {
    actix::System::new().block_on(async {
        let test = TestServer::start().await;
        body(&test).await;
        test.server.stop().await;
    });
}

impl TestServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let programs = Arc::new(Programs::default());
        let options = ServerOptions {
            data_dir: folder.path().join("data"),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            slots: 2,
            chaos: true,
            redact: Default::default(),
            config: headwater::config::Config::default(),
        };
        let server = Server::start(options, programs.clone()).await.unwrap();
        Self { server, programs, folder }
    }

    /// A folder for the output called `name`.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Submits the job that `program` builds and executes, with the options that it sets.
    pub async fn submit(&self, program: impl FnOnce(&StreamExecutionEnvironment)) -> JobId {
        let (name, options) = self.programs.add(program);
        let spec = JobSpec { name: name.clone(), program: name, args: Args::new(), options };
        self.server.dispatcher.submit(spec).await.unwrap()
    }

    /// Submits what a script inserts, two subtasks each.
    pub async fn submit_sql(&self, script: String, backend: &str) -> JobId {
        let mut options = JobOptions { parallelism: 2, ..JobOptions::default() };
        options.set("state.backend.type", backend).unwrap();
        options.set("execution.checkpointing.interval", "50ms").unwrap();
        let args = Args::from([("script".to_owned(), ArgValue::Text(script))]);
        let spec = JobSpec { name: "sql".to_owned(), program: "sql".to_owned(), args, options };
        self.server.dispatcher.submit(spec).await.unwrap()
    }

    /// Runs a job to its end.
    pub async fn run(&self, program: impl FnOnce(&StreamExecutionEnvironment)) -> JobDetails {
        let job = self.submit(program).await;
        self.finished(job).await
    }

    /// Waits for the end of a job.
    pub async fn ended(&self, job: JobId) -> JobSummary {
        match timeout(DEADLINE, self.server.dispatcher.wait_for_end(job)).await {
            Ok(summary) => summary.unwrap(),
            Err(_) => panic!("the job has not ended: {:#?}", self.details(job).await),
        }
    }

    /// Waits for the end of a job, which must be a good one.
    pub async fn finished(&self, job: JobId) -> JobDetails {
        let summary = self.ended(job).await;
        assert_eq!(summary.status, JobStatus::Finished, "{:?}", summary.failure);
        self.details(job).await
    }

    pub async fn details(&self, job: JobId) -> JobDetails {
        self.server.dispatcher.job(job).await.unwrap()
    }

    pub async fn exceptions(&self, job: JobId) -> Vec<ExceptionView> {
        self.server.dispatcher.exceptions(job).await.unwrap()
    }

    /// Waits until `condition` holds of a job.
    pub async fn until_job(&self, job: JobId, what: &str, condition: impl Fn(&JobDetails) -> bool) {
        let holds = async {
            while !condition(&self.details(job).await) {
                sleep(POLL).await;
            }
        };
        if timeout(DEADLINE, holds).await.is_err() {
            panic!("waited in vain until {what}: {:#?}", self.details(job).await);
        }
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            sleep(POLL).await;
        }
    };
    assert!(timeout(DEADLINE, holds).await.is_ok(), "waited in vain until {what}");
}

/// The committed lines in a file sink's folder, sorted.
pub fn lines(folder: &Path) -> Vec<String> {
    let mut lines: Vec<String> = committed_files(folder)
        .iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.sort_unstable();
    lines
}

/// The files in a file sink's folder that are not hidden.
pub fn committed_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.')).collect()
}

/// Lines as [`lines`] returns them.
pub fn sorted(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.into_iter().collect();
    lines.sort_unstable();
    lines
}

/// Asserts that two sorted lists of lines are equal; if not, shows only where they differ.
pub fn assert_same_lines(found: &[String], expected: &[String], context: &str) {
    if found == expected {
        return;
    }
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    found.iter().for_each(|line| *balance.entry(line).or_default() += 1);
    expected.iter().for_each(|line| *balance.entry(line).or_default() -= 1);
    let of_sign = |sign: i64| balance.iter().filter(move |(_, count)| count.signum() == sign).take(5);
    panic!(
        "{context}: {} lines found, {} expected; too many: {:?}; missing: {:?}",
        found.len(),
        expected.len(),
        of_sign(1).collect::<Vec<_>>(),
        of_sign(-1).collect::<Vec<_>>()
    );
}

/// The seeds of a random test: three fresh ones, or the one in `HEADWATER_SEED`. Printed, so that a failure can be replayed.
pub fn seeds() -> Vec<u64> {
    let seeds = match std::env::var("HEADWATER_SEED") {
        Ok(seed) => vec![seed.parse().expect("HEADWATER_SEED is a whole number")],
        Err(_) => (0..3).map(|_| JobId::random().to_string()[..8].to_owned()).map(parse_hex).collect(),
    };
    println!("seeds: {seeds:?}");
    seeds
}

fn parse_hex(digits: String) -> u64 {
    u64::from_str_radix(&digits, 16).unwrap()
}
