mod event_time;
mod random;

use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{
        Activity, ActivityKind, ExecutionState, FailureKind, Gauges, InputMetrics, NextTimer, TaskMetrics,
        TimeDomain,
    },
    graph::{JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::{JobId, VertexId},
    job::{Args, JobSpec},
    options::JobOptions,
};

use super::*;
use crate::view::{CheckpointStatus, JobSummary, Recent, RecoveryView, SubtaskView};

const NOW: i64 = 1_000_000;

/// A source, an operator behind a shuffle and a sink, two subtasks each; all of them well.
fn job() -> JobDetails {
    let kinds = [VertexKind::Source, VertexKind::Operator, VertexKind::Sink];
    let vertex = |(id, kind): (u32, VertexKind)| JobVertex {
        id: VertexId(id),
        uid: format!("u{id}"),
        name: ["lines", "counts", "files"][id as usize].to_owned(),
        kind,
        parallelism: 2,
    };
    let edge = |from, to, partitioning| JobEdge { from: VertexId(from), to: VertexId(to), partitioning };
    let graph = JobGraph {
        vertices: (0..).zip(kinds).map(vertex).collect(),
        edges: vec![edge(0, 1, Partitioning::Hash), edge(1, 2, Partitioning::Forward)],
        max_parallelism: 128,
    };
    let subtask = |vertex: u32, index: u32| SubtaskView {
        subtask: id(vertex, index),
        attempt: 0,
        state: ExecutionState::Running,
        slot: index as usize,
        metrics: TaskMetrics {
            records_in: 1_000,
            activity: doing(ActivityKind::WaitingForInput, 10),
            inputs: match vertex {
                0 => Vec::new(),
                1 => (0..2).map(|from| input(0, from)).collect(),
                _ => vec![input(1, index)],
            },
            ..TaskMetrics::default()
        },
        metrics_at_ms: Some(NOW),
        state_since_ms: Some(NOW - 30_000),
        recent: Some(Recent {
            over_ms: 5_000,
            busy_share: 0.3,
            idle_share: 0.7,
            records_in_per_second: 200.0,
            ..Recent::default()
        }),
        state_bytes: None,
    };
    let options = JobOptions::default();
    let spec = JobSpec { name: "j".into(), program: "p".into(), args: Args::new(), options };
    JobDetails {
        summary: JobSummary {
            id: JobId::random(),
            name: "j".into(),
            program: "p".into(),
            status: JobStatus::Running,
            submitted_at_ms: NOW - 40_000,
            started_at_ms: Some(NOW - 30_000),
            ended_at_ms: None,
            restarts: 0,
            tasks: vec![(ExecutionState::Running, 6)],
            failure: None,
            deletion: None,
        },
        spec,
        graph,
        vertices: (0..3).map(|vertex| (0..2).map(|index| subtask(vertex, index)).collect()).collect(),
        actors: Vec::new(),
        last_completed_checkpoint: None,
    }
}

fn id(vertex: u32, index: u32) -> SubtaskId {
    SubtaskId { vertex: VertexId(vertex), index }
}

fn doing(kind: ActivityKind, for_ms: i64) -> Activity {
    Activity { kind, since_ms: NOW - for_ms, checkpoint: None }
}

fn input(vertex: u32, index: u32) -> InputMetrics {
    InputMetrics {
        from: id(vertex, index),
        watermark_ms: Some(NOW - 1_000),
        is_idle: false,
        unchanged_since_ms: NOW - 100,
        queued_records: 0,
        barrier: Some(CheckpointId(6)),
    }
}

fn checkpoint(number: u64, age_ms: i64, status: CheckpointStatus) -> CheckpointView {
    CheckpointView {
        id: CheckpointId(number),
        status,
        triggered_at_ms: NOW - age_ms,
        duration_us: Some(20_000),
        acknowledged: 6,
        expected: 6,
        subtasks: std::sync::Arc::default(),
        awaited: Vec::new(),
        state_bytes: 0,
        new_bytes: 0,
        sync_us_max: 0,
        async_us_max: 0,
        alignment_us_max: 0,
        is_final: false,
    }
}

fn completed(number: u64, age_ms: i64) -> CheckpointView {
    checkpoint(number, age_ms, CheckpointStatus::Completed)
}

