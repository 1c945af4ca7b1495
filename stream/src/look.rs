//! What those who look into a checkpoint are told of a vertex.

use std::sync::Arc;

use headwater_actors::{
    context::TaskContext,
    look::{StatePart, json_of},
};
use headwater_core::{checkpoint::SubtaskSnapshot, codec, time::TimestampMs};

use crate::{graph::VertexLook, stream::Front, tail::TailFactory, task::TaskState};

/// Of a vertex that begins with `front` and ends with `tail`.
pub(crate) fn of_vertex<A: 'static, T: 'static, L: TailFactory<T>>(
    front: Front<A>,
    tail: Arc<L>,
) -> VertexLook {
    let described = front.clone();
    VertexLook {
        describe: Arc::new(move |context: &TaskContext| match &described {
            // It would connect to somewhere, and keeps nothing by key.
            Front::Source(..) => Ok(()),
            Front::Operator(open) => open(context, None).map(drop),
        }),
        operator_state: Arc::new(move |snapshot| parts(&front, &*tail, snapshot)),
    }
}

fn parts<A, T, L: TailFactory<T>>(front: &Front<A>, tail: &L, snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
    let Ok(state) = codec::decode::<TaskState>(&snapshot.operator_state) else {
        return vec![StatePart::new("operator-state", None, &snapshot.operator_state)];
    };
    let mut parts = Vec::new();
    match front {
        Front::Source(_, show) => {
            parts.push(StatePart::new("source-position", show(&state.front), &state.front));
        }
        // Windows are the only heads that keep something without a key.
        Front::Operator(_) if !state.front.is_empty() => {
            let shown = json_of::<TimestampMs>(&state.front);
            parts.push(StatePart::new("windows-fired-up-to-ms", shown, &state.front));
        }
        Front::Operator(_) => {}
    }
    if let Some(watermark) = state.watermarks {
        parts.push(StatePart::new("own-watermark-ms", Some(watermark.to_string()), &[]));
    }
    parts.extend(tail.show_state(&state.tail, snapshot.committable.as_deref()));
    parts
}
