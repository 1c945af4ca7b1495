//! Jobs beside the run's own, on the same server.

use std::{thread, time::Instant};

use anyhow::{bail, ensure};
use serde_json::Value;

use super::{DEADLINE, POLL_INTERVAL, Run, Submitted};
use crate::{
    history::{items, text},
    job::Job,
};

/// One of those jobs.
#[derive(Debug, Clone, Copy)]
pub struct Beside(usize);

impl Run {
    /// Submits a further job, with the run's seed and a folder of its own.
    pub fn submit_beside(&mut self, job: Job) -> anyhow::Result<Beside> {
        let output = self.path(&format!("beside-{}", self.beside.len()));
        let id = self.post(&job, &output)?;
        self.beside.push(Submitted { id, job, output });
        Ok(Beside(self.beside.len() - 1))
    }

    /// The job as REST shows it.
    pub fn job_beside(&self, Beside(index): Beside) -> anyhow::Result<Value> {
        self.server()?.rest.get(&format!("/jobs/{}", self.beside[index].id))
    }

    /// Its failures.
    pub fn exceptions_beside(&self, Beside(index): Beside) -> anyhow::Result<Vec<Value>> {
        let answer = self.server()?.rest.get(&format!("/jobs/{}/exceptions", self.beside[index].id))?;
        Ok(items(&answer, "exceptions").to_vec())
    }

    /// Waits until it has finished, and has the oracle judge its output.
    pub fn finish_beside(&self, beside: Beside) -> anyhow::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let job = self.job_beside(beside)?;
            match text(&job, "state") {
                "FINISHED" => return self.judge_one(&self.beside[beside.0], &[]),
                state @ ("FAILED" | "CANCELED") => {
                    bail!("the job beside is {state}: {}", text(&job, "failure"))
                }
                state => ensure!(Instant::now() < deadline, "the job beside did not finish: it is {state}"),
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// As [`finish_beside`](Self::finish_beside), of a job that no fault may have touched.
    pub fn finish_undisturbed(&self, beside: Beside) -> anyhow::Result<()> {
        self.finish_beside(beside)?;
        let exceptions = self.exceptions_beside(beside)?;
        ensure!(exceptions.is_empty(), "the job beside was disturbed: {exceptions:?}");
        let restarts = &self.job_beside(beside)?["restarts"];
        ensure!(*restarts == 0, "the job beside was restarted {restarts} times");
        Ok(())
    }
}
