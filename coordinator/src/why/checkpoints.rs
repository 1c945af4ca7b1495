//! What checkpoints wait for, and what they fail of.

use std::collections::BTreeMap;

use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{ActivityKind, ExecutionState},
    ids::{CheckpointId, SubtaskId},
};

use super::{
    Finding, FindingKind, Severity,
    evidence::Evidence,
    text::{plural, span},
};
use crate::view::{CheckpointStatus, CheckpointView, SubtaskView};

/// A checkpoint that has been under way for less is nothing to speak of.
const SLOW_MS: i64 = 2_000;

/// Nor is one that takes but so many times what they usually take.
const TIMES_USUAL: i64 = 3;

/// So many failures in a row are no chance.
const FAILURES_CRITICAL: usize = 3;

pub(super) fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let failing = failing(evidence);
    let overdue = if failing.is_none() { nothing_committed(evidence) } else { None };
    [under_way(evidence), failing, overdue].into_iter().flatten().collect()
}

fn under_way(evidence: &Evidence<'_>) -> Option<Finding> {
    let checkpoint =
        evidence.checkpoints.iter().find(|checkpoint| checkpoint.status == CheckpointStatus::InProgress)?;
    let age_ms = evidence.age_ms(checkpoint.triggered_at_ms);
    let timeout_ms = evidence.job.spec.options.checkpointing.timeout_ms as i64;
    if age_ms < SLOW_MS.max(TIMES_USUAL * usual_ms(evidence.checkpoints)) && age_ms < timeout_ms / 2 {
        return None;
    }
    let severity = if age_ms >= timeout_ms / 2 { Severity::Critical } else { Severity::Warning };
    let id = checkpoint.id;
    let so_long = format!("checkpoint {id} has been under way for {}", span(age_ms));
    let finding = |sentence: String| {
        let finding = Finding::new(FindingKind::CheckpointWaiting, severity, sentence)
            .since(Some(checkpoint.triggered_at_ms))
            .others(checkpoint.awaited.iter().copied())
            .number("acknowledged", checkpoint.acknowledged as f64)
            .number("expected", checkpoint.expected as f64)
            .number("timeout_ms", timeout_ms as f64);
        Finding { checkpoint: Some(id), ..finding }
    };
    let Some(culprit) = culprit(evidence, checkpoint) else {
        return Some(
            finding(format!("{so_long}: all have acknowledged, and its manifest is being written"))
                .advice("look at the disk of the data folder: it may be full, or slow"),
        );
    };
    let sentence = format!(
        "{so_long}: {} of {} not acknowledged it ({}); {} {}",
        checkpoint.awaited.len(),
        plural(checkpoint.expected, "subtask") + if checkpoint.expected == 1 { " has" } else { " have" },
        evidence.names(&checkpoint.awaited),
        evidence.name(culprit.subtask),
        what_it_does(evidence, culprit, id),
    );
    let advice = if evidence.is_writing(culprit.subtask, id) {
        "look at the disk of the data folder, and at the size of the state"
    } else {
        "barriers travel with the records: what delays those delays it; find what keeps that subtask, or let it do less"
    };
    Some(finding(sentence).subtask(culprit.subtask).advice(advice))
}

/// What a checkpoint usually takes.
fn usual_ms(checkpoints: &[CheckpointView]) -> i64 {
    let completed = checkpoints.iter().filter(|checkpoint| checkpoint.status == CheckpointStatus::Completed);
    let mut durations: Vec<u64> =
        completed.filter_map(|checkpoint| checkpoint.duration_us).take(20).collect();
    durations.sort_unstable();
    durations.get(durations.len() / 2).map_or(0, |us| (us / 1_000) as i64)
}

/// Of those that have not acknowledged, the one that none of them has to wait for anymore.
fn culprit<'a>(evidence: &Evidence<'a>, checkpoint: &CheckpointView) -> Option<&'a SubtaskView> {
    let writing = |id: &&SubtaskId| evidence.is_writing(**id, checkpoint.id);
    let mut waiting_for: BTreeMap<SubtaskId, usize> = BTreeMap::new();
    for end in checkpoint.awaited.iter().filter_map(|id| evidence.chain(*id).last().copied()) {
        *waiting_for.entry(end).or_default() += 1;
    }
    let most_waited_for = waiting_for.into_iter().max_by_key(|(_, count)| *count).map(|(end, _)| end);
    let writes = checkpoint.awaited.iter().find(writing).copied();
    writes.or(most_waited_for).and_then(|id| evidence.subtask(id))
}

