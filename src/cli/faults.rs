//! Faults that are injected on purpose: what may die, and what the server has on record of how the job came back.

use clap::{
    Arg,
    builder::{PossibleValuesParser, TypedValueParser},
};
use headwater_api::dto::{Actor, Exception, JobDetails, Recovery};
use serde::Serialize;

use super::table::{Table, known};

/// What dies.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FaultKind {
    Source,
    Operator,
    Sink,
    CheckpointCoordinator,
    JobMaster,
    /// The whole process, by `kill -9`.
    Process,
    /// The whole process, asked to stop.
    Sigterm,
}

use FaultKind::*;

impl FaultKind {
    /// What can be killed on any server with `--chaos`.
    pub(super) const ACTORS: &[Self] = &[Source, Operator, Sink, CheckpointCoordinator, JobMaster];
    /// What can be killed on a server that one has started oneself.
    pub(super) const ALL: &[Self] =
        &[Source, Operator, Sink, CheckpointCoordinator, JobMaster, Process, Sigterm];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Source => "source",
            Operator => "operator",
            Sink => "sink",
            CheckpointCoordinator => "checkpoint-coordinator",
            JobMaster => "job-master",
            Process => "process",
            Sigterm => "sigterm",
        }
    }

    /// An argument that takes several of these kinds, separated by commas.
    pub(super) fn arg(name: &'static str, among: &'static [Self]) -> Arg {
        let kind_of = move |text: String| {
            *among.iter().find(|kind| kind.as_str() == text).expect("clap takes these names only")
        };
        Arg::new(name)
            .long(name)
            .value_name("KIND,…")
            .value_delimiter(',')
            .value_parser(PossibleValuesParser::new(among.iter().map(|kind| kind.as_str())).map(kind_of))
    }

    /// The job's actors of this kind.
    pub(super) fn victims(self, job: &JobDetails) -> Vec<&Actor> {
        job.actors.iter().filter(|actor| actor.kind == self.as_str()).collect()
    }
}

/// Those of `wanted` that the job has; an error if any is missing. If none is wanted, all of `among` that the job has.
pub(super) fn kinds_in(
    job: &JobDetails,
    wanted: &[FaultKind],
    among: &[FaultKind],
) -> anyhow::Result<Vec<FaultKind>> {
    let is_there = |kind: &FaultKind| matches!(kind, Process | Sigterm) || !kind.victims(job).is_empty();
    if wanted.is_empty() {
        return Ok(among.iter().copied().filter(is_there).collect());
    }
    if let Some(missing) = wanted.iter().find(|kind| !is_there(kind)) {
        let actors: Vec<String> =
            job.actors.iter().map(|actor| format!("{} ({})", actor.id, actor.kind)).collect();
        anyhow::bail!(
            "the job has no actor of the kind `{}`: it has {}",
            missing.as_str(),
            actors.join(", ")
        );
    }
    Ok(wanted.to_vec())
}

/// One injected fault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    /// When, since the first one could have come.
    pub at_ms: u64,
    pub kind: FaultKind,
    /// The actor's id, or `process`.
    pub victim: String,
    /// Whether it had an effect: an actor may come to its end before the kill gets through.
    pub took_effect: bool,
    /// How the job came back; of a process, times count from the signal.
    pub recovery: Option<Recovery>,
    /// The server's clock before the kill.
    #[serde(skip)]
    since_ms: i64,
    /// Which failure on the server's record this one is.
    #[serde(skip)]
    recorded: Option<(i64, Option<u32>)>,
    /// Whether the process that may have it on record is gone.
    #[serde(skip)]
    is_closed: bool,
}

impl Fault {
    /// The kill of an actor; `since_ms` is the server's clock before it.
    pub(super) fn of_actor(at_ms: u64, kind: FaultKind, victim: &str, since_ms: i64) -> Self {
        Self {
            at_ms,
            kind,
            victim: victim.to_owned(),
            took_effect: false,
            recovery: None,
            since_ms,
            recorded: None,
            is_closed: false,
        }
    }

