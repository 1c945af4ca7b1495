//! From a program to a job graph with its code.

use std::sync::Arc;

use headwater_actors::{
    context::{TaskContext, TaskError},
    look::StatePart,
    operator::{Invokable, JobCode},
};
use headwater_core::{
    checkpoint::SubtaskSnapshot,
    graph::{GraphError, JobEdge, JobGraph, JobVertex, Partitioning, VertexKind},
    ids::VertexId,
    options::JobOptions,
    secret::hide_said,
};

/// Makes and opens the tasks of one vertex.
pub(crate) type VertexCode = Arc<dyn Fn(TaskContext) -> Result<Invokable, TaskError> + Send + Sync>;

type Describe = Arc<dyn Fn(&TaskContext) -> Result<(), TaskError> + Send + Sync>;
type ShowOperatorState = Arc<dyn Fn(&SubtaskSnapshot) -> Vec<StatePart> + Send + Sync>;

/// What those who look into a checkpoint are told of a vertex.
#[derive(Clone)]
pub(crate) struct VertexLook {
    /// Opens the head, so that it registers its states.
    pub describe: Describe,
    /// Shows what a subtask keeps without a key.
    pub operator_state: ShowOperatorState,
}

/// How an edge divides records, before all parallelisms are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdgeKind {
    /// Forward if both ends have the same parallelism, else round robin.
    Pass,
    /// By key group.
    Hash,
}

/// A vertex of the program, before the job's default parallelism is applied.
pub(crate) struct VertexPlan {
    pub name: String,
    pub uid: Option<String>,
    pub kind: VertexKind,
    pub parallelism: Option<u32>,
    pub inputs: Vec<(VertexId, EdgeKind)>,
    pub code: VertexCode,
    pub look: VertexLook,
}

/// A program's job graph and the code of its vertices.
pub struct StreamGraph {
    graph: JobGraph,
    code: Vec<VertexCode>,
    looks: Vec<VertexLook>,
}

impl StreamGraph {
    pub(crate) fn new(plans: Vec<VertexPlan>, options: &JobOptions) -> Result<Self, GraphError> {
        let vertices: Vec<JobVertex> = (0u32..)
            .zip(&plans)
            .map(|(id, plan)| {
                // An address in it may have a password.
                let name = hide_said(&plan.name);
                JobVertex {
                    id: VertexId(id),
                    uid: plan.uid.clone().unwrap_or_else(|| format!("{id}-{}", slug(&name))),
                    name: name.into_owned(),
                    kind: plan.kind,
                    parallelism: plan.parallelism.unwrap_or(options.parallelism),
                }
            })
            .collect();
        let mut edges = Vec::new();
        for (vertex, plan) in vertices.iter().zip(&plans) {
            for (from, kind) in &plan.inputs {
                let is_same = vertices[from.0 as usize].parallelism == vertex.parallelism;
                let partitioning = match kind {
                    EdgeKind::Hash => Partitioning::Hash,
                    EdgeKind::Pass if is_same => Partitioning::Forward,
                    EdgeKind::Pass => Partitioning::Rebalance,
                };
                edges.push(JobEdge { from: *from, to: vertex.id, partitioning });
            }
        }
        let graph = JobGraph { vertices, edges, max_parallelism: options.max_parallelism };
        graph.validate()?;
        let (code, looks) = plans.into_iter().map(|plan| (plan.code, plan.look)).unzip();
        Ok(Self { graph, code, looks })
    }
}

/// The part of a name that can stand in a file's name.
fn slug(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect::<String>()
        .split('-')
        .filter(|part| !part.is_empty())
        .take(6)
        .collect::<Vec<_>>()
        .join("-")
}

impl JobCode for StreamGraph {
    fn graph(&self) -> &JobGraph {
        &self.graph
    }

    fn open(&self, vertex: VertexId, context: TaskContext) -> Result<Invokable, TaskError> {
        (self.code[vertex.0 as usize])(context)
    }

    fn describe(&self, vertex: VertexId, context: &TaskContext) -> Result<(), TaskError> {
        (self.looks[vertex.0 as usize].describe)(context)
    }

    fn show_operator_state(&self, vertex: VertexId, snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
        (self.looks[vertex.0 as usize].operator_state)(snapshot)
    }
}
