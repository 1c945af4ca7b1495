//! Where event time is, who holds it back, and what waits for it.

use std::collections::BTreeMap;

use headwater_core::{
    execution::{ExecutionState, InputMetrics, NextTimer, TimeDomain},
    ids::{SubtaskId, VertexId},
    time::{MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};

use super::{
    Finding, FindingKind, Severity,
    evidence::Evidence,
    text::{plural, point, span},
};
use crate::view::SubtaskView;

/// An input whose watermark has stood still for less is nothing to speak of.
const STILL_MS: i64 = 3_000;

pub(super) fn find(evidence: &Evidence<'_>) -> Vec<Finding> {
    let next_windows =
        [TimeDomain::Event, TimeDomain::Processing].map(|domain| next_window(evidence, domain));
    [held_back(evidence), late(evidence)].into_iter().chain(next_windows).flatten().collect()
}

fn at(input: &InputMetrics) -> TimestampMs {
    input.watermark_ms.unwrap_or(MIN_WATERMARK)
}

/// The input that holds a task's watermark back: one that counts, has stood still, and that others are ahead of.
fn slowest<'a>(evidence: &Evidence<'_>, subtask: &'a SubtaskView) -> Option<(&'a InputMetrics, TimestampMs)> {
    let open = || subtask.metrics.inputs.iter().filter(|input| at(input) != MAX_WATERMARK);
    let slowest = open().filter(|input| !input.is_idle).min_by_key(|input| at(input))?;
    let ahead = open().map(at).max()?;
    let is_still = evidence.age_ms(slowest.unchanged_since_ms) >= STILL_MS;
    (is_still && ahead > at(slowest)).then_some((slowest, ahead))
}

/// From a task to the source that its watermark waits for.
fn origin(evidence: &Evidence<'_>, input: &InputMetrics) -> Vec<SubtaskId> {
    let mut path = vec![input.from];
    while let Some(subtask) = path.last().and_then(|last| evidence.subtask(*last)) {
        let open = subtask.metrics.inputs.iter().filter(|input| at(input) != MAX_WATERMARK && !input.is_idle);
        match open.min_by_key(|input| at(input)) {
            Some(slowest) if !path.contains(&slowest.from) => path.push(slowest.from),
            _ => break,
        }
    }
    path
}

/// A task in which a window waits for event time.
type Waiter<'a> = (&'a SubtaskView, TimestampMs);

fn waiting(subtask: &SubtaskView) -> Option<Waiter<'_>> {
    let timer = subtask.metrics.gauges.next_timer?;
    (timer.domain == TimeDomain::Event && !is_end(timer)).then_some((subtask, timer.at_ms))
}

/// Of each vertex with such tasks downstream, the one whose window is the first to end.
fn waiting_behind<'a>(evidence: &Evidence<'a>) -> BTreeMap<VertexId, Waiter<'a>> {
    let first = |waiters: &mut dyn Iterator<Item = Waiter<'a>>| waiters.min_by_key(|(_, at_ms)| *at_ms);
    let mut behind = BTreeMap::new();
    let graph = &evidence.job.graph;
    // Upstream comes first in the graph.
    for (vertex, subtasks) in graph.vertices.iter().zip(&evidence.job.vertices).rev() {
        let live = subtasks.iter().filter(|subtask| subtask.state.is_live());
        let own = first(&mut live.filter_map(waiting));
        let further: Option<Waiter<'a>> = behind.get(&vertex.id).copied();
        let Some(waiter) = first(&mut own.into_iter().chain(further)) else { continue };
        for edge in graph.edges.iter().filter(|edge| edge.to == vertex.id) {
            let known = behind.get(&edge.from).copied();
            behind.extend(first(&mut known.into_iter().chain([waiter])).map(|first| (edge.from, first)));
        }
    }
    behind
}

fn held_back(evidence: &Evidence<'_>) -> Option<Finding> {
    let behind = waiting_behind(evidence);
    // Where nothing waits for event time nobody misses it: there may be none.
    let candidates = evidence.live().filter_map(|subtask| {
        let (input, ahead) = slowest(evidence, subtask)?;
        let waiter = waiting(subtask).or_else(|| behind.get(&subtask.subtask.vertex).copied())?;
        Some((subtask, input, ahead, waiter))
    });
    let (subtask, input, ahead, (waiter, ends_ms)) =
        candidates.max_by_key(|(subtask, input, _, (waiter, _))| {
            (waiter.subtask == subtask.subtask, evidence.age_ms(input.unchanged_since_ms))
        })?;
    let path = origin(evidence, input);
    let source_id = *path.last()?;
    let source = evidence.subtask(source_id)?;
    let partition = if evidence.is_source(source) {
        format!("partition {} of {} ", source_id.index, evidence.job.graph.vertex(source_id.vertex).name)
    } else {
        format!("{} ", evidence.name(source_id))
    };
    let stands = match input.watermark_ms {
        None => format!("has brought no watermark for {}", evidence.ago(input.unchanged_since_ms)),
        Some(watermark) => format!(
            "has stood at {} for {}, {} behind the others",
            point(watermark),
            evidence.ago(input.unchanged_since_ms),
            span(ahead.saturating_sub(watermark))
        ),
    };
    let waits = format!(
        "; the window of {} that ends at {} waits for it",
        evidence.name(waiter.subtask),
        point(ends_ms)
    );
    let (reads, advice) = why_still(evidence, source, input);
    let concerned = path.iter().rev().skip(1).copied().chain([subtask.subtask]);
    let further = Some(waiter.subtask).filter(|waiter| *waiter != subtask.subtask);
    Some(
        Finding::new(
            FindingKind::WatermarkHeldBack,
            Severity::Warning,
            format!("{partition}({source_id}) holds event time back: it {stands}; {reads}{waits}"),
        )
        .subtask(source_id)
        .others(concerned.chain(further))
        .since(Some(input.unchanged_since_ms))
        .number("for_ms", evidence.age_ms(input.unchanged_since_ms) as f64)
        .advice(advice),
    )
}

