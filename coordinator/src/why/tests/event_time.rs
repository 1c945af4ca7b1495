//! Who holds event time back, and what waits for it.

use super::*;

#[test]
fn the_partition_that_holds_event_time_back_is_found_through_the_graph() {
    let mut job = job();
    for index in 0..2 {
        let operator = &mut job.vertices[1][index].metrics;
        operator.inputs[1].watermark_ms = None;
        operator.inputs[1].unchanged_since_ms = NOW - 20_000;
        operator.gauges = Gauges {
            next_timer: Some(NextTimer { domain: TimeDomain::Event, at_ms: NOW + 59_000 }),
            ..Gauges::default()
        };
    }
    job.vertices[0][1].recent.as_mut().unwrap().records_in_per_second = 0.0;
    let finding = first(&job, &[completed(6, 100)], &[]);
    assert_eq!(what(&finding), (FindingKind::WatermarkHeldBack, Some(id(0, 1))));
    assert_eq!(finding.since_ms, Some(NOW - 20_000));
    assert!(finding.advice.unwrap().contains("with_idleness"));
    // An idle input holds nothing back.
    job.vertices[1].iter_mut().for_each(|operator| operator.metrics.inputs[1].is_idle = true);
    let findings = diagnose(&job, &[completed(6, 100)], &[], NOW).findings;
    let kinds: Vec<FindingKind> = findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::NextWindow, FindingKind::Healthy]);
    assert!(findings[0].numbers.contains(&("left_ms", 60_000.0)));
}

#[test]
fn an_input_without_event_time_holds_nothing_back_that_does_not_wait_for_it() {
    let mut job = job();
    // A table without a watermark, joined with one that has one.
    for operator in &mut job.vertices[1] {
        operator.metrics.inputs[1].watermark_ms = None;
        operator.metrics.inputs[1].unchanged_since_ms = NOW - 20_000;
    }
    let kinds = |job: &JobDetails| -> Vec<FindingKind> {
        diagnose(job, &[completed(6, 100)], &[], NOW).findings.iter().map(|finding| finding.kind).collect()
    };
    assert_eq!(kinds(&job), [FindingKind::Healthy]);
    let timer = |domain, at_ms| Gauges { next_timer: Some(NextTimer { domain, at_ms }), ..Gauges::default() };
    job.vertices[1][0].metrics.gauges = timer(TimeDomain::Processing, NOW + 1_000);
    job.vertices[1][1].metrics.gauges = timer(TimeDomain::Event, i64::MAX - 1);
    assert_eq!(kinds(&job), [FindingKind::NextWindow, FindingKind::NextWindow, FindingKind::Healthy]);
    // A window further down does wait.
    job.vertices[2][0].metrics.gauges = timer(TimeDomain::Event, NOW);
    let finding = first(&job, &[completed(6, 100)], &[]);
    assert_eq!(what(&finding), (FindingKind::WatermarkHeldBack, Some(id(0, 1))));
    assert!(finding.others.contains(&id(2, 0)), "{finding:?}");
    assert!(finding.sentence.contains("records, but no watermarks"), "{}", finding.sentence);
    assert!(finding.advice.unwrap().contains("WATERMARK"));
}

#[test]
fn a_window_that_waits_for_the_end_of_the_input_or_for_nothing_says_so() {
    let mut job = job();
    let next_timer = Some(NextTimer { domain: TimeDomain::Event, at_ms: i64::MAX - 1 });
    job.vertices[1][0].metrics.gauges = Gauges { next_timer, ..Gauges::default() };
    let findings = diagnose(&job, &[completed(6, 100)], &[], NOW).findings;
    assert_eq!(findings[0].sentence, "the window of v1-0 (counts) fires at the end of the input");
    let next_timer = Some(NextTimer { domain: TimeDomain::Event, at_ms: NOW - 2_000 });
    job.vertices[1][0].metrics.gauges = Gauges { next_timer, ..Gauges::default() };
    let findings = diagnose(&job, &[completed(6, 100)], &[], NOW).findings;
    assert!(findings[0].sentence.contains("fires now"), "{}", findings[0].sentence);
}
