//! Whether the job runs, and what it has died of.

use headwater_core::{
    execution::{ActivityKind, ExecutionState, FailureKind},
    job::JobStatus,
};

use super::{
    Finding, FindingKind, Severity,
    evidence::Evidence,
    text::{count, plural, share, span, span_us},
};
use crate::view::ExceptionView;

/// A piece of work that takes longer is worth a word.
const STUCK_MS: i64 = 2_000;

/// One that takes longer than this will hardly end.
const STUCK_CRITICAL_MS: i64 = 10_000;

/// Failures of the same cause within this time make a loop, if there are so many.
const LOOP_MS: i64 = 10 * 60_000;
const LOOP_FAILURES: usize = 3;

/// A job that has run for so long, and for so many times as long as between two failures of a loop, is out of it.
const LOOP_LEFT_MS: i64 = 30_000;
const LOOP_LEFT_TIMES: i64 = 2;

/// Tasks that run since so long after a recovery were not started by it.
const SUPERSEDED_MS: i64 = 1_000;

/// A failure is spoken of for so long.
const RECENT_MS: i64 = 5 * 60_000;

pub(super) fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = status(evidence).into_iter().collect();
    if evidence.job.summary.status.is_terminal() {
        return findings;
    }
    findings.extend(crash_loop(evidence));
    if evidence.job.summary.status == JobStatus::Running {
        findings.extend(stuck(evidence));
        findings.extend(recovery(evidence));
    }
    findings
}

fn status(evidence: &Evidence<'_>) -> Option<Finding> {
    let summary = &evidence.job.summary;
    let ended = |how: &str| {
        let after = summary.ended_at_ms.zip(summary.started_at_ms);
        let after = after.map_or_else(String::new, |(end, start)| format!(" after {}", span(end - start)));
        Finding::new(FindingKind::Ended, Severity::Info, format!("the job {how}{after}"))
            .since(summary.ended_at_ms)
    };
    match summary.status {
        JobStatus::Running => None,
        JobStatus::Finished => {
            Some(ended("has finished: all its input was processed and its output is committed"))
        }
        JobStatus::Canceled => Some(ended("was cancelled")),
        JobStatus::Failed => {
            let cause = summary.failure.as_deref().unwrap_or("of a cause that was not recorded");
            let finding =
                Finding::new(FindingKind::Failed, Severity::Critical, format!("the job has failed: {cause}"));
            Some(finding.since(summary.ended_at_ms).advice(advice_on(evidence.exceptions.first())))
        }
        status => Some(not_running(evidence, status)),
    }
}

fn advice_on(last: Option<&ExceptionView>) -> String {
    let advice = match last.map(|failure| failure.kind) {
        Some(FailureKind::DataLoss | FailureKind::DamagedCheckpoint) => {
            "look at the disk and at what damaged it before anything is started again on this data folder"
        }
        Some(FailureKind::Stall) => {
            "find what the task waits for inside its function or connector; raise `task.stall-timeout` only if the work \
             really takes so long"
        }
        _ => {
            "mend the cause that is named, then submit the job again; if a record is named, look at that record first"
        }
    };
    advice.to_owned()
}

fn not_running(evidence: &Evidence<'_>, status: JobStatus) -> Finding {
    let total = evidence.subtasks().count();
    let missing: Vec<_> = evidence.subtasks().filter(|subtask| !subtask.state.is_live()).collect();
    // The one that has kept the others waiting for longest.
    let slowest = missing.iter().min_by_key(|subtask| subtask.state_since_ms.unwrap_or(evidence.now_ms));
    let waiting = slowest.map_or_else(String::new, |subtask| {
        let since = subtask.state_since_ms.unwrap_or(evidence.now_ms);
        format!(
            ": {} of {} are not running, {} is {} for {}",
            missing.len(),
            plural(total, "task"),
            evidence.name(subtask.subtask),
            subtask.state.as_str(),
            evidence.ago(since)
        )
    });
    let what = match status {
        JobStatus::Initializing | JobStatus::Created => "the job is being started",
        JobStatus::Failing => "the job is stopping tasks after a failure",
        JobStatus::Cancelling => "the job is being cancelled",
        JobStatus::Suspended => "the job is suspended: it goes on with the next start of the server",
        JobStatus::Reconciling => "the job was taken over: what its tasks do is being found out",
        _ => "the job is being restarted",
    };
    let cause = evidence
        .exceptions
        .first()
        .filter(|_| status != JobStatus::Cancelling)
        .map_or_else(String::new, |failure| {
            format!("; the last failure, {} ago, was {}", evidence.ago(failure.at_ms), told(failure))
        });
    let since_ms = slowest.and_then(|subtask| subtask.state_since_ms);
    let is_long = since_ms.is_some_and(|since| evidence.age_ms(since) >= STUCK_CRITICAL_MS);
    let is_wanted = matches!(status, JobStatus::Cancelling | JobStatus::Suspended);
    let severity = if is_long && !is_wanted { Severity::Critical } else { Severity::Warning };
    let mut finding = Finding::new(FindingKind::NotRunning, severity, format!("{what}{waiting}{cause}"))
        .since(since_ms)
        .others(missing.iter().map(|subtask| subtask.subtask))
        .number("tasks_not_running", missing.len() as f64)
        .number("tasks", total as f64);
    if let Some(subtask) = slowest {
        finding = finding.subtask(subtask.subtask);
        if subtask.state == ExecutionState::Initializing && is_long {
            finding = finding.advice(
                "it is opening its code or restoring its state: look whether what it connects to answers",
            );
        }
    }
    finding
}

