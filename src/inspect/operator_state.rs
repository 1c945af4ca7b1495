//! State without keys: positions of sources, watermarks, what sinks have prepared.

use headwater_actors::look::{PartContent, StatePart};
use headwater_api::dto::StateEntry;
use headwater_core::{
    checkpoint::SubtaskSnapshot,
    shown::{Json, Redaction, Shown, show_json},
};

use super::entries::{VALUE_BYTES_MAX, hex};

/// Everything as bytes: what is in it only the job's code knows.
pub(super) fn undivided(snapshot: &SubtaskSnapshot) -> Vec<StatePart> {
    let parts = [
        ("operator-state", Some(&snapshot.operator_state)),
        ("sink-prepared", snapshot.committable.as_ref()),
    ];
    let present = parts.into_iter().filter_map(|(name, bytes)| Some((name, bytes?)));
    present
        .filter(|(_, bytes)| !bytes.is_empty())
        .map(|(name, bytes)| StatePart::new(name, None, bytes))
        .collect()
}

/// A part of a subtask's state.
pub(super) fn entry(part: StatePart, subtask: u32, redaction: &Redaction) -> StateEntry {
    let Shown { json, note } = match &part.content {
        PartContent::Json(json) => show_json(json.as_bytes(), redaction, VALUE_BYTES_MAX),
        PartContent::Bytes(bytes) => hex(bytes, "it is only known to the code that made it", redaction),
    };
    StateEntry {
        key: Json::Text(part.name),
        namespace: Json::Null,
        value: Shown { json, note: None }.read(),
        key_group: None,
        subtask,
        note,
    }
}
