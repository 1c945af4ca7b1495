//! What a vertex's code tells those who look into a checkpoint.

use headwater_core::{
    codec,
    ids::CheckpointId,
    shown::{LOOKED_AT_BYTES_MAX, Redaction, show},
};
use serde::{Serialize, de::DeserializeOwned};

/// A part of what a subtask keeps without a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatePart {
    /// What it is.
    pub name: String,
    /// What is in it.
    pub content: PartContent,
}

/// What is in a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartContent {
    /// JSON.
    Json(String),
    /// Bytes that say nothing.
    Bytes(Vec<u8>),
}

impl StatePart {
    /// A part that is JSON if `shown` is, and else the bytes that it was made of.
    pub fn new(name: impl Into<String>, shown: Option<String>, bytes: &[u8]) -> Self {
        let content = shown.map_or_else(|| PartContent::Bytes(bytes.to_vec()), PartContent::Json);
        Self { name: name.into(), content }
    }
}

/// The JSON of an encoded value of a type; `None` if it is not one.
pub fn json_of<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let shown = show(&codec::decode::<T>(bytes).ok()?, &Redaction::default(), LOOKED_AT_BYTES_MAX);
    shown.note.is_none().then_some(shown.json)
}

/// What a sink keeps: its state, and its committables, a part for each checkpoint that prepared some. The functions make JSON of
/// the one and of the others.
pub fn sink_parts(
    state: &[u8],
    show_state: impl FnOnce(&[u8]) -> Option<String>,
    committables: Option<&[u8]>,
    show_prepared: impl Fn(&[u8]) -> Option<String>,
) -> Vec<StatePart> {
    let mut parts = Vec::new();
    if !state.is_empty() {
        parts.push(StatePart::new("sink", show_state(state), state));
    }
    let Some(bytes) = committables else { return parts };
    match codec::decode::<Vec<(CheckpointId, Vec<u8>)>>(bytes) {
        Ok(prepared) => parts.extend(prepared.iter().map(|(checkpoint, bytes)| {
            StatePart::new(format!("sink-prepared-for-{checkpoint}"), show_prepared(bytes), bytes)
        })),
        Err(_) => parts.push(StatePart::new("sink-prepared", None, bytes)),
    }
    parts
}
