//! One job in full.

use std::collections::BTreeMap;

use headwater_coordinator::view;
use headwater_core::{
    execution::ExecutionState,
    graph::{JobEdge, JobVertex, Partitioning, VertexKind},
    job::{ArgValue, Args},
    secret::{HIDDEN, hide_options, is_secret},
    time::{MIN_WATERMARK, TimestampMs},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{JobSummary, written_options};

/// `GET /jobs/{id}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JobDetails {
    /// As in a list.
    #[serde(flatten)]
    pub summary: JobSummary,
    /// The server's clock.
    pub now_ms: TimestampMs,
    /// The program's arguments; what looks like a secret is not shown.
    pub args: BTreeMap<String, Value>,
    /// All options that hold for the job, by Flink's keys.
    pub options: BTreeMap<String, String>,
    /// The graph's vertices, upstream first.
    pub vertices: Vec<Vertex>,
    /// The graph's edges.
    pub edges: Vec<Edge>,
    /// The supervision tree: parents before their children.
    pub actors: Vec<Actor>,
    /// The newest completed checkpoint.
    pub last_completed_checkpoint: Option<u64>,
}

/// A vertex: a chain of operators, in `parallelism` subtasks.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Vertex {
    /// E.g. `v0`.
    pub id: String,
    /// Stable over restarts and new versions of the program.
    pub uid: String,
    /// The names of its operators.
    pub name: String,
    /// `source`, `operator` or `sink`.
    pub kind: String,
    /// The number of its subtasks.
    pub parallelism: u32,
    /// By index.
    pub subtasks: Vec<Subtask>,
}

/// A subtask; its counts are those of its current attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Subtask {
    /// E.g. `v0-1`.
    pub id: String,
    /// From 0.
    pub index: u32,
    /// The current attempt, counted from 0.
    pub attempt: u32,
    /// Its state, e.g. `RUNNING`.
    pub state: String,
    /// The slot that it runs in.
    pub slot: usize,
    /// Records taken in.
    pub records_in: u64,
    /// Records given out.
    pub records_out: u64,
    /// Records that came too late and were dropped.
    pub late_records: u64,
    /// Records that a source could not decode and that were skipped or written to a dead-letter file.
    pub malformed_records: u64,
    /// The watermark; `null` before any, the greatest 64-bit integer once the input has ended.
    pub watermark_ms: Option<TimestampMs>,
    /// Time spent working, in microseconds.
    pub busy_us: u64,
    /// Time spent waiting for room downstream, in microseconds.
    pub backpressured_us: u64,
    /// `busy_us` as a share (0 to 1) of the time since the first record; `null` unless it is running.
    pub busy_share: Option<f64>,
    /// `backpressured_us` as such a share.
    pub backpressured_share: Option<f64>,
    /// When the attempt processed its first record.
    pub first_record_at_ms: Option<TimestampMs>,
    /// How often a connection to the outside was made anew.
    pub connection_restarts: u64,
}

/// An edge of the graph.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// The upstream vertex's id.
    pub from: String,
    /// The downstream vertex's id.
    pub to: String,
    /// `FORWARD`, `REBALANCE` or `HASH`.
    pub partitioning: String,
}

/// A supervised actor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Actor {
    /// Unique within the job, and the same after a restart.
    pub id: String,
    /// Its supervisor's id.
    pub parent: Option<String>,
    /// E.g. `job-master` or `source`.
    pub kind: String,
    /// For people.
    pub name: String,
    /// `RUNNING`, `RESTARTING`, or a task's state.
    pub state: String,
    /// How often it was rebuilt.
    pub restarts: u32,
    /// What it last died of.
    pub last_failure: Option<String>,
}

impl JobDetails {
    /// What clients see of `job`.
    pub fn of(job: &view::JobDetails, now_ms: TimestampMs) -> Self {
        let vertex = |(vertex, subtasks): (&JobVertex, &Vec<view::SubtaskView>)| Vertex {
            id: vertex.id.to_string(),
            uid: vertex.uid.clone(),
            name: vertex.name.clone(),
            kind: vertex_kind(vertex.kind).to_owned(),
            parallelism: vertex.parallelism,
            subtasks: subtasks.iter().map(|subtask| Subtask::of(subtask, now_ms)).collect(),
        };
        Self {
            summary: JobSummary::of(&job.summary, now_ms),
            now_ms,
            args: shown_args(&job.spec.args),
            options: written_options(&job.spec.options),
            vertices: job.graph.vertices.iter().zip(&job.vertices).map(vertex).collect(),
            edges: job.graph.edges.iter().map(Edge::of).collect(),
            actors: job.actors.iter().map(Actor::of).collect(),
            last_completed_checkpoint: job.last_completed_checkpoint.map(|checkpoint| checkpoint.0),
        }
    }
}