    /// The death of the process; its recovery is seen from outside.
    pub(super) fn of_process(at_ms: u64, kind: FaultKind) -> Self {
        Self { is_closed: true, ..Self::of_actor(at_ms, kind, "process", 0) }
    }

    /// What was done, for people.
    pub(super) fn what(&self) -> String {
        match self.kind {
            Process => "kill -9 of the process".to_owned(),
            Sigterm => "SIGTERM to the process".to_owned(),
            CheckpointCoordinator | JobMaster => format!("kill {}", self.victim),
            Source | Operator | Sink => format!("kill {} ({})", self.victim, self.kind.as_str()),
        }
    }

    /// Whether the job came back from it, as far as all its tasks running.
    pub(super) fn is_recovered(&self) -> bool {
        self.recovery.as_ref().is_some_and(|recovery| recovery.running_after_us.is_some())
    }

    /// Whether nothing more can be learned of it.
    pub(super) fn is_settled(&self) -> bool {
        let is_complete = |recovery: &Recovery| {
            recovery.running_after_us.is_some()
                && (recovery.first_record_after_us.is_some() || recovery.tasks_restarted == 0)
        };
        self.recovery.as_ref().is_some_and(is_complete)
    }

    fn take(&mut self, exception: &Exception) {
        self.took_effect = true;
        self.recorded = Some((exception.at_ms, exception.attempt));
        self.recovery.clone_from(&exception.recovery);
    }
}

/// Adds to the faults what the server has on record of them now; `exceptions` are newest first, as REST gives them.
pub(super) fn observe(faults: &mut [Fault], exceptions: &[Exception]) {
    for exception in exceptions.iter().rev().filter(|exception| exception.kind == "kill") {
        let of_victim = |fault: &&mut Fault| !fault.is_closed && fault.victim == exception.actor;
        let identity = Some((exception.at_ms, exception.attempt));
        if let Some(known) = faults.iter_mut().filter(of_victim).find(|fault| fault.recorded == identity) {
            known.take(exception);
            continue;
        }
        let is_new = |fault: &&mut Fault| fault.recorded.is_none() && fault.since_ms <= exception.at_ms;
        if let Some(new) = faults.iter_mut().filter(of_victim).find(is_new) {
            new.take(exception);
        }
    }
}

/// The process that has these faults on record is gone: no more will be learned of them.
pub(super) fn close(faults: &mut [Fault]) {
    faults.iter_mut().for_each(|fault| fault.is_closed = true);
}

/// How long recoveries from one kind of fault took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RecoveryTimes {
    pub kind: FaultKind,
    pub faults: usize,
    pub running_after_us: Option<Quantiles>,
    pub first_record_after_us: Option<Quantiles>,
}

/// Of some durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Quantiles {
    pub median: u64,
    pub p99: u64,
}

impl Quantiles {
    /// By the nearest rank; `None` of nothing.
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let rank =
            |percent: usize| values.get((values.len() * percent).div_ceil(100).checked_sub(1)?).copied();
        Some(Self { median: rank(50)?, p99: rank(99)? })
    }
}

/// The times by kind, of faults that had an effect.
pub(super) fn recovery_times(faults: &[Fault]) -> Vec<RecoveryTimes> {
    let of_kind = |kind: FaultKind| {
        let recoveries = || faults.iter().filter(|fault| fault.kind == kind && fault.took_effect);
        let times = |field: fn(&Recovery) -> Option<u64>| {
            Quantiles::of(recoveries().filter_map(|fault| fault.recovery.as_ref().and_then(field)).collect())
        };
        (recoveries().count() > 0).then(|| RecoveryTimes {
            kind,
            faults: recoveries().count(),
            running_after_us: times(|recovery| recovery.running_after_us),
            first_record_after_us: times(|recovery| recovery.first_record_after_us),
        })
    };
    FaultKind::ALL.iter().filter_map(|kind| of_kind(*kind)).collect()
}

