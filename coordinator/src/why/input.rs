//! What comes in, what does not, and what is left.

use headwater_core::execution::{ActivityKind, ExecutionState};

use super::{
    Finding, FindingKind, Severity,
    evidence::Evidence,
    text::{count, plural, span},
};
use crate::view::SubtaskView;

/// A source that has had nothing to read for less is not waiting.
const SILENT_MS: i64 = 2_000;

pub(super) fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let ended = ended(evidence);
    let waiting = if ended.is_none() { waiting(evidence) } else { None };
    let all = [malformed(evidence), reconnecting(evidence), ended, waiting, left(evidence)];
    all.into_iter().flatten().collect()
}

fn malformed(evidence: &Evidence<'_>) -> Option<Finding> {
    let (worst, in_minute, in_all) =
        evidence.counted(|recent| recent.malformed_records, |metrics| metrics.malformed_records)?;
    let sentence = format!(
        "{} could not be decoded in the last minute, most at {}; {in_all} since the tasks were started",
        plural(in_minute as usize, "record"),
        evidence.name(worst)
    );
    Some(
        Finding::new(FindingKind::MalformedRecords, Severity::Warning, sentence)
            .subtask(worst)
            .number("malformed_records_per_minute", in_minute as f64)
            .number("malformed_records", in_all as f64)
            .advice(
                "look at them in the dead-letter folder (`source.malformed-records`), and at who writes them",
            ),
    )
}

fn reconnecting(evidence: &Evidence<'_>) -> Option<Finding> {
    let of = |subtask: &SubtaskView| subtask.metrics.restarts_of_connection;
    let silent = evidence.live().filter(|subtask| is_silent(evidence, subtask));
    let worst = silent.max_by_key(|subtask| of(subtask)).filter(|subtask| of(subtask) > 0)?;
    let sentence = format!(
        "{} has made its connection anew {} times and has had nothing to read for {}",
        evidence.name(worst.subtask),
        of(worst),
        evidence.ago(worst.metrics.activity.since_ms)
    );
    Some(
        Finding::new(FindingKind::Reconnecting, Severity::Warning, sentence)
            .subtask(worst.subtask)
            .since(Some(worst.metrics.activity.since_ms))
            .number("reconnects", of(worst) as f64)
            .advice("look whether the other end is up and reachable from the server"),
    )
}

fn is_silent(evidence: &Evidence<'_>, subtask: &SubtaskView) -> bool {
    let activity = subtask.metrics.activity;
    subtask.state == ExecutionState::Running
        && evidence.is_source(subtask)
        && activity.kind == ActivityKind::WaitingForInput
        && subtask.metrics_at_ms.is_some()
        && evidence.age_ms(activity.since_ms) >= SILENT_MS
}

fn ended(evidence: &Evidence<'_>) -> Option<Finding> {
    let sources = || evidence.subtasks().filter(|subtask| evidence.is_source(subtask));
    let is_drained =
        |subtask: &SubtaskView| matches!(subtask.state, ExecutionState::Draining | ExecutionState::Finished);
    if !sources().all(is_drained) {
        return None;
    }
    let at_work: Vec<_> =
        evidence.live().filter(|subtask| !is_drained(subtask)).map(|subtask| subtask.subtask).collect();
    let rest = if at_work.is_empty() {
        "the last checkpoint is to commit it".to_owned()
    } else {
        format!(
            "{} still at work on what is on its way ({})",
            plural(at_work.len(), "subtask"),
            evidence.names(&at_work)
        )
    };
    let since_ms = sources().filter_map(|source| source.state_since_ms).max();
    Some(
        Finding::new(FindingKind::InputEnded, Severity::Info, format!("all input has been read; {rest}"))
            .since(since_ms)
            .others(at_work),
    )
}

fn waiting(evidence: &Evidence<'_>) -> Option<Finding> {
    let sources: Vec<&SubtaskView> = evidence.live().filter(|subtask| evidence.is_source(subtask)).collect();
    let is_open = |source: &&&SubtaskView| source.state == ExecutionState::Running;
    let open: Vec<&&SubtaskView> = sources.iter().filter(is_open).collect();
    if open.is_empty() || !open.iter().all(|source| is_silent(evidence, source)) {
        return None;
    }
    let since_ms = open.iter().map(|source| source.metrics.activity.since_ms).max()?;
    let on_its_way: u64 = evidence.live().map(|subtask| subtask.metrics.queued_records()).sum();
    if on_its_way > 0 {
        return None;
    }
    let sentence = format!("the sources have had nothing to read for {}", evidence.ago(since_ms));
    Some(
        Finding::new(FindingKind::WaitingForInput, Severity::Info, sentence)
            .since(Some(since_ms))
            .others(open.iter().map(|source| source.subtask)),
    )
}

/// What is left to read, and how long that takes at the present rate.
fn left(evidence: &Evidence<'_>) -> Option<Finding> {
    let sources = || evidence.live().filter(|subtask| evidence.is_source(subtask));
    let sum = |of: fn(&SubtaskView) -> Option<u64>| {
        let known: Vec<u64> = sources().filter_map(of).collect();
        (!known.is_empty()).then(|| known.iter().sum::<u64>())
    };
    let records = sum(|source| source.metrics.gauges.pending_records).filter(|records| *records > 0);
    let bytes = sum(|source| source.metrics.gauges.pending_bytes).filter(|bytes| *bytes > 0);
    let rate: f64 = sources().map(|source| evidence.recent(source).records_in_per_second).sum();
    let finding = |sentence| Finding::new(FindingKind::InputLeft, Severity::Info, sentence);
    match (records, bytes) {
        (Some(records), _) => {
            let time = (rate > 0.0).then(|| span((records as f64 / rate * 1e3) as i64));
            let time = time.map_or_else(String::new, |time| format!(": {time} at the present rate"));
            Some(
                finding(format!("{} are left to read{time}", plural(records as usize, "record")))
                    .number("pending_records", records as f64),
            )
        }
        (None, Some(bytes)) => Some(
            finding(format!("{} bytes are left to read", count(bytes as f64)))
                .number("pending_bytes", bytes as f64),
        ),
        (None, None) => None,
    }
}
