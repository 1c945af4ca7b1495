//! A run: one job on one server, with faults that follow from a seed.

mod beside;
mod judge;
mod process;

use std::{
    any::Any,
    fmt::Write,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tempfile::TempDir;

pub use beside::Beside;
pub use judge::Violation;

use crate::{
    damage::Damage,
    history::{History, items, text},
    job::{Backend, Job, incremental_from},
    promise::SEED,
    server::{Server, tail_of},
};

/// Every wait ends in a failure after this.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(3);

/// The programs that a run starts.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The server.
    pub server: PathBuf,
    /// The judge.
    pub oracle: PathBuf,
}

/// A job as the server knows it.
struct Submitted {
    id: String,
    job: Job,
    output: PathBuf,
}

/// One server with one job, and perhaps others beside it.
pub struct Run {
    /// What its records and its faults follow from.
    pub seed: u64,
    /// The source of chance for its faults.
    pub random: StdRng,
    binaries: Binaries,
    backend: Backend,
    server: Option<Server>,
    job: Option<Submitted>,
    beside: Vec<Submitted>,
    history: History,
    faults: Vec<String>,
    began: Instant,
    /// What must outlive the server. Fields are dropped in this order.
    kept: Vec<Box<dyn Any>>,
    folder: TempDir,
}

impl Run {
    /// A run in a temporary folder of its own; its server is still to be started.
    pub fn new(binaries: &Binaries, seed: u64, backend: Backend) -> anyhow::Result<Self> {
        Ok(Self {
            seed,
            random: StdRng::seed_from_u64(seed),
            binaries: binaries.clone(),
            backend,
            server: None,
            job: None,
            beside: Vec::new(),
            history: History::default(),
            faults: Vec::new(),
            began: Instant::now(),
            kept: Vec::new(),
            folder: tempfile::Builder::new().prefix("headwater-chaos-").tempdir()?,
        })
    }

    /// Submits a job with short checkpoint intervals and a restart budget that no test uses up.
    pub fn submit(&mut self, job: Job) -> anyhow::Result<()> {
        let output = self.path("output");
        let id = self.post(&job, &output)?;
        self.job = Some(Submitted { id, job, output });
        Ok(())
    }

    /// Submits a job that writes into `output`, and returns its id.
    fn post(&self, job: &Job, output: &Path) -> anyhow::Result<String> {
        let mut args = json!({});
        if job.count > 0 {
            args["seed"] = json!(self.seed);
            args["count"] = json!(job.count);
        }
        args["output"] = json!(output);
        for (name, value) in &job.args {
            args[*name] = value.clone();
        }
        let body = json!({ "program": job.program, "args": args, "options": self.options(job) });
        Ok(text(&self.server()?.rest.post("/jobs", &body)?, "id").to_owned())
    }

    /// Submits a job in SQL that writes into the run's folder `output`.
    pub fn submit_sql(&mut self, script: &str, parallelism: u32) -> anyhow::Result<()> {
        let (job, output) = (Job::new("sql").option("parallelism.default", parallelism), self.path("output"));
        let body = json!({ "sql": script, "options": self.options(&job) });
        let id = text(&self.server()?.rest.post("/jobs", &body)?, "id").to_owned();
        self.job = Some(Submitted { id, job, output });
        Ok(())
    }

    fn options(&self, job: &Job) -> Value {
        let mut options = json!({
            "parallelism.default": "2",
            "execution.checkpointing.interval": "100 ms",
            "state.backend.type": self.backend.option(),
            "state.backend.incremental-from": incremental_from(self.seed),
            "restart-strategy.exponential-delay.max-backoff": "100 ms",
            "restart-strategy.exponential-delay.attempts-before-reset-backoff": "1000",
        });
        for (key, value) in &job.options {
            options[*key] = json!(value);
        }
        options
    }

    /// Kills an actor of the job, once there is an attempt to kill. Whether there was one: not if the job has ended.
    pub fn kill(&mut self, actor: &str) -> anyhow::Result<bool> {
        self.note(&format!("kill of {actor}"));
        let path = self.job_path(&format!("/actors/{actor}"))?;
        let deadline = Instant::now() + DEADLINE;
        loop {
            match self.server()?.rest.delete(&path) {
                Ok(_) => return Ok(true),
                Err(_) if self.has_ended()? => return Ok(false),
                Err(error) if Instant::now() > deadline => return Err(error),
                // A job master that was just rebuilt has not yet deployed anything.
                Err(_) => thread::sleep(POLL_INTERVAL),
            }
        }
    }

