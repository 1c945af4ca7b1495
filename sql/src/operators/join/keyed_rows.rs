//! The rows of each key, as state: any number of them, in chunks of bounded size.
//!
//! A table finds an entry by its exact key only, and rewrites a changed value as a whole. So the rows of a key are in chunks that are
//! numbered from 0, and the first one says how many there are. Rows that only ever come are appended to the last chunk. Where rows
//! go as well, a chunk is a bucket of a hash table that grows by one bucket at a time (linear hashing, Litwin 1980): finding a row
//! takes one chunk however many rows the key has.

use std::ops::Range;

use headwater_actors::context::TaskError;
use headwater_core::{key_group::KeyGroup, time::TimestampMs};
use headwater_state::{AnyTable, Namespace, StateError, Table};
use serde::{Deserialize, Serialize};

use super::{
    packed::{Chunk, Layout, Record},
    side::Side,
};
use crate::{
    operator::OpenContext,
    rows::{RowBytes, hash_bytes},
};

/// What a chunk holds at most, unless it is one row.
const CHUNK_BYTES: usize = 4 << 10;

/// A key, and the number of a chunk in its last four bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ChunkKey(RowBytes);

const NUMBER_BYTES: usize = 4;

impl ChunkKey {
    #[inline]
    fn new(key: &[u8], number: u32) -> Self {
        Self(RowBytes::concat(&[key, &number.to_le_bytes()]))
    }

    /// The key and the chunk's number.
    #[inline]
    fn parts(&self) -> (&[u8], u32) {
        let bytes = self.0.as_slice();
        let (key, number) = bytes.split_at(bytes.len() - NUMBER_BYTES);
        (key, u32::from_le_bytes([number[0], number[1], number[2], number[3]]))
    }
}

/// The hash of a key's chunk. That of the first one is the key's; all have its upper half, which tells the key group.
#[inline]
fn chunk_hash(key_hash: u64, number: u32) -> u64 {
    key_hash ^ u64::from(number.wrapping_mul(0x9E37_79B9))
}

/// A key with its hash.
#[derive(Clone, Copy)]
pub(super) struct KeyRef<'a> {
    pub hash: u64,
    pub bytes: &'a [u8],
}

impl KeyRef<'_> {
    /// Where a chunk is in the table.
    #[inline]
    fn chunk(self, number: u32) -> (u64, ChunkKey) {
        (chunk_hash(self.hash, number), ChunkKey::new(self.bytes, number))
    }
}

/// How far the rows of a key were read.
pub(super) struct Cursor {
    next: u32,
    chunks: u32,
}

impl Default for Cursor {
    fn default() -> Self {
        // A key has one chunk until that says otherwise.
        Self { next: 0, chunks: 1 }
    }
}

/// What becomes of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// They only come, and go with their namespace.
    Stay,
    /// They come and go, in the namespace 0, and are counted.
    ComeAndGo,
}

/// Rows by namespace and key.
pub(super) struct KeyedRows {
    table: Table<ChunkKey, Chunk>,
    layout: Layout,
    fate: Fate,
    /// Rows last written at this time or before have outlived theirs. They may still be there.
    pub(super) outdated: TimestampMs,
}

