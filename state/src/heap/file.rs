//! One file: what one or several snapshots have to say, one after the other.
//!
//! `section … | index, framed | length of the framed index (u64 LE)`. A section is the entries of one shard, keys and
//! values alternating, then the keys that were removed; the index says which section is whose. The manifest has the checksum of
//! the whole.

use std::{
    io::{BufWriter, ErrorKind, Write},
    ops::Range,
    path::{Path, PathBuf},
};

use headwater_core::{
    checkpoint::FileRef,
    codec::{frame, unframe},
    fs::{FileSystem, FileWriter},
    key_group::KeyGroup,
};
use serde::{Deserialize, Serialize};

use crate::{Namespace, StateError, catalog::Catalog, frozen::Records};

const INDEX_MAGIC: [u8; 4] = *b"HWKH";
const LENGTH_BYTES: usize = size_of::<u64>();

#[derive(Serialize, Deserialize)]
struct Index {
    catalog: Catalog,
    parts: Vec<Part>,
}

/// What one snapshot has changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Namespaces whose entries of all parts before are void, by state.
    pub dropped: Vec<(u16, Namespace)>,
    pub sections: Vec<Section>,
}

/// Entries of one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Section {
    pub state: u16,
    pub namespace: Namespace,
    pub group: KeyGroup,
    pub entries: u64,
    pub removed: u64,
    bytes: Range<u64>,
}

impl Section {
    /// Where it is in its file.
    pub fn range(&self) -> Range<u64> {
        self.bytes.clone()
    }

    /// How many bytes it has.
    pub fn length(&self) -> u64 {
        self.bytes.end.saturating_sub(self.bytes.start)
    }
}

/// A file that is being written, with its length and checksum so far.
pub(super) struct NewFile {
    path: PathBuf,
    file: BufWriter<Box<dyn FileWriter>>,
    sum: crc32fast::Hasher,
    bytes: u64,
    parts: Vec<Part>,
}

impl NewFile {
    pub fn create(fs: &dyn FileSystem, path: PathBuf) -> Result<Self, StateError> {
        let file = fs.create_new(&path).map_err(StateError::io("create", &path))?;
        let file = BufWriter::with_capacity(1 << 18, file);
        Ok(Self { path, file, sum: crc32fast::Hasher::new(), bytes: 0, parts: Vec::new() })
    }

    /// What is added from now on comes behind all that is there.
    pub fn begin_part(&mut self, dropped: Vec<(u16, Namespace)>) {
        self.parts.push(Part { dropped, sections: Vec::new() });
    }

    /// Adds a shard to the last part.
    pub fn add(
        &mut self,
        state: u16,
        namespace: Namespace,
        group: KeyGroup,
        records: &Records,
    ) -> Result<(), StateError> {
        let start = self.bytes;
        self.write(&records.arena)?;
        let (entries, removed) = (records.entries as u64, records.removed() as u64);
        let section = Section { state, namespace, group, entries, removed, bytes: start..self.bytes };
        self.parts.last_mut().expect("a part was begun").sections.push(section);
        Ok(())
    }

    /// Adds a part of another file behind all that is there.
    pub fn copy(&mut self, part: &Part, contents: &Contents) -> Result<(), StateError> {
        self.begin_part(part.dropped.clone());
        for section in &part.sections {
            let start = self.bytes;
            self.write(contents.of(section))?;
            let copy = Section { bytes: start..self.bytes, ..section.clone() };
            self.parts.last_mut().expect("a part was begun").sections.push(copy);
        }
        Ok(())
    }

    /// Makes the file durable, but for its name. Returns its length and checksum.
    pub fn finish(mut self, catalog: Catalog) -> Result<(u64, u32), StateError> {
        let index = Index { catalog, parts: std::mem::take(&mut self.parts) };
        let index = frame(INDEX_MAGIC, &index).map_err(StateError::codec("index"))?;
        self.write(&index)?;
        self.write(&(index.len() as u64).to_le_bytes())?;
        let file = self.file.into_inner().map_err(|error| error.into_error());
        file.and_then(|mut file| file.sync()).map_err(StateError::io("write", &self.path))?;
        Ok((self.bytes, self.sum.finalize()))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(StateError::io("write", &self.path))
    }
}

/// A file that was read back.
pub(crate) struct Contents {
    bytes: Vec<u8>,
    pub catalog: Catalog,
    pub parts: Vec<Part>,
}

impl Contents {
    /// Reads a file, which must be as it was written.
    pub fn read(fs: &dyn FileSystem, path: &Path, file: &FileRef) -> Result<Self, StateError> {
        let bytes = match fs.read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StateError::damaged(path, "it is missing"));
            }
            read => read.map_err(StateError::io("read", path))?,
        };
        if bytes.len() as u64 != file.bytes {
            let reason = format!("expected {} bytes, found {}", file.bytes, bytes.len());
            return Err(StateError::damaged(path, reason));
        }
        if file.crc32 != crc32fast::hash(&bytes) {
            return Err(StateError::damaged(path, "the checksum does not match"));
        }
        let Index { catalog, parts } =
            index_of(&bytes).map_err(|reason| StateError::damaged(path, reason))?;
        if parts.iter().flat_map(|part| &part.sections).any(|section| slice(&bytes, section).is_none()) {
            return Err(StateError::damaged(path, "the index points behind the end"));
        }
        Ok(Self { bytes, catalog, parts })
    }

    /// The bytes of one of its sections.
    pub fn of(&self, section: &Section) -> &[u8] {
        slice(&self.bytes, section).expect("sections were found to be within the file when it was read")
    }
}

/// Reads a file's index and nothing else of it.
pub(super) fn read_index(
    fs: &dyn FileSystem,
    path: &Path,
    file: &FileRef,
) -> Result<(Catalog, Vec<Part>), StateError> {
    let damaged = |reason: &str| StateError::damaged(path, reason);
    let read = |range| fs.read_range(path, range).map_err(StateError::io("read", path));
    let end = file.bytes.checked_sub(LENGTH_BYTES as u64).ok_or_else(|| damaged("it is cut short"))?;
    let tail = read(end..file.bytes)?;
    let length = tail.first_chunk().map_or(u64::MAX, |length| u64::from_le_bytes(*length));
    let start = end.checked_sub(length).ok_or_else(|| damaged("it is cut short"))?;
    let Index { catalog, parts } =
        unframe(INDEX_MAGIC, &read(start..end)?).map_err(|error| damaged(&error.to_string()))?;
    if parts.iter().flat_map(|part| &part.sections).any(|section| section.bytes.end > start) {
        return Err(damaged("the index points behind the end"));
    }
    Ok((catalog, parts))
}

fn index_of(contents: &[u8]) -> Result<Index, String> {
    let cut_short = || "it is cut short".to_owned();
    let (rest, length) = contents.split_last_chunk::<LENGTH_BYTES>().ok_or_else(cut_short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut_short())?;
    let start = rest.len().checked_sub(length).ok_or_else(cut_short)?;
    unframe(INDEX_MAGIC, &rest[start..]).map_err(|error| error.to_string())
}

fn slice<'a>(contents: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    contents.get(usize::try_from(section.bytes.start).ok()?..usize::try_from(section.bytes.end).ok()?)
}
