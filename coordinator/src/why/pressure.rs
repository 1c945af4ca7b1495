//! Who holds up those before it, and whose work is unevenly dealt out.

use std::collections::BTreeMap;

use headwater_core::{
    execution::ExecutionState,
    graph::{Partitioning, VertexKind},
    ids::SubtaskId,
};

use super::{
    Finding, FindingKind, Severity,
    evidence::Evidence,
    text::{count, plural, share},
};
use crate::view::SubtaskView;

/// So much back pressure says that someone downstream is too slow.
const HELD_UP_MIN: f64 = 0.2;

/// A subtask that works for so much of its time can hardly do more.
const BUSY_MIN: f64 = 0.7;

/// Its siblings do so much less than it if the work is unevenly dealt out.
const SKEW: f64 = 3.0;

pub(super) fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    [bottleneck(evidence), skew(evidence)].into_iter().flatten().collect()
}

fn bottleneck(evidence: &Evidence<'_>) -> Option<Finding> {
    let mut held_up: BTreeMap<SubtaskId, Vec<&SubtaskView>> = BTreeMap::new();
    for subtask in evidence.live() {
        if evidence.recent(subtask).backpressured_share < HELD_UP_MIN {
            continue;
        }
        let end = evidence.chain(subtask.subtask).last().copied();
        if let Some(end) = end.filter(|end| *end != subtask.subtask) {
            held_up.entry(end).or_default().push(subtask);
        }
    }
    let pressure = |subtask: &SubtaskView| evidence.recent(subtask).backpressured_share;
    let weight = |held_up: &[&SubtaskView]| held_up.iter().map(|subtask| pressure(subtask)).sum::<f64>();
    let (end, held_up) = held_up.into_iter().max_by(|(_, a), (_, b)| weight(a).total_cmp(&weight(b)))?;
    let subtask = evidence.subtask(end)?;
    let recent = evidence.recent(subtask);
    let worst = held_up.iter().max_by(|a, b| pressure(a).total_cmp(&pressure(b)))?;
    let others = held_up.iter().filter(|other| other.subtask != worst.subtask).count();
    let and_others = if others == 0 { String::new() } else { format!(" and {others} more") };
    let mates: Vec<&SubtaskView> = evidence
        .live()
        .filter(|mate| mate.slot == subtask.slot && mate.subtask != end)
        .filter(|mate| evidence.recent(mate).busy_share >= HELD_UP_MIN)
        .collect();
    let slot_share =
        recent.busy_share + mates.iter().map(|mate| evidence.recent(mate).busy_share).sum::<f64>();
    let shares_its_thread = recent.busy_share < BUSY_MIN && slot_share >= BUSY_MIN && !mates.is_empty();
    let how = if shares_its_thread {
        let mates: Vec<SubtaskId> = mates.iter().map(|mate| mate.subtask).collect();
        format!(
            "works {} of the time and shares slot {}, used {}, with {}",
            share(recent.busy_share),
            subtask.slot,
            share(slot_share.min(1.0)),
            evidence.names(&mates)
        )
    } else {
        format!("works {} of the time", share(recent.busy_share))
    };
    let sentence = format!(
        "{} is the bottleneck: it {how}, takes {} records/s with {} waiting, and {}; {}{and_others} waits for room {} of the \
         time",
        evidence.name(end),
        count(recent.records_in_per_second),
        plural(subtask.metrics.queued_records() as usize, "record"),
        evidence.doing(subtask),
        evidence.name(worst.subtask),
        share(pressure(worst)),
    );
    let advice = advice(evidence, subtask, shares_its_thread);
    Some(
        Finding::new(FindingKind::Bottleneck, Severity::Warning, sentence)
            .subtask(end)
            .others(held_up.iter().map(|subtask| subtask.subtask))
            .since(Some(subtask.metrics.activity.since_ms))
            .number("busy_share", recent.busy_share)
            .number("slot_busy_share", slot_share)
            .number("backpressured_share_max", pressure(worst))
            .number("queued_records", subtask.metrics.queued_records() as f64)
            .number("records_in_per_second", recent.records_in_per_second)
            .advice(advice),
    )
}

