//! What is still to be committed, and paths below the sink's folder.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A writer's state.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) next_sequence: u64,
}

/// Files to rename, by their paths in the folder.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prepared {
    pub(super) renames: Vec<(String, String)>,
}

impl Prepared {
    /// The folders that they are in.
    pub(super) fn folders(&self) -> BTreeSet<&str> {
        self.renames.iter().map(|(_, to)| split(to).0).collect()
    }
}

/// The path of what is in a folder, which is itself a path below the sink's.
pub(super) fn below(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The folder and the name in a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The name in a path.
pub(super) fn name_in(path: &str) -> &str {
    split(path).1
}