fn what_it_does(evidence: &Evidence<'_>, subtask: &SubtaskView, checkpoint: CheckpointId) -> String {
    if evidence.is_writing(subtask.subtask, checkpoint) {
        return "is writing its state".to_owned();
    }
    let queued = subtask.metrics.queued_records();
    let activity = subtask.metrics.activity.kind;
    match activity {
        ActivityKind::Processing | ActivityKind::WaitingForInput if queued > 0 => format!(
            "{}, and the barrier is behind {}",
            evidence.doing(subtask),
            plural(queued as usize, "record")
        ),
        _ if subtask.state == ExecutionState::Draining => "has processed all its input".to_owned(),
        _ => evidence.doing(subtask),
    }
}

fn failing(evidence: &Evidence<'_>) -> Option<Finding> {
    let is_cause = |failure: &CheckpointFailure| {
        !matches!(
            failure,
            CheckpointFailure::TaskFailed
                | CheckpointFailure::CoordinatorFailed
                | CheckpointFailure::JobStopping
        )
    };
    let failed: Vec<(&CheckpointView, &CheckpointFailure)> = evidence
        .checkpoints
        .iter()
        .take_while(|checkpoint| checkpoint.status != CheckpointStatus::Completed)
        .filter_map(|checkpoint| match &checkpoint.status {
            CheckpointStatus::Failed(failure) if is_cause(failure) => Some((checkpoint, failure)),
            _ => None,
        })
        .collect();
    let (last, failure) = failed.first()?;
    let first = failed.last()?.0;
    let severity = if failed.len() >= FAILURES_CRITICAL { Severity::Critical } else { Severity::Warning };
    let completed = evidence.last_completed().map_or_else(
        || "none has been completed yet".to_owned(),
        |completed| {
            format!(
                "the last completed one is {}, {} ago",
                completed.id,
                evidence.ago(completed.triggered_at_ms)
            )
        },
    );
    let what = match failed.len() {
        1 => "the last checkpoint has failed".to_owned(),
        failures => format!("the last {failures} checkpoints have failed"),
    };
    let advice = match failure {
        CheckpointFailure::Expired => {
            "it took longer than `execution.checkpointing.timeout`: find what holds records up (barriers travel with them)"
        }
        CheckpointFailure::Storage(_) | CheckpointFailure::Declined { .. } => {
            "look at the disk of the data folder: until a checkpoint is completed, nothing new is committed"
        }
        _ => "records were lost or doubled inside: keep the logs and report it",
    };
    let finding =
        Finding::new(FindingKind::CheckpointsFailing, severity, format!("{what}: {failure}; {completed}"))
            .since(Some(first.triggered_at_ms))
            .number("failures", failed.len() as f64)
            .advice(advice);
    let finding = match failure {
        CheckpointFailure::Declined { subtask, .. } => finding.subtask(*subtask),
        _ => finding,
    };
    Some(Finding { checkpoint: Some(last.id), ..finding })
}

/// Without a completed checkpoint, no sink commits.
fn nothing_committed(evidence: &Evidence<'_>) -> Option<Finding> {
    let interval_ms = evidence.job.spec.options.checkpointing.interval_ms? as i64;
    let since_ms = evidence
        .last_completed()
        .map(|checkpoint| checkpoint.triggered_at_ms)
        .max(evidence.live().filter_map(|subtask| subtask.state_since_ms).max())?;
    let age_ms = evidence.age_ms(since_ms);
    if age_ms < (interval_ms.saturating_mul(10)).max(60_000) {
        return None;
    }
    let sentence =
        format!("no checkpoint has been completed for {}, so nothing has been committed since", span(age_ms));
    Some(
        Finding::new(FindingKind::NothingCommitted, Severity::Warning, sentence)
            .since(Some(since_ms))
            .number("interval_ms", interval_ms as f64)
            .advice(
                "look at the job's checkpoints: one may be under way, or the coordinator may be restarting",
            ),
    )
}
