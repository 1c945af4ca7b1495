//! A task as seen from the worker's thread: its counters, and what its channels and the clock add to them. It costs the task
//! nothing.

use std::sync::Arc;

use headwater_core::{
    execution::{Activity, ActivityKind, InputMetrics, TaskMetrics},
    ids::{CheckpointId, SubtaskId},
    time::{ClockWatch, MIN_WATERMARK, TimestampMs},
};

use crate::{
    exchange::Probe,
    metrics::{Reading, TaskCounters},
    wiring::Wiring,
};

/// Looks at one task.
pub struct Observer {
    counters: Arc<TaskCounters>,
    inputs: Vec<Input>,
    outputs: Vec<(SubtaskId, Probe)>,
    watermark: Since<Option<TimestampMs>>,
    /// The checkpoint whose barriers are awaited.
    aligning: Since<Option<CheckpointId>>,
    clock: ClockWatch,
}

struct Input {
    from: SubtaskId,
    probe: Probe,
    progress: Since<(TimestampMs, bool)>,
}

/// A value, and since when it is what it is: as exactly as it is looked at.
struct Since<T> {
    value: T,
    since_ms: TimestampMs,
}

impl<T: PartialEq> Since<T> {
    fn see(&mut self, value: T, now_ms: TimestampMs) {
        if self.value != value {
            *self = Self { value, since_ms: now_ms };
        }
    }

    fn shift(&mut self, by_ms: i64) {
        self.since_ms = self.since_ms.saturating_add(by_ms);
    }
}

impl Observer {
    /// An observer of the task with these counters and channels.
    pub fn new(counters: Arc<TaskCounters>, wiring: &Wiring, now_ms: TimestampMs) -> Self {
        let input = |(from, receiver): &(SubtaskId, crate::exchange::Receiver)| Input {
            from: *from,
            probe: receiver.probe(),
            progress: Since { value: (MIN_WATERMARK, false), since_ms: now_ms },
        };
        let outputs = wiring.outputs.values().flatten();
        Self {
            counters,
            inputs: wiring.inputs.values().flatten().map(input).collect(),
            outputs: outputs.map(|(to, sender)| (*to, sender.probe())).collect(),
            watermark: Since { value: None, since_ms: now_ms },
            aligning: Since { value: None, since_ms: now_ms },
            clock: ClockWatch::default(),
        }
    }

    /// What the task has done so far, and does.
    pub fn observe(&mut self, now_ms: TimestampMs) -> TaskMetrics {
        let reading = self.counters.reading();
        self.follow_clock(now_ms, &reading);
        let mut metrics = self.counters.metrics(&reading);
        self.watermark.see(metrics.watermark_ms, now_ms);
        metrics.watermark_since_ms = Some(self.watermark.since_ms);
        for input in &mut self.inputs {
            let seen = input.probe.observe();
            input.progress.see((seen.watermark, seen.is_idle), now_ms);
            metrics.batches_in += seen.received.batches;
            metrics.bytes_in += seen.received.bytes;
            metrics.inputs.push(InputMetrics {
                from: input.from,
                watermark_ms: Some(seen.watermark).filter(|watermark| *watermark != MIN_WATERMARK),
                is_idle: seen.is_idle,
                unchanged_since_ms: input.progress.since_ms,
                queued_records: seen.queued_rows as u64,
                barrier: seen.barrier,
            });
        }
        let mut full = Vec::new();
        for (to, probe) in &self.outputs {
            let seen = probe.observe();
            metrics.batches_out += seen.sent.batches;
            metrics.bytes_out += seen.sent.bytes;
            if !seen.has_room {
                full.push(*to);
            }
        }
        self.aligning.see(awaited(&metrics.inputs), now_ms);
        metrics.activity = self.activity(&reading, now_ms);
        if metrics.activity.kind == ActivityKind::WaitingForRoom {
            metrics.blocked_on = full;
        }
        metrics
    }

    /// A wait lasts as long as it lasts, whatever the wall clock is set to.
    fn follow_clock(&mut self, now_ms: TimestampMs, reading: &Reading) {
        let set_by_ms = self.clock.set_by_ms(now_ms, reading.running_us / 1_000);
        self.watermark.shift(set_by_ms);
        self.aligning.shift(set_by_ms);
        self.inputs.iter_mut().for_each(|input| input.progress.shift(set_by_ms));
    }

    fn activity(&self, reading: &Reading, now_ms: TimestampMs) -> Activity {
        let since_ms = now_ms.saturating_sub((reading.lasts_us / 1_000) as TimestampMs);
        match self.aligning.value {
            Some(checkpoint) if reading.activity == ActivityKind::WaitingForInput => Activity {
                kind: ActivityKind::Aligning,
                since_ms: self.aligning.since_ms,
                checkpoint: Some(checkpoint),
            },
            _ => Activity { kind: reading.activity, since_ms, checkpoint: reading.checkpoint },
        }
    }
}

