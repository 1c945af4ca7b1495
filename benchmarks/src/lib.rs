//! What the benchmarks share: a server in this process, and the CPU time that it takes.

use std::{
    fs,
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
    actix::System::new().block_on(async move {
        let folder = tempfile::tempdir()?;
        let server_options = ServerOptions {
            data_dir: folder.path().to_owned(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            slots: options.parallelism as usize,
            chaos: false,
        };
        let server = Server::start(server_options, Arc::new(ProgramRegistry::new([program]))).await?;
        let spec =
            JobSpec { name: program.info.name.into(), program: program.info.name.into(), args, options };
        let (cpu_before, started) = (process_cpu_time()?, Instant::now());
        let job = server.dispatcher.submit(spec).await?;
        let end = server.dispatcher.wait_for_end(job).await?;
        let (cpu, wall) = (process_cpu_time()? - cpu_before, started.elapsed());
        let checkpoints = server.dispatcher.checkpoints(job).await?.len();
        server.stop().await;
        if end.status != JobStatus::Finished {
            bail!("the job ended as {}: {}", end.status.as_str(), end.failure.unwrap_or_default());
        }
        Ok(Cost { cpu, wall, checkpoints })
    })
}

/// The CPU time that this process has used, user and system, to a hundredth of a second.
pub fn process_cpu_time() -> anyhow::Result<Duration> {
    const TICKS_PER_SECOND: f64 = 100.0; // Linux shows user space this unit on every architecture.
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    // The second field is the command in parentheses and may hold spaces; utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').context("unexpected form of /proc/self/stat")?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The middle value; of an even number the lower one of the two in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() - 1) / 2]
}
