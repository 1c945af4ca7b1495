//! The exchange: one bounded queue per pair of upstream and downstream subtask.
//!
//! Data needs room, in rows and in bytes; control elements have a reserved place, so that a barrier never waits for data to
//! be taken. The sender may always finish what one input made it emit; it asks for room before it takes the next
//! input, so a queue exceeds its bound by the output of one input at most.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use futures::task::AtomicWaker;
use headwater_core::{
    checkpoint::ChannelId,
    ids::CheckpointId,
    time::{MIN_WATERMARK, TimestampMs},
};

use crate::batch::Payload;

/// The bound of a channel in rows.
pub const CHANNEL_ROWS_MAX: usize = 16 * 1024;

/// The bound of a channel in bytes.
pub const CHANNEL_BYTES_MAX: usize = 2 << 20;

/// What travels on a channel.
pub enum Element {
    /// Rows.
    Batch(Box<dyn Payload>),
    /// No row with an earlier or equal timestamp will follow, late ones apart.
    Watermark(TimestampMs),
    /// Everything before this belongs to the checkpoint.
    Barrier(CheckpointId),
    /// Whether the sender expects rows; an idle channel does not hold watermarks back.
    Active(bool),
    /// No rows will follow. Barriers may.
    EndOfInput,
}

#[derive(Default)]
struct Queue {
    elements: VecDeque<Element>,
    rows: usize,
    bytes: usize,
    sent: Traffic,
    received: Traffic,
    sender_waiting: Option<Waker>,
    receiver_gone: bool,
}

/// What has passed one end of a channel so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Batches.
    pub batches: u64,
    /// Their bytes, about.
    pub bytes: u64,
}

impl Traffic {
    fn add(&mut self, bytes: usize) {
        self.batches += 1;
        self.bytes += bytes as u64;
    }
}

impl Queue {
    fn has_room(&self) -> bool {
        self.receiver_gone || (self.rows < CHANNEL_ROWS_MAX && self.bytes < CHANNEL_BYTES_MAX)
    }
}

struct Channel {
    queue: Mutex<Queue>,
    receiver: Arc<GateSignal>,
    progress: Progress,
}

/// How far the receiver has come with a channel's control elements; written by its thread, read by the worker's.
#[derive(Debug)]
pub struct Progress {
    watermark: AtomicI64,
    is_idle: AtomicBool,
    barrier: AtomicU64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            watermark: AtomicI64::new(MIN_WATERMARK),
            is_idle: AtomicBool::new(false),
            barrier: AtomicU64::new(0),
        }
    }
}

impl Progress {
    pub(crate) fn on_watermark(&self, watermark: TimestampMs) {
        self.watermark.fetch_max(watermark, Relaxed);
        self.is_idle.store(false, Relaxed);
    }

    pub(crate) fn on_active(&self, active: bool) {
        self.is_idle.store(!active, Relaxed);
    }

    pub(crate) fn on_barrier(&self, checkpoint: CheckpointId) {
        self.barrier.store(checkpoint.0, Relaxed);
    }

    /// The checkpoint was given up, and the channel is read on.
    pub(crate) fn on_abort(&self, checkpoint: CheckpointId) {
        if self.barrier.load(Relaxed) <= checkpoint.0 {
            self.barrier.store(0, Relaxed);
        }
    }
}

/// Looks at a channel from outside; keeps neither of its ends alive.
pub struct Probe(Arc<Channel>);

/// A channel as seen from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Rows in it.
    pub queued_rows: usize,
    /// Batches and bytes that were taken out.
    pub received: Traffic,
    /// Batches and bytes that were put in.
    pub sent: Traffic,
    /// Whether its sender need not wait.
    pub has_room: bool,
    /// The last watermark that was taken out.
    pub watermark: TimestampMs,
    /// Whether the last thing that was taken out about it says that it is idle.
    pub is_idle: bool,
    /// The last barrier that was taken out, unless its checkpoint was given up.
    pub barrier: Option<CheckpointId>,
}

impl Probe {
    /// How things are.
    pub fn observe(&self) -> Observed {
        let Progress { watermark, is_idle, barrier } = &self.0.progress;
        let queue = self.0.lock();
        Observed {
            queued_rows: queue.rows,
            received: queue.received,
            sent: queue.sent,
            has_room: queue.has_room(),
            watermark: watermark.load(Relaxed),
            is_idle: is_idle.load(Relaxed),
            barrier: Some(CheckpointId(barrier.load(Relaxed))).filter(|barrier| barrier.0 > 0),
        }
    }
}

