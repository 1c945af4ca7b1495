//! One run of the program, on a server and with folders of its own.

use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, ensure};
use headwater_api::dto::{JobDetails, Recovery, Subtask};
use serde_json::Value;

use super::{
    schedule::Planned,
    server::{Server, newest_checkpoint},
    spec::Spec,
};
use crate::cli::{
    faults::{Fault, FaultKind, close, observe, seconds},
    interrupt::Interrupt,
    progress::Progress,
    wait::{has_ended, how_far},
};

const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// How long a job may take until all its tasks run.
const RUNNING_DEADLINE: Duration = Duration::from_secs(120);

/// What became of a run.
pub(super) struct Outcome {
    pub(super) job: JobDetails,
    pub(super) faults: Vec<Fault>,
    /// Where its output is.
    pub(super) output: PathBuf,
}

impl Outcome {
    /// How long the job took, at least 1 ms.
    pub(super) fn duration_ms(&self) -> u64 {
        self.job.summary.duration_ms.max(1) as u64
    }
}

/// How runs are done.
pub(super) struct Conditions<'a> {
    pub(super) spec: &'a Spec,
    /// How long a run may take.
    pub(super) timeout: Duration,
    pub(super) interrupt: &'a Interrupt,
}

impl Conditions<'_> {
    /// Runs the program to its end, with these faults on the way.
    pub(super) fn run(&self, folder: &Path, faults: &[Planned]) -> anyhow::Result<Outcome> {
        let output = folder.join("output");
        let mut run = Run::start(self, folder, &self.spec.submission(&output), faults.len())?;
        run.wait_until_running()?;
        let began = Instant::now();
        for planned in faults {
            let at = began + Duration::from_millis(planned.at_ms);
            let is_due = |run: &Run<'_>| {
                let has_checkpoint = run.job.last_completed_checkpoint > run.checkpoint_at_last_fault;
                Instant::now() >= at && (has_checkpoint || !planned.is_after_checkpoint)
            };
            while !is_due(&run) && !run.has_ended() {
                sleep(POLL_INTERVAL);
                run.watch()?;
            }
            if !run.inject(began, planned)? {
                break;
            }
        }
        while !run.has_ended() {
            sleep(POLL_INTERVAL);
            run.watch()?;
        }
        Ok(Outcome { job: run.job, faults: run.faults, output })
    }
}

struct Run<'a> {
    conditions: &'a Conditions<'a>,
    deadline: Instant,
    data_dir: PathBuf,
    log: PathBuf,
    server: Server,
    id: String,
    job: JobDetails,
    faults_planned: usize,
    faults: Vec<Fault>,
    progress: Progress,
    /// The newest completed checkpoint when the last fault was injected.
    checkpoint_at_last_fault: Option<u64>,
    /// A fault of the process whose first record is still to come, by its index, and the wall clock's time of the signal.
    awaits_first_record: Option<(usize, i64)>,
}

impl<'a> Run<'a> {
    fn start(
        conditions: &'a Conditions<'a>,
        folder: &Path,
        submission: &Value,
        faults_planned: usize,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let (data_dir, log) = (folder.join("data"), folder.join("server.log"));
        let server = Server::start(&data_dir, &log)?;
        let answer = server.client.post("/jobs", submission)?;
        let id =
            answer["id"].as_str().context("the server's answer to the submission holds no id")?.to_owned();
        Ok(Self {
            conditions,
            deadline: Instant::now() + conditions.timeout,
            data_dir,
            log,
            job: server.client.job(&id)?,
            server,
            id,
            faults_planned,
            faults: Vec::new(),
            progress: Progress::new(),
            checkpoint_at_last_fault: None,
            awaits_first_record: None,
        })
    }

    fn has_ended(&self) -> bool {
        has_ended(&self.job.summary.state)
    }