fn under_way(number: u64, age_ms: i64, awaited: &[SubtaskId]) -> CheckpointView {
    CheckpointView {
        awaited: awaited.to_vec(),
        acknowledged: 6 - awaited.len(),
        duration_us: None,
        ..checkpoint(number, age_ms, CheckpointStatus::InProgress)
    }
}

fn failure(age_ms: i64, message: &str) -> ExceptionView {
    ExceptionView {
        at_ms: NOW - age_ms,
        actor: "v1-0".into(),
        actor_name: "counts".into(),
        attempt: Some(0),
        kind: FailureKind::Panic,
        message: message.into(),
        detected_after_us: Some(10),
        recovery: Some(RecoveryView {
            restored_checkpoint: Some(CheckpointId(5)),
            tasks_restarted: 6,
            tasks: Vec::new(),
            records_replayed: Some(70),
            running_after_us: Some(1_000),
            first_record_after_us: None,
            caught_up_after_us: None,
        }),
    }
}

fn first(job: &JobDetails, checkpoints: &[CheckpointView], exceptions: &[ExceptionView]) -> Finding {
    let diagnosis = diagnose(job, checkpoints, exceptions, NOW);
    let first = diagnosis.findings[0].clone();
    assert_eq!(diagnosis.summary, first.sentence, "{diagnosis:#?}");
    first
}

fn what(finding: &Finding) -> (FindingKind, Option<SubtaskId>) {
    (finding.kind, finding.subtask)
}

/// Lets `vertex-index` wait for room at another.
fn block(job: &mut JobDetails, (vertex, index): (usize, usize), at: SubtaskId, share: f64) {
    let view = &mut job.vertices[vertex][index];
    view.metrics.activity = doing(ActivityKind::WaitingForRoom, 300);
    view.metrics.blocked_on = vec![at];
    let recent = view.recent.as_mut().unwrap();
    (recent.backpressured_share, recent.busy_share, recent.idle_share) = (share, 1.0 - share, 0.0);
}

#[test]
fn of_a_healthy_job_it_says_so_in_one_sentence_with_numbers() {
    let finding = first(&job(), &[completed(6, 400)], &[]);
    assert_eq!(finding.kind, FindingKind::Healthy);
    assert_eq!(
        finding.sentence,
        "nothing holds the job back: 6 of 6 tasks run, 400 records/s come in, the busiest is v2-1 (files) at 30 %, \
         checkpoint 6 was taken 400 ms ago in 20 ms"
    );
}

#[test]
fn the_bottleneck_is_where_the_chain_of_those_who_wait_for_room_ends() {
    let mut job = job();
    block(&mut job, (0, 0), id(1, 0), 0.9);
    block(&mut job, (0, 1), id(1, 0), 0.8);
    block(&mut job, (1, 0), id(2, 0), 0.7);
    job.vertices[2][0].metrics.activity = doing(ActivityKind::Processing, 5);
    job.vertices[2][0].recent.as_mut().unwrap().busy_share = 0.97;
    job.vertices[2][1].recent.as_mut().unwrap().busy_share = 0.9;
    let finding = first(&job, &[], &[]);
    assert_eq!(what(&finding), (FindingKind::Bottleneck, Some(id(2, 0))));
    assert_eq!(finding.others, [id(0, 0), id(0, 1), id(1, 0)]);
    assert!(finding.sentence.contains("works 97 % of the time"), "{}", finding.sentence);
    assert!(finding.advice.unwrap().contains("parallelism"));
}

#[test]
fn a_full_queue_tells_who_is_waited_for_when_there_is_room_at_the_moment() {
    let mut job = job();
    block(&mut job, (0, 0), id(1, 1), 0.5);
    job.vertices[0][0].metrics.blocked_on.clear();
    job.vertices[1][1].metrics.inputs[0].queued_records = 9_000;
    assert_eq!(what(&first(&job, &[], &[])), (FindingKind::Bottleneck, Some(id(1, 1))));
}

#[test]
fn a_subtask_with_most_of_the_work_is_told_and_more_subtasks_are_not_advised() {
    let mut job = job();
    let busy = job.vertices[1][0].recent.as_mut().unwrap();
    (busy.busy_share, busy.records_in_per_second) = (0.95, 5_000.0);
    job.vertices[1][1].recent.as_mut().unwrap().busy_share = 0.05;
    assert_eq!(what(&first(&job, &[], &[])), (FindingKind::Skew, Some(id(1, 0))));
    block(&mut job, (0, 0), id(1, 0), 0.9);
    let finding = first(&job, &[], &[]);
    assert_eq!(what(&finding), (FindingKind::Bottleneck, Some(id(1, 0))));
    assert!(finding.advice.unwrap().contains("key"));
}

