//! The heap backend's file: all entries of a subtask, by key group.
//!
//! `section … | index, framed | length of the framed index (u64 LE)`. A section is the entries of one shard, keys and
//! values alternating; the index says which section is whose. The manifest has the checksum of the whole.

use std::{
    io::{BufWriter, ErrorKind, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle},
    codec::{decode_prefix, frame, unframe},
    fs::{FileSystem, FileWriter},
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    key_group::KeyGroup,
};
use serde::{Deserialize, Serialize};

use crate::{
    BackendConfig, Key, Namespace, StateEnv, StateError, Table, Value,
    catalog::Catalog,
    durable::{create_folder, sync_folders_up_to},
    frozen::{FrozenShards, FrozenState, Records},
    shard::Entry,
};

const INDEX_MAGIC: [u8; 4] = *b"HWKH";
const FILE_NAME: &str = "state.heap";
const LENGTH_BYTES: usize = size_of::<u64>();
const WITHIN_FILE: &str = "sections were found to be within the file when it was read";

#[derive(Serialize, Deserialize)]
struct Index {
    catalog: Catalog,
    sections: Vec<Section>,
}

/// The entries of one shard.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Section {
    state: u16,
    namespace: Namespace,
    group: KeyGroup,
    entries: u64,
    bytes: Range<u64>,
}

/// A snapshot of all tables of a subtask.
pub(crate) struct HeapSnapshot {
    pub env: StateEnv,
    pub job: JobId,
    pub attempt: ExecutionAttemptId,
    pub checkpoint: CheckpointId,
    pub states: Vec<FrozenState>,
    pub catalog: Catalog,
}

impl HeapSnapshot {
    /// Writes the file, durably.
    pub fn write(&self) -> Result<KeyedStateHandle, StateError> {
        let layout = self.env.layout();
        let folder = layout.checkpoint(self.job, self.checkpoint).join(self.attempt.to_string());
        let fs = self.env.fs();
        create_folder(fs, &folder)?;
        let mut file = SummedFile::create(fs, folder.join(FILE_NAME))?;
        let sections = self.write_sections(&mut file)?;
        let index = Index { catalog: self.catalog.clone(), sections };
        let index = frame(INDEX_MAGIC, &index).map_err(StateError::codec("index"))?;
        file.write(&index)?;
        file.write(&(index.len() as u64).to_le_bytes())?;
        let (bytes, crc32) = file.finish()?;
        sync_folders_up_to(fs, &folder, &layout.checkpoints())?;
        let path = format!("{}/{FILE_NAME}", self.attempt);
        Ok(KeyedStateHandle::Heap { file: FileRef { path, bytes, crc32 } })
    }

    fn write_sections(&self, file: &mut SummedFile) -> Result<Vec<Section>, StateError> {
        let mut sections = Vec::new();
        for group in self.catalog.key_groups.clone() {
            for state in &self.states {
                state.shards.encode(group, &mut |namespace, records| {
                    let start = file.bytes;
                    file.write(&records.arena)?;
                    sections.push(Section {
                        state: state.entry.id,
                        namespace,
                        group,
                        entries: records.entries as u64,
                        bytes: start..file.bytes,
                    });
                    Ok(())
                })?;
            }
        }
        Ok(sections)
    }
}

/// A file that knows its length and checksum.
struct SummedFile {
    path: PathBuf,
    file: BufWriter<Box<dyn FileWriter>>,
    sum: crc32fast::Hasher,
    bytes: u64,
}

impl SummedFile {
    fn create(fs: &dyn FileSystem, path: PathBuf) -> Result<Self, StateError> {
        let file = fs.create_new(&path).map_err(StateError::io("create", &path))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 18, file),
            path,
            sum: crc32fast::Hasher::new(),
            bytes: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        self.sum.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(StateError::io("write", &self.path))
    }

    fn finish(self) -> Result<(u64, u32), StateError> {
        let file = self.file.into_inner().map_err(|error| error.into_error());
        file.and_then(|mut file| file.sync()).map_err(StateError::io("write", &self.path))?;
        Ok((self.bytes, self.sum.finalize()))
    }
}

