//! The nodes of a plan, and how they are chained into the vertices of a job graph.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
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
};

use super::{
    look,
    task::{OperatorTask, SourceTask},
};
use crate::{
    connectors::{Scan, TableSink, TableSource},
    operator::OperatorFactory,
};

/// Counted up whenever an operator keeps its state in another form. As part of the uids of vertices it lets a job refuse to go on from what
/// was kept before.
const STATE_FORMAT: u32 = 2;

/// A node's place in [`StreamPlan::nodes`].
pub type NodeId = usize;

/// How a node wants the rows of an input to be divided among its subtasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distribution {
    /// As they come.
    Any,
    /// All rows with equal values in these columns to the same subtask.
    Hash(Vec<usize>),
    /// All to one subtask.
    Single,
    /// As they come, but not the input's results: the rows that came too late for it.
    Late,
}

/// What a node does.
#[derive(Clone)]
pub enum NodeKind {
    /// Reads a table.
    Source {
        /// The table.
        source: Arc<dyn TableSource>,
        /// What is wanted of it.
        scan: Scan,
    },
    /// Transforms.
    Operator(Arc<dyn OperatorFactory>),
    /// Writes a table.
    Sink(Arc<dyn TableSink>),
}

/// An operator of the plan.
#[derive(Clone)]
pub struct Node {
    /// Flink's name of the operator, with what it does in short.
    pub name: String,
    /// What it does.
    pub kind: NodeKind,
    /// Where its rows come from.
    pub inputs: Vec<(NodeId, Distribution)>,
    /// The number of its subtasks, if it cannot have as many as the job wants.
    pub parallelism: Option<u32>,
    /// What it emits.
    pub schema: SchemaRef,
    /// Whether it may emit more than insertions.
    pub is_updating: bool,
    /// Whether of an update the old row goes with the new one: out of it, or, if it is a sink, into it.
    pub update_before: bool,
    /// What it keeps, for people: empty if nothing.
    pub state: String,
    /// For [`NodeKind::Source`] only, and while rows are still read: how long without a row until it is idle.
    pub idle_timeout_ms: Option<u64>,
}

/// All nodes, every one behind its inputs.
#[derive(Default, Clone)]
pub struct StreamPlan {
    /// By id.
    pub nodes: Vec<Node>,
}

impl StreamPlan {
    /// Adds a node; its inputs are there already.
    pub fn add(&mut self, node: Node) -> NodeId {
        assert!(node.inputs.iter().all(|(input, _)| *input < self.nodes.len()), "inputs come first");
        self.nodes.push(node);
        self.nodes.len() - 1
    }
}

/// How many subtasks a node has, whose inputs have these. One that takes rows as they come has as many as its input: dealing them
/// out in turn would lose their order, and with it that of changes to the same row.
fn parallelism_of(node: &Node, inputs: &[(u32, bool)], options: &JobOptions) -> u32 {
    let wants =
        |wanted: fn(&Distribution) -> bool| node.inputs.iter().any(|(_, distribution)| wanted(distribution));
    if let Some(parallelism) = node.parallelism {
        return parallelism;
    }
    if wants(|distribution| *distribution == Distribution::Single) {
        return 1;
    }
    if wants(|distribution| matches!(distribution, Distribution::Hash(_))) {
        return options.parallelism;
    }
    let most = inputs.iter().map(|(parallelism, _)| *parallelism).max().unwrap_or(options.parallelism);
    let is_even = inputs.iter().all(|(parallelism, _)| *parallelism == most);
    if is_even || inputs.iter().all(|(_, is_updating)| !is_updating) { most } else { 1 }
}

/// A vertex: a chain of nodes, the first of which has the vertex's inputs.
#[derive(Clone)]
pub(super) struct VertexPlan {
    pub nodes: Vec<Node>,
    /// How each outgoing edge divides rows.
    pub outgoing: Vec<(Distribution, Partitioning)>,
}

/// A job that runs a plan.
pub struct SqlJob {
    graph: JobGraph,
    vertices: Vec<VertexPlan>,
}

