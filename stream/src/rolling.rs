//! Rolling aggregation of a keyed stream without windows: every record yields its key's new value.

use std::{hash::Hash, marker::PhantomData, sync::Arc};

use headwater_actors::{
    batch::{Batch, Payload, typed},
    context::{TaskContext, TaskError},
    metrics::TaskCounters,
    operator::Step,
    walk::Walk,
};
use headwater_core::ids::CheckpointId;
use headwater_state::{KeyedBackend, Table};

use crate::{
    data::Data,
    head::{Emit, Head, HeadSnapshot},
    window::Fold,
};

/// Keyed state that belongs to no window.
const VOID_NAMESPACE: i64 = 0;

pub(crate) struct RollingHead<T, K, F, A: Fold<T>, R> {
    key_of: F,
    fold: A,
    result: R,
    backend: KeyedBackend,
    table: Table<K, A::Acc>,
    counters: Arc<TaskCounters>,
    records: PhantomData<fn(T)>,
}

impl<T, K, F, A, R> RollingHead<T, K, F, A, R>
where
    K: Data + Hash + Eq,
    A: Fold<T>,
{
    pub(crate) fn open(key_of: F, fold: A, result: R, context: &TaskContext) -> Result<Self, TaskError> {
        let mut backend = context.keyed_backend()?;
        let table = backend.table("rolling-value")?;
        let counters = context.counters.clone();
        Ok(Self { key_of, fold, result, backend, table, counters, records: PhantomData })
    }
}

impl<T, K, F, A, R, O> Head<O> for RollingHead<T, K, F, A, R>
where
    T: Data,
    K: Data + Hash + Eq,
    F: Fn(&T) -> K + 'static,
    A: Fold<T>,
    R: Fn(&K, &A::Acc) -> O + 'static,
    O: Send + 'static,
{
    fn process(
        &mut self,
        _: usize,
        batch: Box<dyn Payload>,
        emit: &mut Emit<'_, O>,
    ) -> Result<Step, TaskError> {
        let Batch { values, timestamps, hashes } = typed::<T>(batch);
        let mut results = Batch::with_capacity(values.len());
        let mut state = self.table.select(VOID_NAMESPACE)?;
        let rows = values.into_iter().zip(timestamps.iter().copied()).zip(hashes);
        for ((value, timestamp), hash) in Walk::new(rows, &timestamps, &self.counters) {
            let key = (self.key_of)(&value);
            let mut incoming = Some(value);
            let accumulator = state.get_or_insert_with(hash, &key, || {
                self.fold.lift(incoming.take().expect("the first value is asked for once at most"))
            })?;
            if let Some(value) = incoming {
                self.fold.add(accumulator, value);
            }
            results.push((self.result)(&key, accumulator), timestamp);
        }
        emit(&mut results)?;
        Ok(Step::Done)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<HeadSnapshot, TaskError> {
        Ok(HeadSnapshot {
            state: Vec::new(),
            keyed_state: Some(self.backend.snapshot(checkpoint, &mut [&mut self.table])?),
        })
    }
}
