//! The entries of a snapshot, page by page.

use std::{collections::BTreeSet, ops::ControlFlow, sync::Arc, time::Instant};

use headwater_core::{
    checkpoint::KeyedStateHandle,
    ids::{CheckpointId, JobId},
    key_group::{KeyGroup, key_group},
};
use serde::{Deserialize, Serialize};

use super::{KeyMatch, StateDescription};
use crate::{
    Namespace, StateEnv, StateError,
    catalog::{Catalog, StateEntry},
    heap::HeapReader,
    rocks::RocksReader,
};

/// An entry's place. Entries are in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// The key group.
    pub group: KeyGroup,
    /// The namespace.
    pub namespace: Namespace,
    /// The encoded key.
    pub key: Vec<u8>,
}

/// An entry, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub position: Position,
    /// Its value.
    pub value: Vec<u8>,
    /// Whether this is not one entry but all of a key group and namespace, one behind the other: without their types, nobody knows
    /// where they end.
    pub is_undivided: bool,
}

/// What is wanted of a state.
pub struct StateQuery<'a> {
    /// The state's name.
    pub state: &'a str,
    /// What its operator tells of it; without that, entries may be undivided.
    pub description: Option<&'a StateDescription>,
    /// Only the entries of one key.
    pub key: Option<&'a KeyMatch>,
    /// Only what comes behind this.
    pub after: Option<&'a Position>,
    /// At most so many entries.
    pub limit: usize,
    /// About so many bytes at most; one entry is always read.
    pub bytes_max: usize,
    /// When to stop, whatever was found.
    pub deadline: Instant,
}

/// Entries in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// How far it was read; `None`: to the end.
    pub read_up_to: Option<Position>,
}

/// The keyed state of one subtask, as a checkpoint has it. Everything about it blocks.
pub struct KeyedSnapshot {
    files: Files,
    catalog: Catalog,
}

enum Files {
    Heap(HeapReader),
    Rocks(RocksReader),
}

/// Sees entries in their order, and says when it is enough.
pub(crate) type Visit<'a> = dyn FnMut(Entry) -> ControlFlow<()> + 'a;

impl KeyedSnapshot {
    /// Opens it. Files that this process has neither written nor read before are read through, to find damage.
    pub fn open(
        env: &StateEnv,
        job: JobId,
        checkpoint: CheckpointId,
        handle: &KeyedStateHandle,
    ) -> Result<Self, StateError> {
        let folder = env.layout().checkpoint(job, checkpoint);
        let (files, catalog) = match handle {
            KeyedStateHandle::Heap { files, .. } => {
                let (reader, catalog) = HeapReader::open(env, &folder, files)?;
                (Files::Heap(reader), catalog)
            }
            KeyedStateHandle::RocksDb { files, .. } => {
                let (reader, catalog) = RocksReader::open(env, job, &folder, files)?;
                (Files::Rocks(reader), catalog)
            }
        };
        Ok(Self { files, catalog })
    }

    /// The names of its states.
    pub fn states(&self) -> impl Iterator<Item = &str> {
        self.catalog.states.iter().map(|state| state.name.as_str())
    }

    /// Reads a page. A state that the snapshot does not have is empty.
    pub fn page(&self, query: &StateQuery<'_>) -> Result<Page, StateError> {
        let Some(state) = self.catalog.states.iter().find(|state| state.name == query.state) else {
            return Ok(Page::default());
        };
        let group_of_key = query.key.map(|key| key_group(key.hash, self.catalog.max_parallelism));
        let groups = self.groups_of(state).into_iter().filter(|group| {
            group_of_key.is_none_or(|wanted| *group == wanted)
                && query.after.is_none_or(|after| *group >= after.group)
        });
        let mut page = Page::default();
        let (mut bytes, mut looked_at) = (0, 0u64);
        for group in groups {
            let after = query.after.filter(|after| after.group == group);
            let mut visit = |entry: Entry| {
                looked_at += 1;
                // A clock per entry would be dear.
                let is_late = looked_at.is_multiple_of(256) && Instant::now() >= query.deadline;
                let is_wanted = query.key.is_none_or(|key| (key.is_match)(&entry.position.key));
                if !is_wanted && !is_late {
                    return ControlFlow::Continue(());
                }
                let position = entry.position.clone();
                if is_wanted {
                    bytes += entry.position.key.len() + entry.value.len();
                    page.entries.push(entry);
                }
                if is_late || page.entries.len() >= query.limit || bytes >= query.bytes_max {
                    page.read_up_to = Some(position);
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let split = query.description.map(|description| Arc::clone(&description.split));
            match &self.files {
                Files::Heap(heap) => {
                    heap.visit(state, group, after, split.as_deref(), query.deadline, &mut visit)?
                }
                Files::Rocks(rocks) => rocks.visit(state.id, group, after, &mut visit)?,
            }
            if page.read_up_to.is_some() {
                break;
            }
        }
        Ok(page)
    }

    /// The key groups that may have entries of a state, ascending.
    fn groups_of(&self, state: &StateEntry) -> BTreeSet<KeyGroup> {
        match &self.files {
            Files::Heap(heap) => heap.groups_of(state.id),
            Files::Rocks(_) => {
                state.namespaces.iter().flat_map(|(_, groups)| groups.iter().cloned().flatten()).collect()
            }
        }
    }
}
