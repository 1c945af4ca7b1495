//! The checkpoint that is under way.

use std::collections::BTreeMap;

use headwater_core::{
    checkpoint::{Ledger, Manifest, SubtaskSnapshot},
    graph::JobGraph,
    ids::{CheckpointId, ExecutionAttemptId, JobId, SubtaskId},
    time::TimestampMs,
};

use super::ledger::{self, Mismatch};
use crate::view::{CheckpointAckView, CheckpointStatus, CheckpointSubtaskView, CheckpointView};

/// A subtask's acknowledgement.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Ack {
    pub(crate) snapshot: SubtaskSnapshot,
    pub(crate) ledger: Ledger,
    pub(crate) drained: bool,
    pub(crate) sync_us: u64,
    pub(crate) async_us: u64,
    pub(crate) alignment_us: u64,
    /// When it came, for people.
    pub(crate) at_ms: TimestampMs,
}

impl Ack {
    pub(crate) fn view(&self) -> CheckpointAckView {
        CheckpointAckView {
            at_ms: self.at_ms,
            sync_us: self.sync_us,
            async_us: self.async_us,
            alignment_us: self.alignment_us,
            state_bytes: self.snapshot.bytes(),
            new_bytes: self.snapshot.new_bytes(),
        }
    }
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AckAnswer {
    /// It counts.
    Success,
    /// It came before.
    Duplicate,
    /// Neither its attempt nor its checkpoint is known.
    Unknown,
    /// Its checkpoint is over.
    Discarded,
}

/// How far a checkpoint has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Its id is being made sure never to be used again; nobody has heard of it.
    Persisting,
    /// Triggered; acknowledgements come in.
    Collecting,
    /// All have acknowledged; the manifest is being written, so that only the store knows the outcome.
    Writing,
}

/// A checkpoint that is neither completed nor given up.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: CheckpointId,
    pub(crate) phase: Phase,
    triggered_at_ms: TimestampMs,
    expected: BTreeMap<SubtaskId, ExecutionAttemptId>,
    acks: BTreeMap<SubtaskId, Ack>,
}

impl Pending {
    pub(crate) fn new(
        id: CheckpointId,
        triggered_at_ms: TimestampMs,
        attempts: impl IntoIterator<Item = ExecutionAttemptId>,
    ) -> Self {
        let expected = attempts.into_iter().map(|attempt| (attempt.subtask, attempt)).collect();
        Self { id, phase: Phase::Persisting, triggered_at_ms, expected, acks: BTreeMap::new() }
    }

    pub(crate) fn attempts(&self) -> Vec<ExecutionAttemptId> {
        self.expected.values().copied().collect()
    }

    pub(crate) fn expects(&self, attempt: ExecutionAttemptId) -> bool {
        self.expected.get(&attempt.subtask) == Some(&attempt)
    }

    pub(crate) fn acknowledge(&mut self, attempt: ExecutionAttemptId, ack: Ack) -> AckAnswer {
        if !self.expects(attempt) {
            return AckAnswer::Unknown;
        }
        if self.acks.contains_key(&attempt.subtask) {
            return AckAnswer::Duplicate;
        }
        self.acks.insert(attempt.subtask, ack);
        AckAnswer::Success
    }

    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acks.len() == self.expected.len()
    }

    /// Whether every subtask had processed all its input.
    pub(crate) fn is_final(&self) -> bool {
        self.is_acknowledged() && self.acks.values().all(|ack| ack.drained)
    }

    pub(crate) fn compare_ledgers(&self) -> Result<(), Mismatch> {
        ledger::compare(self.acks.values().map(|ack| &ack.ledger))
    }

    pub(crate) fn manifest(&self, job: JobId, graph: &JobGraph) -> Manifest {
        assert!(self.is_acknowledged(), "a manifest holds every subtask's snapshot");
        let subtasks = self
            .acks
            .iter()
            .map(|(subtask, ack)| {
                let uid = graph.vertex(subtask.vertex).uid.clone();
                ((uid, subtask.index), ack.snapshot.clone())
            })
            .collect();
        Manifest {
            job,
            checkpoint: self.id,
            triggered_at_ms: self.triggered_at_ms,
            max_parallelism: graph.max_parallelism,
            is_final: self.is_final(),
            subtasks,
        }
    }

    pub(crate) fn view(&self) -> CheckpointView {
        let subtask = |(subtask, attempt): (&SubtaskId, &ExecutionAttemptId)| CheckpointSubtaskView {
            subtask: *subtask,
            attempt: attempt.attempt,
            ack: self.acks.get(subtask).map(Ack::view),
        };
        let longest = |of: fn(&Ack) -> u64| self.acks.values().map(of).max().unwrap_or(0);
        CheckpointView {
            id: self.id,
            status: CheckpointStatus::InProgress,
            triggered_at_ms: self.triggered_at_ms,
            duration_us: None,
            acknowledged: self.acks.len(),
            expected: self.expected.len(),
            awaited: self
                .expected
                .keys()
                .filter(|subtask| !self.acks.contains_key(subtask))
                .copied()
                .collect(),
            state_bytes: self.acks.values().map(|ack| ack.snapshot.bytes()).sum(),
            new_bytes: self.acks.values().map(|ack| ack.snapshot.new_bytes()).sum(),
            sync_us_max: longest(|ack| ack.sync_us),
            async_us_max: longest(|ack| ack.async_us),
            alignment_us_max: longest(|ack| ack.alignment_us),
            is_final: self.is_final(),
            subtasks: self.expected.iter().map(subtask).collect(),
        }
    }
}
