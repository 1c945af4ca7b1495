//! What the stand-in shows: a word count over a socket, with two failures behind it.

use headwater_coordinator::view::{
    ActorKind, ActorView, AttemptView, CheckpointAckView, CheckpointStatus, CheckpointSubtaskView,
    CheckpointView, ExceptionView, Recent, RecoveryView, SubtaskView,
};
use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{
        Activity, ActivityKind, ExecutionState, FailureKind, Gauges, InputMetrics, NextTimer, TaskMetrics,
        TimeDomain,
    },
    graph::{JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::{CheckpointId, SubtaskId, VertexId},
    job::{ArgKind, ArgSpec, ProgramInfo},
    time::{Clock, SystemClock},
};

const WORD_COUNT_ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "host",
        kind: ArgKind::Text,
        help: "the host to read lines from",
        default: Some("localhost"),
        required: false,
    },
    ArgSpec { name: "port", kind: ArgKind::Integer, help: "its port", default: None, required: true },
    ArgSpec {
        name: "window-ms",
        kind: ArgKind::Integer,
        help: "the length of a window",
        default: Some("5000"),
        required: false,
    },
    ArgSpec {
        name: "journal",
        kind: ArgKind::Flag,
        help: "keep what was read until it is committed",
        default: Some("true"),
        required: false,
    },
];

pub(super) const PROGRAMS: &[ProgramInfo] = &[
    ProgramInfo {
        name: "socket-word-count",
        description: "counts the words that come over a socket, in windows",
        args: WORD_COUNT_ARGS,
    },
    ProgramInfo {
        name: "generator",
        description: "generates records and counts them",
        args: &[ArgSpec {
            name: "rate",
            kind: ArgKind::Float,
            help: "records per second",
            default: Some("1000"),
            required: false,
        }],
    },
];

pub(super) fn graph() -> JobGraph {
    let vertex = |id: u32, name: &str, kind| JobVertex {
        id: VertexId(id),
        uid: format!("uid-{id}"),
        name: name.to_owned(),
        kind,
        parallelism: 2,
    };
    let edge = |from, to, partitioning| JobEdge { from: VertexId(from), to: VertexId(to), partitioning };
    JobGraph {
        vertices: vec![
            vertex(0, "socket source -> flat map -> assign timestamps", VertexKind::Source),
            vertex(1, "window count", VertexKind::Operator),
            vertex(2, "print sink", VertexKind::Sink),
        ],
        edges: vec![edge(0, 1, Partitioning::Hash), edge(1, 2, Partitioning::Forward)],
        max_parallelism: 128,
    }
}

pub(super) fn subtask(vertex: VertexId, index: u32) -> SubtaskView {
    let now_ms = SystemClock.now_ms();
    let records = 48_210_334 / (1 + u64::from(vertex.0) * 3);
    let busiest = SubtaskId { vertex: VertexId(1), index: 0 };
    let from = |index| SubtaskId { vertex: VertexId(vertex.0 - 1), index };
    let upstream = match vertex.0 {
        0 => Vec::new(),
        1 => vec![from(0), from(1)],
        _ => vec![from(index)],
    };
    let input = |from| InputMetrics {
        from,
        watermark_ms: Some(now_ms - 1_200),
        is_idle: false,
        unchanged_since_ms: now_ms - 200,
        queued_records: if vertex.0 == 1 { 16_384 } else { 0 },
        barrier: None,
    };
    SubtaskView {
        subtask: SubtaskId { vertex, index },
        attempt: 2,
        state: ExecutionState::Running,
        slot: index as usize,
        metrics: TaskMetrics {
            records_in: records + u64::from(index) * 1_913,
            records_out: records / 2,
            late_records: u64::from(index) * 3,
            malformed_records: if vertex.0 == 0 { u64::from(index) * 2 } else { 0 },
            watermark_ms: Some(now_ms - 1_200),
            busy_us: [81_000_000, 412_000_000, 160_000_000][vertex.0 as usize],
            backpressured_us: [260_000_000, 0, 0][vertex.0 as usize],
            first_record_at_ms: Some(now_ms - 600_000),
            restarts_of_connection: 0,
            running_us: 600_000_000,
            idle_us: [259_000_000, 188_000_000, 440_000_000][vertex.0 as usize],
            bytes_in: if vertex.0 == 0 { 0 } else { records * 24 },
            bytes_out: if vertex.0 == 2 { 0 } else { records * 12 },
            batches_in: if vertex.0 == 0 { 0 } else { records / 1_024 },
            batches_out: if vertex.0 == 2 { 0 } else { records / 2_048 },
            watermark_since_ms: Some(now_ms - 200),
            activity: Activity {
                kind: [ActivityKind::WaitingForRoom, ActivityKind::Processing, ActivityKind::WaitingForInput]
                    [vertex.0 as usize],
                since_ms: now_ms - 40,
                checkpoint: None,
            },
            blocked_on: if vertex.0 == 0 { vec![busiest] } else { Vec::new() },
            inputs: upstream.into_iter().map(input).collect(),
            gauges: Gauges {
                next_timer: (vertex.0 == 1)
                    .then_some(NextTimer { domain: TimeDomain::Event, at_ms: now_ms + 3_800 }),
                state_entries: (vertex.0 == 1).then_some(1_204_113),
                ..Gauges::default()
            },
            ..TaskMetrics::default()
        },
        metrics_at_ms: Some(now_ms),
        state_since_ms: Some(now_ms - 600_000),
        recent: Some(Recent {
            over_ms: 5_000,
            busy_share: [0.13, 0.69, 0.27][vertex.0 as usize],
            backpressured_share: [0.43, 0.0, 0.0][vertex.0 as usize],
            idle_share: [0.44, 0.31, 0.73][vertex.0 as usize],
            records_in_per_second: records as f64 / 600.0,
            records_out_per_second: records as f64 / 1_200.0,
            ..Recent::default()
        }),
        state_bytes: (vertex.0 == 1).then_some(24_000_000),
    }
}

