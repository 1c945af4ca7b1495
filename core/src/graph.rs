//! The job graph: what a job consists of, without its code.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{SubtaskId, VertexId};

/// What a vertex does, for people and for the supervision tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum VertexKind {
    /// Reads from outside; has no inputs. May end in a fused sink.
    Source,
    /// Has inputs and outputs.
    Operator,
    /// Has inputs and writes to the outside.
    Sink,
}

/// How records travel along an edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Partitioning {
    /// Subtask i to subtask i: both ends have the same parallelism.
    Forward,
    /// Round robin over the downstream subtasks, batch by batch.
    Rebalance,
    /// By key group.
    Hash,
}

/// A vertex: a chain of operators fused into one task, in `parallelism` instances.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobVertex {
    /// Its place in [`JobGraph::vertices`].
    pub id: VertexId,
    /// Stable over restarts and new versions of the program; state finds its operator again by it.
    pub uid: String,
    /// The names of the fused operators, joined by ` -> `.
    pub name: String,
    /// What it does.
    pub kind: VertexKind,
    /// The number of its subtasks, at least 1.
    pub parallelism: u32,
}

/// An edge from one vertex to another. All edges are pipelined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobEdge {
    /// The upstream vertex.
    pub from: VertexId,
    /// The downstream vertex.
    pub to: VertexId,
    /// How records are divided among the downstream subtasks.
    pub partitioning: Partitioning,
}

/// A job's vertices and edges. Vertices are in topological order: every edge leads to a greater id.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct JobGraph {
    /// By id.
    pub vertices: Vec<JobVertex>,
    /// In the order in which they were added; an edge's index is its identity.
    pub edges: Vec<JobEdge>,
    /// The number of key groups.
    pub max_parallelism: u16,
}

/// A graph that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Nothing to run.
    #[error("the job has no operators: add a source and a sink before execute")]
    Empty,
    /// The parallelism of a vertex is out of range.
    #[error("`{vertex}` has parallelism {parallelism}: expected 1 to the max parallelism, {max_parallelism}")]
    Parallelism {
        /// The vertex's name.
        vertex: String,
        /// What it asks for.
        parallelism: u32,
        /// The job's key groups.
        max_parallelism: u16,
    },
    /// A forward edge between different parallelisms.
    #[error(
        "forward edge from `{from}` to `{to}` needs equal parallelism: found {from_parallelism} and {to_parallelism}"
    )]
    Forward {
        /// The upstream vertex's name.
        from: String,
        /// The downstream vertex's name.
        to: String,
        /// Upstream.
        from_parallelism: u32,
        /// Downstream.
        to_parallelism: u32,
    },
    /// Two vertices with one uid.
    #[error("two operators have the uid `{0}`: uids must be unique within a job")]
    DuplicateUid(String),
}

impl JobGraph {
    /// The vertex with this id, which must be of this graph.
    pub fn vertex(&self, id: VertexId) -> &JobVertex {
        &self.vertices[id.0 as usize]
    }

    /// Where the outgoing edges of a vertex lead, in their order.
    pub fn downstream(&self, id: VertexId) -> Vec<VertexId> {
        self.edges.iter().filter(|edge| edge.from == id).map(|edge| edge.to).collect()
    }

