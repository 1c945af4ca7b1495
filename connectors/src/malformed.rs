//! What a source does with records that it cannot decode.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use headwater_actors::{
    context::{TaskContext, TaskError},
    metrics::TaskCounters,
    sink::Committer,
};
use headwater_core::{ids::CheckpointId, malformed, options::MalformedRecords};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::file_sink::{FileSink, FileWriter};

/// A dead letter holds so many bytes of its record at most.
const LETTER_BYTES_MAX: usize = 1 << 20;

/// Carries a source's policy out, for one subtask.
#[derive(Debug)]
pub struct MalformedHandler {
    policy: Policy,
    counters: Arc<TaskCounters>,
    /// Where the malformed records lie among those of the batch that is being read.
    in_batch: Vec<u64>,
}

#[derive(Debug)]
enum Policy {
    Fail,
    Skip,
    DeadLetter(Box<Committer<FileWriter>>),
}

/// The part of a source's position that its dead letters take.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Letters {
    writer: Option<Vec<u8>>,
    committable: Option<Vec<u8>>,
}

/// A record that cannot be decoded.
#[derive(Debug)]
pub struct Malformed<'a> {
    /// The record, or its beginning.
    pub record: &'a [u8],
    /// Where it is, for a machine: by this the source finds it again.
    pub at: u64,
    /// What is wrong with it.
    pub cause: String,
}

impl MalformedHandler {
    /// The handler of a source whose own policy is `own`; without one the job's holds. Commits what the restored position
    /// holds of dead letters.
    pub fn open(
        own: Option<&MalformedRecords>,
        context: &TaskContext,
        letters: Letters,
    ) -> Result<Self, TaskError> {
        let policy = match own.unwrap_or(&context.options.malformed_records) {
            MalformedRecords::DeadLetter(folder) => {
                let (state, committable) = (letters.writer.as_deref(), letters.committable.as_deref());
                let sink = FileSink::of_dead_letters(folder);
                let committer = Committer::restore::<String, _>(&sink, context, state, committable)?;
                Policy::DeadLetter(Box::new(committer))
            }
            _ if letters.committable.is_some() => {
                return Err(TaskError::Connector(format!(
                    "`{}` goes on from a checkpoint with dead letters that are still to be committed: expected its \
                     policy for malformed records to be `dead-letter`, as it was",
                    context.vertex.name
                )));
            }
            MalformedRecords::Fail => Policy::Fail,
            MalformedRecords::Skip => Policy::Skip,
        };
        Ok(Self { policy, counters: context.counters.clone(), in_batch: Vec::new() })
    }

    /// A handler outside of a task, where nothing can be kept apart: it passes over what would be a dead letter.
    pub fn detached(policy: &MalformedRecords) -> Self {
        let policy = match policy {
            MalformedRecords::Fail => Policy::Fail,
            MalformedRecords::Skip | MalformedRecords::DeadLetter(_) => Policy::Skip,
        };
        Self { policy, counters: Arc::default(), in_batch: Vec::new() }
    }

    /// A new batch is being read.
    pub fn begin_batch(&mut self) {
        self.in_batch.clear();
    }

    /// How many malformed records were among those of the batch.
    pub fn in_batch(&self) -> usize {
        self.in_batch.len()
    }

    /// Whether the record that is there was among the malformed ones of the batch.
    pub fn was_malformed(&self, at: u64) -> bool {
        self.in_batch.binary_search(&at).is_ok()
    }

    /// Does with a record as the policy says. `position` is where it is, for people.
    #[cold]
    pub fn handle(&mut self, malformed: Malformed<'_>, position: impl Display) -> Result<(), TaskError> {
        let Malformed { record, at, cause } = malformed;
        match &mut self.policy {
            Policy::Fail => {
                return Err(TaskError::Connector(malformed::message(position, &cause)));
            }
            Policy::Skip => {}
            Policy::DeadLetter(committer) => {
                committer.writer().write_row(&Letter { position: &position, cause: &cause, record })?;
            }
        }
        self.in_batch.push(at);
        self.counters.add_malformed();
        Ok(())
    }

    /// Makes the dead letters durable; what it returns belongs to the source's position.
    pub fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Letters, TaskError> {
        let Policy::DeadLetter(committer) = &mut self.policy else { return Ok(Letters::default()) };
        let (writer, committable) = committer.prepare::<String>(checkpoint)?;
        Ok(Letters { writer: Some(writer), committable })
    }

    /// Makes the dead letters visible that the checkpoint covers.
    pub fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        match &mut self.policy {
            Policy::DeadLetter(committer) => committer.commit::<String>(checkpoint),
            _ => Ok(()),
        }
    }
}

/// A line of a dead-letter file, in JSON.
struct Letter<'a, P> {
    position: &'a P,
    cause: &'a str,
    record: &'a [u8],
}

impl<P: Display> Display for Letter<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = &self.record[..self.record.len().min(LETTER_BYTES_MAX)];
        let mut letter = json!({
            "position": self.position.to_string(),
            "cause": self.cause,
            "text": String::from_utf8_lossy(kept),
        });
        if str::from_utf8(kept).is_err() {
            letter["hex"] = kept.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
        }
        if kept.len() < self.record.len() {
            letter["is_cut"] = true.into();
        }
        letter.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_one_line_and_keeps_the_bytes_that_are_no_text() {
        let letter = |record| Letter { position: &"here", cause: "a \"cause\"\n", record }.to_string();
        assert_eq!(letter(b"a\tb"), r#"{"cause":"a \"cause\"\n","position":"here","text":"a\tb"}"#);
        assert_eq!(
            letter(b"M\xFC"),
            "{\"cause\":\"a \\\"cause\\\"\\n\",\"hex\":\"4dfc\",\"position\":\"here\",\"text\":\"M\u{FFFD}\"}"
        );
        let long = letter(&[b'x'; LETTER_BYTES_MAX + 1]);
        assert!(long.contains(r#""is_cut":true"#) && long.len() < LETTER_BYTES_MAX + 100);
    }
}
