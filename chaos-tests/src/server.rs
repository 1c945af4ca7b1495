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

use crate::rest::Rest;

const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const LOG_LINES_SHOWN: usize = 60;

/// A running process. Dropping this kills it.
pub struct Server {
    process: Child,
    /// Its address.
    pub url: String,
    /// Its REST API.
    pub rest: Rest,
}

impl Server {
    /// Starts `binary` on a free port and waits until it says which. Its log is appended to `log`.
    pub fn start(binary: &Path, data_dir: &Path, log: &Path) -> anyhow::Result<Self> {
        let stderr = File::options().create(true).append(true).open(log)?;
        let mut process = Command::new(binary)
            .args(["start", "--bind", "127.0.0.1", "--port", "0", "--slots", "2", "--chaos", "--data-dir"])
            .arg(data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let stdout = process.stdout.take().expect("it was asked to be piped");
        let (found, url) = mpsc::channel();
        thread::spawn(move || {
            let urls = BufReader::new(stdout).lines().map_while(Result::ok);
            for url in urls.filter_map(|line| url_in(&line)) {
                // Nobody waits for a second one.
                let _ = found.send(url);
            }
        });
        match url.recv_timeout(START_DEADLINE) {
            Ok(url) => Ok(Self { process, rest: Rest::new(&url), url }),
            Err(_) => {
                // It may have ended by itself.
                let _ = process.kill();
                let status = process.wait()?;
                bail!("the server did not say where it listens; it ended with {status}")
            }
        }
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    pub fn terminate(mut self) -> anyhow::Result<ExitStatus> {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status()?;
        ensure!(sent.success(), "the signal to {pid} could not be sent");
        let deadline = Instant::now() + STOP_DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Ok(status);
            }
            ensure!(Instant::now() < deadline, "the server did not end within {STOP_DEADLINE:?}");
            thread::sleep(POLL_INTERVAL);
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
