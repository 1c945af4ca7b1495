//! What verify has found, for people and as JSON.

use std::fmt::{self, Display};

use headwater_api::dto::Recovery;
use headwater_core::secret::is_secret;
use serde::Serialize;

use super::{
    compare::{Differences, Output},
    run::Outcome,
};
use crate::cli::faults::{Fault, RecoveryTimes, seconds, table, told};

const MORE_TIME: &str = "a larger input, a lower rate if the program takes one, or a shorter --checkpoint-interval-ms \
                         gives faults more chances";

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// With faults, the output is the same.
    Equal,
    /// With faults, the output is another one, or files were left over.
    Different,
    /// A run did not finish.
    Failed,
    /// Without any fault, the output is not the same twice.
    Nondeterministic,
    /// The program wrote no line that could be compared.
    NothingWritten,
    /// No fault made the job go back to a checkpoint, so that equal outputs say little.
    Unproven,
}

/// One run.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    pub(super) state: String,
    pub(super) failure: Option<String>,
    pub(super) duration_ms: u64,
    pub(super) output: Output,
}

impl RunReport {
    pub(super) fn of(outcome: &Outcome) -> anyhow::Result<Self> {
        Ok(Self {
            state: outcome.job.summary.state.clone(),
            failure: outcome.job.summary.failure.clone(),
            duration_ms: outcome.duration_ms(),
            output: Output::read(&outcome.output)?,
        })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.state == "FINISHED"
    }
}

impl Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { lines, files, bytes, .. } = &self.output;
        write!(
            f,
            "{} after {}, {lines} lines in {files} files, {bytes} bytes",
            self.state,
            seconds(self.duration_ms)
        )?;
        match &self.failure {
            Some(failure) => write!(f, "; it failed of: {failure}"),
            None => Ok(()),
        }
    }
}

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) verdict: Verdict,
    pub(super) program: String,
    pub(super) fault_seed: u64,
    /// What does the same again.
    pub(super) command: String,
    pub(super) faults_planned: usize,
    /// Those that had an effect.
    pub(super) faults_injected: usize,
    pub(super) faults: Vec<Fault>,
    pub(super) recovery_times: Vec<RecoveryTimes>,
    pub(super) undisturbed: Vec<RunReport>,
    pub(super) disturbed: Option<RunReport>,
    /// How the disturbed run's output, or that of a further undisturbed one, differs from the first one's.
    pub(super) differences: Differences,
    /// Where outputs and logs are kept, if something is wrong.
    pub(super) kept: Option<String>,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.faults.is_empty() {
            writeln!(f, "{:>9}  {:<36} how the job came back", "after", "fault")?;
        }
        for fault in &self.faults {
            writeln!(f, "{:>9}  {:<36} {}", seconds(fault.at_ms), fault.what(), outcome_of(fault))?;
        }
        if !self.recovery_times.is_empty() {
            writeln!(f, "\n{}\n", table(&self.recovery_times).lines().join("\n"))?;
        }
        for run in &self.undisturbed {
            writeln!(f, "undisturbed run: {run}")?;
        }
        if let Some(run) = &self.disturbed {
            writeln!(f, "disturbed run:   {run}")?;
        }
        if self.disturbed.is_some() && self.restores() > 0 && self.faults_injected < self.faults_planned {
            writeln!(
                f,
                "note: only {} of {} faults had an effect on record, since before the others had one the job ended, or the \
                 next fault ended the process; {MORE_TIME}",
                self.faults_injected, self.faults_planned
            )?;
        }
        for sample in &self.differences.samples {
            let place =
                if sample.folder.is_empty() { String::new() } else { format!(" in {}", sample.folder) };
            writeln!(
                f,
                "  {}{place}: `{}` is there {} times, expected {}",
                sample.kind, sample.line, sample.found, sample.expected
            )?;
        }
        for (run, orphan) in self.orphans() {
            writeln!(f, "  orphan: the {run} run left `{orphan}`, which is no committed file")?;
        }
        writeln!(f, "\n{}", self.conclusion())?;
        if let Some(folder) = &self.kept {
            writeln!(f, "outputs and logs are kept in {folder}")?;
        }
        write!(f, "to repeat it: {}", self.command)
    }
}

impl Report {
    /// Whether the undisturbed runs give something to compare with. If not, that is the verdict.
    pub(super) fn judge_undisturbed(&mut self) -> bool {
        self.verdict = if !self.undisturbed.iter().all(RunReport::is_finished) {
            Verdict::Failed
        } else if !self.differences.is_empty() {
            Verdict::Nondeterministic
        } else if self.undisturbed.iter().any(|run| run.output.lines == 0) {
            Verdict::NothingWritten
        } else {
            return true;
        };
        false
    }

    /// Whether outputs and logs are worth a look.
    pub(super) fn is_suspicious(&self) -> bool {
        !matches!(self.verdict, Verdict::Equal | Verdict::Unproven)
    }

    /// What the disturbed run comes to.
    pub(super) fn judge(&mut self) {
        let is_finished = self.disturbed.as_ref().is_some_and(RunReport::is_finished);
        self.verdict = if !is_finished {
            Verdict::Failed
        } else if !self.differences.is_empty() || self.orphans().next().is_some() {
            Verdict::Different
        } else if self.restores() == 0 {
            Verdict::Unproven
        } else {
            Verdict::Equal
        };
    }