pub(super) fn actors(graph: &JobGraph) -> Vec<ActorView> {
    let actor = |id: &str, parent: Option<&str>, kind, name: &str| ActorView {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        kind,
        name: name.to_owned(),
        state: "RUNNING",
        restarts: 0,
        last_failure: None,
    };
    let mut actors = vec![
        actor("job-master", None, ActorKind::JobMaster, "Job master"),
        actor(
            "checkpoint-coordinator",
            Some("job-master"),
            ActorKind::CheckpointCoordinator,
            "Checkpoint coordinator",
        ),
    ];
    for id in graph.subtasks() {
        let vertex = graph.vertex(id.vertex);
        let kind = match vertex.kind {
            VertexKind::Source => ActorKind::Source,
            VertexKind::Operator => ActorKind::Operator,
            VertexKind::Sink => ActorKind::Sink,
        };
        let name = format!("{} ({}/{})", vertex.name, id.index + 1, vertex.parallelism);
        actors.push(actor(&id.to_string(), Some("job-master"), kind, &name));
    }
    actors[5].restarts = 2;
    actors[5].last_failure =
        Some("panicked: index out of bounds: the len is 3 but the index is 7".to_owned());
    actors
}

pub(super) fn checkpoint(id: u64, triggered_at_ms: i64) -> CheckpointView {
    let wave = (id * 7919) % 13;
    let status = if id == 31 {
        CheckpointStatus::Failed(CheckpointFailure::TaskFailed)
    } else {
        CheckpointStatus::Completed
    };
    CheckpointView {
        id: CheckpointId(id),
        status,
        triggered_at_ms,
        duration_us: Some(9_000 + wave * 1_300),
        acknowledged: if id == 31 { 4 } else { 6 },
        expected: 6,
        awaited: Vec::new(),
        state_bytes: 48_000_000 + id * 310_000,
        new_bytes: 400_000 + wave * 90_000,
        sync_us_max: 1_100 + wave * 90,
        async_us_max: 7_000 + wave * 900,
        alignment_us_max: 300 + wave * 40,
        is_final: false,
        subtasks: graph().subtasks().map(|subtask| part(subtask, id, triggered_at_ms)).collect(),
    }
}

fn part(subtask: SubtaskId, id: u64, triggered_at_ms: i64) -> CheckpointSubtaskView {
    let has_acknowledged = id != 31 || subtask.vertex != VertexId(2);
    let ack = CheckpointAckView {
        at_ms: triggered_at_ms + 8,
        sync_us: 1_000,
        async_us: 6_000,
        alignment_us: 200,
        state_bytes: 8_000_000,
        new_bytes: 70_000,
    };
    CheckpointSubtaskView { subtask, attempt: 2, ack: has_acknowledged.then_some(ack) }
}

pub(super) fn attempts() -> Vec<AttemptView> {
    let now_ms = SystemClock.now_ms();
    let attempt = |number: u32, state, failure: Option<&str>| AttemptView {
        number,
        state,
        deployed_at_ms: now_ms - 700_000 + i64::from(number) * 30_000,
        running_at_ms: Some(now_ms - 699_990 + i64::from(number) * 30_000),
        ended_at_ms: failure.map(|_| now_ms - 690_000 + i64::from(number) * 30_000),
        restored_checkpoint: (number > 0).then_some(CheckpointId(30)),
        failure: failure.map(str::to_owned),
    };
    vec![
        attempt(2, ExecutionState::Running, None),
        attempt(1, ExecutionState::Failed, Some("panic: index out of bounds")),
        attempt(0, ExecutionState::Failed, Some("error: connection was reset")),
    ]
}

pub(super) fn exception(at_ms: i64, actor: &str, kind: FailureKind, message: &str) -> ExceptionView {
    let is_task = actor.starts_with('v');
    ExceptionView {
        at_ms,
        actor: actor.to_owned(),
        actor_name: if is_task { format!("subtask {actor}") } else { actor.to_owned() },
        attempt: is_task.then_some(1),
        kind,
        message: message.to_owned(),
        detected_after_us: Some(900),
        recovery: Some(RecoveryView {
            restored_checkpoint: is_task.then_some(CheckpointId(30)),
            tasks_restarted: if is_task { 6 } else { 0 },
            tasks: if is_task { graph().subtasks().collect() } else { Vec::new() },
            records_replayed: Some(if is_task { 91_402 } else { 0 }),
            running_after_us: Some(18_400),
            first_record_after_us: is_task.then_some(23_900),
            caught_up_after_us: is_task.then_some(310_000),
        }),
    }
}