impl Channel {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Wakes the task that reads a gate when any of its channels has something new.
#[derive(Default)]
pub struct GateSignal(AtomicWaker);

impl GateSignal {
    /// Has the task woken by the next element.
    pub fn register(&self, context: &Context<'_>) {
        self.0.register(context.waker());
    }
}

/// The sending end of a channel.
pub struct Sender {
    id: ChannelId,
    channel: Arc<Channel>,
}

/// The receiving end of a channel. What is sent after it was dropped vanishes: its task is gone.
pub struct Receiver {
    id: ChannelId,
    channel: Arc<Channel>,
}

/// A new channel; its receiver's task is woken through `signal`.
pub fn channel(id: ChannelId, signal: Arc<GateSignal>) -> (Sender, Receiver) {
    let channel =
        Arc::new(Channel { queue: Mutex::default(), receiver: signal, progress: Progress::default() });
    (Sender { id, channel: channel.clone() }, Receiver { id, channel })
}

impl Sender {
    /// The channel's identity.
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// Looks at the channel from outside.
    pub fn probe(&self) -> Probe {
        Probe(self.channel.clone())
    }

    /// Appends an element. Never waits; see [`poll_room`](Self::poll_room).
    pub fn send(&self, element: Element) {
        let mut queue = self.channel.lock();
        if queue.receiver_gone {
            return;
        }
        if let Element::Batch(payload) = &element {
            let bytes = payload.bytes();
            queue.rows += payload.rows();
            queue.bytes += bytes;
            queue.sent.add(bytes);
        }
        let was_empty = queue.elements.is_empty();
        queue.elements.push_back(element);
        drop(queue);
        if was_empty {
            self.channel.receiver.0.wake();
        }
    }

    /// Ready when there is room for data.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut queue = self.channel.lock();
        if queue.has_room() {
            return Poll::Ready(());
        }
        queue.sender_waiting = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Receiver {
    /// The channel's identity.
    pub fn id(&self) -> ChannelId {
        self.id
    }

    /// Looks at the channel from outside.
    pub fn probe(&self) -> Probe {
        Probe(self.channel.clone())
    }

    /// Where the receiver notes how far it has come.
    pub(crate) fn progress(&self) -> &Progress {
        &self.channel.progress
    }

    /// Takes the first element, if there is one.
    pub fn try_receive(&self) -> Option<Element> {
        let mut queue = self.channel.lock();
        let had_room = queue.has_room();
        let element = queue.elements.pop_front()?;
        if let Element::Batch(payload) = &element {
            let bytes = payload.bytes();
            queue.rows -= payload.rows();
            queue.bytes -= bytes;
            queue.received.add(bytes);
        }
        let freed = if !had_room && queue.has_room() { queue.sender_waiting.take() } else { None };
        drop(queue);
        if let Some(sender) = freed {
            sender.wake();
        }
        Some(element)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut queue = self.channel.lock();
        queue.receiver_gone = true;
        let elements = std::mem::take(&mut queue.elements);
        let waiting = queue.sender_waiting.take();
        drop(queue);
        drop(elements);
        if let Some(sender) = waiting {
            sender.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::task::noop_waker;

    use super::*;
    use crate::batch::Batch;

    fn pair() -> (Sender, Receiver) {
        channel(ChannelId { edge: 0, from: 0, to: 0 }, Arc::default())
    }

    fn rows(count: usize) -> Element {
        let mut batch = Batch::with_capacity(count);
        (0..count).for_each(|value| batch.push(value, 0));
        Element::Batch(Box::new(batch))
    }

    #[test]
    fn a_full_channel_still_takes_a_barrier_and_has_room_again_once_read() {
        let waker = noop_waker();
        let context = Context::from_waker(&waker);
        let (sender, receiver) = pair();
        sender.send(rows(CHANNEL_ROWS_MAX));
        assert!(sender.poll_room(&context).is_pending());
        sender.send(Element::Barrier(CheckpointId(1)));
        assert!(matches!(receiver.try_receive(), Some(Element::Batch(_))));
        assert!(sender.poll_room(&context).is_ready());
        assert!(matches!(receiver.try_receive(), Some(Element::Barrier(CheckpointId(1)))));
    }

    #[test]
    fn a_dead_receiver_never_holds_its_sender_up() {
        let waker = noop_waker();
        let context = Context::from_waker(&waker);
        let (sender, receiver) = pair();
        sender.send(rows(CHANNEL_ROWS_MAX));
        drop(receiver);
        assert!(sender.poll_room(&context).is_ready());
    }
}