    /// One of the job's actors of a kind, by chance.
    pub fn any_actor(&mut self, kinds: &[&str]) -> anyhow::Result<String> {
        let job = self.job()?;
        let ids: Vec<&str> = items(&job, "actors")
            .iter()
            .filter(|actor| kinds.contains(&text(actor, "kind")))
            .map(|actor| text(actor, "id"))
            .collect();
        let chosen =
            ids.choose(&mut self.random).with_context(|| format!("the job has no actor of {kinds:?}"))?;
        Ok((*chosen).to_owned())
    }

    /// Lets some time pass, by chance: part of the schedule of faults, not a wait for anything.
    pub fn pause(&mut self, ms: std::ops::Range<u64>) {
        let pause_ms = self.random.random_range(ms);
        thread::sleep(Duration::from_millis(pause_ms));
    }

    /// The job as REST shows it.
    pub fn job(&self) -> anyhow::Result<Value> {
        self.server()?.rest.get(&self.job_path("")?)
    }

    /// The job's checkpoints as REST shows them.
    pub fn checkpoints(&self) -> anyhow::Result<Value> {
        self.server()?.rest.get(&self.job_path("/checkpoints")?)
    }

    /// The job's state.
    pub fn state(&self) -> anyhow::Result<String> {
        Ok(text(&self.job()?, "state").to_owned())
    }

    fn has_ended(&self) -> anyhow::Result<bool> {
        Ok(matches!(self.state()?.as_str(), "FINISHED" | "FAILED" | "CANCELED"))
    }

    /// Starts to cancel the job.
    pub fn cancel(&mut self) -> anyhow::Result<()> {
        self.note("cancel");
        self.server()?.rest.patch(&self.job_path("?mode=cancel")?)?;
        Ok(())
    }

    /// What was seen so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Looks at the job, and that nothing about it is impossible.
    pub fn observe(&mut self) -> anyhow::Result<Value> {
        let [job, checkpoints, exceptions] = self.look()?;
        self.history.observe(&job, &checkpoints, &exceptions)?;
        Ok(job)
    }

    /// The job, its checkpoints and its failures, as REST shows them.
    fn look(&self) -> anyhow::Result<[Value; 3]> {
        let rest = &self.server()?.rest;
        let get = |part| rest.get(&self.job_path(part)?);
        Ok([get("")?, get("/checkpoints")?, get("/exceptions")?])
    }

