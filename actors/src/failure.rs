//! Where a task was when it failed: at which record, or at what else.

use std::fmt;

use headwater_core::{
    execution::ActivityKind,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
    time::{MAX_WATERMARK, TimestampMs},
};

use crate::operator::FailedRecord;

/// What a task does, as far as a failure has to tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Reads or processes records, or hands them on.
    Records,
    /// Emits what a watermark makes due.
    Watermark(TimestampMs),
    /// Emits what the wall clock makes due.
    Timer(TimestampMs),
    /// Emits the rest of that.
    Emission,
    /// Emits what the end of the input makes due.
    EndOfInput,
    /// Takes a snapshot.
    Snapshot(CheckpointId),
    /// Commits a completed checkpoint.
    Commit(CheckpointId),
}

impl Doing {
    /// What users see of it, and the checkpoint that it is about.
    pub(crate) fn activity(self) -> (ActivityKind, Option<CheckpointId>) {
        match self {
            Self::Records => (ActivityKind::Processing, None),
            Self::Watermark(_) | Self::Timer(_) | Self::Emission | Self::EndOfInput => {
                (ActivityKind::Firing, None)
            }
            Self::Snapshot(checkpoint) => (ActivityKind::Snapshotting, Some(checkpoint)),
            Self::Commit(checkpoint) => (ActivityKind::Committing, Some(checkpoint)),
        }
    }
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => f.write_str("while records were handed on"),
            Self::Watermark(MAX_WATERMARK) | Self::EndOfInput => f.write_str("when the input had ended"),
            Self::Watermark(watermark) => write!(f, "when event time had reached {watermark}"),
            Self::Timer(now_ms) => write!(f, "when a timer fired at {now_ms}"),
            Self::Emission => f.write_str("while due results were emitted"),
            Self::Snapshot(checkpoint) => write!(f, "when checkpoint {checkpoint} was taken"),
            Self::Commit(checkpoint) => write!(f, "when checkpoint {checkpoint} was committed"),
        }
    }
}

/// For people: the record, the attempt that counted it, and for an operator the task upstream that it came from, with its number
/// among that one's.
pub(crate) fn describe(
    record: &FailedRecord,
    attempt: ExecutionAttemptId,
    origin: Option<(SubtaskId, u64)>,
) -> String {
    let relation = if record.is_past { "after" } else { "at" };
    let origin = origin.map(|(from, number)| format!("number {number} from {from}"));
    let details: Vec<String> = origin.into_iter().chain(record.position.clone()).collect();
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    let ExecutionAttemptId { subtask, attempt, .. } = attempt;
    format!("{relation} record {} of subtask {}, attempt {attempt}{details}", record.number, subtask.index)
}
