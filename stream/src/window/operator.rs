//! The window operator: aggregates into slices by key, and emits windows when their time has come.

use std::{collections::BTreeSet, hash::Hash, marker::PhantomData, sync::Arc};

use hashbrown::HashTable;
use headwater_actors::{
    batch::{Batch, Payload, typed},
    context::{TaskContext, TaskError},
    metrics::TaskCounters,
    operator::Step,
    walk::Walk,
};
use headwater_core::{
    codec,
    execution::{Gauges, NextTimer, TimeDomain},
    ids::CheckpointId,
    key_group::KeyGroup,
    time::{Clock, MAX_WATERMARK, MIN_WATERMARK, NO_TIMESTAMP, TimestampMs},
};
use headwater_state::{KeyedBackend, Table, look::StateKind};

use super::{Fold, SliceAssigner, SliceEnd, TimeWindow, WindowAssigner, WindowPlan, WindowTime};
use crate::{
    data::Data,
    head::{Emit, Head, HeadSnapshot, STEP_ROWS},
    tail::Partial,
};

/// A firing that is under way: the windows still to emit, the last one first, and how far that one is. Nothing is added
/// to the table meanwhile.
struct Firing {
    up_to: TimestampMs,
    ends: Vec<TimestampMs>,
    /// Those in the table, ascending.
    slices: Vec<SliceEnd>,
    next_group: KeyGroup,
}

pub(crate) struct WindowHead<T, K, A: Fold<T>, R> {
    plan: WindowPlan,
    time: WindowTime,
    slices: SliceAssigner,
    fold: A,
    result: R,
    backend: KeyedBackend,
    table: Table<K, A::Acc>,
    clock: Arc<dyn Clock>,
    counters: Arc<TaskCounters>,
    /// Event or processing time up to which windows have fired.
    fired_up_to: TimestampMs,
    /// In processing time: the end of the earliest window that has not fired.
    next_end: Option<TimestampMs>,
    firing: Option<Firing>,
    records: PhantomData<fn(T)>,
}

