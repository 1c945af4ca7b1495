//! A sink that drops all rows: for benchmarks, and for jobs whose effect is elsewhere.

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    sink::{Sink, SinkWriter},
};

/// Drops all rows.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiscardSink;

impl<T: 'static> Sink<T> for DiscardSink {
    type Writer = DiscardSink;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<Self::Writer, TaskError> {
        Ok(Self)
    }
}

impl<T: 'static> SinkWriter<T> for DiscardSink {
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError> {
        batch.clear();
        Ok(())
    }
}