#[test]
fn a_task_that_comes_to_no_end_is_more_pressing_than_what_follows_from_it() {
    let mut job = job();
    block(&mut job, (0, 0), id(1, 0), 1.0);
    job.vertices[1][0].metrics.activity = doing(ActivityKind::Processing, 12_000);
    let awaited = [id(0, 0), id(1, 0), id(2, 0)];
    let finding = first(&job, &[under_way(7, 9_000, &awaited)], &[]);
    assert_eq!(what(&finding), (FindingKind::StuckTask, Some(id(1, 0))));
    assert_eq!((finding.severity, finding.since_ms), (Severity::Critical, Some(NOW - 12_000)));
    job.vertices[2][1].metrics.activity =
        Activity { checkpoint: Some(CheckpointId(6)), ..doing(ActivityKind::Committing, 30_000) };
    let findings = diagnose(&job, &[], &[], NOW).findings;
    assert_eq!(what(&findings[1]), (FindingKind::SinkNotCommitting, Some(id(2, 1))));
    assert_eq!(findings[1].checkpoint, Some(CheckpointId(6)));
}

#[test]
fn a_checkpoint_under_way_tells_whom_all_that_wait_are_waiting_for() {
    let mut job = job();
    let seven = CheckpointId(7);
    // v1-1 has the barrier of v0-1 and waits for that of v0-0, which has no room at v1-0.
    job.vertices[1][1].metrics.activity =
        Activity { checkpoint: Some(seven), ..doing(ActivityKind::Aligning, 4_000) };
    job.vertices[1][1].metrics.inputs[1].barrier = Some(seven);
    job.vertices[0][0].metrics.activity = doing(ActivityKind::WaitingForRoom, 4_000);
    job.vertices[0][0].metrics.blocked_on = vec![id(1, 0)];
    job.vertices[1][0].metrics.activity = doing(ActivityKind::Processing, 900);
    job.vertices[1][0].metrics.inputs[0].queued_records = 16_000;
    let awaited = [id(0, 0), id(1, 0), id(1, 1), id(2, 0), id(2, 1)];
    let checkpoints = [under_way(7, 5_000, &awaited), completed(6, 6_000)];
    let finding = first(&job, &checkpoints, &[]);
    assert_eq!(what(&finding), (FindingKind::CheckpointWaiting, Some(id(1, 0))));
    assert!(finding.sentence.contains("behind 16 000 records"), "{}", finding.sentence);
    assert_eq!(finding.checkpoint, Some(seven));
    // One that takes no longer than others do is nothing to speak of.
    let checkpoints = [under_way(7, 1_900, &awaited), completed(6, 6_000)];
    assert_eq!(first(&job, &checkpoints, &[]).kind, FindingKind::Healthy);
    // Whoever is writing is the one.
    job.vertices[2][1].metrics.writing_checkpoint = Some(seven);
    let finding = first(&job, &[under_way(7, 5_000, &awaited)], &[]);
    assert_eq!(finding.subtask, Some(id(2, 1)));
}

#[test]
fn failed_checkpoints_count_unless_a_failover_explains_them() {
    let failed = |number, failure| checkpoint(number, 10_000, CheckpointStatus::Failed(failure));
    let storage = || CheckpointFailure::Storage("disk full".into());
    let checkpoints = [failed(9, storage()), failed(8, CheckpointFailure::TaskFailed), failed(7, storage())];
    let finding = first(&job(), &checkpoints, &[]);
    assert_eq!((finding.kind, finding.severity), (FindingKind::CheckpointsFailing, Severity::Warning));
    assert!(finding.sentence.starts_with("the last 2 checkpoints have failed"), "{}", finding.sentence);
    let healed: Vec<_> = [completed(10, 100)].into_iter().chain(checkpoints).collect();
    assert_eq!(first(&job(), &healed, &[]).kind, FindingKind::Healthy);
}