    /// Looks at the job and at what is on record of the faults.
    fn watch(&mut self) -> anyhow::Result<()> {
        ensure!(!self.conditions.interrupt.is_set(), "interrupted");
        let timeout = self.conditions.timeout;
        ensure!(
            Instant::now() < self.deadline,
            "the job is {} after {}: verify needs a program whose input ends; --run-timeout allows more time",
            self.job.summary.state,
            seconds(timeout.as_millis() as u64)
        );
        let look = || Ok((self.server.client.job(&self.id)?, self.server.client.exceptions(&self.id)?));
        let seen: anyhow::Result<_> = look();
        let (job, exceptions) =
            seen.with_context(|| format!("the server's log is {}", self.log.display()))?;
        self.job = job;
        let (faults, planned) = (self.faults.len(), self.faults_planned);
        self.progress.show(|| match planned {
            0 => how_far(&self.job),
            _ => format!("fault {faults} of {planned}, {}", how_far(&self.job)),
        });
        observe(&mut self.faults, &exceptions);
        if let Some((index, since_ms)) = self.awaits_first_record {
            let first_record = subtasks(&self.job).filter_map(|subtask| subtask.first_record_at_ms).min();
            if let (Some(at_ms), Some(recovery)) = (first_record, &mut self.faults[index].recovery) {
                recovery.first_record_after_us = Some((at_ms - since_ms).max(0) as u64 * 1_000);
                self.awaits_first_record = None;
            }
        }
        Ok(())
    }

    fn wait_until_running(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + RUNNING_DEADLINE;
        let is_up = |subtask: &Subtask| matches!(subtask.state.as_str(), "RUNNING" | "DRAINING" | "FINISHED");
        loop {
            self.watch()?;
            if self.has_ended() || (self.job.summary.state == "RUNNING" && subtasks(&self.job).all(is_up)) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "not all tasks ran within {RUNNING_DEADLINE:?}: the job is {}, the server's log {}",
                self.job.summary.state,
                self.log.display()
            );
            sleep(POLL_INTERVAL);
        }
    }

    /// Whether the fault was injected: not if the job has ended.
    fn inject(&mut self, began: Instant, planned: &Planned) -> anyhow::Result<bool> {
        let at_ms = || began.elapsed().as_millis() as u64;
        loop {
            self.watch()?;
            if self.has_ended() {
                return Ok(false);
            }
            self.checkpoint_at_last_fault = self.job.last_completed_checkpoint;
            if matches!(planned.kind, FaultKind::Process | FaultKind::Sigterm) {
                self.restart_process(Fault::of_process(at_ms(), planned.kind))?;
                return Ok(true);
            }
            let victims = planned.kind.victims(&self.job);
            let victim = &victims[planned.pick % victims.len()].id;
            let fault = Fault::of_actor(at_ms(), planned.kind, victim, self.job.now_ms);
            if self.server.client.kill_actor(&self.id, victim)? {
                self.progress.note(&format!("{:>9}  {}", seconds(fault.at_ms), fault.what()));
                self.faults.push(fault);
                return Ok(true);
            }
            // It is just being rebuilt after an earlier fault.
            sleep(POLL_INTERVAL);
        }
    }

    /// Ends the process and starts a new one on the same data folder.
    fn restart_process(&mut self, mut fault: Fault) -> anyhow::Result<()> {
        // What this process had on record is lost with it.
        close(&mut self.faults);
        self.awaits_first_record = None;
        self.progress.note(&format!("{:>9}  {}", seconds(fault.at_ms), fault.what()));
        let (since, since_ms) = (Instant::now(), wall_clock_ms()?);
        match fault.kind {
            FaultKind::Sigterm => self.server.terminate()?,
            _ => self.server.kill()?,
        }
        let restored_checkpoint = newest_checkpoint(&self.data_dir, &self.id)?;
        self.server = Server::start(&self.data_dir, &self.log)?;
        self.wait_until_running()?;
        fault.took_effect = self.job.summary.ended_at_ms.is_none_or(|ended_at_ms| ended_at_ms >= since_ms);
        if fault.took_effect {
            fault.recovery = Some(Recovery {
                restored_checkpoint,
                tasks_restarted: subtasks(&self.job).count(),
                tasks: subtasks(&self.job).map(|subtask| subtask.id.clone()).collect(),
                records_replayed: None,
                running_after_us: Some(since.elapsed().as_micros() as u64),
                first_record_after_us: None,
                caught_up_after_us: None,
            });
            self.awaits_first_record = Some((self.faults.len(), since_ms));
        }
        self.faults.push(fault);
        Ok(())
    }
}

fn subtasks(job: &JobDetails) -> impl Iterator<Item = &Subtask> {
    job.vertices.iter().flat_map(|vertex| &vertex.subtasks)
}

fn wall_clock_ms() -> anyhow::Result<i64> {
    let elapsed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(elapsed.as_millis() as i64)
}
