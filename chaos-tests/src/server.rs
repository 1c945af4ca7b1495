//! A server process: started, ended by a signal, its output kept.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::{inject, rest::Rest};

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const LOG_LINES_SHOWN: usize = 60;

/// How a server is started.
#[derive(Debug)]
pub struct Launch<'a> {
    /// What is run, with what comes before the server's own arguments.
    pub command: Command,
    /// Its data folder.
    pub data_dir: &'a Path,
    /// Its standard error is appended to this.
    pub log: &'a Path,
    /// Its plan of faults, see [`inject`]; empty for none.
    pub faults: &'a str,
}

/// A running process. Dropping this kills it.
pub struct Process {
    child: Child,
    url: mpsc::Receiver<String>,
}

impl Process {
    /// Starts a server on a free port.
    pub fn start(launch: Launch<'_>) -> anyhow::Result<Self> {
        let Launch { mut command, data_dir, log, faults } = launch;
        let stderr = File::options().create(true).append(true).open(log)?;
        let mut child = command
            .args(["start", "--bind", "127.0.0.1", "--port", "0", "--slots", "2", "--chaos", "--data-dir"])
            .arg(data_dir)
            .env(inject::VARIABLE, faults)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let stdout = child.stdout.take().expect("it was asked to be piped");
        let (found, url) = mpsc::channel();
        thread::spawn(move || {
            let urls = BufReader::new(stdout).lines().map_while(Result::ok);
            for url in urls.filter_map(|line| url_in(&line)) {
                // Nobody waits for a second one.
                let _ = found.send(url);
            }
        });
        Ok(Self { child, url })
    }

    /// Waits until it says where it listens.
    pub fn into_server(mut self) -> anyhow::Result<Server> {
        match self.url.recv_timeout(START_DEADLINE) {
            Ok(url) => Ok(Server { process: self, rest: Rest::new(&url), url }),
            Err(_) => {
                // It may have ended by itself.
                let _ = self.child.kill();
                let status = self.child.wait()?;
                bail!("the server did not say where it listens; it ended with {status}")
            }
        }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    pub fn wait_for_end(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let due = Instant::now() + deadline;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            ensure!(Instant::now() < due, "the server did not end within {deadline:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A process that listens.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Its address.
    pub url: String,
    /// Its REST API.
    pub rest: Rest,
}

impl Server {
    /// Starts `binary` without faults and waits until it listens.
    pub fn start(binary: &Path, data_dir: &Path, log: &Path) -> anyhow::Result<Self> {
        Process::start(Launch { command: Command::new(binary), data_dir, log, faults: "" })?.into_server()
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.child.kill()?;
        self.process.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = Pid::from_child(&self.process.child);
        kill_process(pid, Signal::TERM).with_context(|| format!("SIGTERM to {pid:?}"))?;
        self.process.wait_for_end(STOP_DEADLINE)
    }
}

fn url_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("listening on ")?;
    rest.split(',').next().map(str::to_owned)
}

/// The end of a log.
pub fn tail_of(log: &PathBuf) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
}