impl<T, K, A, R, O> WindowHead<T, K, A, R>
where
    T: Data,
    K: Data + Hash + Eq,
    A: Fold<T>,
    R: Fn(&K, &TimeWindow, &A::Acc) -> O,
{
    pub(crate) fn open(
        assigner: &WindowAssigner,
        fold: A,
        result: R,
        context: &TaskContext,
        state: Option<&[u8]>,
    ) -> Result<Self, TaskError> {
        let mut backend = context.keyed_backend()?;
        let table = backend.table("window-contents")?;
        let plan = assigner.plan;
        backend.describe("window-contents", |contents| {
            contents.kind = StateKind::Window;
            contents.namespace = Some(Arc::new(move |slice| plan.show_slice(slice)));
        });
        let mut head = Self {
            plan: assigner.plan,
            time: assigner.time,
            slices: SliceAssigner::new(assigner.plan),
            fold,
            result,
            backend,
            table,
            clock: context.clock.clone(),
            counters: context.counters.clone(),
            fired_up_to: state.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK),
            next_end: None,
            firing: None,
            records: PhantomData,
        };
        head.find_next_end();
        Ok(head)
    }

    fn find_next_end(&mut self) {
        if self.time == WindowTime::Processing {
            self.next_end = self.first_end();
        }
    }

    /// The end of the first window that has not fired: those of later slices end no earlier.
    fn first_end(&self) -> Option<TimestampMs> {
        self.table.iter_namespaces().find_map(|slice| self.first_unfired(slice))
    }

    fn first_unfired(&self, slice: SliceEnd) -> Option<TimestampMs> {
        self.plan.windows_of(slice).find(|end| end.saturating_sub(1) > self.fired_up_to)
    }

    /// Merges a run of rows of one slice.
    fn add_run(
        &mut self,
        slice: SliceEnd,
        rows: impl Iterator<Item = (Partial<K, A::Acc>, u64)>,
    ) -> Result<(), TaskError> {
        match self.plan.last_window_of(slice) {
            None => {
                // Between windows: no window wants it.
                rows.for_each(drop);
                return Ok(());
            }
            Some(end) if end.saturating_sub(1) <= self.fired_up_to => {
                self.counters.add_late(rows.count() as u64);
                return Ok(());
            }
            Some(_) => {}
        }
        if self.time == WindowTime::Processing {
            let end = self.first_unfired(slice);
            self.next_end = self.next_end.into_iter().chain(end).min();
        }
        let mut contents = self.table.select(slice)?;
        for ((key, accumulator), hash) in rows {
            let mut incoming = Some(accumulator);
            let existing = contents.get_or_insert_with(hash, &key, || {
                incoming.take().expect("the first value is asked for once at most")
            })?;
            if let Some(accumulator) = incoming {
                self.fold.merge(existing, accumulator);
            }
        }
        Ok(())
    }

    /// Begins to emit every window that ends up to `up_to`, inclusive of its last millisecond.
    fn fire(&mut self, up_to: TimestampMs, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        if up_to <= self.fired_up_to {
            return Ok(Step::Done);
        }
        let slices = self.table.namespaces();
        let due: BTreeSet<TimestampMs> = slices
            .iter()
            .flat_map(|slice| self.plan.windows_of(*slice))
            .filter(|end| (self.fired_up_to + 1..=up_to).contains(&end.saturating_sub(1)))
            .collect();
        let ends = due.into_iter().rev().collect();
        self.firing = Some(Firing { up_to, ends, slices, next_group: self.table.key_groups().start });
        self.emit_some(emit)
    }

    fn emit_some(&mut self, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        let Some(mut firing) = self.firing.take() else { return Ok(Step::Done) };
        let groups = self.table.key_groups();
        let mut results = Batch::with_capacity(STEP_ROWS);
        while let Some(end) = firing.ends.last().copied() {
            let window = self.plan.window(end);
            let first = firing.slices.partition_point(|slice| *slice <= window.start_ms);
            let count = firing.slices[first..].partition_point(|slice| *slice <= window.end_ms);
            while firing.next_group < groups.end {
                let slices = &firing.slices[first..first + count];
                self.emit_group(window, slices, firing.next_group, &mut results)?;
                firing.next_group += 1;
                if results.len() >= STEP_ROWS {
                    emit(&mut results)?;
                    self.firing = Some(firing);
                    return Ok(Step::More);
                }
            }
            firing.ends.pop();
            firing.next_group = groups.start;
        }
        emit(&mut results)?;
        self.fired_up_to = firing.up_to;
        for slice in firing.slices {
            if self.plan.last_window_of(slice).is_none_or(|end| end.saturating_sub(1) <= self.fired_up_to) {
                self.table.drop_namespace(slice)?;
            }
        }
        self.find_next_end();
        Ok(Step::Done)
    }

    /// Adds one key group's results of a window: its slices, merged.
    fn emit_group(
        &mut self,
        window: TimeWindow,
        slices: &[SliceEnd],
        group: KeyGroup,
        results: &mut Batch<O>,
    ) -> Result<(), TaskError> {
        let timestamp = window.end_ms.saturating_sub(1);
        let result = &self.result;
        if let [slice] = slices {
            self.table.scan(*slice, group, |_, key, accumulator| {
                results.push(result(key, &window, accumulator), timestamp);
            })?;
            return Ok(());
        }
        let mut merged: HashTable<(u64, K, A::Acc)> = HashTable::new();
        for slice in slices {
            let fold = &self.fold;
            self.table.scan(*slice, group, |hash, key, accumulator| {
                match merged.find_mut(hash, |(_, known, _)| known == key) {
                    Some((_, _, sum)) => fold.merge(sum, accumulator.clone()),
                    None => {
                        let entry = (hash, key.clone(), accumulator.clone());
                        merged.insert_unique(hash, entry, |(hash, _, _)| *hash);
                    }
                }
            })?;
        }
        for (_, key, accumulator) in merged {
            results.push(result(&key, &window, &accumulator), timestamp);
        }
        Ok(())
    }
}

