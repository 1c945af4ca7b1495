//! A server in a process of its own, which can be killed.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::cli::client::Client;

const START_DEADLINE: Duration = Duration::from_secs(60);
const STOP_DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A running process. Dropping this kills it.
pub(super) struct Server {
    process: Child,
    pub(super) client: Client,
}

impl Server {
    /// Starts this binary's server on a free port and waits until it says which. Its log is appended to `log`.
    pub(super) fn start(data_dir: &Path, log: &Path) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("cannot find this program's own file")?;
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut process = Command::new(&binary)
            // Nobody's configuration is to change what is compared.
            .args([
                "start",
                "--config",
                "/dev/null",
                "--insecure",
                "--bind",
                "127.0.0.1",
                "--port",
                "0",
                "--chaos",
                "-D",
                "security.ssl.rest.enabled=false",
            ])
            .arg("--data-dir")
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            // Ctrl-C is for this process, which then ends the server.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = process.stdout.take().expect("it was asked to be piped");
        let (found, url) = mpsc::channel();
        // What jobs print comes on the same pipe and is read on, so that it never fills.
        thread::spawn(move || {
            let lines = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
            for url in lines.filter_map(|line| url_in(&line)) {
                // Only the first one is waited for.
                let _ = found.send(url);
            }
        });
        match url.recv_timeout(START_DEADLINE) {
            Ok(url) => Ok(Self { process, client: Client::new(&url) }),
            Err(_) => {
                // It may have ended by itself.
                let _ = process.kill();
                let status = process.wait()?;
                bail!(
                    "the server did not say where it listens and ended with {status}: its log is {}",
                    log.display()
                )
            }
        }
    }

    /// `kill -9`, and waits for the end.
    pub(super) fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().context("the server could not be killed")?;
        self.process.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end, which must be a good one.
    pub(super) fn terminate(&mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.process), Signal::TERM).context("SIGTERM could not be sent")?;
        let status = self.wait()?;
        ensure!(status.success(), "the server ended with {status} after SIGTERM: expected 0");
        Ok(())
    }

    fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the server did not end within {STOP_DEADLINE:?} of SIGTERM");
            sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn url_in(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix("headwater is listening on ")?;
    line.split(',').next().map(str::to_owned)
}

/// The newest completed checkpoint in a data folder that no process uses: what the next one goes back to.
pub(super) fn newest_checkpoint(data_dir: &Path, job: &str) -> anyhow::Result<Option<u64>> {
    let folder: PathBuf = data_dir.join("checkpoints").join(job);
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        entries => entries.with_context(|| format!("cannot list {}", folder.display()))?,
    };
    let mut newest = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let id = name.to_str().and_then(|name| name.strip_prefix("chk-")?.parse().ok());
        if id > newest && entry.path().join("manifest").is_file() {
            newest = id;
        }
    }
    Ok(newest)
}
