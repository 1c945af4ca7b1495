//! Reading entries of a checkpoint's files for people: only the parts of the files that are wanted.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::ErrorKind,
    ops::Range,
    path::{Path, PathBuf},
    time::Instant,
};

use headwater_core::{checkpoint::FileRef, codec::CodecError, key_group::KeyGroup};

use super::file::{Part, Section, read_index};
use crate::{
    Namespace, StateEnv, StateError,
    catalog::{Catalog, StateEntry},
    look::{Entry, Position, Visit, form::Split},
};

/// A file is read through in pieces of this size.
const PIECE_BYTES: u64 = 1 << 20;

/// A key group with more bytes of one state than this is not read: its entries are merged in memory.
const GROUP_BYTES_MAX: u64 = 256 << 20;

/// The files of a subtask's snapshot, oldest first.
pub(crate) struct HeapReader {
    env: StateEnv,
    files: Vec<IndexedFile>,
}

struct IndexedFile {
    path: PathBuf,
    file: FileRef,
    parts: Vec<Part>,
}

/// Entries by namespace and encoded key.
type Merged = BTreeMap<(Namespace, Vec<u8>), Vec<u8>>;

impl HeapReader {
    pub fn open(env: &StateEnv, checkpoint: &Path, files: &[FileRef]) -> Result<(Self, Catalog), StateError> {
        let mut newest = None;
        let mut indexed = Vec::new();
        for file in files {
            let path = checkpoint.join(&file.path);
            verify(env, &path, file)?;
            let (catalog, parts) = read_index(env.fs(), &path, file)?;
            newest = Some(catalog);
            indexed.push(IndexedFile { path, file: file.clone(), parts });
        }
        let catalog = newest.ok_or_else(|| StateError::damaged(checkpoint, "a snapshot has no files"))?;
        Ok((Self { env: env.clone(), files: indexed }, catalog))
    }

    /// Visits the entries of a key group, those behind `after`.
    pub fn visit(
        &self,
        state: &StateEntry,
        group: KeyGroup,
        after: Option<&Position>,
        split: Option<&dyn Split>,
        deadline: Instant,
        visit: &mut Visit<'_>,
    ) -> Result<(), StateError> {
        let mut merged = Merged::new();
        let bytes: u64 = self.sections(state.id, group).map(Section::length).sum();
        if bytes > GROUP_BYTES_MAX {
            return Err(StateError::TooLarge { state: state.name.clone(), bytes, most: GROUP_BYTES_MAX });
        }
        let mut undivided = Vec::new();
        for file in &self.files {
            for part in &file.parts {
                for (_, dropped) in part.dropped.iter().filter(|(id, _)| *id == state.id) {
                    merged.retain(|(namespace, _), _| namespace != dropped);
                }
                for section in part.sections.iter().filter(|s| s.state == state.id && s.group == group) {
                    let bytes = file.read(&self.env, section)?;
                    match split {
                        Some(split) => merge(&mut merged, section, &bytes, split)
                            .map_err(|error| self.undecodable(file, &state.name, error))?,
                        None => undivided.push((section.namespace, bytes)),
                    }
                }
            }
            if Instant::now() >= deadline && bytes > PIECE_BYTES {
                return Err(StateError::TooSlow { state: state.name.clone() });
            }
        }
        // Sections of one shard in several files have keys of their own, so that each has a place.
        let undivided = undivided.into_iter().enumerate().map(|(index, (namespace, value))| {
            let position = Position { group, namespace, key: (index as u32).to_be_bytes().to_vec() };
            Entry { position, value, is_undivided: true }
        });
        let divided = merged.into_iter().map(|((namespace, key), value)| {
            let position = Position { group, namespace, key };
            Entry { position, value, is_undivided: false }
        });
        let mut entries: Vec<Entry> = divided.chain(undivided).collect();
        entries.sort_by(|a, b| a.position.cmp(&b.position));
        for entry in entries {
            if after.is_none_or(|after| entry.position > *after) && visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The key groups of which there is something of a state.
    pub fn groups_of(&self, state: u16) -> BTreeSet<KeyGroup> {
        let sections = self.files.iter().flat_map(|file| &file.parts).flat_map(|part| &part.sections);
        sections.filter(|section| section.state == state).map(|section| section.group).collect()
    }

    fn sections(&self, state: u16, group: KeyGroup) -> impl Iterator<Item = &Section> {
        let parts = self.files.iter().flat_map(|file| &file.parts);
        parts
            .flat_map(|part| &part.sections)
            .filter(move |section| section.state == state && section.group == group)
    }

    /// Entries that were whole when the file was read through are of another type, or the file was damaged since.
    fn undecodable(&self, file: &IndexedFile, state: &str, error: CodecError) -> StateError {
        self.env.trust().withdraw(&file.path);
        match verify(&self.env, &file.path, &file.file) {
            Ok(()) => StateError::codec(state)(error),
            Err(damaged) => damaged,
        }
    }
}

impl IndexedFile {
    fn read(&self, env: &StateEnv, section: &Section) -> Result<Vec<u8>, StateError> {
        read_range(env, &self.path, section.range())
    }
}

/// Takes a section's entries in, and its removed keys out.
fn merge(
    merged: &mut Merged,
    section: &Section,
    mut rest: &[u8],
    split: &dyn Split,
) -> Result<(), CodecError> {
    let cut_short = || CodecError::Decode("a section is cut short".to_owned());
    for index in 0..section.entries + section.removed {
        let (key, behind) = rest.split_at_checked(split.key_bytes(rest)?).ok_or_else(cut_short)?;
        rest = behind;
        let place = (section.namespace, key.to_vec());
        if index >= section.entries {
            merged.remove(&place);
            continue;
        }
        let (value, behind) = rest.split_at_checked(split.value_bytes(rest)?).ok_or_else(cut_short)?;
        rest = behind;
        merged.insert(place, value.to_vec());
    }
    Ok(())
}

fn read_range(env: &StateEnv, path: &Path, range: Range<u64>) -> Result<Vec<u8>, StateError> {
    env.fs().read_range(path, range).map_err(|error| match error.kind() {
        ErrorKind::NotFound => StateError::damaged(path, "it is missing"),
        ErrorKind::UnexpectedEof => StateError::damaged(path, "it is cut short"),
        _ => StateError::io("read", path)(error),
    })
}

/// Reads a file through, unless this process has done so before.
fn verify(env: &StateEnv, path: &Path, file: &FileRef) -> Result<(), StateError> {
    if env.trust().contains(path) {
        return Ok(());
    }
    let mut sum = crc32fast::Hasher::new();
    let mut start = 0;
    while start < file.bytes {
        let end = (start + PIECE_BYTES).min(file.bytes);
        sum.update(&read_range(env, path, start..end)?);
        start = end;
    }
    if sum.finalize() != file.crc32 {
        return Err(StateError::damaged(path, "the checksum does not match"));
    }
    env.trust().add(path.to_owned());
    Ok(())
}