    /// How many faults made the job go back to a checkpoint.
    fn restores(&self) -> usize {
        let recoveries = self.faults.iter().filter_map(|fault| fault.recovery.as_ref());
        let is_restore =
            |recovery: &&Recovery| recovery.tasks_restarted > 0 && recovery.restored_checkpoint.is_some();
        recoveries.filter(is_restore).count()
    }

    fn orphans(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let undisturbed = self.undisturbed.iter().map(|run| ("undisturbed", run));
        let disturbed = self.disturbed.iter().map(|run| ("disturbed", run));
        undisturbed
            .chain(disturbed)
            .flat_map(|(name, run)| run.output.orphans.iter().map(move |orphan| (name, orphan.as_str())))
    }

    fn conclusion(&self) -> String {
        let Differences { missing, duplicate, unexpected, is_partial, .. } = &self.differences;
        let at_least = if *is_partial { "at least " } else { "" };
        let differences = format!(
            "{at_least}{missing} missing, {duplicate} duplicate and {unexpected} unexpected lines, {} orphaned files",
            self.orphans().count()
        );
        match self.verdict {
            Verdict::Equal => format!(
                "equal: with {} faults, {} of which made the job go back to a checkpoint, `{}` has written the same {} \
                 lines as without",
                self.faults_injected,
                self.restores(),
                self.program,
                self.undisturbed.first().map_or(0, |run| run.output.lines)
            ),
            Verdict::Different if self.undisturbed.len() == 1 => format!(
                "different: {differences}\nhint: --baseline-runs 2 shows whether the program writes the same twice \
                 without any fault"
            ),
            Verdict::Different => format!("different: {differences}"),
            Verdict::Failed => "failed: a run did not finish".to_owned(),
            Verdict::Nondeterministic => format!(
                "not to be judged: without any fault, `{}` does not write the same twice ({differences}); windows in \
                 processing time, clocks and random numbers do that",
                self.program
            ),
            Verdict::NothingWritten => format!(
                "nothing to compare: `{}` has written no line below the folder that it was given; verify needs a \
                 program that writes through exactly-once file sinks",
                self.program
            ),
            Verdict::Unproven => format!(
                "not verified: the outputs are equal, but none of {} faults made the job go back to a checkpoint; {MORE_TIME}",
                self.faults_injected
            ),
        }
    }
}

fn outcome_of(fault: &Fault) -> String {
    match &fault.recovery {
        Some(recovery) => told(recovery),
        None if fault.took_effect => "the next fault came before its recovery was on record".to_owned(),
        None => "no effect on record".to_owned(),
    }
}

/// The command line that does the same as this process, with this seed. What looks like a secret is not shown.
pub(super) fn command_line(fault_seed: u64) -> String {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut shown: Vec<String> = Vec::new();
    let mut is_value_of_secret = false;
    for word in &words {
        let name = word.strip_prefix("--").map(|option| option.split('=').next().unwrap_or_default());
        shown.push(match name {
            _ if is_value_of_secret => "******".to_owned(),
            Some(name) if is_secret(name) && word.contains('=') => format!("--{name}=******"),
            _ => quoted(word),
        });
        is_value_of_secret = name.is_some_and(is_secret) && !word.contains('=');
    }
    if !words.iter().any(|word| word == "--fault-seed" || word.starts_with("--fault-seed=")) {
        shown.push(format!("--fault-seed {fault_seed}"));
    }
    shown.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cli::faults::FaultKind;

    fn finished(file: &str) -> RunReport {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part-0"), "a line\n").unwrap();
        fs::write(folder.path().join(file), "").unwrap();
        let output = Output::read(folder.path()).unwrap();
        RunReport { state: "FINISHED".to_owned(), failure: None, duration_ms: 1, output }
    }

    #[test]
    fn a_file_that_is_left_over_is_a_difference() {
        let recovery = Recovery {
            restored_checkpoint: Some(1),
            tasks_restarted: 4,
            running_after_us: None,
            ..Recovery::default()
        };
        let mut fault = Fault::of_process(0, FaultKind::Process);
        fault.recovery = Some(recovery);
        let mut report = Report {
            verdict: Verdict::Failed,
            program: "p".to_owned(),
            fault_seed: 7,
            command: String::new(),
            faults_planned: 1,
            faults_injected: 1,
            faults: vec![fault],
            recovery_times: Vec::new(),
            undisturbed: vec![finished("part-1")],
            disturbed: Some(finished("part-1")),
            differences: Differences::default(),
            kept: None,
        };
        report.judge();
        assert_eq!(report.verdict, Verdict::Equal);
        report.disturbed = Some(finished(".part-1.inprogress"));
        report.judge();
        assert_eq!(report.verdict, Verdict::Different);
        assert!(report.to_string().contains("the disturbed run left `.part-1.inprogress`"), "{report}");
    }

    #[test]
    fn words_are_quoted_as_shells_need_it() {
        assert_eq!(quoted("--input=a/b.txt"), "--input=a/b.txt");
        assert_eq!(quoted("it's 5 s"), r"'it'\''s 5 s'");
        assert_eq!(quoted(""), "''");
    }
}
