//! Rows that wait until results are given out: what comes and goes meanwhile is never seen, and a partition is looked up once for
//! all of its rows.

use arrow::{
    array::{RecordBatch, UInt32Array},
    error::ArrowError,
};

use crate::{
    batch::{interleave_rows, take_rows},
    operators::{groups::Groups, ordered::EncodedRows},
    rows::{Keys, RowBytes},
};

/// More rows than this are not held back.
const ROWS_MAX: usize = 64 * 1024;

/// Batches of rows that only come, with the numbers of their partitions. Rows are numbered over all batches.
#[derive(Default)]
pub(super) struct Held {
    batches: Vec<Batch>,
    partitions: Groups,
    /// The partition of each row.
    ids: Vec<u32>,
}

struct Batch {
    first: u32,
    rows: RecordBatch,
    orders: EncodedRows,
}

impl Held {
    /// Takes a batch, of which `orders` is what its rows are sorted by. Returns the number of its first row.
    pub fn push(&mut self, rows: RecordBatch, keys: &Keys, orders: EncodedRows) -> u32 {
        let first = self.ids.len() as u32;
        let mut ids = Vec::new();
        self.partitions.assign(keys, &[], &mut ids);
        self.ids.append(&mut ids);
        self.batches.push(Batch { first, rows, orders });
        first
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether results should be given out.
    pub fn is_full(&self) -> bool {
        self.len() >= ROWS_MAX
    }

    /// How many partitions the rows are of.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// The partition of a row.
    #[inline]
    pub fn partition(&self, row: u32) -> usize {
        self.ids[row as usize] as usize
    }

    /// The hash and the key of a partition.
    pub fn key(&self, partition: usize) -> (u64, RowBytes) {
        (self.partitions.hash(partition), RowBytes::from(self.partitions.key(partition)))
    }

    /// What a row is sorted by.
    #[inline]
    pub fn order(&self, row: u32) -> &[u8] {
        let (batch, row) = self.locate(row);
        self.batches[batch].orders.order(row)
    }

    #[inline]
    fn locate(&self, row: u32) -> (usize, usize) {
        let batch = self.batches.partition_point(|batch| batch.first <= row) - 1;
        (batch, (row - self.batches[batch].first) as usize)
    }

    /// The rows of each partition in the order of their arrival, and where each partition's end; they begin where the one's before
    /// end.
    pub fn by_partition(&self) -> (Vec<u32>, Vec<usize>) {
        let mut ends = vec![0; self.partitions()];
        self.ids.iter().for_each(|id| ends[*id as usize] += 1);
        let mut start = 0;
        for end in &mut ends {
            (*end, start) = (start, start + *end);
        }
        // Until all rows are in their places, these are the places of the next ones.
        let mut rows = vec![0; self.len()];
        for (row, id) in (0u32..).zip(&self.ids) {
            let place = &mut ends[*id as usize];
            rows[*place] = row;
            *place += 1;
        }
        (rows, ends)
    }

    /// Some of the rows, with all their columns.
    pub fn take(&self, rows: &[u32]) -> Result<RecordBatch, ArrowError> {
        match self.batches.as_slice() {
            [Batch { rows: all, .. }] => take_rows(all, &UInt32Array::from(rows.to_vec())),
            batches => {
                let all: Vec<&RecordBatch> = batches.iter().map(|batch| &batch.rows).collect();
                let places: Vec<_> = rows.iter().map(|row| self.locate(*row)).collect();
                interleave_rows(&all, &places)
            }
        }
    }

    /// Forgets all rows and keeps the room.
    pub fn clear(&mut self) {
        self.batches.clear();
        self.partitions.clear();
        self.ids.clear();
    }
}
