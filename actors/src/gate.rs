//! The input gate: all incoming channels of a task, merged into one sequence of events.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use headwater_core::{
    checkpoint::{ChannelCount, ChannelId},
    ids::{CheckpointId, SubtaskId},
    time::TimestampMs,
};

use crate::{
    alignment::{Aligner, Alignment},
    batch::Payload,
    exchange::{Element, GateSignal, Receiver},
    watermark::{Advance, WatermarkValve},
};

/// What happens to a task at its input.
pub enum GateEvent {
    /// Rows from one of the inputs, counted in the order of the vertex's incoming edges.
    Batch(usize, Box<dyn Payload>),
    /// Event time has progressed.
    Watermark(TimestampMs),
    /// All channels have become idle, or one is active again.
    Active(bool),
    /// All channels have delivered the barrier; how long the first waited for the last.
    Barrier(CheckpointId, Duration),
    /// All channels have ended.
    EndOfInput,
}

struct Input {
    from: SubtaskId,
    receiver: Receiver,
    edge: usize,
    received: ChannelCount,
    ended: bool,
}

/// The incoming channels.
pub struct InputGate {
    inputs: Vec<Input>,
    signal: Arc<GateSignal>,
    aligner: Aligner,
    valve: WatermarkValve,
    aligning_since: Option<Instant>,
    ready: std::collections::VecDeque<GateEvent>,
    next: usize,
    /// The channel of the last batch.
    last: Option<usize>,
}

impl InputGate {
    /// A gate over these channels, each with the task that it comes from: one list per incoming edge.
    pub fn new(edges: Vec<Vec<(SubtaskId, Receiver)>>, signal: Arc<GateSignal>) -> Self {
        let inputs: Vec<Input> = edges
            .into_iter()
            .enumerate()
            .flat_map(|(edge, receivers)| {
                receivers.into_iter().map(move |(from, receiver)| Input {
                    from,
                    receiver,
                    edge,
                    received: ChannelCount::default(),
                    ended: false,
                })
            })
            .collect();
        Self {
            aligner: Aligner::new(inputs.len()),
            valve: WatermarkValve::new(inputs.len()),
            inputs,
            signal,
            aligning_since: None,
            ready: std::collections::VecDeque::new(),
            next: 0,
            last: None,
        }
    }

    /// The next event. Channels take turns.
    pub fn poll_next(&mut self, context: &Context<'_>) -> Poll<GateEvent> {
        if let Some(event) = self.try_next() {
            return Poll::Ready(event);
        }
        self.signal.register(context);
        self.try_next().map_or(Poll::Pending, Poll::Ready)
    }

    /// The next event that is there already.
    pub fn try_next(&mut self) -> Option<GateEvent> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        let count = self.inputs.len();
        let mut unproductive = 0;
        while unproductive < count {
            let channel = self.next;
            self.next = (self.next + 1) % count;
            let element = if self.aligner.is_blocked(channel) {
                None
            } else {
                self.inputs[channel].receiver.try_receive()
            };
            let Some(element) = element else {
                unproductive += 1;
                continue;
            };
            unproductive = 0;
            if let Some(event) = self.on_element(channel, element) {
                return Some(event);
            }
        }
        None
    }

    fn on_element(&mut self, channel: usize, element: Element) -> Option<GateEvent> {
        match element {
            Element::Batch(batch) => {
                self.last = Some(channel);
                let input = &mut self.inputs[channel];
                input.received.batches += 1;
                input.received.rows += batch.rows() as u64;
                Some(GateEvent::Batch(input.edge, batch))
            }
            Element::Watermark(watermark) => {
                self.inputs[channel].receiver.progress().on_watermark(watermark);
                let advances = self.valve.on_watermark(channel, watermark);
                self.queue_advances(advances)
            }
            Element::Active(active) => {
                self.inputs[channel].receiver.progress().on_active(active);
                let advances = self.valve.on_active(channel, active);
                self.queue_advances(advances)
            }
            Element::Barrier(checkpoint) => {
                let alignment = self.aligner.on_barrier(channel, checkpoint);
                if alignment != Alignment::Stale {
                    self.inputs[channel].receiver.progress().on_barrier(checkpoint);
                }
                match alignment {
                    Alignment::Started => {
                        self.aligning_since = Some(Instant::now());
                        None
                    }
                    Alignment::Complete => {
                        let waited =
                            self.aligning_since.take().map_or(Duration::ZERO, |since| since.elapsed());
                        Some(GateEvent::Barrier(checkpoint, waited))
                    }
                    Alignment::Waiting | Alignment::Stale => None,
                }
            }
            Element::EndOfInput => {
                self.inputs[channel].ended = true;
                self.inputs.iter().all(|input| input.ended).then_some(GateEvent::EndOfInput)
            }
        }
    }

    fn queue_advances(&mut self, advances: [Option<Advance>; 2]) -> Option<GateEvent> {
        self.ready.extend(advances.into_iter().flatten().map(|advance| match advance {
            Advance::To(watermark) => GateEvent::Watermark(watermark),
            Advance::Idle => GateEvent::Active(false),
            Advance::Active => GateEvent::Active(true),
        }));
        self.ready.pop_front()
    }

    /// Gives a checkpoint up: channels held back for it are read again.
    pub fn abort(&mut self, checkpoint: CheckpointId) {
        self.aligner.abort(checkpoint);
        self.inputs.iter().for_each(|input| input.receiver.progress().on_abort(checkpoint));
        if !self.aligner.is_aligning() {
            self.aligning_since = None;
        }
    }

    /// The task that the last batch came from, and how many rows have come from it.
    pub(crate) fn last_origin(&self) -> Option<(SubtaskId, u64)> {
        let input = &self.inputs[self.last?];
        Some((input.from, input.received.rows))
    }

    /// The ledger's receiving side.
    pub fn received(&self) -> Vec<(ChannelId, ChannelCount)> {
        self.inputs.iter().map(|input| (input.receiver.id(), input.received)).collect()
    }
}