/// The checkpoint of which some inputs have delivered the barrier and others have not.
fn awaited(inputs: &[InputMetrics]) -> Option<CheckpointId> {
    let newest = inputs.iter().filter_map(|input| input.barrier).max()?;
    inputs.iter().any(|input| input.barrier < Some(newest)).then_some(newest)
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use futures::task::noop_waker;
    use headwater_core::{checkpoint::ChannelId, ids::VertexId, time::MAX_WATERMARK};

    use super::*;
    use crate::{
        batch::Batch,
        exchange::{CHANNEL_ROWS_MAX, Element, Sender, channel},
        gate::InputGate,
    };

    fn subtask(vertex: u32, index: u32) -> SubtaskId {
        SubtaskId { vertex: VertexId(vertex), index }
    }

    fn rows(count: usize) -> Element {
        let mut batch = Batch::with_capacity(count);
        (0..count).for_each(|value| batch.push(value, 0));
        Element::Batch(Box::new(batch))
    }

    /// A task with two inputs and one output, of which the test holds the other ends.
    fn task() -> (Observer, InputGate, Vec<Sender>, crate::exchange::Receiver, Arc<TaskCounters>, Sender) {
        let mut wiring = Wiring::default();
        let id = |from| ChannelId { edge: 0, from, to: 0 };
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..2).map(|from| channel(id(from), wiring.signal.clone())).unzip();
        let inputs = (0..2).map(|index| subtask(0, index)).zip(receivers).collect();
        wiring.inputs.insert(0, inputs);
        let (sender, receiver) = channel(id(0), Arc::default());
        wiring.outputs.insert(1, vec![(subtask(2, 0), sender)]);
        let counters = Arc::new(TaskCounters::default());
        let observer = Observer::new(counters.clone(), &wiring, 100);
        let gate = InputGate::new(wiring.inputs.into_values().collect(), wiring.signal);
        let (_, sender) = wiring.outputs.remove(&1).unwrap().pop().unwrap();
        (observer, gate, senders, receiver, counters, sender)
    }

    #[test]
    fn the_input_whose_watermark_stands_still_is_told_apart() {
        let (mut observer, mut gate, senders, ..) = task();
        senders[0].send(Element::Watermark(7));
        senders[1].send(Element::Active(false));
        senders[1].send(rows(3));
        assert!(gate.try_next().is_some());
        assert!(gate.try_next().is_some());
        let seen = observer.observe(200);
        assert_eq!((seen.inputs[0].watermark_ms, seen.inputs[0].unchanged_since_ms), (Some(7), 200));
        assert_eq!((seen.inputs[1].watermark_ms, seen.inputs[1].is_idle), (None, true));
        senders[0].send(Element::Watermark(MAX_WATERMARK));
        while gate.try_next().is_some() {}
        let seen = observer.observe(300);
        assert_eq!(seen.inputs[0].unchanged_since_ms, 300);
        assert_eq!(seen.inputs[1].unchanged_since_ms, 200);
        assert_eq!((seen.batches_in, seen.queued_records()), (1, 0));
    }

    #[test]
    fn a_task_that_has_one_barrier_of_two_is_aligning_until_the_other_comes_or_it_is_given_up() {
        let (mut observer, mut gate, senders, ..) = task();
        let barrier = |channel: usize, checkpoint| {
            senders[channel].send(Element::Barrier(CheckpointId(checkpoint)));
        };
        barrier(0, 1);
        assert!(gate.try_next().is_none());
        let activity = observer.observe(200).activity;
        let aligning = |checkpoint, since_ms| Activity {
            kind: ActivityKind::Aligning,
            since_ms,
            checkpoint: Some(CheckpointId(checkpoint)),
        };
        assert_eq!(activity, aligning(1, 200));
        barrier(1, 1);
        assert!(gate.try_next().is_some());
        assert_eq!(observer.observe(300).activity.kind, ActivityKind::WaitingForInput);
        barrier(1, 2);
        assert!(gate.try_next().is_none());
        assert_eq!(observer.observe(400).activity, aligning(2, 400));
        gate.abort(CheckpointId(2));
        assert_eq!(observer.observe(500).activity.kind, ActivityKind::WaitingForInput);
    }

    #[test]
    fn an_input_has_stood_still_for_as_long_when_the_wall_clock_is_set() {
        const HOUR_MS: i64 = 3_600_000;
        let (mut observer, mut gate, senders, ..) = task();
        senders[0].send(Element::Watermark(7));
        assert!(gate.try_next().is_none());
        assert_eq!(observer.observe(HOUR_MS).inputs[0].unchanged_since_ms, HOUR_MS);
        let seen = observer.observe(250);
        assert!(seen.inputs[0].unchanged_since_ms <= 250, "{seen:?}");
        assert!(seen.watermark_since_ms.unwrap() <= 250, "{seen:?}");
    }

    #[test]
    fn a_task_without_room_tells_whom_it_waits_for() {
        let (mut observer, _gate, _senders, receiver, counters, sender) = task();
        sender.send(rows(CHANNEL_ROWS_MAX));
        let waker = noop_waker();
        assert!(sender.poll_room(&Context::from_waker(&waker)).is_pending());
        assert_eq!(observer.observe(200).blocked_on, [], "it works, and needs no room yet");
        counters.wait_for_room();
        assert_eq!(observer.observe(300).blocked_on, [subtask(2, 0)]);
        assert!(receiver.try_receive().is_some());
        assert_eq!(observer.observe(400).blocked_on, []);
        assert_eq!(observer.observe(400).batches_out, 1);
    }
}
