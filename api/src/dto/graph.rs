//! A job's plan, and what runs of it.

use headwater_coordinator::view;
use headwater_core::{graph::JobGraph, secret::hide, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Subtask, Vertex,
    job::{partitioning, vertex_kind},
};

/// `GET /jobs/{id}/plan`: what does not change while the job runs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Upstream first.
    pub nodes: Vec<PlanNode>,
    /// The number of key groups, which bounds the parallelism of keyed operators.
    pub max_parallelism: u16,
}

/// A vertex of a plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanNode {
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
    /// Whence its records come.
    pub inputs: Vec<PlanInput>,
}

/// An edge of a plan.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanInput {
    /// The upstream vertex's id.
    pub from: String,
    /// `FORWARD`, `REBALANCE` or `HASH`.
    pub partitioning: String,
}

/// `GET /jobs/{id}/vertices`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Vertices {
    /// Upstream first.
    pub vertices: Vec<Vertex>,
}

/// `GET /jobs/{id}/vertices/{vertex}/subtasks/{subtask}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskDetails {
    /// As in its vertex.
    #[serde(flatten)]
    pub subtask: Subtask,
    /// Newest first; the newest 20 are kept, those of earlier processes among them.
    pub attempts: Vec<Attempt>,
}

/// An attempt at a subtask.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Counted from 0 in each process of the server.
    pub number: u32,
    /// Its state, e.g. `RUNNING`.
    pub state: String,
    /// When it was sent to the worker.
    pub deployed_at_ms: TimestampMs,
    /// When it was first running.
    pub running_at_ms: Option<TimestampMs>,
    /// When it ended.
    pub ended_at_ms: Option<TimestampMs>,
    /// The checkpoint that it went on from; `null` is the beginning.
    pub restored_checkpoint: Option<u64>,
    /// Of what it died.
    pub failure: Option<String>,
}

impl Plan {
    /// What clients see of `graph`.
    pub fn of(graph: &JobGraph) -> Self {
        let inputs = |id| {
            let into = graph.edges.iter().filter(move |edge| edge.to == id);
            into.map(|edge| PlanInput {
                from: edge.from.to_string(),
                partitioning: partitioning(edge).to_owned(),
            })
        };
        let nodes = graph.vertices.iter().map(|vertex| PlanNode {
            id: vertex.id.to_string(),
            uid: vertex.uid.clone(),
            name: vertex.name.clone(),
            kind: vertex_kind(vertex.kind).to_owned(),
            parallelism: vertex.parallelism,
            inputs: inputs(vertex.id).collect(),
        });
        Self { nodes: nodes.collect(), max_parallelism: graph.max_parallelism }
    }
}

impl Attempt {
    /// What clients see of `attempt`.
    pub fn of(attempt: &view::AttemptView) -> Self {
        Self {
            number: attempt.number,
            state: attempt.state.as_str().to_owned(),
            deployed_at_ms: attempt.deployed_at_ms,
            running_at_ms: attempt.running_at_ms,
            ended_at_ms: attempt.ended_at_ms,
            restored_checkpoint: attempt.restored_checkpoint.map(|checkpoint| checkpoint.0),
            failure: attempt.failure.as_deref().map(|failure| hide(failure).into()),
        }
    }
}
