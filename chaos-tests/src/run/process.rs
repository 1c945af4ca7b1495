//! The run's process: how it is started, and how it dies.

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus},
    thread,
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use headwater_core::fault::FaultPoint;
use rustix::process::Signal;

use super::{DEADLINE, POLL_INTERVAL, Run, Submitted};
use crate::{
    damage::completed_checkpoints,
    history::{items, text},
    inject,
    job::Job,
    server::{Launch, Process},
};

impl Run {
    /// Starts the server, on the same data folder each time.
    pub fn start_server(&mut self) -> anyhow::Result<()> {
        self.start_server_with("")
    }

    /// Starts the server with a plan of [faults](crate::inject).
    pub fn start_server_with(&mut self, faults: &str) -> anyhow::Result<()> {
        self.start_server_by(Command::new(&self.binaries.server), faults)
    }

    /// Starts the server by a command to which its arguments are added.
    pub fn start_server_by(&mut self, command: Command, faults: &str) -> anyhow::Result<()> {
        self.server = Some(self.start_process(command, faults)?.into_server()?);
        Ok(())
    }

    /// Starts the server with a plan of faults that kill it, maybe before it listens, and waits until they have.
    pub fn start_server_that_dies(&mut self, faults: &str) -> anyhow::Result<()> {
        let mut process = self.start_process(Command::new(&self.binaries.server), faults)?;
        ensure_was_killed(process.wait_for_end(DEADLINE)?)
    }

    fn start_process(&mut self, command: Command, faults: &str) -> anyhow::Result<Process> {
        if !faults.is_empty() {
            self.note(faults);
        }
        self.history.begin_life();
        let (data_dir, log) = (self.path("data"), self.path("server.log"));
        Process::start(Launch { command, data_dir: &data_dir, log: &log, faults })
    }

    /// The server's program.
    pub fn server_binary(&self) -> &std::path::Path {
        &self.binaries.server
    }

    /// The server's process id.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.server()?.process.pid())
    }

    /// `kill -9` of the server.
    pub fn kill_server(&mut self) -> anyhow::Result<()> {
        self.observe()?;
        self.note("kill -9 of the server");
        self.server.take().context("the server is not running")?.kill()
    }

    /// SIGTERM to the server, which must end well.
    pub fn terminate_server(&mut self) -> anyhow::Result<()> {
        self.observe()?;
        self.note("SIGTERM to the server");
        let status = self.server.take().context("the server is not running")?.terminate()?;
        ensure!(status.success(), "the server ended with {status} after SIGTERM");
        Ok(())
    }

    /// Waits until a fault has killed the server.
    pub fn wait_for_death(&mut self) -> anyhow::Result<()> {
        ensure_was_killed(self.wait_for_exit()?)
    }

    /// Waits until the server is gone, however it ends.
    pub fn wait_for_exit(&mut self) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let server = self.server.as_mut().context("the server is not running")?;
            if let Some(status) = server.process.ended()? {
                self.server = None;
                return Ok(status);
            }
            // It may die before it answers.
            if let Ok([job, checkpoints, exceptions]) = self.look() {
                self.history.observe(&job, &checkpoints, &exceptions)?;
            }
            ensure!(Instant::now() < deadline, "the server did not die: the fault was never reached");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Takes up the only job that this run does not know of, after a submission whose answer was lost.
    pub fn take_up(&mut self, job: Job) -> anyhow::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        let id = loop {
            let jobs = self.server()?.rest.get("/jobs")?;
            let ids = items(&jobs, "jobs").iter().map(|job| text(job, "id").to_owned());
            let is_known = |id: &String| self.beside.iter().any(|known| known.id == *id);
            let unknown: Vec<String> = ids.filter(|id| !is_known(id)).collect();
            match unknown.as_slice() {
                [id] => break id.clone(),
                // A dispatcher that was just rebuilt has still to find it in the store.
                [] => ensure!(Instant::now() < deadline, "the job that was stored does not come up"),
                _ => bail!("expected one job that was stored, found {unknown:?}"),
            }
            thread::sleep(POLL_INTERVAL);
        };
        self.job = Some(Submitted { id, job, output: self.path("output") });
        Ok(())
    }

    /// Whether a fault was injected at a point, in whichever process.
    pub fn has_injected(&self, point: FaultPoint) -> anyhow::Result<bool> {
        Ok(self.times_injected(point)? > 0)
    }

    /// How many faults were injected at a point, in all processes.
    pub fn times_injected(&self, point: FaultPoint) -> anyhow::Result<usize> {
        let log = fs::read_to_string(self.path("server.log"))?;
        let at = format!(" at {point},");
        let is_told = |line: &&str| line.starts_with(inject::LOGGED) && line.contains(&at);
        Ok(log.lines().filter(is_told).count())
    }

    /// The ids of the job's checkpoints that have a manifest on the disk, oldest first.
    pub fn durable_checkpoints(&self) -> anyhow::Result<Vec<u64>> {
        let folders = completed_checkpoints(&self.checkpoints_folder()?);
        let ids = folders.iter().map(|folder| {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let id = name.strip_prefix("chk-").and_then(|id| id.parse().ok());
            id.with_context(|| format!("a strange folder: {}", folder.display()))
        });
        ids.collect()
    }
}

fn ensure_was_killed(status: ExitStatus) -> anyhow::Result<()> {
    let is_killed = status.signal() == Some(Signal::KILL.as_raw());
    ensure!(is_killed, "expected the server to be killed by the fault, found its end to be {status}");
    Ok(())
}