    /// Waits until `probe` finds something; it is given the run and the job.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&mut Self, &Value) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let job = self.observe()?;
            if let Some(found) = probe(self, &job)? {
                return Ok(found);
            }
            let state = text(&job, "state");
            ensure!(Instant::now() < deadline, "waited for {what} in vain: the job is {state}");
            if state == "FAILED" {
                bail!("waited for {what}, but the job failed: {}", text(&job, "failure"));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits until the job and all its tasks are running, or it has finished.
    pub fn wait_until_running(&mut self) -> anyhow::Result<()> {
        self.wait_for("all tasks to run", |_, job| {
            let subtasks = || items(job, "vertices").iter().flat_map(|vertex| items(vertex, "subtasks"));
            let is_up =
                |subtask: &Value| matches!(text(subtask, "state"), "RUNNING" | "DRAINING" | "FINISHED");
            let is_running = text(job, "state") == "RUNNING" && subtasks().all(is_up);
            Ok((is_running || text(job, "state") == "FINISHED").then_some(()))
        })
    }

    /// Waits until some task has processed all its input, so that the checkpoint that commits it is near. Whether that came
    /// before the job's end was seen.
    pub fn wait_until_draining(&mut self) -> anyhow::Result<bool> {
        self.wait_for("the end of the input", |_, job| {
            let is_draining = |vertex: &Value| {
                items(vertex, "subtasks").iter().any(|subtask| text(subtask, "state") == "DRAINING")
            };
            Ok(match text(job, "state") {
                "FINISHED" => Some(false),
                _ => items(job, "vertices").iter().any(is_draining).then_some(true),
            })
        })
    }

    /// Waits until so many more checkpoints are completed, or the job has finished; whether it was the former.
    pub fn wait_for_checkpoints_or_end(&mut self, more: u64) -> anyhow::Result<bool> {
        self.observe()?;
        let wanted = self.history.last_completed() + more;
        self.wait_for(&format!("checkpoint {wanted}"), |run, job| {
            let is_there = run.history.last_completed() >= wanted;
            Ok((is_there || text(job, "state") == "FINISHED").then_some(is_there))
        })
    }

    /// Waits until so many more checkpoints are completed.
    pub fn wait_for_checkpoints(&mut self, more: u64) -> anyhow::Result<()> {
        let is_there = self.wait_for_checkpoints_or_end(more)?;
        ensure!(is_there, "the job finished before it had completed {more} more checkpoints");
        Ok(())
    }

    /// Waits until the `nth` failure of `actor` in this process, counted from 1, has been recovered from to the first record, or for
    /// a control actor until it is at work. Returns it.
    pub fn wait_for_recovery(&mut self, actor: &str, nth: usize) -> anyhow::Result<Value> {
        self.wait_for(&format!("the recovery of {actor}"), |run, _| {
            let mut failures =
                run.history.exceptions().iter().filter(|exception| text(exception, "actor") == actor);
            let failure = failures.nth(nth - 1).filter(|exception| {
                let recovery = &exception["recovery"];
                let has_record =
                    recovery["first_record_after_us"].is_u64() || recovery["tasks_restarted"] == 0;
                recovery["running_after_us"].is_u64() && has_record
            });
            Ok(failure.cloned())
        })
    }

    /// Waits for the job's end, whichever.
    pub fn wait_for_any_end(&mut self) -> anyhow::Result<Value> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let job = self.observe()?;
            if matches!(text(&job, "state"), "FINISHED" | "FAILED" | "CANCELED") {
                return Ok(job);
            }
            ensure!(
                Instant::now() < deadline,
                "waited for the job's end in vain: it is {}",
                text(&job, "state")
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Waits for the job's end, which must be this one.
    pub fn wait_for_end(&mut self, expected: &str) -> anyhow::Result<Value> {
        let job = self.wait_for_any_end()?;
        let state = text(&job, "state");
        ensure!(
            state == expected,
            "expected the job to be {expected}, but it is {state}: {}",
            text(&job, "failure")
        );
        Ok(job)
    }

    /// Waits until the job has finished, and has the oracle judge its output.
    pub fn finish(&mut self) -> anyhow::Result<()> {
        self.wait_for_end("FINISHED")?;
        self.judge(&[])
    }

    /// Damages a file. From then on the job may go back behind what was completed.
    pub fn damage(&mut self, file: &Path, damage: Damage) -> anyhow::Result<()> {
        self.note(&format!("{damage:?} of {}", file.display()));
        self.history.expect_fall_back();
        damage.inflict(file, &mut self.random)
    }

    /// Where the job's checkpoints are.
    pub fn checkpoints_folder(&self) -> anyhow::Result<PathBuf> {
        Ok(self.path("data/checkpoints").join(&self.submitted()?.id))
    }

    /// A path in the run's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> anyhow::Result<&Server> {
        self.server.as_ref().context("the server is not running")
    }

    fn submitted(&self) -> anyhow::Result<&Submitted> {
        self.job.as_ref().context("no job was submitted")
    }

    fn job_path(&self, rest: &str) -> anyhow::Result<String> {
        Ok(format!("/jobs/{}{rest}", self.submitted()?.id))
    }

    /// Keeps the server's surroundings until it is gone.
    pub fn keep(&mut self, surroundings: impl Any) {
        self.kept.push(Box::new(surroundings));
    }

    /// Puts a fault on record.
    pub fn note(&mut self, fault: &str) {
        self.faults.push(format!("{:>6} ms  {fault}", self.began.elapsed().as_millis()));
    }

    /// What someone needs who is to find out why. The folder is kept.
    pub fn into_report(mut self, error: &anyhow::Error) -> String {
        // It may be that very server that does not answer.
        let _ = self.observe();
        let test = thread::current().name().unwrap_or_default().to_owned();
        let mut report = format!(
            "{error:#}\n\nseed {} with {:?}; again with\n  {SEED}={} cargo test --release -p headwater-chaos-tests {test}\n",
            self.seed, self.backend, self.seed
        );
        let mut section = |title: &str, lines: String| {
            // Writing to a string cannot fail.
            let _ = write!(report, "\n{title}:\n{lines}\n");
        };
        section("faults", self.faults.join("\n"));
        let exceptions: Vec<String> = self.history.exceptions().iter().map(Value::to_string).collect();
        section("exceptions of the last process, oldest first", exceptions.join("\n"));
        section("end of the server's log", tail_of(&self.path("server.log")));
        drop(self.server.take());
        drop(self.kept);
        section("folder", self.folder.keep().display().to_string());
        report
    }
}
