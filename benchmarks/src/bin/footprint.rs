//! What a server costs that has nothing to do: the time until it answers, its memory, its CPU time.
//!
//! `cargo run --release -p headwater-benchmarks --bin footprint` (build `headwater` first)

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Parser;
use headwater_benchmarks::{Aim, cpu_time_of, load_average, print_header, print_row, resident_bytes_of};
use tempfile::TempDir;

const START_AIM_MS: Aim = Aim(300.0);
const RESIDENT_AIM_MB: Aim = Aim(40.0);

/// After so long, what a start needs only once is over.
const SETTLING: Duration = Duration::from_secs(5);

/// A server's start, and what it takes when idle.
#[derive(Parser)]
struct Options {
    /// The `headwater` binary [default: the one next to this program].
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Servers started for the time to the first answer; the median counts.
    #[arg(long, default_value_t = 10)]
    starts: u32,
    /// How long the CPU time of the idle server is watched, in seconds.
    #[arg(long, default_value_t = 10)]
    idle_seconds: u64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let binary = match options.binary {
        Some(binary) => binary,
        None => std::env::current_exe()?.with_file_name("headwater"),
    };
    if !binary.is_file() {
        bail!(
            "expected the headwater binary at {}: build it by `cargo build --release -p headwater`, or name it with --binary",
            binary.display()
        );
    }

    let mut starts_ms = Vec::new();
    for _ in 0..options.starts {
        let server = Server::start(&binary)?;
        starts_ms.push(server.answered_after.as_secs_f64() * 1e3);
    }

    let server = Server::start(&binary)?;
    let process = server.process.id().to_string();
    thread::sleep(SETTLING);
    let resident_mb = resident_bytes_of(&process)? as f64 / f64::from(1 << 20);
    let (cpu_before, watched) = (cpu_time_of(&process)?, Instant::now());
    thread::sleep(Duration::from_secs(options.idle_seconds));
    let cpu = cpu_time_of(&process)? - cpu_before;
    let cpu_percent = cpu.as_secs_f64() / watched.elapsed().as_secs_f64() * 100.0;

    print_header(&format!("idle server (load average {:.1})", load_average()?));
    print_row("spawn to first REST answer, ms", &starts_ms, Some(START_AIM_MS));
    print_row("resident when idle, MB", &[resident_mb], Some(RESIDENT_AIM_MB));
    print_row("CPU when idle, % of a core", &[cpu_percent], None);
    Ok(())
}

/// A server in a process of its own, with a data folder of its own. Both go when it is dropped.
struct Server {
    process: Child,
    answered_after: Duration,
    _data_dir: TempDir,
}

impl Server {
    /// Starts a server and waits for its first answer.
    fn start(binary: &Path) -> anyhow::Result<Self> {
        let data_dir = tempfile::tempdir()?;
        let spawned = Instant::now();
        let process = Command::new(binary)
            .args(["start", "--port", "0", "--data-dir"])
            .arg(data_dir.path())
            .env("RUST_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut server = Self { process, answered_after: Duration::ZERO, _data_dir: data_dir };
        let address = server.address()?;
        ask(address)?;
        server.answered_after = spawned.elapsed();
        Ok(server)
    }

    /// The address in the line that the server prints when it listens.
    fn address(&mut self) -> anyhow::Result<SocketAddr> {
        let stdout = self.process.stdout.take().context("the server's output was read before")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split('/').next());
        let address = address.with_context(|| format!("expected the server's address, found `{line}`"))?;
        address.parse().with_context(|| format!("expected an address, found `{address}`"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has no job that could be hurt. If it is gone already, there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks for the overview and reads the whole answer.
fn ask(address: SocketAddr) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(connection, "GET /api/v1/overview HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default();
    if !status.contains(" 200 ") {
        bail!("expected the overview, found `{status}`");
    }
    Ok(())
}
