//! What comes out of the run's jobs, judged.

use std::process::Command;

use anyhow::bail;

use super::{Run, Submitted};

impl Run {
    /// Has the oracle judge the output; an error holds its differences.
    pub fn judge(&self, flags: &[&str]) -> anyhow::Result<()> {
        self.judge_one(self.submitted()?, flags)
    }

    pub(super) fn judge_one(&self, submitted: &Submitted, flags: &[&str]) -> anyhow::Result<()> {
        let Submitted { job, output: folder, .. } = submitted;
        let mut oracle = Command::new(&self.binaries.oracle);
        for seed in self.seed..self.seed + job.sources {
            oracle.arg("--seed").arg(seed.to_string());
        }
        let output = oracle
            .args(["--count", &job.count.to_string()])
            .arg("--records")
            .arg(folder.join("records"))
            .arg("--windows")
            .arg(folder.join("windows"))
            .args(flags)
            .output()?;
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(Violation(said[0].clone()).into()),
            _ => bail!("the oracle could not judge: {}", said[1]),
        }
    }
}

/// What the oracle found wrong.
#[derive(Debug)]
pub struct Violation(pub String);

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the output is wrong:\n{}", self.0)
    }
}

impl std::error::Error for Violation {}