    /// Every subtask of every vertex, upstream first.
    pub fn subtasks(&self) -> impl Iterator<Item = SubtaskId> + '_ {
        self.vertices
            .iter()
            .flat_map(|vertex| (0..vertex.parallelism).map(|index| SubtaskId { vertex: vertex.id, index }))
    }

    /// The (upstream, downstream) subtask pairs of an edge that are joined by a channel.
    pub fn channels(&self, edge: &JobEdge) -> Vec<(SubtaskId, SubtaskId)> {
        let (from, to) = (self.vertex(edge.from), self.vertex(edge.to));
        let upstream = |index| SubtaskId { vertex: from.id, index };
        let downstream = |index| SubtaskId { vertex: to.id, index };
        match edge.partitioning {
            Partitioning::Forward => (0..from.parallelism).map(|i| (upstream(i), downstream(i))).collect(),
            Partitioning::Rebalance | Partitioning::Hash => (0..from.parallelism)
                .flat_map(|i| (0..to.parallelism).map(move |j| (upstream(i), downstream(j))))
                .collect(),
        }
    }

    /// The pipelined regions: the sets of subtasks that are joined by channels and so fail and restart together.
    pub fn regions(&self) -> Vec<Vec<SubtaskId>> {
        let subtasks: Vec<SubtaskId> = self.subtasks().collect();
        let index_of: BTreeMap<SubtaskId, usize> =
            subtasks.iter().enumerate().map(|(index, subtask)| (*subtask, index)).collect();
        let mut parent: Vec<usize> = (0..subtasks.len()).collect();
        fn root(parent: &mut [usize], mut node: usize) -> usize {
            while parent[node] != node {
                parent[node] = parent[parent[node]];
                node = parent[node];
            }
            node
        }
        for (upstream, downstream) in self.edges.iter().flat_map(|edge| self.channels(edge)) {
            let (a, b) = (root(&mut parent, index_of[&upstream]), root(&mut parent, index_of[&downstream]));
            parent[a.max(b)] = a.min(b);
        }
        let mut regions: BTreeMap<usize, Vec<SubtaskId>> = BTreeMap::new();
        for (index, subtask) in subtasks.iter().enumerate() {
            let region = root(&mut parent, index);
            regions.entry(region).or_default().push(*subtask);
        }
        regions.into_values().collect()
    }

    /// Refuses what cannot be run.
    pub fn validate(&self) -> Result<(), GraphError> {
        if self.vertices.is_empty() {
            return Err(GraphError::Empty);
        }
        let mut uids = std::collections::BTreeSet::new();
        for vertex in &self.vertices {
            if !uids.insert(&vertex.uid) {
                return Err(GraphError::DuplicateUid(vertex.uid.clone()));
            }
            if vertex.parallelism == 0 || vertex.parallelism > u32::from(self.max_parallelism) {
                return Err(GraphError::Parallelism {
                    vertex: vertex.name.clone(),
                    parallelism: vertex.parallelism,
                    max_parallelism: self.max_parallelism,
                });
            }
        }
        for edge in self.edges.iter().filter(|edge| edge.partitioning == Partitioning::Forward) {
            let (from, to) = (self.vertex(edge.from), self.vertex(edge.to));
            if from.parallelism != to.parallelism {
                return Err(GraphError::Forward {
                    from: from.name.clone(),
                    to: to.name.clone(),
                    from_parallelism: from.parallelism,
                    to_parallelism: to.parallelism,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(parallelisms: &[u32], edges: &[(u32, u32, Partitioning)]) -> JobGraph {
        JobGraph {
            vertices: (0u32..)
                .zip(parallelisms)
                .map(|(id, parallelism)| JobVertex {
                    id: VertexId(id),
                    uid: format!("u{id}"),
                    name: format!("n{id}"),
                    kind: VertexKind::Operator,
                    parallelism: *parallelism,
                })
                .collect(),
            edges: edges
                .iter()
                .map(|(from, to, partitioning)| JobEdge {
                    from: VertexId(*from),
                    to: VertexId(*to),
                    partitioning: *partitioning,
                })
                .collect(),
            max_parallelism: 128,
        }
    }

    #[test]
    fn forward_pipelines_are_regions_of_their_own() {
        assert_eq!(graph(&[3, 3], &[(0, 1, Partitioning::Forward)]).regions().len(), 3);
        assert_eq!(graph(&[3, 3, 1], &[(0, 1, Partitioning::Forward)]).regions().len(), 4);
    }

    #[test]
    fn a_shuffle_joins_its_subtasks_into_one_region() {
        let shuffled = graph(&[2, 2, 2], &[(0, 1, Partitioning::Hash), (1, 2, Partitioning::Forward)]);
        assert_eq!(shuffled.regions().len(), 1);
        assert_eq!(shuffled.regions()[0].len(), 6);
    }

    #[test]
    fn graphs_that_cannot_run_are_refused() {
        assert_eq!(JobGraph::default().validate(), Err(GraphError::Empty));
        assert!(matches!(graph(&[0], &[]).validate(), Err(GraphError::Parallelism { .. })));
        let uneven = graph(&[2, 3], &[(0, 1, Partitioning::Forward)]);
        assert!(matches!(uneven.validate(), Err(GraphError::Forward { .. })));
    }
}