/// What a source does whose watermark stands still, and what to do about it.
fn why_still(
    evidence: &Evidence<'_>,
    source: &SubtaskView,
    input: &InputMetrics,
) -> (&'static str, &'static str) {
    if evidence.recent(source).records_in_per_second <= 0.0 {
        return (
            "it delivers nothing",
            "if it may be silent for long, declare it idle: `WatermarkStrategy::with_idleness`, or in SQL \
             `SET 'table.exec.source.idle-timeout'`; else see why nothing comes from there",
        );
    }
    if input.watermark_ms.is_none() {
        return (
            "it delivers records, but no watermarks",
            "have watermarks made of its records, too: `assign_timestamps_and_watermarks`, or in SQL the WATERMARK of the table",
        );
    }
    (
        "it delivers records, but of an old time",
        "its records are older than those of the others: wait until it has caught up, or give it more to read with",
    )
}

fn late(evidence: &Evidence<'_>) -> Option<Finding> {
    let (worst, in_minute, in_all) =
        evidence.counted(|recent| recent.late_records, |metrics| metrics.late_records)?;
    let sentence = format!(
        "{} came after their windows had fired in the last minute, most at {}; {in_all} since the tasks were started",
        plural(in_minute as usize, "record"),
        evidence.name(worst)
    );
    Some(
        Finding::new(FindingKind::LateRecords, Severity::Warning, sentence)
            .subtask(worst)
            .number("late_records_per_minute", in_minute as f64)
            .number("late_records", in_all as f64)
            .advice(
                "allow for more disorder (`for_bounded_out_of_orderness`, or the WATERMARK of the table), or have late rows \
                 written to a table of their own",
            ),
    )
}

/// Whether it is due when no record can come any more, and not before.
fn is_end(timer: NextTimer) -> bool {
    timer.domain == TimeDomain::Event && timer.at_ms >= MAX_WATERMARK - 1
}

fn next_window(evidence: &Evidence<'_>, domain: TimeDomain) -> Option<Finding> {
    let timers = evidence.live().filter(|subtask| subtask.state == ExecutionState::Running);
    let timers = timers.filter_map(|subtask| Some((subtask, subtask.metrics.gauges.next_timer?)));
    let of_domain = timers.filter(|(_, timer)| timer.domain == domain);
    let (subtask, timer) = of_domain.min_by_key(|(_, timer)| timer.at_ms)?;
    let at_ms = timer.at_ms;
    let name = evidence.name(subtask.subtask);
    let finding = |sentence| {
        Finding::new(FindingKind::NextWindow, Severity::Info, sentence)
            .subtask(subtask.subtask)
            .number("next_timer_ms", at_ms as f64)
    };
    if is_end(timer) {
        return Some(finding(format!("the window of {name} fires at the end of the input")));
    }
    if domain == TimeDomain::Processing {
        let left = span(at_ms.saturating_sub(evidence.now_ms));
        return Some(finding(format!("the next window of {name} fires in {left}, at {}", point(at_ms))));
    }
    let open = subtask.metrics.inputs.iter().filter(|input| at(input) != MAX_WATERMARK && !input.is_idle);
    let watermark = open.map(at).min().filter(|watermark| *watermark != MIN_WATERMARK);
    Some(match watermark {
        None => finding(format!(
            "the next window of {name} fires when event time has passed {}; there is no watermark yet",
            point(at_ms)
        )),
        // The task has not told of its windows since.
        Some(watermark) if watermark >= at_ms => {
            finding(format!("the next window of {name} fires now: event time has passed {}", point(at_ms)))
        }
        Some(watermark) => {
            let left_ms = at_ms.saturating_sub(watermark);
            finding(format!(
                "the next window of {name} fires when event time has passed {}; it is at {}, {} before that",
                point(at_ms),
                point(watermark),
                span(left_ms)
            ))
            .number("watermark_ms", watermark as f64)
            .number("left_ms", left_ms as f64)
        }
    })
}
