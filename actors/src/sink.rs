//! What a sink connector implements, and the two-phase commit around it.

use headwater_core::{
    codec,
    fault::{FaultPoint, reach},
    ids::CheckpointId,
};
use serde::{Deserialize, Serialize};

use crate::{
    batch::Batch,
    context::{TaskContext, TaskError},
};

/// A sink: makes one writer per subtask.
pub trait Sink<T>: Send + Sync + 'static {
    /// What writes.
    type Writer: SinkWriter<T>;

    /// Opens the writer of one subtask. `state` is what its predecessor's [`SinkWriter::snapshot`] returned for the checkpoint that
    /// the attempt goes on from. What the predecessor had written beyond that is void and to be removed, except what
    /// `prepared` names: that is committed right after this returns.
    fn open(
        &self,
        context: &TaskContext,
        state: Option<&[u8]>,
        prepared: &[&[u8]],
    ) -> Result<Self::Writer, TaskError>;

    /// A writer's state as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_state(&self, _state: &[u8]) -> Option<String> {
        None
    }

    /// What a writer has prepared as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_prepared(&self, _prepared: &[u8]) -> Option<String> {
        None
    }
}

/// Writes for one subtask.
pub trait SinkWriter<T>: 'static {
    /// Takes rows out of a batch, all of them.
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError>;

    /// The input has nothing more for now: a sink that shows rows at once does it here.
    fn flush(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    /// Makes what was written since the last call durable but invisible, and returns what [`commit`](Self::commit) needs to make it
    /// visible; `None` if nothing was written. The checkpoint's manifest holds it.
    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<Option<Vec<u8>>, TaskError> {
        Ok(None)
    }

    /// What a successor needs to go on, apart from what is prepared.
    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(Vec::new())
    }

    /// Makes visible what was prepared. Idempotent: recovery always commits again. An unknown outcome is an error.
    fn commit(&mut self, _prepared: &[u8]) -> Result<(), TaskError> {
        Ok(())
    }
}

/// What was prepared and is not known to be committed, oldest first. Checkpoint data.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committables(Vec<(CheckpointId, Vec<u8>)>);

/// A writer with what it has prepared: a checkpoint that is given up leaves its committables to the next one.
#[derive(Debug)]
pub struct Committer<W> {
    writer: W,
    pending: Committables,
}

impl<W> Committer<W> {
    /// Opens a writer and commits what the restored checkpoint holds. `state` is the writer's own, from
    /// [`SinkWriter::snapshot`].
    pub fn open<T, S: Sink<T, Writer = W>>(
        sink: &S,
        context: &TaskContext,
        state: Option<&[u8]>,
    ) -> Result<Self, TaskError>
    where
        W: SinkWriter<T>,
    {
        let committable =
            context.restored.as_ref().and_then(|restored| restored.snapshot.committable.as_deref());
        Self::restore(sink, context, state, committable)
    }

    /// As [`open`](Self::open), for a writer that is not the task's sink: its committables are where its state is, too.
    pub fn restore<T, S: Sink<T, Writer = W>>(
        sink: &S,
        context: &TaskContext,
        state: Option<&[u8]>,
        committable: Option<&[u8]>,
    ) -> Result<Self, TaskError>
    where
        W: SinkWriter<T>,
    {
        let restored: Committables = match committable {
            Some(bytes) => codec::decode(bytes)?,
            None => Committables::default(),
        };
        let prepared: Vec<&[u8]> = restored.0.iter().map(|(_, bytes)| bytes.as_slice()).collect();
        let mut writer = sink.open(context, state, &prepared)?;
        prepared.iter().try_for_each(|bytes| writer.commit(bytes))?;
        Ok(Self { writer, pending: Committables::default() })
    }

    /// The writer.
    pub fn writer(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Prepares for a checkpoint; returns the sink's state and its committables, encoded.
    pub fn prepare<T>(&mut self, checkpoint: CheckpointId) -> Result<(Vec<u8>, Option<Vec<u8>>), TaskError>
    where
        W: SinkWriter<T>,
    {
        reach(FaultPoint::SinkPrepare);
        if let Some(prepared) = self.writer.prepare(checkpoint)? {
            self.pending.0.push((checkpoint, prepared));
            reach(FaultPoint::SinkPrepared);
        }
        let committables = if self.pending.0.is_empty() { None } else { Some(codec::encode(&self.pending)?) };
        Ok((self.writer.snapshot()?, committables))
    }

    /// Commits all that was prepared up to a completed checkpoint.
    pub fn commit<T>(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError>
    where
        W: SinkWriter<T>,
    {
        let due = self.pending.0.partition_point(|(prepared_for, _)| *prepared_for <= checkpoint);
        for (_, prepared) in &self.pending.0[..due] {
            reach(FaultPoint::SinkCommit);
            self.writer.commit(prepared)?;
            reach(FaultPoint::SinkCommitted);
        }
        self.pending.0.drain(..due);
        Ok(())
    }
}