impl<T, K, A, R, O> Head<O> for WindowHead<T, K, A, R>
where
    T: Data,
    K: Data + Hash + Eq,
    A: Fold<T>,
    R: Fn(&K, &TimeWindow, &A::Acc) -> O + 'static,
    O: Send + 'static,
{
    fn process(&mut self, _: usize, batch: Box<dyn Payload>, _: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        let Batch { values, timestamps, hashes } = typed::<Partial<K, A::Acc>>(batch);
        let counters = self.counters.clone();
        let mut rows = Walk::new(values.into_iter().zip(hashes), &timestamps, &counters);
        if self.time == WindowTime::Processing {
            // No record is late by a clock that was set back.
            let now_ms = self.clock.now_ms().max(self.fired_up_to.saturating_add(1));
            let slice = self.slices.slice_of(now_ms);
            self.add_run(slice, rows)?;
            return Ok(Step::Done);
        }
        for run in timestamps.chunk_by(|slice, next| slice == next) {
            self.add_run(run[0], rows.by_ref().take(run.len()))?;
        }
        Ok(Step::Done)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        match self.time {
            WindowTime::Event => self.fire(watermark, emit),
            WindowTime::Processing => Ok(Step::Done),
        }
    }

    fn resume(&mut self, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        self.emit_some(emit)
    }

    fn end_of_input(&mut self, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        self.fire(MAX_WATERMARK, emit)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.next_end
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, emit: &mut Emit<'_, O>) -> Result<Step, TaskError> {
        self.fire(now_ms - 1, emit)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<HeadSnapshot, TaskError> {
        Ok(HeadSnapshot {
            state: codec::encode(&self.fired_up_to)?,
            keyed_state: Some(self.backend.snapshot(checkpoint, &mut [&mut self.table])?),
        })
    }

    fn gauges(&self) -> Gauges {
        let (domain, end) = match self.time {
            WindowTime::Processing => (TimeDomain::Processing, self.next_end),
            WindowTime::Event => (TimeDomain::Event, self.first_end().map(|end| end.saturating_sub(1))),
        };
        Gauges {
            next_timer: end.map(|at_ms| NextTimer { domain, at_ms }),
            state_entries: Some(self.table.entries() as u64),
            ..Gauges::default()
        }
    }

    fn describe_row(&self, timestamp: TimestampMs) -> Option<String> {
        let what = "merged from rows before the shuffle";
        Some(match timestamp {
            NO_TIMESTAMP | MAX_WATERMARK => what.to_owned(),
            slice_end => format!("{what}, of the window slice that ends at {slice_end}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    use headwater_core::{
        graph::{JobVertex, VertexKind},
        ids::{ExecutionAttemptId, JobId, SubtaskId, VertexId},
        key_group::hash_key,
        options::{JobOptions, StateBackend},
    };
    use headwater_state::StateEnv;

    use super::*;
    use crate::window::{CountFold, TumblingProcessingTimeWindows};

    struct SetClock(AtomicI64);

    impl Clock for SetClock {
        fn now_ms(&self) -> TimestampMs {
            self.0.load(Relaxed)
        }
    }

    fn context(state: StateEnv, clock: Arc<dyn Clock>) -> TaskContext {
        let vertex = VertexId(0);
        TaskContext {
            job: JobId::random(),
            attempt: ExecutionAttemptId::new(SubtaskId { vertex, index: 0 }, 0),
            vertex: JobVertex {
                id: vertex,
                uid: "windows".to_owned(),
                name: "Windows".to_owned(),
                kind: VertexKind::Operator,
                parallelism: 1,
            },
            downstream: Vec::new(),
            options: JobOptions { state_backend: StateBackend::HashMap, ..JobOptions::default() },
            clock,
            data_dir: std::env::temp_dir(),
            state,
            restored: None,
            counters: Arc::default(),
            fence: Default::default(),
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_record_late_for_processing_time_windows() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(1_000)));
        let context = context(StateEnv::open(folder.path()).unwrap(), clock.clone());
        let assigner = TumblingProcessingTimeWindows::of(std::time::Duration::from_millis(100));
        let show = |_: &u8, window: &TimeWindow, count: &u64| (window.start_ms, *count);
        let mut head = WindowHead::<u8, _, _, _>::open(&assigner, CountFold, show, &context, None).unwrap();
        let mut windows = Vec::new();
        let mut emit = |batch: &mut Batch<(TimestampMs, u64)>| {
            windows.extend(batch.drain().map(|(window, _)| window));
            Ok(())
        };
        let record = || {
            let mut batch = Batch::default();
            batch.push_hashed((7u8, 1u64), NO_TIMESTAMP, hash_key(&7u8));
            Box::new(batch)
        };

        assert_eq!(head.process(0, record(), &mut emit).unwrap(), Step::Done);
        assert_eq!(head.next_timer_ms(), Some(1_100));
        assert_eq!(head.on_processing_time(1_100, &mut emit).unwrap(), Step::Done);
        clock.0.store(500, Relaxed);
        assert_eq!(head.process(0, record(), &mut emit).unwrap(), Step::Done);
        assert_eq!(head.end_of_input(&mut emit).unwrap(), Step::Done);
        assert_eq!(windows, [(1_000, 1), (1_100, 1)]);
        assert_eq!(context.counters.read().late_records, 0);
    }
}
