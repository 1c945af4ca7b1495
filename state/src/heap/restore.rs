//! Reading a snapshot back.

use std::{collections::BTreeSet, ops::Range, path::Path, sync::Arc};

use headwater_core::{checkpoint::FileRef, codec::decode_prefix, fs::FileSystem, key_group::KeyGroup};

use super::file::{Contents, Part, Section};
use crate::{BackendConfig, Key, StateError, Table, Value, catalog::Catalog};

/// A snapshot that was read back and waits for its tables to be registered.
pub(crate) struct RestoredHeap {
    /// Oldest first.
    files: Vec<Arc<Contents>>,
    key_groups: Range<KeyGroup>,
}

impl RestoredHeap {
    /// Reads the files of a checkpoint, and what they hold.
    pub fn read(
        fs: &dyn FileSystem,
        checkpoint: &Path,
        files: &[FileRef],
        config: &BackendConfig,
    ) -> Result<(Self, Catalog), StateError> {
        let read = |file: &FileRef| Contents::read(fs, &checkpoint.join(&file.path), file).map(Arc::new);
        let files = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let newest =
            files.last().ok_or_else(|| StateError::damaged(checkpoint, "a snapshot has no files"))?;
        newest.catalog.check_covers(config)?;
        let catalog = newest.catalog.clone().narrowed(&config.key_groups);
        Ok((Self { files, key_groups: config.key_groups.clone() }, catalog))
    }

    /// Gives a table the entries of the state with this id.
    pub fn fill<K: Key, V: Value>(&self, table: &mut Table<K, V>, id: u16) -> Result<(), StateError> {
        for contents in &self.files {
            for part in &contents.parts {
                let dropped = part.dropped.iter().filter(|(state, _)| *state == id);
                dropped.for_each(|(_, namespace)| table.restore_dropped(*namespace));
                let is_wanted =
                    |section: &&Section| section.state == id && self.key_groups.contains(&section.group);
                for section in part.sections.iter().filter(is_wanted) {
                    fill_shard(table, section, contents.of(section))?;
                }
            }
        }
        Ok(())
    }

    /// What there is of the states with these ids, to be written on as it is.
    pub fn parts_of(&self, ids: &BTreeSet<u16>) -> Vec<(Part, Arc<Contents>)> {
        let mut found = Vec::new();
        for contents in &self.files {
            for part in &contents.parts {
                let mut part = part.clone();
                part.dropped.retain(|(state, _)| ids.contains(state));
                part.sections.retain(|section| {
                    ids.contains(&section.state) && self.key_groups.contains(&section.group)
                });
                if !part.dropped.is_empty() || !part.sections.is_empty() {
                    found.push((part, Arc::clone(contents)));
                }
            }
        }
        found
    }
}

fn fill_shard<K: Key, V: Value>(
    table: &mut Table<K, V>,
    section: &Section,
    mut rest: &[u8],
) -> Result<(), StateError> {
    let name = table.name().to_owned();
    let entries = (0..section.entries + section.removed).map(|index| {
        let (key, used) = decode_prefix::<K>(rest).map_err(StateError::codec(&name))?;
        rest = &rest[used..];
        if index >= section.entries {
            return Ok((key, None));
        }
        let (value, used) = decode_prefix::<V>(rest).map_err(StateError::codec(&name))?;
        rest = &rest[used..];
        Ok((key, Some(value)))
    });
    table.restore_entries(section.namespace, section.group, section.entries as usize, entries)
}