/// A recovery in words.
pub(super) fn told(recovery: &Recovery) -> String {
    let after = |after_us: Option<u64>| known(after_us.map(millis));
    let times = format!(
        "running after {}, first record after {}",
        after(recovery.running_after_us),
        after(recovery.first_record_after_us)
    );
    match (recovery.tasks_restarted, recovery.restored_checkpoint) {
        (0, _) => format!("no task restarted, at work after {}", after(recovery.running_after_us)),
        (tasks, Some(checkpoint)) => format!("{tasks} tasks back to checkpoint {checkpoint}, {times}"),
        (tasks, None) => format!("{tasks} tasks back to the beginning, {times}"),
    }
}

/// A table of the times, a line per kind.
pub(super) fn table(times: &[RecoveryTimes]) -> Table {
    let pair = |quantiles: Option<Quantiles>| {
        known(quantiles.map(|times| format!("{} / {}", millis(times.median), millis(times.p99))))
    };
    let mut table = Table::new(["MEDIAN / P99 AFTER", ">FAULTS", ">ALL TASKS RUNNING", ">THE FIRST RECORD"]);
    for row in times {
        let (running, first) = (pair(row.running_after_us), pair(row.first_record_after_us));
        table.row([&row.kind.as_str(), &row.faults, &running, &first]);
    }
    table
}

/// Microseconds in milliseconds.
pub(super) fn millis(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}

/// Milliseconds in seconds.
pub(super) fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(actor: &str, at_ms: i64, kind: &str, running_after_us: Option<u64>) -> Exception {
        Exception {
            at_ms,
            actor: actor.to_owned(),
            actor_name: String::new(),
            attempt: None,
            kind: kind.to_owned(),
            message: String::new(),
            detected_after_us: None,
            recovery: Some(Recovery {
                restored_checkpoint: Some(3),
                tasks_restarted: 4,
                running_after_us,
                ..Recovery::default()
            }),
        }
    }

    #[test]
    fn each_kill_is_found_on_record_once_and_its_recovery_is_followed() {
        let kill = |since_ms| Fault::of_actor(0, FaultKind::Source, "v0-0", since_ms);
        let mut faults = vec![kill(10), kill(20)];
        let panic = exception("v0-0", 11, "panic", Some(1));
        let earlier = exception("v0-0", 9, "kill", Some(2));
        let others = exception("v1-0", 12, "kill", Some(3));
        let first = exception("v0-0", 12, "kill", None);
        observe(&mut faults, &[first, others.clone(), panic.clone(), earlier.clone()]);
        assert!(faults[0].took_effect && !faults[0].is_recovered() && !faults[1].took_effect);

        let first = exception("v0-0", 12, "kill", Some(4));
        let second = exception("v0-0", 25, "kill", Some(5));
        observe(&mut faults, &[second, first, others, panic, earlier]);
        let running = |fault: &Fault| fault.recovery.as_ref().unwrap().running_after_us;
        assert_eq!([running(&faults[0]), running(&faults[1])], [Some(4), Some(5)]);
    }

    #[test]
    fn what_a_new_process_has_on_record_is_no_earlier_fault() {
        let mut faults = vec![Fault::of_actor(0, FaultKind::Source, "v0-0", 10)];
        close(&mut faults);
        observe(&mut faults, &[exception("v0-0", 12, "kill", None)]);
        assert!(!faults[0].took_effect);
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        assert_eq!(Quantiles::of(vec![]), None);
        assert_eq!(Quantiles::of(vec![7]), Some(Quantiles { median: 7, p99: 7 }));
        assert_eq!(Quantiles::of((1..=200).rev().collect()), Some(Quantiles { median: 100, p99: 198 }));
    }
}