fn told(failure: &ExceptionView) -> String {
    let who = if failure.attempt.is_some() {
        format!("{} ({})", failure.actor, failure.actor_name)
    } else {
        failure.actor.clone()
    };
    format!("{who}: {}: {}", failure.kind.as_str(), failure.message)
}

/// A message without its numbers, which differ from failure to failure.
fn shape(message: &str) -> String {
    message.split(|letter: char| letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect()
}

/// The newest failures that are of the same cause, if they are so many that this is a loop; newest first. Kills on purpose are not
/// counted.
fn alike<'a>(evidence: &Evidence<'a>) -> Option<Vec<&'a ExceptionView>> {
    let vertex = |failure: &ExceptionView| failure.actor.split('-').next().map(str::to_owned);
    let alike = |a: &ExceptionView, b: &ExceptionView| {
        a.kind == b.kind && vertex(a) == vertex(b) && shape(&a.message) == shape(&b.message)
    };
    let is_recent = |failure: &&ExceptionView| evidence.age_ms(failure.at_ms) <= LOOP_MS;
    let last = evidence.exceptions.iter().find(|failure| failure.kind != FailureKind::Kill)?;
    let same: Vec<&ExceptionView> =
        evidence.exceptions.iter().filter(is_recent).filter(|failure| alike(failure, last)).collect();
    (same.len() >= LOOP_FAILURES).then_some(same)
}

/// Whether the job has now run for longer than it ever came in this loop.
fn has_left(evidence: &Evidence<'_>, failures: &[&ExceptionView]) -> bool {
    let between = failures.windows(2).map(|pair| pair[0].at_ms.saturating_sub(pair[1].at_ms));
    let enough_ms = LOOP_LEFT_MS.max(LOOP_LEFT_TIMES * between.max().unwrap_or(0));
    evidence.running_since_ms().is_some_and(|since| evidence.age_ms(since) >= enough_ms)
}

fn crash_loop(evidence: &Evidence<'_>) -> Option<Finding> {
    let same = alike(evidence).filter(|same| !has_left(evidence, same))?;
    let (first_ms, last) = (same.last()?.at_ms, same.first()?);
    let running = evidence
        .running_since_ms()
        .map_or_else(String::new, |since| format!("; it has been running for {} since", evidence.ago(since)));
    let sentence = format!(
        "the job fails over and again: {} failures of the same cause within {}, the last one {} ago: {}{running}",
        same.len(),
        evidence.ago(first_ms),
        evidence.ago(last.at_ms),
        told(last)
    );
    let finding = Finding::new(FindingKind::CrashLoop, Severity::Critical, sentence)
        .since(Some(first_ms))
        .number("failures", same.len() as f64)
        .advice(
            "a restart does not mend this: look at the record or connection that the message names; cancel the job if it \
             writes to something that suffers",
        );
    let of_task = evidence.subtasks().find(|subtask| subtask.subtask.to_string() == last.actor);
    Some(match of_task {
        Some(subtask) => finding.subtask(subtask.subtask),
        None => finding,
    })
}

/// Tasks that have been in one piece of work for long, the longest first.
fn stuck(evidence: &Evidence<'_>) -> Vec<Finding> {
    let timeout_ms = evidence.job.spec.options.stall_timeout_ms;
    let mut findings = Vec::new();
    for subtask in evidence.live() {
        let activity = subtask.metrics.activity;
        let age_ms = evidence.age_ms(activity.since_ms);
        if !activity.kind.is_work() || age_ms < STUCK_MS || subtask.metrics_at_ms.is_none() {
            continue;
        }
        let severity = if age_ms >= STUCK_CRITICAL_MS { Severity::Critical } else { Severity::Warning };
        let kind = match activity.kind {
            ActivityKind::Committing => FindingKind::SinkNotCommitting,
            _ => FindingKind::StuckTask,
        };
        let sentence = format!(
            "{} {} without coming to an end; it is given up after {}",
            evidence.name(subtask.subtask),
            evidence.doing(subtask),
            span(timeout_ms as i64)
        );
        let advice = match activity.kind {
            ActivityKind::Committing => "look whether what the sink writes to answers",
            _ => {
                "look at what its function or connector does there: a call that blocks, a loop that does not end, or a \
                 batch that is too dear; `task.stall-timeout` says when the task is restarted because of it"
            }
        };
        let finding = Finding::new(kind, severity, sentence)
            .subtask(subtask.subtask)
            .since(Some(activity.since_ms))
            .number("for_ms", age_ms as f64)
            .number("stall_timeout_ms", timeout_ms as f64)
            .advice(advice);
        findings.push(Finding { checkpoint: activity.checkpoint, ..finding });
    }
    findings.sort_by_key(|finding| finding.since_ms);
    findings
}