impl SqlJob {
    /// Chains the nodes into vertices.
    pub fn new(plan: &StreamPlan, options: &JobOptions) -> Result<Self, GraphError> {
        let mut consumers = vec![0usize; plan.nodes.len()];
        plan.nodes.iter().flat_map(|node| &node.inputs).for_each(|(input, _)| consumers[*input] += 1);
        let mut vertex_of: Vec<usize> = Vec::with_capacity(plan.nodes.len());
        let mut vertices: Vec<VertexPlan> = Vec::new();
        let mut parallelisms: Vec<u32> = Vec::new();
        let mut edges = Vec::new();
        for node in &plan.nodes {
            let inputs: Vec<(u32, bool)> = node
                .inputs
                .iter()
                .map(|(input, _)| (parallelisms[vertex_of[*input]], plan.nodes[*input].is_updating))
                .collect();
            let parallelism = parallelism_of(node, &inputs, options);
            if let [(input, distribution)] = node.inputs.as_slice()
                && consumers[*input] == 1
                && parallelisms[vertex_of[*input]] == parallelism
                && is_chainable(distribution, parallelism, &vertices[vertex_of[*input]])
            {
                let vertex = vertex_of[*input];
                vertices[vertex].nodes.push(node.clone());
                vertex_of.push(vertex);
                continue;
            }
            let vertex = vertices.len();
            for (input, distribution) in &node.inputs {
                let from = vertex_of[*input];
                let partitioning = match distribution {
                    Distribution::Hash(_) => Partitioning::Hash,
                    _ if parallelisms[from] == parallelism => Partitioning::Forward,
                    _ => Partitioning::Rebalance,
                };
                edges.push(JobEdge {
                    from: VertexId(from as u32),
                    to: VertexId(vertex as u32),
                    partitioning,
                });
                vertices[from].outgoing.push((distribution.clone(), partitioning));
            }
            vertices.push(VertexPlan { nodes: vec![node.clone()], outgoing: Vec::new() });
            parallelisms.push(parallelism);
            vertex_of.push(vertex);
        }
        let job_vertices = (0u32..)
            .zip(&vertices)
            .zip(&parallelisms)
            .map(|((id, vertex), parallelism)| JobVertex {
                id: VertexId(id),
                uid: format!("{id}-{}-{STATE_FORMAT}", slug(&vertex.nodes[0].name)),
                name: vertex.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(" -> "),
                kind: match &vertex.nodes[0].kind {
                    NodeKind::Source { .. } => VertexKind::Source,
                    NodeKind::Operator(_) => VertexKind::Operator,
                    NodeKind::Sink(_) => VertexKind::Sink,
                },
                parallelism: *parallelism,
            })
            .collect();
        let graph = JobGraph { vertices: job_vertices, edges, max_parallelism: options.max_parallelism };
        graph.validate()?;
        Ok(Self { graph, vertices })
    }
}

/// Whether a node joins the vertex of its only input, which has the same parallelism. One that keeps state by key does not join
/// a source's: a source's timers have to wait while there is something to read. Late rows leave the chain that they are late for.
fn is_chainable(distribution: &Distribution, parallelism: u32, upstream: &VertexPlan) -> bool {
    let is_source = matches!(upstream.nodes[0].kind, NodeKind::Source { .. });
    match distribution {
        Distribution::Any => true,
        Distribution::Late => false,
        Distribution::Hash(_) | Distribution::Single => parallelism == 1 && !is_source,
    }
}

/// The part of a name that can stand in a file's name: the operator without its arguments.
fn slug(name: &str) -> String {
    let name = name.split(['(', '[']).next().unwrap_or_default();
    name.chars().filter(char::is_ascii_alphanumeric).flat_map(char::to_lowercase).collect()
}

impl JobCode for SqlJob {
    fn graph(&self) -> &JobGraph {
        &self.graph
    }

    fn open(&self, vertex: VertexId, context: TaskContext) -> Result<Invokable, TaskError> {
        let plan = &self.vertices[vertex.0 as usize];
        Ok(match &plan.nodes[0].kind {
            NodeKind::Source { source, scan } => {
                Invokable::Source(Box::new(SourceTask::open(source.as_ref(), scan, plan, &context)?))
            }
            _ => Invokable::Operator(Box::new(OperatorTask::open(plan, &context)?)),
        })
    }

    fn describe(&self, vertex: VertexId, context: &TaskContext) -> Result<(), TaskError> {
        look::describe(&self.vertices[vertex.0 as usize], context)
    }

    fn show_operator_state(&self, vertex: VertexId, snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
        look::operator_state(&self.vertices[vertex.0 as usize], snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(parallelism: Option<u32>, inputs: Vec<(NodeId, Distribution)>) -> Node {
        let schema = Arc::new(arrow::datatypes::Schema::empty());
        let factory = crate::operators::calc::CalcFactory::new(None, None, schema.clone());
        Node {
            name: format!("Calc({})", inputs.len()),
            kind: NodeKind::Operator(Arc::new(factory)),
            inputs,
            parallelism,
            schema,
            is_updating: true,
            update_before: true,
            state: String::new(),
            idle_timeout_ms: None,
        }
    }

    fn parallelisms(plan: &StreamPlan) -> Vec<u32> {
        let options = JobOptions { parallelism: 4, ..JobOptions::default() };
        let job = SqlJob::new(plan, &options).unwrap();
        job.graph().vertices.iter().map(|vertex| vertex.parallelism).collect()
    }

    #[test]
    fn rows_that_one_subtask_has_put_into_an_order_are_not_dealt_out_again() {
        let mut plan = StreamPlan::default();
        let source = plan.add(node(None, Vec::new()));
        let sorted = plan.add(node(None, vec![(source, Distribution::Single)]));
        let projected = plan.add(node(None, vec![(sorted, Distribution::Any)]));
        assert_eq!(parallelisms(&plan), [4, 1], "what follows the sort is chained to it");
        let keyed = plan.add(node(None, vec![(projected, Distribution::Hash(vec![0]))]));
        plan.add(node(None, vec![(keyed, Distribution::Any)]));
        assert_eq!(parallelisms(&plan), [4, 1, 4]);
    }

    #[test]
    fn changes_of_uneven_inputs_come_together_in_one_subtask() {
        let mut plan = StreamPlan::default();
        let one = plan.add(node(Some(1), Vec::new()));
        let many = plan.add(node(None, Vec::new()));
        plan.add(node(None, vec![(one, Distribution::Any), (many, Distribution::Any)]));
        assert_eq!(parallelisms(&plan), [1, 4, 1]);
    }
}
