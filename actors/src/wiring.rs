//! The channels between tasks that are deployed together.

use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{checkpoint::ChannelId, graph::JobGraph, ids::SubtaskId};

use crate::exchange::{GateSignal, Receiver, Sender, channel};

/// The channel ends of one task.
#[derive(Default)]
pub struct Wiring {
    /// Wakes the task.
    pub signal: Arc<GateSignal>,
    /// By edge: each with the task that it comes from.
    pub inputs: BTreeMap<u32, Vec<(SubtaskId, Receiver)>>,
    /// By edge, in the order of the tasks downstream: each with the task that it goes to.
    pub outputs: BTreeMap<u32, Vec<(SubtaskId, Sender)>>,
}

/// Makes all channels among the given subtasks, which are whole regions.
pub fn wire(graph: &JobGraph, subtasks: impl Iterator<Item = SubtaskId>) -> BTreeMap<SubtaskId, Wiring> {
    let mut wiring: BTreeMap<SubtaskId, Wiring> =
        subtasks.map(|subtask| (subtask, Wiring::default())).collect();
    for (index, edge) in (0u32..).zip(&graph.edges) {
        for (from, to) in graph.channels(edge) {
            let id = ChannelId { edge: index, from: from.index, to: to.index };
            let Some(downstream) = wiring.get_mut(&to) else { continue };
            let (sender, receiver) = channel(id, downstream.signal.clone());
            downstream.inputs.entry(index).or_default().push((from, receiver));
            if let Some(upstream) = wiring.get_mut(&from) {
                upstream.outputs.entry(index).or_default().push((to, sender));
            }
        }
    }
    wiring
}
