//! Newtypes for everything that has an identity.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A job, for its whole life: restarts of the job, or of the process, keep it. Printed as 32 hex characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobId(Uuid);

/// A text that is not a [`JobId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a job id: expected 32 hex characters")]
pub struct InvalidJobId(String);

impl JobId {
    /// A new, random id.
    pub fn random() -> Self {
        Self(crate::random::uuid())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 32 => Ok(Self(uuid)),
            _ => Err(InvalidJobId(text.to_owned())),
        }
    }
}

/// A vertex of a [`JobGraph`](crate::graph::JobGraph): an index into its vertices.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct VertexId(pub u32);

impl fmt::Display for VertexId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// One of the parallel instances of a vertex, over all its attempts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SubtaskId {
    /// The vertex that this is an instance of.
    pub vertex: VertexId,
    /// From 0 to the vertex's parallelism, exclusive.
    pub index: u32,
}

impl fmt::Display for SubtaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.vertex, self.index)
    }
}

/// One execution of one subtask: the fencing token of everything it sends or writes. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ExecutionAttemptId {
    /// The subtask that this is an attempt at.
    pub subtask: SubtaskId,
    /// Counts the attempts at this subtask from 0, for people.
    pub attempt: u32,
    nonce: Uuid,
}

impl ExecutionAttemptId {
    /// A new attempt, unlike any before it even if `attempt` repeats.
    pub fn new(subtask: SubtaskId, attempt: u32) -> Self {
        Self { subtask, attempt, nonce: crate::random::uuid() }
    }
}

impl fmt::Display for ExecutionAttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.subtask, self.attempt, &self.nonce.simple().to_string()[..8])
    }
}

/// Numbers a job's checkpoints from 1. Never reused within a job, not even for one that failed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CheckpointId(pub u64);

impl CheckpointId {
    /// The first checkpoint of a job.
    pub const FIRST: Self = Self(1);

    /// The id after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_id_is_32_hex_characters_and_nothing_else() {
        let id = JobId::random();
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("nonsense".parse::<JobId>().is_err());
        assert!(Uuid::new_v4().to_string().parse::<JobId>().is_err(), "the hyphenated form is not ours");
    }

    #[test]
    fn attempts_differ_even_if_their_numbers_repeat() {
        let subtask = SubtaskId { vertex: VertexId(0), index: 1 };
        assert_ne!(ExecutionAttemptId::new(subtask, 3), ExecutionAttemptId::new(subtask, 3));
    }
}
