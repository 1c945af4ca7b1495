//! Checkpoints: what subtasks acknowledge, what the manifest holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{CheckpointId, JobId, SubtaskId},
    time::TimestampMs,
};

/// A file of a checkpoint, as it must be found again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileRef {
    /// Its path below the checkpoint's folder, with `/` between the parts.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32 of its contents.
    pub crc32: u32,
}

/// Where a subtask's keyed state is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum KeyedStateHandle {
    /// The heap backend's: a file with all entries, and files with what has changed since, oldest first.
    Heap {
        /// The files.
        files: Vec<FileRef>,
        /// Bytes in files that the checkpoint before did not have.
        new_bytes: u64,
    },
    /// The RocksDB backend's: a folder of hard links that opens as a database.
    RocksDb {
        /// The folder's path below the checkpoint's folder.
        folder: String,
        /// The files in it.
        files: Vec<FileRef>,
        /// Bytes in files that the checkpoint before did not have.
        new_bytes: u64,
    },
}

impl KeyedStateHandle {
    /// The bytes of state that the handle stands for.
    pub fn bytes(&self) -> u64 {
        self.files().iter().map(|file| file.bytes).sum()
    }

    /// The files that it is in.
    pub fn files(&self) -> &[FileRef] {
        match self {
            Self::Heap { files, .. } | Self::RocksDb { files, .. } => files,
        }
    }

    /// The bytes that were written for it.
    pub fn new_bytes(&self) -> u64 {
        match self {
            Self::Heap { new_bytes, .. } | Self::RocksDb { new_bytes, .. } => *new_bytes,
        }
    }
}

/// How much went through a channel since its attempt began, counted at one of its ends when the barrier passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ChannelCount {
    /// Batches.
    pub batches: u64,
    /// Rows in them.
    pub rows: u64,
}

/// A channel: an edge's index in the job graph, with the subtask indices at its ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct ChannelId {
    /// The edge's index in [`JobGraph::edges`](crate::graph::JobGraph::edges).
    pub edge: u32,
    /// The upstream subtask's index.
    pub from: u32,
    /// The downstream subtask's index.
    pub to: u32,
}

/// The two sides of the ledger that one subtask keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// What was sent into each outgoing channel before the barrier.
    pub sent: Vec<(ChannelId, ChannelCount)>,
    /// What was received from each incoming channel before the barrier.
    pub received: Vec<(ChannelId, ChannelCount)>,
}

/// What a subtask acknowledges, and later goes on from.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SubtaskSnapshot {
    /// State without a key: a source's position, watermarks, a sink's own. Opaque to all but the operator.
    pub operator_state: Vec<u8>,
    /// What the sink prepared and commits once the checkpoint is completed. Opaque to all but the sink.
    pub committable: Option<Vec<u8>>,
    /// The keyed state.
    pub keyed_state: Option<KeyedStateHandle>,
}

impl SubtaskSnapshot {
    fn unkeyed_bytes(&self) -> u64 {
        (self.operator_state.len() + self.committable.as_ref().map_or(0, Vec::len)) as u64
    }

    /// Bytes of state that it stands for.
    pub fn bytes(&self) -> u64 {
        self.unkeyed_bytes() + self.keyed_state.as_ref().map_or(0, KeyedStateHandle::bytes)
    }

    /// Bytes written for it.
    pub fn new_bytes(&self) -> u64 {
        self.unkeyed_bytes() + self.keyed_state.as_ref().map_or(0, KeyedStateHandle::new_bytes)
    }
}

/// Why a checkpoint was not completed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum CheckpointFailure {
    /// It took longer than `execution.checkpointing.timeout`.
    Expired,
    /// A subtask could not take its snapshot.
    Declined {
        /// The subtask.
        subtask: SubtaskId,
        /// Why.
        reason: String,
    },
    /// A task died.
    TaskFailed,
    /// The checkpoint coordinator died.
    CoordinatorFailed,
    /// Sender and receiver of a channel counted differently: records were lost or doubled inside.
    LedgerMismatch {
        /// The channel.
        channel: ChannelId,
        /// The sender's count.
        sent: ChannelCount,
        /// The receiver's count.
        received: ChannelCount,
    },
    /// The manifest could not be written.
    Storage(String),
    /// The job was being stopped.
    JobStopping,
}

impl std::fmt::Display for CheckpointFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Expired => write!(f, "expired before it was completed"),
            Self::Declined { subtask, reason } => write!(f, "declined by {subtask}: {reason}"),
            Self::TaskFailed => write!(f, "a task failed"),
            Self::CoordinatorFailed => write!(f, "the checkpoint coordinator failed"),
            Self::LedgerMismatch { channel, sent, received } => write!(
                f,
                "ledger mismatch on edge {} from subtask {} to {}: sent {} rows in {} batches, received {} rows in {} batches",
                channel.edge,
                channel.from,
                channel.to,
                sent.rows,
                sent.batches,
                received.rows,
                received.batches
            ),
            Self::Storage(reason) => write!(f, "the manifest could not be written: {reason}"),
            Self::JobStopping => write!(f, "the job was being stopped"),
        }
    }
}

/// A completed checkpoint: all that is needed to go on from it. On the disk it is framed with a checksum.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The job.
    pub job: JobId,
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// When it was triggered.
    pub triggered_at_ms: TimestampMs,
    /// The job's number of key groups.
    pub max_parallelism: u16,
    /// Whether every subtask had processed all its input: committing it finishes the job.
    pub is_final: bool,
    /// Every subtask's snapshot, by the uid of its vertex and its index.
    pub subtasks: BTreeMap<(String, u32), SubtaskSnapshot>,
}