fn advice(evidence: &Evidence<'_>, subtask: &SubtaskView, shares_its_thread: bool) -> String {
    let parallelism = evidence.job.graph.vertex(subtask.subtask.vertex).parallelism;
    if is_skewed(evidence, subtask) {
        return "its siblings have little to do: more subtasks will not help, another key or a finer one will".to_owned();
    }
    if shares_its_thread {
        return "its slot's thread has no time left: give the server more slots (and cores), or the job another \
                parallelism"
            .to_owned();
    }
    if evidence.recent(subtask).busy_share < BUSY_MIN {
        return "it waits for something other than records: a call inside its function, or a sink that answers slowly"
            .to_owned();
    }
    match evidence.kind(subtask.subtask.vertex) {
        VertexKind::Sink => {
            format!("what it writes to may be slow; else raise the sink's parallelism (now {parallelism})")
        }
        _ => format!("raise the vertex's parallelism (now {parallelism}), or let it do less per record"),
    }
}

fn siblings<'a>(evidence: &Evidence<'a>, subtask: &SubtaskView) -> Vec<&'a SubtaskView> {
    let id = subtask.subtask;
    let is_sibling = |other: &&SubtaskView| {
        other.subtask.vertex == id.vertex
            && other.subtask.index != id.index
            && other.state == ExecutionState::Running
    };
    evidence.live().filter(is_sibling).collect()
}

/// Whether a subtask that has much to do gets several times what its siblings get.
fn is_skewed(evidence: &Evidence<'_>, subtask: &SubtaskView) -> bool {
    let recent = evidence.recent(subtask);
    // What sources have to read is not dealt out.
    if recent.busy_share < BUSY_MIN
        || recent.records_in_per_second <= 0.0
        || evidence.kind(subtask.subtask.vertex) == VertexKind::Source
    {
        return false;
    }
    let siblings = siblings(evidence, subtask);
    if siblings.is_empty() {
        return false;
    }
    let mean = |of: fn(&crate::view::Recent) -> f64| {
        siblings.iter().map(|sibling| of(&evidence.recent(sibling))).sum::<f64>() / siblings.len() as f64
    };
    recent.busy_share >= SKEW * mean(|recent| recent.busy_share)
        && recent.records_in_per_second >= SKEW * mean(|recent| recent.records_in_per_second)
}

fn skew(evidence: &Evidence<'_>) -> Option<Finding> {
    let skewed = evidence.live().filter(|subtask| is_skewed(evidence, subtask));
    let subtask =
        skewed.max_by(|a, b| evidence.recent(a).busy_share.total_cmp(&evidence.recent(b).busy_share))?;
    let recent = evidence.recent(subtask);
    let siblings = siblings(evidence, subtask);
    let most = siblings.iter().map(|sibling| evidence.recent(sibling).busy_share).fold(0.0, f64::max);
    let sentence = format!(
        "the work of {} is unevenly dealt out: subtask {} works {} of the time with {} records/s, its {} at most {}",
        evidence.job.graph.vertex(subtask.subtask.vertex).name,
        subtask.subtask,
        share(recent.busy_share),
        count(recent.records_in_per_second),
        plural(siblings.len(), "sibling"),
        share(most)
    );
    let graph = &evidence.job.graph;
    let by_key = graph
        .edges
        .iter()
        .any(|edge| edge.to == subtask.subtask.vertex && edge.partitioning == Partitioning::Hash);
    let advice = if by_key {
        "few keys have most of the records: use a finer key and put the results together afterwards, or aggregate before the \
         key is formed"
    } else {
        "one of the inputs delivers most of the records: rebalance before this vertex"
    };
    Some(
        Finding::new(FindingKind::Skew, Severity::Warning, sentence)
            .subtask(subtask.subtask)
            .others(siblings.iter().map(|sibling| sibling.subtask))
            .number("busy_share", recent.busy_share)
            .number("busy_share_of_siblings_max", most)
            .advice(advice),
    )
}
