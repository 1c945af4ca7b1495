//! What a snapshot knows about itself: its key groups, its states, and which of their ranges hold anything.

use std::ops::Range;

use headwater_core::key_group::KeyGroup;
use serde::{Deserialize, Serialize};

use crate::{BackendConfig, Namespace, StateError};

/// The key groups of a namespace that have entries on the disk.
pub(crate) type Groups = Vec<Range<KeyGroup>>;

/// The contents of one subtask's snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Catalog {
    pub key_groups: Range<KeyGroup>,
    pub max_parallelism: u16,
    pub states: Vec<StateEntry>,
}

/// One state of a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateEntry {
    pub id: u16,
    pub name: String,
    /// Without these, whoever looks for a key in a namespace that was created after a restore would have to ask the disk.
    pub namespaces: Vec<(Namespace, Groups)>,
}

impl Catalog {
    /// Refuses a snapshot that lacks a part of what the subtask owns.
    pub fn check_covers(&self, config: &BackendConfig) -> Result<(), StateError> {
        let (has, needs) = (&self.key_groups, &config.key_groups);
        let covers = has.start <= needs.start && needs.end <= has.end;
        if covers && self.max_parallelism == config.max_parallelism {
            return Ok(());
        }
        Err(StateError::KeyGroups {
            expected: needs.clone(),
            expected_max: config.max_parallelism,
            found: has.clone(),
            found_max: self.max_parallelism,
        })
    }

    /// The same for a narrower range of key groups.
    pub fn narrowed(mut self, key_groups: &Range<KeyGroup>) -> Self {
        for state in &mut self.states {
            for (_, groups) in &mut state.namespaces {
                *groups = groups
                    .iter()
                    .map(|range| range.start.max(key_groups.start)..range.end.min(key_groups.end))
                    .filter(|range| !range.is_empty())
                    .collect();
            }
            state.namespaces.retain(|(_, groups)| !groups.is_empty());
        }
        self.key_groups = key_groups.clone();
        self
    }
}

/// Joins ascending key groups into ranges.
pub(crate) fn to_ranges(groups: impl Iterator<Item = KeyGroup>) -> Groups {
    let mut ranges: Groups = Vec::new();
    for group in groups {
        match ranges.last_mut() {
            Some(last) if last.end == group => last.end += 1,
            _ => ranges.push(group..group + 1),
        }
    }
    ranges
}
