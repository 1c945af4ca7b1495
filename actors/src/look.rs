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

/// A sink's committables, a part for each checkpoint that prepared some; `show` makes JSON of one.
pub fn committables(bytes: Option<&[u8]>, show: impl Fn(&[u8]) -> Option<String>) -> Vec<StatePart> {
    let Some(bytes) = bytes else { return Vec::new() };
    match codec::decode::<Vec<(CheckpointId, Vec<u8>)>>(bytes) {
        Ok(prepared) => {
            let part = |(checkpoint, bytes): &(CheckpointId, Vec<u8>)| {
                StatePart::new(format!("sink-prepared-for-{checkpoint}"), show(bytes), bytes)
            };
            prepared.iter().map(part).collect()
        }
        Err(_) => vec![StatePart::new("sink-prepared", None, bytes)],
    }
}
