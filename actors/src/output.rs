//! A task's outputs: its ends of the channels to the tasks downstream.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use headwater_core::{
    checkpoint::{ChannelCount, ChannelId},
    ids::{CheckpointId, SubtaskId},
    time::TimestampMs,
};

use crate::{
    batch::Payload,
    exchange::{Element, Sender},
    metrics::TaskCounters,
    tap::{ShowRow, TapPoint},
};

struct Target {
    sender: Sender,
    sent: ChannelCount,
}

/// The channels of one outgoing edge that begin at this subtask.
struct Edge {
    targets: Vec<Target>,
    next: usize,
}

/// Everything that leaves a task.
pub struct Output {
    edges: Vec<Edge>,
    counters: Arc<TaskCounters>,
    tap: Arc<TapPoint>,
}

impl Output {
    /// The output over these channels, each with the task that it goes to: one list per outgoing edge, in the order of the
    /// downstream subtasks.
    pub fn new(edges: Vec<Vec<(SubtaskId, Sender)>>, counters: Arc<TaskCounters>) -> Self {
        let edges = edges
            .into_iter()
            .map(|senders| Edge {
                targets: senders
                    .into_iter()
                    .map(|(_, sender)| Target { sender, sent: ChannelCount::default() })
                    .collect(),
                next: 0,
            })
            .collect();
        Self { edges, counters, tap: Arc::default() }
    }

    /// The same output, which can be looked at.
    pub fn tapped_at(self, tap: Arc<TapPoint>) -> Self {
        Self { tap, ..self }
    }

    /// Lets whoever looks see some of `rows` rows that leave by an edge, or into the task's own sink. While nobody does, that costs
    /// nothing. The task's code calls it, since only that knows what rows are.
    #[inline]
    pub fn tap(&self, edge: Option<usize>, rows: usize, show: &mut ShowRow<'_>) {
        if self.tap.is_open() {
            self.tap.pass(edge, rows, show);
        }
    }

    /// How many outgoing edges there are.
    pub fn edges(&self) -> usize {
        self.edges.len()
    }

    /// How many channels an outgoing edge has here.
    pub fn targets(&self, edge: usize) -> usize {
        self.edges[edge].targets.len()
    }

    /// The task's counters.
    pub fn counters(&self) -> &TaskCounters {
        &self.counters
    }

    /// Sends a batch to one of an edge's targets. Empty batches are not sent.
    pub fn send(&mut self, edge: usize, target: usize, batch: Box<dyn Payload>) {
        let rows = batch.rows() as u64;
        if rows == 0 {
            return;
        }
        let target = &mut self.edges[edge].targets[target];
        target.sent.batches += 1;
        target.sent.rows += rows;
        target.sender.send(Element::Batch(batch));
        self.counters.add_out(rows);
    }

    /// Sends a batch to the next of an edge's targets, round robin.
    pub fn send_to_next(&mut self, edge: usize, batch: Box<dyn Payload>) {
        let next = self.edges[edge].next;
        self.edges[edge].next = (next + 1) % self.edges[edge].targets.len();
        self.send(edge, next, batch);
    }

    /// Sends a watermark everywhere.
    pub fn watermark(&mut self, watermark: TimestampMs) {
        self.counters.set_watermark(watermark);
        self.broadcast(|| Element::Watermark(watermark));
    }

    /// Tells everybody that this task has become idle, or active again.
    pub fn active(&mut self, active: bool) {
        self.broadcast(|| Element::Active(active));
    }

    pub(crate) fn barrier(&mut self, checkpoint: CheckpointId) {
        self.broadcast(|| Element::Barrier(checkpoint));
    }

    pub(crate) fn end_of_input(&mut self) {
        self.broadcast(|| Element::EndOfInput);
    }

    fn broadcast(&mut self, element: impl Fn() -> Element) {
        for target in self.edges.iter().flat_map(|edge| &edge.targets) {
            target.sender.send(element());
        }
    }

    /// Ready when every channel has room for data.
    pub fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let full = self
            .edges
            .iter()
            .flat_map(|edge| &edge.targets)
            .any(|target| target.sender.poll_room(context).is_pending());
        if full { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The ledger's sending side.
    pub fn sent(&self) -> Vec<(ChannelId, ChannelCount)> {
        self.edges
            .iter()
            .flat_map(|edge| &edge.targets)
            .map(|target| (target.sender.id(), target.sent))
            .collect()
    }
}
