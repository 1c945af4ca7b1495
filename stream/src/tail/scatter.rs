//! Hash partitioning: key -> key group -> subtask. The hash travels with the row, so the receiver never computes it again.

use std::{hash::Hash, marker::PhantomData, mem::take};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    output::Output,
};
use headwater_core::{
    key_group::{hash_key, key_group, subtask_of},
    time::TimestampMs,
};

use super::{BATCH_ROWS, Tail, TailFactory};
use crate::{
    data::Data,
    show::{self, Show},
};

/// One buffer per downstream subtask of the only outgoing edge.
pub(crate) struct Scatter<T> {
    buffers: Vec<Batch<T>>,
    max_parallelism: u16,
    show: Show<T>,
    kind: Option<&'static str>,
}

impl<T: Send + 'static> Scatter<T> {
    /// `show` and `kind` tell how records are shown.
    pub(crate) fn new(context: &TaskContext, show: Show<T>, kind: Option<&'static str>) -> Self {
        let targets = context.downstream.first().copied().unwrap_or(1);
        Self {
            buffers: (0..targets).map(|_| Batch::default()).collect(),
            max_parallelism: context.options.max_parallelism,
            show,
            kind,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: T, timestamp: TimestampMs, hash: u64) {
        let group = key_group(hash, self.max_parallelism);
        let target = subtask_of(group, self.buffers.len() as u32, self.max_parallelism);
        self.buffers[target as usize].push_hashed(value, timestamp, hash);
    }

    pub(crate) fn send_full(&mut self, output: &mut Output) {
        self.send(BATCH_ROWS, output);
    }

    pub(crate) fn send_all(&mut self, output: &mut Output) {
        self.send(1, output);
    }

    fn send(&mut self, rows_min: usize, output: &mut Output) {
        for (target, buffer) in self.buffers.iter_mut().enumerate() {
            if buffer.len() >= rows_min {
                show::tap(output, Some(0), buffer, self.show, self.kind);
                output.send(0, target, Box::new(take(buffer)));
            }
        }
    }
}

pub(crate) struct KeyedTail<T, F> {
    scatter: Scatter<T>,
    key_of: F,
}

pub(crate) struct KeyedTailFactory<K, F> {
    pub key_of: F,
    pub keys: PhantomData<fn() -> K>,
}

impl<T, K, F> TailFactory<T> for KeyedTailFactory<K, F>
where
    T: Data,
    K: Hash + 'static,
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
{
    type Tail = KeyedTail<T, Hasher<F, K>>;

    fn open(&self, context: &TaskContext, _: Option<&[u8]>) -> Result<Self::Tail, TaskError> {
        Ok(KeyedTail {
            scatter: Scatter::new(context, headwater_core::shown::show::<T>, None),
            key_of: Hasher { key_of: self.key_of.clone(), keys: PhantomData },
        })
    }
}

/// A key selector that yields the key's hash.
pub(crate) struct Hasher<F, K> {
    key_of: F,
    keys: PhantomData<fn() -> K>,
}

impl<T, K, F> Tail<T> for KeyedTail<T, Hasher<F, K>>
where
    T: Send + 'static,
    K: Hash + 'static,
    F: Fn(&T) -> K + 'static,
{
    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs) {
        let hash = hash_key(&(self.key_of.key_of)(&value));
        self.scatter.push(value, timestamp, hash);
    }

    fn after_batch(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.scatter.send_full(output);
        Ok(())
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        self.scatter.send_all(output);
        Ok(())
    }
}