/// The last failure, and how far the job is with mending it.
fn recovery(evidence: &Evidence<'_>) -> Option<Finding> {
    let failure = evidence.exceptions.iter().find(|failure| {
        let recovery = failure.recovery.as_ref();
        recovery.is_some_and(|recovery| recovery.tasks_restarted > 0)
    })?;
    let recovery = failure.recovery.as_ref()?;
    let replayed = recovery.records_replayed;
    // Tasks that were started anew since then, by the next process say, have come this far in another life.
    let restored_ms = failure.at_ms.saturating_add((recovery.running_after_us.unwrap_or(0) / 1_000) as i64);
    let was_superseded = evidence.live().any(|subtask| {
        subtask.state == ExecutionState::Running
            && subtask.state_since_ms.is_some_and(|since| since > restored_ms.saturating_add(SUPERSEDED_MS))
    });
    let is_catching_up = recovery.caught_up_after_us.is_none()
        && replayed.is_some_and(|records| records > 0)
        && !was_superseded;
    if !is_catching_up && evidence.age_ms(failure.at_ms) > RECENT_MS {
        return None;
    }
    let from = match recovery.restored_checkpoint {
        Some(checkpoint) => format!("checkpoint {checkpoint}"),
        None => "the beginning".to_owned(),
    };
    let running = recovery.running_after_us.map_or_else(
        || "its tasks do not all run yet".to_owned(),
        |us| format!("all tasks ran after {}", span_us(us)),
    );
    let again = replayed.map_or_else(String::new, |records| {
        format!(", {} to be read again", plural(records as usize, "record"))
    });
    let caught_up = recovery
        .caught_up_after_us
        .map_or_else(String::new, |us| format!(", and it had caught up after {}", span_us(us)));
    let times = alike(evidence).filter(|same| same.iter().any(|other| std::ptr::eq(*other, failure)));
    let over_and_again = times.map_or_else(String::new, |same| {
        format!(", {} times within {}", same.len(), evidence.ago(same[same.len() - 1].at_ms))
    });
    let went = format!(
        "{} ago the job went back to {from}{again}: {running}{caught_up}; it had died of {}{over_and_again}",
        evidence.ago(failure.at_ms),
        told(failure)
    );
    let (kind, severity) = if is_catching_up && recovery.running_after_us.is_some() {
        (FindingKind::CatchingUp, Severity::Warning)
    } else {
        (FindingKind::Recovered, Severity::Info)
    };
    let finding = Finding::new(kind, severity, went)
        .since(Some(failure.at_ms))
        .number("tasks_restarted", recovery.tasks_restarted as f64);
    let finding = match replayed {
        Some(records) => finding.number("records_replayed", records as f64),
        None => finding,
    };
    let subtask = evidence.subtasks().find(|subtask| subtask.subtask.to_string() == failure.actor);
    let finding = match subtask {
        Some(subtask) => finding.subtask(subtask.subtask),
        None => finding,
    };
    Some(Finding { checkpoint: recovery.restored_checkpoint, ..finding })
}

/// Of a job that nothing holds back.
pub(super) fn healthy(evidence: &Evidence<'_>) -> Finding {
    let (live, total) = (evidence.live().count(), evidence.subtasks().count());
    let sources = evidence.live().filter(|subtask| evidence.is_source(subtask));
    let rate: f64 = sources.map(|source| evidence.recent(source).records_in_per_second).sum();
    let busiest = evidence
        .live()
        .max_by(|a, b| evidence.recent(a).busy_share.total_cmp(&evidence.recent(b).busy_share));
    let busiest_text = busiest.map_or_else(String::new, |subtask| {
        format!(
            ", the busiest is {} at {}",
            evidence.name(subtask.subtask),
            share(evidence.recent(subtask).busy_share)
        )
    });
    let checkpoint = evidence.last_completed().map_or_else(
        || ", no checkpoint is completed yet".to_owned(),
        |checkpoint| {
            format!(
                ", checkpoint {} was taken {} ago in {}",
                checkpoint.id,
                evidence.ago(checkpoint.triggered_at_ms),
                span_us(checkpoint.duration_us.unwrap_or(0))
            )
        },
    );
    let sentence = format!(
        "nothing holds the job back: {live} of {} run, {} records/s come in{busiest_text}{checkpoint}",
        plural(total, "task"),
        count(rate)
    );
    Finding::new(FindingKind::Healthy, Severity::Info, sentence)
        .number("tasks_running", live as f64)
        .number("tasks", total as f64)
        .number("records_in_per_second", rate)
        .number("busy_share_max", busiest.map_or(0.0, |subtask| evidence.recent(subtask).busy_share))
}
