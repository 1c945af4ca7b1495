//! A source whose records come from the test, one by one.

use std::{
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use headwater::core::{
    codec,
    ids::CheckpointId,
    time::{NO_TIMESTAMP, TimestampMs},
};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    operator::SourceStatus,
    source::{Source, SourceReader},
};

/// A source with a queue per subtask, which the test fills and closes. All records are kept, so that it can rewind.
pub struct Feed<T>(Arc<Vec<Mutex<Queue<T>>>>);

struct Queue<T> {
    records: Vec<(T, TimestampMs)>,
    is_closed: bool,
    reader: Option<Waker>,
}

/// Reads one queue.
pub struct FeedReader<T> {
    queues: Arc<Vec<Mutex<Queue<T>>>>,
    subtask: usize,
    next: usize,
}

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Feed<T> {
    /// Empty queues for so many subtasks.
    pub fn new(subtasks: usize) -> Self {
        let queue = || Mutex::new(Queue { records: Vec::new(), is_closed: false, reader: None });
        Self(Arc::new((0..subtasks).map(|_| queue()).collect()))
    }

    /// Gives a subtask more records.
    pub fn send(&self, subtask: usize, records: impl IntoIterator<Item = (T, TimestampMs)>) {
        self.change(subtask, |queue| queue.records.extend(records));
    }

    /// Gives a subtask records without timestamps.
    pub fn send_untimed(&self, subtask: usize, records: impl IntoIterator<Item = T>) {
        self.send(subtask, records.into_iter().map(|record| (record, NO_TIMESTAMP)));
    }

    /// Ends all queues: no records will follow.
    pub fn close(&self) {
        (0..self.0.len()).for_each(|subtask| self.change(subtask, |queue| queue.is_closed = true));
    }

    fn change(&self, subtask: usize, change: impl FnOnce(&mut Queue<T>)) {
        let mut queue = self.0[subtask].lock().unwrap();
        change(&mut queue);
        if let Some(reader) = queue.reader.take() {
            reader.wake();
        }
    }
}

impl<T: Clone + Send + 'static> Source for Feed<T> {
    type Item = T;
    type Reader = FeedReader<T>;

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<Self::Reader, TaskError> {
        let next = position.map(codec::decode::<u64>).transpose()?.unwrap_or(0);
        Ok(FeedReader { queues: self.0.clone(), subtask: context.index() as usize, next: next as usize })
    }
}

impl<T: Clone + Send + 'static> SourceReader<T> for FeedReader<T> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<T>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        let mut queue = self.queues[self.subtask].lock().unwrap();
        if self.next == queue.records.len() {
            if queue.is_closed {
                return Poll::Ready(Ok(SourceStatus::End));
            }
            queue.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let end = queue.records.len().min(self.next + rows_max);
        for (value, timestamp) in &queue.records[self.next..end] {
            batch.push(value.clone(), *timestamp);
        }
        self.next = end;
        Poll::Ready(Ok(SourceStatus::Ready))
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&(self.next as u64))?)
    }
}