impl Subtask {
    fn of(subtask: &view::SubtaskView, now_ms: TimestampMs) -> Self {
        let metrics = &subtask.metrics;
        let share = |part_us: u64| {
            let since_ms = metrics.first_record_at_ms.filter(|_| subtask.state == ExecutionState::Running)?;
            let elapsed_ms = now_ms.checked_sub(since_ms).filter(|elapsed| *elapsed > 0)?;
            Some((part_us as f64 / (elapsed_ms as f64 * 1_000.0)).min(1.0))
        };
        Self {
            id: subtask.subtask.to_string(),
            index: subtask.subtask.index,
            attempt: subtask.attempt,
            state: subtask.state.as_str().to_owned(),
            slot: subtask.slot,
            records_in: metrics.records_in,
            records_out: metrics.records_out,
            late_records: metrics.late_records,
            malformed_records: metrics.malformed_records,
            watermark_ms: metrics.watermark_ms.filter(|watermark| *watermark != MIN_WATERMARK),
            busy_us: metrics.busy_us,
            backpressured_us: metrics.backpressured_us,
            busy_share: share(metrics.busy_us),
            backpressured_share: share(metrics.backpressured_us),
            first_record_at_ms: metrics.first_record_at_ms,
            connection_restarts: metrics.restarts_of_connection,
        }
    }
}

impl Edge {
    fn of(edge: &JobEdge) -> Self {
        let partitioning = partitioning(edge).to_owned();
        Self { from: edge.from.to_string(), to: edge.to.to_string(), partitioning }
    }
}

pub(super) fn partitioning(edge: &JobEdge) -> &'static str {
    match edge.partitioning {
        Partitioning::Forward => "FORWARD",
        Partitioning::Rebalance => "REBALANCE",
        Partitioning::Hash => "HASH",
    }
}

impl Actor {
    fn of(actor: &view::ActorView) -> Self {
        Self {
            id: actor.id.clone(),
            parent: actor.parent.clone(),
            kind: actor.kind.as_str().to_owned(),
            name: actor.name.clone(),
            state: actor.state.to_owned(),
            restarts: actor.restarts,
            last_failure: actor.last_failure.clone(),
        }
    }
}

pub(super) fn vertex_kind(kind: VertexKind) -> &'static str {
    match kind {
        VertexKind::Source => "source",
        VertexKind::Operator => "operator",
        VertexKind::Sink => "sink",
    }
}

fn shown_args(args: &Args) -> BTreeMap<String, Value> {
    let shown = |(name, value): (&String, &ArgValue)| {
        let value = match value {
            _ if is_secret(name) => Value::from(HIDDEN),
            // A script in SQL has the options of its tables.
            ArgValue::Text(text) => Value::from(hide_options(text)),
            ArgValue::Float(number) => Value::from(*number),
            ArgValue::Integer(number) => Value::from(*number),
            ArgValue::Flag(flag) => Value::from(*flag),
        };
        (name.clone(), value)
    };
    args.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use headwater_core::{
        execution::TaskMetrics,
        ids::{SubtaskId, VertexId},
    };

    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let args = Args::from([
            ("api_key".to_owned(), ArgValue::Text("s3cr3t".to_owned())),
            ("port".to_owned(), ArgValue::Integer(9000)),
            ("script".to_owned(), ArgValue::Text("WITH ('path' = 'x', 'password' = 's3cr3t')".to_owned())),
        ]);
        let shown = shown_args(&args);
        assert_eq!(shown["script"], "WITH ('path' = 'x', 'password' = '******')");
        assert_eq!((&shown["api_key"], &shown["port"]), (&Value::from("******"), &Value::from(9000)));
    }

    #[test]
    fn shares_are_of_the_time_since_the_first_record_of_a_running_attempt() {
        let mut subtask = view::SubtaskView {
            subtask: SubtaskId { vertex: VertexId(1), index: 0 },
            attempt: 0,
            state: ExecutionState::Running,
            slot: 0,
            metrics: TaskMetrics {
                first_record_at_ms: Some(1_000),
                busy_us: 500_000,
                watermark_ms: Some(MIN_WATERMARK),
                ..TaskMetrics::default()
            },
        };
        let running = Subtask::of(&subtask, 2_000);
        assert_eq!((running.busy_share, running.backpressured_share), (Some(0.5), Some(0.0)));
        assert_eq!(running.watermark_ms, None, "nothing is known before the first watermark");
        subtask.state = ExecutionState::Finished;
        assert_eq!(Subtask::of(&subtask, 2_000).busy_share, None);
    }
}
