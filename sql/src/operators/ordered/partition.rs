//! All rows of a partition in their order, in chunks, so that state of any size is written piece by piece.

use std::{
    hash::{Hash, Hasher},
    ops::Range,
};

use hashbrown::HashTable;
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;
use headwater_state::{AnyTable, NamespaceMut, StateError, Table};
use serde::{Deserialize, Serialize};

use super::{EncodedRows, Expiry, StoredRow};
use crate::{
    batch::ChangeBatch,
    operator::OpenContext,
    rows::{Keys, RowBytes},
};

/// A chunk is split when it has more rows than this, or than twice the partition's chunks: then of a large partition neither
/// the directory nor a chunk is large.
const CHUNK_ROWS: usize = 128;

/// The name of a partition in state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionKey<'a> {
    pub hash: u64,
    pub bytes: &'a [u8],
}

/// The rows of all partitions. Equal ones are in the order of their arrival.
pub(crate) struct OrderedRows {
    directories: Table<RowBytes, Directory>,
    chunks: Table<ChunkKey, Vec<StoredRow>>,
}

/// A partition's chunks, in the order of their rows.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Directory {
    chunks: Vec<ChunkEntry>,
    next_id: u32,
    written_ms: TimestampMs,
}

#[derive(Clone, Serialize, Deserialize)]
struct ChunkEntry {
    id: u32,
    rows: u32,
    /// What the first row is sorted by.
    first: RowBytes,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ChunkKey {
    partition: RowBytes,
    id: u32,
}

impl Hash for ChunkKey {
    /// A chunk is where its partition is.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.partition.hash(state);
    }
}

/// The rows of all partitions, while a batch is processed.
pub(crate) struct OrderedRowsMut<'a> {
    directories: NamespaceMut<'a, RowBytes, Directory>,
    chunks: NamespaceMut<'a, ChunkKey, Vec<StoredRow>>,
}

/// What was done to a partition.
pub(crate) enum Edit {
    /// A row came to this place, before which others were.
    Inserted(usize),
    /// This row went from this place.
    Removed(usize, StoredRow),
}

/// What was done to a partition in a batch, and how many rows it has now.
#[derive(Default)]
pub(crate) struct Edits {
    edits: Vec<Edit>,
    /// Before the first of these there was no change.
    pub first: usize,
    /// After the last change there are so many rows.
    pub tail: usize,
    /// The number of rows now.
    pub rows: usize,
}

impl OrderedRows {
    /// Opens the states.
    pub fn open(context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        Ok(Self { directories: context.table("row-chunks")?, chunks: context.table("rows")? })
    }

    /// For a batch.
    pub fn select(&mut self) -> Result<OrderedRowsMut<'_>, StateError> {
        Ok(OrderedRowsMut { directories: self.directories.select(0)?, chunks: self.chunks.select(0)? })
    }

    /// Removes the partitions that are over, of the key groups whose turn it is.
    pub fn sweep(&mut self, now_ms: TimestampMs, expiry: &mut Expiry) -> Result<(), StateError> {
        for group in expiry.due_groups(now_ms) {
            let over = expiry.find_over(group, &mut self.directories, |directory| directory.written_ms)?;
            let mut rows = self.select()?;
            for (hash, partition) in &over {
                rows.clear(PartitionKey { hash: *hash, bytes: partition.as_slice() })?;
            }
        }
        Ok(())
    }

    /// For a snapshot.
    pub fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.directories, &mut self.chunks]
    }
}

