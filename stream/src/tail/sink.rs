//! A sink fused to the end of a chain.

use std::sync::Arc;

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    look::{StatePart, sink_parts},
    output::Output,
    sink::{Committer, Sink, SinkWriter},
};
use headwater_core::{ids::CheckpointId, time::TimestampMs};

use super::{BATCH_ROWS, Tail, TailFactory, TailSnapshot};
use crate::show::{self, Show};

pub(crate) struct SinkTail<T, W> {
    batch: Batch<T>,
    show: Show<T>,
    committer: Committer<W>,
}

pub(crate) struct SinkTailFactory<S> {
    pub sink: Arc<S>,
}

impl<T: Send + 'static, S: Sink<T>> TailFactory<T> for SinkTailFactory<S> {
    type Tail = SinkTail<T, S::Writer>;

    fn show_state(&self, state: &[u8], committable: Option<&[u8]>) -> Vec<StatePart> {
        let show_prepared = |prepared: &_| self.sink.show_prepared(prepared);
        sink_parts(state, |state| self.sink.show_state(state), committable, show_prepared)
    }

    fn open(&self, context: &TaskContext, state: Option<&[u8]>) -> Result<Self::Tail, TaskError> {
        let committer = Committer::open(&*self.sink, context, state)?;
        Ok(SinkTail { batch: Batch::default(), show: show::of(), committer })
    }
}

impl<T: Send + 'static, W: SinkWriter<T>> SinkTail<T, W> {
    fn write(&mut self, output: &Output) -> Result<(), TaskError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        show::tap(output, None, &self.batch, self.show, None);
        let rows = self.batch.len() as u64;
        self.committer.writer().write(&mut self.batch)?;
        self.batch.clear();
        output.counters().add_out(rows);
        Ok(())
    }
}

impl<T: Send + 'static, W: SinkWriter<T>> Tail<T> for SinkTail<T, W> {
    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs) {
        self.batch.push(value, timestamp);
    }

    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if self.batch.len() >= BATCH_ROWS { self.write(output) } else { Ok(()) }
    }

    fn before_watermark(&mut self, _: TimestampMs, output: &mut Output) -> Result<(), TaskError> {
        self.write(output)
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.write(output)?;
        self.committer.writer().flush()
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<TailSnapshot, TaskError> {
        let (state, committable) = self.committer.prepare(checkpoint)?;
        Ok(TailSnapshot { state, committable })
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.committer.commit(checkpoint)
    }
}
