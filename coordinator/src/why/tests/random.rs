//! Views that no job would show.

use proptest::prelude::*;

use super::*;

fn any_subtask_id() -> impl Strategy<Value = SubtaskId> {
    (0..3u32, 0..2u32).prop_map(|(vertex, index)| id(vertex, index))
}

fn any_metrics() -> impl Strategy<Value = TaskMetrics> {
    let kinds = prop::sample::select(vec![
        ActivityKind::Opening,
        ActivityKind::Processing,
        ActivityKind::Firing,
        ActivityKind::Snapshotting,
        ActivityKind::Committing,
        ActivityKind::Aligning,
        ActivityKind::WaitingForInput,
        ActivityKind::WaitingForRoom,
    ]);
    let checkpoint = || prop::option::of((1..9u64).prop_map(CheckpointId));
    let time = || prop_oneof![Just(0i64), Just(i64::MAX), NOW - 20_000..NOW + 1_000];
    let input =
        (any_subtask_id(), prop::option::of(time()), any::<bool>(), time(), 0..20_000u64, checkpoint());
    let input =
        input.prop_map(|(from, watermark_ms, is_idle, unchanged_since_ms, queued_records, barrier)| {
            InputMetrics { from, watermark_ms, is_idle, unchanged_since_ms, queued_records, barrier }
        });
    let timer = prop::option::of((any::<bool>(), time()).prop_map(|(is_event, at_ms)| NextTimer {
        domain: if is_event { TimeDomain::Event } else { TimeDomain::Processing },
        at_ms,
    }));
    let activity = (kinds, time(), checkpoint()).prop_map(|(kind, since_ms, checkpoint)| Activity {
        kind,
        since_ms,
        checkpoint,
    });
    let inputs = prop::collection::vec(input, 0..3);
    let blocked_on = prop::collection::vec(any_subtask_id(), 0..3);
    (activity, inputs, blocked_on, timer, checkpoint()).prop_map(
        |(activity, inputs, blocked_on, next_timer, writing_checkpoint)| TaskMetrics {
            activity,
            inputs,
            blocked_on,
            writing_checkpoint,
            gauges: Gauges { next_timer, pending_bytes: Some(7), ..Gauges::default() },
            ..TaskMetrics::default()
        },
    )
}

proptest! {
    #[test]
    fn whatever_the_views_show_there_is_an_answer_in_order_of_urgency(
        metrics in prop::collection::vec(any_metrics(), 6),
        shares in prop::collection::vec((0.0..1.0f64, 0.0..1.0f64), 6),
        states in prop::collection::vec(
            prop::sample::select(vec![
                ExecutionState::Running,
                ExecutionState::Draining,
                ExecutionState::Initializing,
                ExecutionState::Failed,
            ]),
            6,
        ),
        awaited in prop::collection::vec(any_subtask_id(), 0..4),
        is_running in any::<bool>(),
    ) {
        let mut job = job();
        if !is_running {
            job.summary.status = JobStatus::Restarting;
        }
        let given = metrics.into_iter().zip(shares).zip(states);
        for (view, ((metrics, (busy, pressure)), state)) in job.vertices.iter_mut().flatten().zip(given) {
            view.metrics = metrics;
            view.state = state;
            let recent = view.recent.as_mut().unwrap();
            recent.busy_share = busy;
            recent.backpressured_share = pressure * (1.0 - busy);
        }
        let checkpoints = [under_way(7, 5_000, &awaited), completed(6, 6_000)];
        let Diagnosis { summary, findings } = diagnose(&job, &checkpoints, &[failure(2_000, "boom")], NOW);
        prop_assert!(!summary.is_empty() && findings.iter().any(|finding| finding.sentence == summary));
        prop_assert!(findings.is_sorted_by_key(|finding| (finding.severity, finding.kind)));
        let is_healthy = findings.iter().any(|finding| finding.kind == FindingKind::Healthy);
        let is_unwell = findings.iter().any(|finding| finding.severity != Severity::Info);
        prop_assert!(!(is_healthy && is_unwell));
        prop_assert!(is_unwell || !is_running || is_healthy);
    }
}