impl OrderedRowsMut<'_> {
    /// Does to a partition what its rows of a batch say. What goes and is not there has expired.
    pub fn apply(
        &mut self,
        key: PartitionKey<'_>,
        batch: &ChangeBatch,
        encoded: &EncodedRows,
        rows: &[u32],
        expiry: &Expiry,
    ) -> Result<Edits, StateError> {
        let partition = RowBytes::from(key.bytes);
        let directory = self.directories.get(key.hash, &partition)?;
        if directory.is_some_and(|directory| expiry.is_over(directory.written_ms)) {
            self.clear(key)?;
        }
        let mut edits = Edits::default();
        for row in rows.iter().map(|row| *row as usize) {
            let stored = encoded.stored(row);
            if batch.kind(row).is_addition() {
                self.insert(key, stored, expiry.now_ms(), &mut edits)?;
            } else {
                self.remove(key, &stored, expiry.now_ms(), &mut edits)?;
            }
        }
        Ok(edits)
    }

    /// Adds a row behind those that are sorted alike.
    pub fn insert(
        &mut self,
        key: PartitionKey<'_>,
        row: StoredRow,
        now_ms: TimestampMs,
        edits: &mut Edits,
    ) -> Result<(), StateError> {
        let directory = self.directories.get_or_insert_borrowed(key.hash, key.bytes, Directory::default)?;
        directory.written_ms = now_ms;
        if directory.chunks.is_empty() {
            directory.add_chunk(0, 0, row.order());
        }
        let order = row.order();
        let index =
            directory.chunks.partition_point(|chunk| chunk.first.as_slice() <= order).saturating_sub(1);
        let capacity = directory.chunk_capacity();
        let mut at = directory.rows_before(index);
        let entry = &mut directory.chunks[index];
        let chunk = self.chunks.get_or_insert_with(key.hash, &entry.key(key), Vec::new)?;
        let place = chunk.partition_point(|stored| stored.order() <= order);
        at += place;
        if place == 0 {
            entry.first = RowBytes::from(order);
        }
        chunk.insert(place, row);
        entry.rows += 1;
        if chunk.len() > capacity {
            let upper = chunk.split_off(chunk.len() / 2);
            entry.rows = chunk.len() as u32;
            let id = directory.add_chunk(index + 1, upper.len() as u32, upper[0].order());
            self.chunks.insert(key.hash, ChunkKey { partition: key.bytes.into(), id }, upper);
        }
        edits.add(Edit::Inserted(at), directory.rows());
        Ok(())
    }

    /// Removes the oldest of the rows that are equal to this one. Returns whether there was one.
    pub fn remove(
        &mut self,
        key: PartitionKey<'_>,
        row: &StoredRow,
        now_ms: TimestampMs,
        edits: &mut Edits,
    ) -> Result<bool, StateError> {
        let owned_key = RowBytes::from(key.bytes);
        let Some(directory) = self.directories.get_mut(key.hash, &owned_key)? else { return Ok(false) };
        let order = row.order();
        let first =
            directory.chunks.partition_point(|chunk| chunk.first.as_slice() < order).saturating_sub(1);
        let mut index = first;
        while index < directory.chunks.len() && directory.chunks[index].first.as_slice() <= order {
            let chunk_key = directory.chunks[index].key(key);
            let Some(chunk) = self.chunks.get_mut(key.hash, &chunk_key)? else { break };
            let begin = chunk.partition_point(|stored| stored.order() < order);
            let equal = chunk[begin..].iter().take_while(|stored| stored.order() == order);
            let Some(place) = equal.into_iter().position(|stored| stored == row).map(|place| begin + place)
            else {
                index += 1;
                continue;
            };
            let at = directory.rows_before(index) + place;
            let removed = chunk.remove(place);
            directory.written_ms = now_ms;
            match chunk.first() {
                Some(stored) => {
                    let entry = &mut directory.chunks[index];
                    entry.rows -= 1;
                    if place == 0 {
                        entry.first = RowBytes::from(stored.order());
                    }
                }
                None => {
                    directory.chunks.remove(index);
                    self.chunks.remove(key.hash, &chunk_key)?;
                }
            }
            edits.add(Edit::Removed(at, removed), directory.rows());
            if directory.chunks.is_empty() {
                self.directories.remove(key.hash, &owned_key)?;
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The rows at these places, as far as there are any.
    pub fn read(
        &mut self,
        key: PartitionKey<'_>,
        places: Range<usize>,
    ) -> Result<Vec<StoredRow>, StateError> {
        let mut rows = Vec::new();
        let Some(directory) = self.directories.get(key.hash, &RowBytes::from(key.bytes))? else {
            return Ok(rows);
        };
        let mut begin = 0;
        for entry in &directory.chunks {
            let end = begin + entry.rows as usize;
            if begin >= places.end {
                break;
            }
            if end > places.start
                && let Some(chunk) = self.chunks.get(key.hash, &entry.key(key))?
            {
                let first = places.start.saturating_sub(begin);
                rows.extend_from_slice(&chunk[first..(places.end - begin).min(chunk.len())]);
            }
            begin = end;
        }
        Ok(rows)
    }

    /// Removes a partition.
    pub fn clear(&mut self, key: PartitionKey<'_>) -> Result<(), StateError> {
        let partition = RowBytes::from(key.bytes);
        let Some(directory) = self.directories.get(key.hash, &partition)? else { return Ok(()) };
        for entry in &directory.chunks {
            self.chunks.remove(key.hash, &entry.key(key))?;
        }
        self.directories.remove(key.hash, &partition)?;
        Ok(())
    }
}

impl Directory {
    fn chunk_capacity(&self) -> usize {
        CHUNK_ROWS.max(2 * self.chunks.len())
    }

    fn rows_before(&self, index: usize) -> usize {
        self.chunks[..index].iter().map(|chunk| chunk.rows as usize).sum()
    }

    fn rows(&self) -> usize {
        self.rows_before(self.chunks.len())
    }

    fn add_chunk(&mut self, index: usize, rows: u32, first: &[u8]) -> u32 {
        let id = self.next_id;
        // An id that is taken again after 2^32 others belonged to a chunk that is long gone.
        self.next_id = self.next_id.wrapping_add(1);
        self.chunks.insert(index, ChunkEntry { id, rows, first: RowBytes::from(first) });
        id
    }
}

impl ChunkEntry {
    fn key(&self, partition: PartitionKey<'_>) -> ChunkKey {
        ChunkKey { partition: partition.bytes.into(), id: self.id }
    }
}

impl Edits {
    fn add(&mut self, edit: Edit, rows: usize) {
        let (at, behind) = match &edit {
            Edit::Inserted(at) => (*at, rows - at - 1),
            Edit::Removed(at, _) => (*at, rows - at),
        };
        if self.edits.is_empty() {
            (self.first, self.tail) = (at, behind);
        }
        self.first = self.first.min(at);
        self.tail = self.tail.min(behind);
        self.rows = rows;
        self.edits.push(edit);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.edits.len()
    }

    /// Makes `rows`, which are those from the place `begin` on, what they were before the edits. If rows are missing at the end, so may they
    /// afterwards be, and up to one more for each edit.
    pub fn undo(&self, rows: &mut Vec<StoredRow>, begin: usize) {
        for edit in self.edits.iter().rev() {
            match edit {
                Edit::Inserted(at) if at - begin < rows.len() => drop(rows.remove(at - begin)),
                Edit::Removed(at, row) if at - begin <= rows.len() => rows.insert(at - begin, row.clone()),
                _ => {}
            }
        }
    }
}

/// The rows of each partition, in the order in which they came; partitions in that of their first rows.
pub(crate) fn partitions_of(keys: &Keys) -> Vec<(PartitionKey<'_>, Vec<u32>)> {
    let mut index: HashTable<u32> = HashTable::new();
    let mut partitions: Vec<(PartitionKey<'_>, Vec<u32>)> = Vec::new();
    for row in 0..keys.len() {
        let key = PartitionKey { hash: keys.hash(row), bytes: keys.bytes(row) };
        let known = index.find(key.hash, |other| partitions[*other as usize].0 == key).copied();
        if let Some(partition) = known {
            partitions[partition as usize].1.push(row as u32);
            continue;
        }
        let partition = partitions.len() as u32;
        partitions.push((key, vec![row as u32]));
        index.insert_unique(key.hash, partition, |other| partitions[*other as usize].0.hash);
    }
    partitions
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int64Array, RecordBatch},
        compute::SortOptions,
        datatypes::{DataType, Field, Schema},
    };
    use headwater_core::options::StateBackend;
    use proptest::prelude::*;
    use std::sync::Arc;

    use super::*;
    use crate::{
        operator::{OperatorFactory, StreamOperator},
        operators::{ordered::OrderedCodec, testing::Harness},
        rows::hash_bytes,
    };

    fn rows(values: &[(i64, i64)]) -> Vec<StoredRow> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("order", DataType::Int64, false),
            Field::new("id", DataType::Int64, false),
        ]));
        let (orders, ids): (Vec<i64>, Vec<i64>) = values.iter().copied().unzip();
        let batch = RecordBatch::try_new(
            schema.clone(),
            vec![Arc::new(Int64Array::from(orders)), Arc::new(Int64Array::from(ids))],
        )
        .unwrap();
        let codec = OrderedCodec::new(&schema, &[(0, SortOptions::default())]).unwrap();
        let encoded = codec.encode(&batch).unwrap();
        (0..values.len()).map(|row| encoded.stored(row)).collect()
    }

    /// Runs a function with rows of a task that ends thereby.
    struct Run<F>(F);

    struct Nothing;

    impl StreamOperator for Nothing {
        fn process(
            &mut self,
            _: usize,
            _: crate::batch::ChangeBatch,
            _: &mut crate::operator::Emit<'_>,
        ) -> Result<(), TaskError> {
            Ok(())
        }
    }

    impl<F: Fn(&mut OrderedRows) + Send + Sync> OperatorFactory for Run<F> {
        fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
            (self.0)(&mut OrderedRows::open(context)?);
            Ok(Box::new(Nothing))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn rows_are_as_in_a_sorted_vector(
            steps in proptest::collection::vec((any::<bool>(), 0i64..40, 0i64..60), 1..1500),
            batch in 1usize..40,
        ) {
            let values: Vec<(i64, i64)> = steps.iter().map(|(_, order, id)| (*order, *id)).collect();
            let stored = rows(&values);
            let run = move |partitions: &mut OrderedRows| {
                let key = PartitionKey { hash: hash_bytes(b"p"), bytes: b"p" };
                let mut expected: Vec<StoredRow> = Vec::new();
                for chunk in (0..steps.len()).collect::<Vec<_>>().chunks(batch) {
                    let before = expected.clone();
                    let mut edits = Edits::default();
                    let mut selected = partitions.select().unwrap();
                    for step in chunk {
                        let row = stored[*step].clone();
                        if steps[*step].0 || steps[*step].2 < 40 {
                            let place = expected.partition_point(|other| other.order() <= row.order());
                            expected.insert(place, row.clone());
                            selected.insert(key, row, 0, &mut edits).unwrap();
                        } else {
                            let place = expected.iter().position(|other| *other == row);
                            let is_removed = selected.remove(key, &row, 0, &mut edits).unwrap();
                            assert_eq!(place.is_some(), is_removed);
                            place.map(|place| expected.remove(place));
                        }
                    }
                    let all = selected.read(key, 0..usize::MAX).unwrap();
                    assert_eq!(all, expected);
                    if edits.len() > 0 {
                        assert_eq!(edits.rows, expected.len());
                        let mut undone = all[edits.first..].to_vec();
                        edits.undo(&mut undone, edits.first);
                        assert_eq!(undone, before[edits.first..]);
                        assert_eq!(expected[expected.len() - edits.tail..], before[before.len() - edits.tail..]);
                        let mut top = selected.read(key, 0..3 + edits.len()).unwrap();
                        edits.undo(&mut top, 0);
                        top.truncate(3);
                        assert_eq!(top, before[..3.min(before.len())]);
                    }
                    let some = selected.read(key, 5..9).unwrap();
                    assert_eq!(some, expected.iter().skip(5).take(4).cloned().collect::<Vec<_>>());
                }
            };
            Harness::open(Run(run), StateBackend::HashMap);
        }
    }
}