/// A heap snapshot that was read back and waits for its tables to be registered.
pub(crate) struct RestoredHeap {
    contents: Arc<Vec<u8>>,
    pub catalog: Catalog,
    sections: Vec<Section>,
}

impl RestoredHeap {
    pub fn read(
        fs: &dyn FileSystem,
        checkpoint: &Path,
        file: &FileRef,
        config: &BackendConfig,
    ) -> Result<Self, StateError> {
        let path = checkpoint.join(&file.path);
        let contents = match fs.read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StateError::damaged(&path, "it is missing"));
            }
            read => read.map_err(StateError::io("read", &path))?,
        };
        if contents.len() as u64 != file.bytes {
            let reason = format!("expected {} bytes, found {}", file.bytes, contents.len());
            return Err(StateError::damaged(&path, reason));
        }
        if file.crc32 != crc32fast::hash(&contents) {
            return Err(StateError::damaged(&path, "the checksum does not match"));
        }
        let Index { catalog, mut sections } =
            read_index(&contents).map_err(|reason| StateError::damaged(&path, reason))?;
        if sections.iter().any(|section| slice(&contents, section).is_none()) {
            return Err(StateError::damaged(&path, "the index points behind the end"));
        }
        catalog.check_covers(config)?;
        sections.retain(|section| config.key_groups.contains(&section.group));
        Ok(Self { contents: Arc::new(contents), catalog: catalog.narrowed(&config.key_groups), sections })
    }

    /// Gives a table the entries of the state with this id.
    pub fn fill<K: Key, V: Value>(&self, table: &mut Table<K, V>, id: u16) -> Result<(), StateError> {
        let name = table.name().to_owned();
        let hash_of = table.hash_of;
        for section in self.sections.iter().filter(|section| section.state == id) {
            let mut rest = slice(&self.contents, section).expect(WITHIN_FILE);
            let entries = (0..section.entries).map(|_| {
                let (key, used) = decode_prefix::<K>(rest).map_err(StateError::codec(&name))?;
                rest = &rest[used..];
                let (value, used) = decode_prefix::<V>(rest).map_err(StateError::codec(&name))?;
                rest = &rest[used..];
                Ok(Entry { hash: hash_of(&key), epoch: 0, key, value })
            });
            table.restore_entries(section.namespace, section.group, section.entries as usize, entries)?;
        }
        Ok(())
    }

    /// The entries of a state that was not registered, to be written on as they are.
    pub fn unregistered(&self, id: u16) -> Box<dyn FrozenShards> {
        let sections = self.sections.iter().filter(|section| section.state == id).cloned().collect();
        Box::new(EncodedShards { contents: Arc::clone(&self.contents), sections })
    }
}

fn read_index(contents: &[u8]) -> Result<Index, String> {
    let cut_short = || "it is cut short".to_owned();
    let (rest, length) = contents.split_last_chunk::<LENGTH_BYTES>().ok_or_else(cut_short)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut_short())?;
    let start = rest.len().checked_sub(length).ok_or_else(cut_short)?;
    unframe(INDEX_MAGIC, &rest[start..]).map_err(|error| error.to_string())
}

fn slice<'a>(contents: &'a [u8], section: &Section) -> Option<&'a [u8]> {
    contents.get(usize::try_from(section.bytes.start).ok()?..usize::try_from(section.bytes.end).ok()?)
}

/// Shards that stay encoded.
struct EncodedShards {
    contents: Arc<Vec<u8>>,
    sections: Vec<Section>,
}

impl FrozenShards for EncodedShards {
    fn encode(
        &self,
        group: KeyGroup,
        visit: &mut dyn FnMut(Namespace, &mut Records) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        for section in self.sections.iter().filter(|section| section.group == group) {
            let bytes = slice(&self.contents, section).expect(WITHIN_FILE);
            visit(section.namespace, &mut Records::encoded(bytes.to_vec(), section.entries as usize))?;
        }
        Ok(())
    }
}
