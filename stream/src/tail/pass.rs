//! Edges without a key: forward where the parallelism is the same, else round robin by batch.

use std::mem::take;

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    output::Output,
};
use headwater_core::time::TimestampMs;

use super::{BATCH_ROWS, Tail, TailFactory, pass_on};
use crate::{
    data::Data,
    show::{self, Show},
};

pub(crate) struct PassTail<T> {
    batch: Batch<T>,
    show: Show<T>,
}

pub(crate) struct PassTailFactory;

impl<T: Send + 'static> TailFactory<T> for PassTailFactory {
    type Tail = PassTail<T>;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>) -> Result<PassTail<T>, TaskError> {
        Ok(PassTail { batch: Batch::default(), show: show::of() })
    }
}

impl<T: Send + 'static> Tail<T> for PassTail<T> {
    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs) {
        self.batch.push(value, timestamp);
    }

    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if self.batch.len() >= BATCH_ROWS { self.flush(output) } else { Ok(()) }
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if !self.batch.is_empty() {
            pass_on(0, take(&mut self.batch), self.show, output);
        }
        Ok(())
    }
}

/// An end at which several edges begin: each of them gets every record.
pub(crate) struct ForkTail<T> {
    batch: Batch<T>,
    show: Show<T>,
}

pub(crate) struct ForkTailFactory;

impl<T: Data> TailFactory<T> for ForkTailFactory {
    type Tail = ForkTail<T>;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>) -> Result<ForkTail<T>, TaskError> {
        Ok(ForkTail { batch: Batch::default(), show: show::of() })
    }
}

impl<T: Data> Tail<T> for ForkTail<T> {
    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs) {
        self.batch.push(value, timestamp);
    }

    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if self.batch.len() >= BATCH_ROWS { self.flush(output) } else { Ok(()) }
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = take(&mut self.batch);
        for edge in 1..output.edges() {
            pass_on(edge, batch.clone(), self.show, output);
        }
        if output.edges() > 0 {
            pass_on(0, batch, self.show, output);
        }
        Ok(())
    }
}
