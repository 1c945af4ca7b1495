//! What those who look into a checkpoint are told of a vertex.

use headwater_actors::{
    context::{TaskContext, TaskError},
    look::{StatePart, json_of, sink_parts},
};
use headwater_core::{checkpoint::SubtaskSnapshot, codec, time::TimestampMs};

use super::{
    chain::TaskState,
    graph::{NodeKind, VertexPlan},
};
use crate::operator::OpenContext;

/// Opens a vertex's operators, so that they register their states; neither its source nor its sink.
pub(super) fn describe(plan: &VertexPlan, context: &TaskContext) -> Result<(), TaskError> {
    let mut backend = None;
    let operators = plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Operator(factory) => Some(factory),
        NodeKind::Source { .. } | NodeKind::Sink(_) => None,
    });
    for (index, factory) in operators.enumerate().filter(|(_, factory)| !factory.reads_table()) {
        let prefix = format!("{index}-");
        factory.open(&mut OpenContext { task: context, restored: None, prefix, backend: &mut backend })?;
    }
    Ok(())
}

/// What a subtask keeps without a key, part by part.
pub(super) fn operator_state(plan: &VertexPlan, snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
    let Ok(state) = codec::decode::<TaskState>(&snapshot.operator_state) else {
        return vec![StatePart::new("operator-state", None, &snapshot.operator_state)];
    };
    let mut parts = Vec::new();
    if let NodeKind::Source { source, .. } = &plan.nodes[0].kind {
        let shown = source.show_position(&state.position);
        parts.push(StatePart::new("source-position", shown, &state.position));
    }
    let operators = plan.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Operator(_)));
    for (index, (node, bytes)) in operators.zip(&state.operators).enumerate() {
        if !bytes.is_empty() {
            // A time is all that operators keep of this kind: how far the watermark is, or windows have fired.
            let name = format!("{index}-{}-up-to-ms", node.name.split('(').next().unwrap_or_default());
            parts.push(StatePart::new(name, json_of::<TimestampMs>(bytes), bytes));
        }
    }
    let sink = plan.nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(sink),
        _ => None,
    });
    if let Some(sink) = sink {
        let show_prepared = |prepared: &_| sink.show_prepared(prepared);
        let committables = snapshot.committable.as_deref();
        parts.extend(sink_parts(&state.sink, |state| sink.show_state(state), committables, show_prepared));
    }
    parts
}