#[test]
fn a_job_that_has_run_for_longer_than_ever_between_its_failures_has_left_the_loop() {
    let loop_until = |age_ms: i64| [0, 20_000, 50_000].map(|before| failure(age_ms + before, "boom"));
    let mut job = job();
    let mut run_for = |age_ms: i64| {
        job.vertices.iter_mut().flatten().for_each(|task| task.state_since_ms = Some(NOW - age_ms));
        diagnose(&job, &[completed(6, 100)], &loop_until(age_ms + 1_000), NOW).findings
    };
    let findings = run_for(59_000);
    assert_eq!(findings[0].kind, FindingKind::CrashLoop);
    assert!(findings[0].sentence.ends_with("boom; it has been running for 59 s since"), "{findings:#?}");
    let findings = run_for(60_000);
    assert!(findings.iter().all(|finding| finding.kind != FindingKind::CrashLoop), "{findings:#?}");
    let past = findings.iter().find(|finding| finding.sentence.contains("boom")).unwrap();
    assert!(past.sentence.ends_with("boom, 3 times within 111 s"), "{}", past.sentence);
}

#[test]
fn the_same_failure_over_and_again_is_a_loop_and_different_ones_are_not() {
    let at = |age_ms: i64, record: u32| failure(age_ms, &format!("no such luck, at record {record}"));
    let exceptions = [at(1_000, 7), at(20_000, 1_312), at(40_000, 99)];
    let finding = first(&job(), &[], &exceptions);
    assert_eq!(what(&finding), (FindingKind::CrashLoop, Some(id(1, 0))));
    assert_eq!(finding.since_ms, Some(NOW - 40_000));
    let mut different = exceptions.clone();
    different[1].message = "something else".into();
    assert_eq!(first(&job(), &[], &different).kind, FindingKind::CatchingUp);
    let mut restarted = job();
    restarted.vertices[0][0].state_since_ms = Some(NOW);
    let later = [failure(60_000, "boom")];
    let kinds: Vec<_> =
        diagnose(&restarted, &[], &later, NOW).findings.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [FindingKind::Recovered, FindingKind::Healthy], "of another life of the tasks");
    different[0].recovery.as_mut().unwrap().caught_up_after_us = Some(3_000_000);
    let findings = diagnose(&job(), &[], &different, NOW).findings;
    assert_eq!(findings[0].kind, FindingKind::Recovered);
    assert!(findings[0].sentence.contains("70 records to be read again"), "{}", findings[0].sentence);
}

#[test]
fn a_job_that_does_not_run_tells_what_it_waits_for_and_one_that_has_ended_how() {
    let mut job = job();
    job.summary.status = JobStatus::Restarting;
    job.vertices[1][1].state = ExecutionState::Initializing;
    job.vertices[1][1].state_since_ms = Some(NOW - 15_000);
    let finding = first(&job, &[], &[failure(16_000, "boom")]);
    assert_eq!(what(&finding), (FindingKind::NotRunning, Some(id(1, 1))));
    assert_eq!(finding.severity, Severity::Critical);
    job.summary.status = JobStatus::Failed;
    job.summary.failure = Some("v1-0 (counts): panic: boom".into());
    let finding = first(&job, &[], &[]);
    assert_eq!(finding.sentence, "the job has failed: v1-0 (counts): panic: boom");
    job.summary.status = JobStatus::Finished;
    assert_eq!(first(&job, &[], &[]).kind, FindingKind::Ended);
}

#[test]
fn late_and_malformed_records_and_silence_are_told() {
    let mut job = job();
    job.vertices[1][0].recent.as_mut().unwrap().late_records = 12;
    job.vertices[0][1].recent.as_mut().unwrap().malformed_records = 3;
    for source in &mut job.vertices[0] {
        source.metrics.activity = doing(ActivityKind::WaitingForInput, 8_000);
        source.metrics.gauges.pending_records = Some(1_000);
    }
    let findings = diagnose(&job, &[completed(6, 100)], &[], NOW).findings;
    let kinds: Vec<_> = findings.iter().map(what).collect();
    let expected = [
        (FindingKind::LateRecords, Some(id(1, 0))),
        (FindingKind::MalformedRecords, Some(id(0, 1))),
        (FindingKind::WaitingForInput, None),
        (FindingKind::InputLeft, None),
    ];
    assert_eq!(kinds, expected);
    assert!(findings[3].sentence.contains("5.0 s at the present rate"), "{}", findings[3].sentence);
}
