//! One job in full.

use std::collections::BTreeMap;

use headwater_coordinator::view;
use headwater_core::{
    execution::InputMetrics,
    graph::{JobEdge, JobVertex, Partitioning, VertexKind},
    job::{ArgValue, Args},
    secret::{HIDDEN, hide, is_secret},
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
    /// The rest of the time since the attempt was deployed, in microseconds: waiting for input, or for the slot's thread.
    pub idle_us: u64,
    /// The time since the attempt was deployed, in microseconds: the sum of the three.
    pub running_us: u64,
    /// What of the last five seconds was spent working, from 0 to 1; `null` unless it is running.
    pub busy_share: Option<f64>,
    /// What of them was spent waiting for room downstream.
    pub backpressured_share: Option<f64>,
    /// The rest of them.
    pub idle_share: Option<f64>,
    /// Records taken in per second, in those five seconds.
    pub records_in_per_second: Option<f64>,
    /// Records given out per second, in those five seconds.
    pub records_out_per_second: Option<f64>,
    /// Batches taken from the input channels.
    pub batches_in: u64,
    /// Batches given to the output channels.
    pub batches_out: u64,
    /// Bytes taken from the input channels, about.
    pub bytes_in: u64,
    /// Bytes given to the output channels, about.
    pub bytes_out: u64,
    /// Records that wait in the input channels.
    pub queued_records: u64,
    /// Bytes of its part of the newest checkpoint that it has acknowledged.
    pub state_bytes: Option<u64>,
    /// Entries of keyed state in memory, where the operator counts them.
    pub state_entries: Option<u64>,
    /// Records that a source has still to read, if it knows.
    pub pending_records: Option<u64>,
    /// Bytes that a source has still to read, if it knows.
    pub pending_bytes: Option<u64>,
    /// Since when the watermark stands where it does.
    pub watermark_since_ms: Option<TimestampMs>,
    /// The input channels with their watermarks.
    pub current_input_watermarks: Vec<InputWatermark>,
    /// When the next window that holds anything is due.
    pub next_timer_ms: Option<TimestampMs>,
    /// By which clock: `event` or `processing`.
    pub next_timer_domain: Option<String>,
    /// What the task does: `opening`, `processing`, `firing`, `snapshotting`, `committing`, `aligning`, `waiting-for-input` or
    /// `waiting-for-room`; `null` before the first report.
    pub activity: Option<String>,
    /// Since when it has been at this piece of work, or at this wait.
    pub activity_since_ms: Option<TimestampMs>,
    /// The checkpoint that this is about.
    pub activity_checkpoint: Option<u64>,
    /// The checkpoint whose state is being written meanwhile.
    pub writing_checkpoint: Option<u64>,
    /// The subtasks downstream that have no room for what it has to give.
    pub blocked_on: Vec<String>,
    /// Since when it is in its state.
    pub state_since_ms: Option<TimestampMs>,
    /// When the attempt processed its first record.
    pub first_record_at_ms: Option<TimestampMs>,
    /// How often a connection to the outside was made anew.
    pub connection_restarts: u64,
}

/// An input channel's share in the watermark.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct InputWatermark {
    /// The subtask upstream.
    pub from: String,
    /// Its last watermark; `null` before any, the greatest 64-bit integer once it has ended.
    pub watermark_ms: Option<TimestampMs>,
    /// Whether it is idle, and so holds no watermark back.
    pub is_idle: bool,
    /// Since when both are as they are.
    pub since_ms: TimestampMs,
    /// Records that wait in the channel.
    pub queued_records: u64,
}

impl InputWatermark {
    fn of(input: &InputMetrics) -> Self {
        Self {
            from: input.from.to_string(),
            watermark_ms: input.watermark_ms,
            is_idle: input.is_idle,
            since_ms: input.unchanged_since_ms,
            queued_records: input.queued_records,
        }
    }
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
            subtasks: subtasks.iter().map(Subtask::of).collect(),
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
    fn of(subtask: &view::SubtaskView) -> Self {
        let metrics = &subtask.metrics;
        let recent = |of: fn(&view::Recent) -> f64| subtask.recent.as_ref().map(of);
        let next_timer = metrics.gauges.next_timer;
        let activity = subtask.metrics_at_ms.map(|_| metrics.activity);
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
            idle_us: metrics.idle_us,
            running_us: metrics.running_us,
            busy_share: recent(|recent| recent.busy_share),
            backpressured_share: recent(|recent| recent.backpressured_share),
            idle_share: recent(|recent| recent.idle_share),
            records_in_per_second: recent(|recent| recent.records_in_per_second),
            records_out_per_second: recent(|recent| recent.records_out_per_second),
            batches_in: metrics.batches_in,
            batches_out: metrics.batches_out,
            bytes_in: metrics.bytes_in,
            bytes_out: metrics.bytes_out,
            queued_records: metrics.queued_records(),
            state_bytes: subtask.state_bytes,
            state_entries: metrics.gauges.state_entries,
            pending_records: metrics.gauges.pending_records,
            pending_bytes: metrics.gauges.pending_bytes,
            watermark_since_ms: metrics.watermark_since_ms,
            current_input_watermarks: metrics.inputs.iter().map(InputWatermark::of).collect(),
            next_timer_ms: next_timer.map(|timer| timer.at_ms),
            next_timer_domain: next_timer.map(|timer| timer.domain.as_str().to_owned()),
            activity: activity.map(|activity| activity.kind.as_str().to_owned()),
            activity_since_ms: activity.map(|activity| activity.since_ms),
            activity_checkpoint: activity
                .and_then(|activity| activity.checkpoint)
                .map(|checkpoint| checkpoint.0),
            writing_checkpoint: metrics.writing_checkpoint.map(|checkpoint| checkpoint.0),
            blocked_on: metrics.blocked_on.iter().map(ToString::to_string).collect(),
            state_since_ms: subtask.state_since_ms,
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
            last_failure: actor.last_failure.as_deref().map(|failure| hide(failure).into()),
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
            ArgValue::Text(text) => Value::from(hide(text)),
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
        execution::{ExecutionState, TaskMetrics},
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
    fn what_is_not_known_yet_is_null() {
        let mut subtask = view::SubtaskView {
            subtask: SubtaskId { vertex: VertexId(1), index: 0 },
            attempt: 0,
            state: ExecutionState::Running,
            slot: 0,
            metrics: TaskMetrics { watermark_ms: Some(MIN_WATERMARK), ..TaskMetrics::default() },
            metrics_at_ms: None,
            state_since_ms: None,
            recent: None,
            state_bytes: None,
        };
        let unknown = Subtask::of(&subtask);
        assert_eq!((unknown.busy_share, unknown.activity), (None, None));
        assert_eq!(unknown.watermark_ms, None, "nothing is known before the first watermark");
        subtask.metrics_at_ms = Some(7);
        subtask.recent = Some(view::Recent { busy_share: 0.5, idle_share: 0.5, ..view::Recent::default() });
        let known = Subtask::of(&subtask);
        assert_eq!((known.busy_share, known.activity.as_deref()), (Some(0.5), Some("opening")));
    }
}
