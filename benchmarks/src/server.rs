//! A server in this process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use headwater::{
    core::{
        job::{Args, JobSpec, JobStatus},
        options::JobOptions,
    },
    server::{Server, ServerOptions},
    stream::{Program, ProgramRegistry},
};
use tokio::time::timeout;

use crate::process_cpu_time;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// CPU time of the whole process, user and system.
    pub cpu: Duration,
    /// Wall-clock time.
    pub wall: Duration,
    /// Completed checkpoints.
    pub checkpoints: usize,
}

/// Runs a program to its end on a server of its own and measures from the submission to the end.
pub fn run(program: Program, args: Args, options: JobOptions) -> anyhow::Result<Cost> {
    run_spec(ProgramRegistry::new([program]), spec_of(&program, args, options))
}

/// The same for a job of one of these programs, or in SQL.
pub fn run_spec(programs: ProgramRegistry, spec: JobSpec) -> anyhow::Result<Cost> {
    serve(programs, spec.options.parallelism as usize, async |server| {
        let dispatcher = &server.dispatcher;
        let (cpu_before, started) = (process_cpu_time()?, Instant::now());
        let job = dispatcher.submit(spec).await?;
        let end = dispatcher.wait_for_end(job).await?;
        let (cpu, wall) = (process_cpu_time()? - cpu_before, started.elapsed());
        let checkpoints = dispatcher.checkpoints(job).await?.len();
        if end.status != JobStatus::Finished {
            bail!("the job ended as {}: {}", end.status.as_str(), end.failure.unwrap_or_default());
        }
        Ok(Cost { cpu, wall, checkpoints })
    })
}

/// Plays a scenario on a server of its own, where actors may be killed and whose data folder is gone afterwards.
pub fn on_server<T>(
    program: Program,
    slots: usize,
    scenario: impl AsyncFnOnce(&Server) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    serve(ProgramRegistry::new([program]), slots, scenario)
}

fn serve<T>(
    programs: ProgramRegistry,
    slots: usize,
    scenario: impl AsyncFnOnce(&Server) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    actix::System::new().block_on(async move {
        let folder = tempfile::tempdir()?;
        let server_options = ServerOptions {
            data_dir: folder.path().to_owned(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            slots,
            chaos: true,
            redact: Default::default(),
            config: headwater::config::Config::default(),
        };
        let server = Server::start(server_options, Arc::new(programs)).await?;
        let outcome = scenario(&server).await;
        server.stop().await;
        outcome
    })
}

/// Waits until `look` finds something; it looks again whenever the control plane has changed. What does not come within the
/// deadline is an error that says what it was.
pub async fn wait_for<T>(
    server: &Server,
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let mut changes = server.dispatcher.changes();
    let found = async {
        loop {
            changes.mark_unchanged();
            if let Some(found) = look().await? {
                return Ok(found);
            }
            changes.changed().await.context("the control plane is gone")?;
        }
    };
    timeout(deadline, found).await.unwrap_or_else(|_| bail!("{what} did not come within {deadline:?}"))
}

/// The submission of a program under its own name.
pub fn spec_of(program: &Program, args: Args, options: JobOptions) -> JobSpec {
    let name = program.info.name;
    JobSpec { name: name.into(), program: name.into(), args, options }
}
