//! A job graph with the current attempt at each of its subtasks.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use headwater_core::{
    checkpoint::{CheckpointFailure, Manifest},
    execution::{ExecutionState, RestoredSubtask, TaskDeployment},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
};

use crate::checkpoint::lifecycle::{Member, Members, Readiness};

/// A region: an index into the graph's regions.
pub(super) type Region = usize;

/// The current attempt at a subtask.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    pub(super) attempt: ExecutionAttemptId,
    pub(super) state: ExecutionState,
    /// Which deployment started it.
    pub(super) deployment: u64,
    /// What it went on from.
    pub(super) restored: Option<CheckpointId>,
    first_checkpoint: CheckpointId,
}

/// A checkpoint that does not fit the graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RestoreError {
    /// It was taken of another graph.
    #[error("checkpoint {checkpoint} holds no snapshot of subtask {index} of `{uid}`")]
    MissingSubtask { checkpoint: CheckpointId, uid: String, index: u32 },
    /// Its key groups are others.
    #[error("checkpoint {checkpoint} has {found} key groups: expected {expected}")]
    MaxParallelism { checkpoint: CheckpointId, expected: u16, found: u16 },
}

#[derive(Clone, Debug)]
pub(super) struct ExecutionGraph {
    graph: Arc<JobGraph>,
    regions: Vec<Vec<SubtaskId>>,
    region_of: BTreeMap<SubtaskId, Region>,
    executions: BTreeMap<SubtaskId, Execution>,
    next_attempts: BTreeMap<SubtaskId, u32>,
}

impl ExecutionGraph {
    /// A graph of which nothing runs. `last_attempts` are the numbers that were used before.
    pub(super) fn new(graph: Arc<JobGraph>, last_attempts: &BTreeMap<SubtaskId, u32>) -> Self {
        let regions = graph.regions();
        let in_region = |(region, subtasks): (Region, &Vec<SubtaskId>)| {
            subtasks.iter().map(|subtask| (*subtask, region)).collect::<Vec<_>>()
        };
        let region_of = regions.iter().enumerate().flat_map(in_region).collect();
        let next_attempts = last_attempts.iter().map(|(subtask, last)| (*subtask, last + 1)).collect();
        Self { graph, regions, region_of, executions: BTreeMap::new(), next_attempts }
    }

    pub(super) fn all_regions(&self) -> BTreeSet<Region> {
        (0..self.regions.len()).collect()
    }

    pub(super) fn region_of(&self, subtask: SubtaskId) -> Region {
        self.region_of[&subtask]
    }

    pub(super) fn executions(&self) -> impl Iterator<Item = &Execution> {
        self.executions.values()
    }

    /// The execution that this attempt is, if it is current.
    pub(super) fn current(&mut self, attempt: ExecutionAttemptId) -> Option<&mut Execution> {
        self.executions.get_mut(&attempt.subtask).filter(|execution| execution.attempt == attempt)
    }

    pub(super) fn is_current(&self, attempt: ExecutionAttemptId) -> bool {
        self.executions.get(&attempt.subtask).is_some_and(|execution| execution.attempt == attempt)
    }

    /// Marks what still runs in these regions as being stopped; the attempts to cancel.
    pub(super) fn cancel(&mut self, regions: &BTreeSet<Region>) -> Vec<ExecutionAttemptId> {
        let mut cancelled = Vec::new();
        for (subtask, execution) in &mut self.executions {
            if regions.contains(&self.region_of[subtask]) && !execution.state.is_terminal() {
                execution.state = ExecutionState::Canceling;
                cancelled.push(execution.attempt);
            }
        }
        cancelled
    }

    /// New attempts at all subtasks of these regions, going on from `manifest`.
    pub(super) fn redeploy(
        &mut self,
        regions: &BTreeSet<Region>,
        manifest: Option<&Manifest>,
        deployment: u64,
        first_checkpoint: CheckpointId,
    ) -> Result<Vec<TaskDeployment>, RestoreError> {
        let subtasks = regions.iter().flat_map(|region| self.regions[*region].iter().copied());
        let restored: Vec<(SubtaskId, Option<RestoredSubtask>)> = subtasks
            .map(|subtask| {
                Ok((subtask, manifest.map(|manifest| self.restored(manifest, subtask)).transpose()?))
            })
            .collect::<Result<_, RestoreError>>()?;
        let deploy = |(subtask, restore): (SubtaskId, Option<RestoredSubtask>)| {
            let number = self.next_attempts.entry(subtask).or_default();
            let attempt = ExecutionAttemptId::new(subtask, *number);
            *number += 1;
            let state = ExecutionState::Deploying;
            let restored = restore.as_ref().map(|restore| restore.checkpoint);
            let execution = Execution { attempt, state, deployment, restored, first_checkpoint };
            self.executions.insert(subtask, execution);
            TaskDeployment { attempt, restore }
        };
        Ok(restored.into_iter().map(deploy).collect())
    }

    fn restored(&self, manifest: &Manifest, subtask: SubtaskId) -> Result<RestoredSubtask, RestoreError> {
        let checkpoint = manifest.checkpoint;
        if manifest.max_parallelism != self.graph.max_parallelism {
            let (expected, found) = (self.graph.max_parallelism, manifest.max_parallelism);
            return Err(RestoreError::MaxParallelism { checkpoint, expected, found });
        }
        let uid = &self.graph.vertex(subtask.vertex).uid;
        match manifest.subtasks.get(&(uid.clone(), subtask.index)) {
            Some(snapshot) => Ok(RestoredSubtask { checkpoint, snapshot: snapshot.clone() }),
            None => Err(RestoreError::MissingSubtask { checkpoint, uid: uid.clone(), index: subtask.index }),
        }
    }

    /// Whether every subtask has an attempt and all of them are as `state` says.
    pub(super) fn all(&self, state: impl Fn(ExecutionState) -> bool) -> bool {
        self.executions.len() == self.region_of.len()
            && self.executions.values().all(|execution| state(execution.state))
    }

    /// As the checkpoint coordinator must know it.
    pub(super) fn members(&self) -> Members {
        let readiness = if self.all(|state| state == ExecutionState::Draining) {
            Readiness::Drained
        } else if self.all(ExecutionState::is_live) {
            Readiness::Running
        } else {
            Readiness::NotReady(CheckpointFailure::TaskFailed)
        };
        let member = |execution: &Execution| Member {
            attempt: execution.attempt,
            first_checkpoint: execution.first_checkpoint,
        };
        Members { tasks: self.executions.values().map(member).collect(), readiness }
    }
}