impl KeyedRows {
    pub(super) fn open(
        context: &mut OpenContext<'_>,
        name: &str,
        side: &Side,
        layout: Layout,
        fate: Fate,
    ) -> Result<Self, TaskError> {
        assert_eq!(layout.count, fate == Fate::ComeAndGo, "rows that go are counted");
        let hash_of = |key: &ChunkKey| {
            let (key, number) = key.parts();
            chunk_hash(hash_bytes(key), number)
        };
        let table = context.table_hashed_by(name, hash_of)?;
        context.describe(name, |state| side.describe(state, layout));
        Ok(Self { table, layout, fate, outdated: TimestampMs::MIN })
    }

    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    pub(super) fn table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }

    /// The namespaces that have rows, ascending.
    pub(super) fn namespaces(&self) -> Vec<Namespace> {
        self.table.namespaces()
    }

    pub(super) fn key_groups(&self) -> Range<KeyGroup> {
        self.table.key_groups()
    }

    pub(super) fn drop_namespace(&mut self, namespace: Namespace) -> Result<(), StateError> {
        self.table.drop_namespace(namespace)
    }

    /// Reads a little of each key's rows, so that they are in the processor's caches when they are needed. Where there are many keys,
    /// most of the time goes into waiting for memory.
    pub(super) fn prefetch(&mut self, namespace: Namespace, hashes: &[u64]) -> Result<(), StateError> {
        let space = self.table.select(namespace)?;
        let read = hashes.iter().map(|hash| space.peek(*hash).map_or(0, Chunk::chunks));
        std::hint::black_box(read.fold(0, |all, chunks| all ^ chunks));
        Ok(())
    }

    /// Shows the next chunk of a key, with its number. Returns whether there was a next one.
    #[inline]
    pub(super) fn read_next(
        &mut self,
        namespace: Namespace,
        key: KeyRef<'_>,
        cursor: &mut Cursor,
        show: impl FnOnce(u32, &Chunk),
    ) -> Result<bool, StateError> {
        if cursor.next == cursor.chunks {
            return Ok(false);
        }
        let number = cursor.next;
        cursor.next += 1;
        let (hash, place) = key.chunk(number);
        if let Some(chunk) = self.table.select(namespace)?.get(hash, &place)? {
            if number == 0 {
                cursor.chunks = chunk.chunks();
            }
            show(number, chunk);
        }
        Ok(true)
    }

    /// Changes a chunk. `None`: it is not there.
    pub(super) fn modify<T>(
        &mut self,
        namespace: Namespace,
        key: KeyRef<'_>,
        chunk: u32,
        change: impl FnOnce(&mut Chunk) -> T,
    ) -> Result<Option<T>, StateError> {
        let (hash, place) = key.chunk(chunk);
        Ok(self.table.select(namespace)?.get_mut(hash, &place)?.map(change))
    }

    /// Adds a row.
    pub(super) fn add(
        &mut self,
        namespace: Namespace,
        key: KeyRef<'_>,
        record: Record<'_>,
    ) -> Result<(), StateError> {
        match self.fate {
            Fate::Stay => self.append(namespace, key, record),
            Fate::ComeAndGo => self.add_to_bucket(key, record),
        }
    }

    fn append(
        &mut self,
        namespace: Namespace,
        key: KeyRef<'_>,
        record: Record<'_>,
    ) -> Result<(), StateError> {
        let mut space = self.table.select(namespace)?;
        let (first_hash, first) = key.chunk(0);
        let chunk = space.get_or_insert_with(first_hash, &first, Chunk::default)?;
        let chunks = chunk.chunks();
        if chunks == 1 && has_room(chunk, record) {
            chunk.push(self.layout, record);
            return Ok(());
        }
        if chunks > 1 {
            let (hash, last) = key.chunk(chunks - 1);
            let chunk = space.get_or_insert_with(hash, &last, Chunk::default)?;
            if has_room(chunk, record) {
                chunk.push(self.layout, record);
                return Ok(());
            }
        }
        let mut chunk = Chunk::default();
        chunk.push(self.layout, record);
        let (hash, next) = key.chunk(chunks);
        space.insert(hash, next, chunk);
        space.get_or_insert_with(first_hash, &first, Chunk::default)?.set_chunks(chunks + 1);
        Ok(())
    }

    fn add_to_bucket(&mut self, key: KeyRef<'_>, record: Record<'_>) -> Result<(), StateError> {
        let (layout, outdated) = (self.layout, self.outdated);
        let mut space = self.table.select(0)?;
        let (hash, place) = key.chunk(0);
        let first = space.get_or_insert_with(hash, &place, Chunk::default)?;
        let buckets = first.chunks();
        let bucket = bucket_of(record.row, buckets);
        let chunk = if bucket == 0 {
            first
        } else {
            let (hash, place) = key.chunk(bucket);
            space.get_or_insert_with(hash, &place, Chunk::default)?
        };
        chunk.add(layout, record, outdated);
        let is_full = is_overfull(chunk, layout, record);
        if is_full { self.split(key, buckets) } else { Ok(()) }
    }

    /// Adds a bucket, into which some of the rows of another one move: of each in its turn.
    fn split(&mut self, key: KeyRef<'_>, buckets: u32) -> Result<(), StateError> {
        let layout = self.layout;
        let parted = buckets - (1 << buckets.ilog2());
        let mut moved = Chunk::default();
        let is_emptied = self.modify(0, key, parted, |chunk| {
            chunk.retain(layout, |record| {
                let stays = bucket_of(record.row, buckets + 1) != buckets;
                if !stays {
                    moved.push(layout, record);
                }
                stays
            });
            chunk.is_empty()
        })?;
        if parted > 0 && is_emptied == Some(true) {
            self.remove_chunk(key, parted)?;
        }
        if !moved.is_empty() {
            let (hash, place) = key.chunk(buckets);
            self.table.select(0)?.insert(hash, place, moved);
        }
        self.modify(0, key, 0, |first| first.set_chunks(buckets + 1))?;
        Ok(())
    }

    /// Takes a row away, once. One that is not there is passed over, as in Flink: its time to live may be over.
    pub(super) fn subtract(&mut self, key: KeyRef<'_>, row: &[u8]) -> Result<(), StateError> {
        let layout = self.layout;
        let found = self.modify(0, key, 0, |first| {
            let buckets = first.chunks();
            let bucket = bucket_of(row, buckets);
            let is_emptied = bucket == 0 && first.subtract(layout, row) && first.is_empty();
            (buckets, bucket, is_emptied)
        })?;
        let Some((buckets, bucket, mut is_emptied)) = found else { return Ok(()) };
        if bucket > 0 {
            let rest =
                self.modify(0, key, bucket, |chunk| chunk.subtract(layout, row) && chunk.is_empty())?;
            is_emptied = rest == Some(true);
        }
        if is_emptied { self.tidy(key, bucket, buckets) } else { Ok(()) }
    }

    /// A bucket has become empty. The last ones are given up if they are, too.
    fn tidy(&mut self, key: KeyRef<'_>, emptied: u32, buckets: u32) -> Result<(), StateError> {
        if emptied > 0 {
            self.remove_chunk(key, emptied)?;
        }
        let mut left = buckets;
        while left > 1 {
            let (hash, place) = key.chunk(left - 1);
            if self.table.select(0)?.get(hash, &place)?.is_some() {
                break;
            }
            left -= 1;
        }
        let is_empty = self.modify(0, key, 0, |first| {
            first.set_chunks(left);
            left == 1 && first.is_empty()
        })?;
        if is_empty == Some(true) {
            self.remove_chunk(key, 0)?;
        }
        Ok(())
    }

    fn remove_chunk(&mut self, key: KeyRef<'_>, chunk: u32) -> Result<(), StateError> {
        let (hash, place) = key.chunk(chunk);
        self.table.select(0)?.remove(hash, &place)?;
        Ok(())
    }

    /// Removes the outdated rows of a key group. They are of those that come and go.
    pub(super) fn expire(&mut self, group: KeyGroup) -> Result<(), StateError> {
        let (layout, outdated) = (self.layout, self.outdated);
        let mut found = Vec::new();
        self.table.scan(0, group, |_, key, chunk| {
            if chunk.records(layout).any(|(_, record)| record.time <= outdated) {
                found.push(key.clone());
            }
        })?;
        for place in found {
            let (bytes, number) = place.parts();
            let key = KeyRef { hash: hash_bytes(bytes), bytes };
            let is_emptied = self.modify(0, key, number, |chunk| {
                chunk.retain(layout, |record| record.time > outdated);
                chunk.is_empty()
            })?;
            let buckets = self.modify(0, key, 0, |first| first.chunks())?;
            if let (Some(true), Some(buckets)) = (is_emptied, buckets) {
                self.tidy(key, number, buckets)?;
            }
        }
        Ok(())
    }

    /// Shows all chunks of a key group in the order of their keys, so that it does not depend on the history of the table.
    pub(super) fn scan(
        &mut self,
        namespace: Namespace,
        group: KeyGroup,
        mut show: impl FnMut(&[u8], &Chunk),
    ) -> Result<(), StateError> {
        let mut found = Vec::new();
        self.table.scan(namespace, group, |_, key, chunk| found.push((key.clone(), chunk.clone())))?;
        found.sort_unstable_by(|(one, _), (other, _)| one.parts().cmp(&other.parts()));
        for (key, chunk) in &found {
            show(key.parts().0, chunk);
        }
        Ok(())
    }
}

/// Whether a chunk takes another row.
fn has_room(chunk: &Chunk, record: Record<'_>) -> bool {
    chunk.is_empty() || chunk.bytes() + record.row.len() <= CHUNK_BYTES
}

/// Whether there is too much in a bucket that was added to. One row alone cannot be parted.
fn is_overfull(chunk: &Chunk, layout: Layout, added: Record<'_>) -> bool {
    chunk.bytes() > CHUNK_BYTES
        && chunk.records(layout).next().is_some_and(|(_, first)| first.row != added.row)
}

/// The bucket of a row: as far as the buckets were parted in this round, by one more bit of its hash.
#[inline]
fn bucket_of(row: &[u8], buckets: u32) -> u32 {
    if buckets == 1 {
        return 0;
    }
    let hash = hash_bytes(row) as u32;
    let low = 1 << buckets.ilog2();
    let bucket = hash & (2 * low - 1);
    if bucket < buckets { bucket } else { bucket & (low - 1) }
}
