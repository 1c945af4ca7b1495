//! Values that count once. Aggregates over the same column share what was seen of it, whatever their filters are.

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch};
use headwater_actors::context::TaskError;
use headwater_state::{AnyTable, Table};

use super::AggregateCall;
use crate::{
    batch::ChangeBatch,
    operator::{OpenContext, failed},
    rows::{Keys, RowBytes, RowCodec, sub_key, sub_key_hash},
};

/// For each aggregate of the set, how often the value is there; of a changelog's values only whether is not enough.
type Seen = Vec<i64>;

/// What was seen of one column.
pub(super) struct DistinctSet {
    argument: usize,
    /// The aggregates, by their place among all.
    calls: Vec<usize>,
    filters: Vec<Option<usize>>,
    codec: RowCodec,
    table: Table<RowBytes, Seen>,
}

impl DistinctSet {
    /// One set for each column that a distinct aggregate is over.
    pub fn open_all(calls: &[AggregateCall], context: &mut OpenContext<'_>) -> Result<Vec<Self>, TaskError> {
        let mut sets: Vec<Self> = Vec::new();
        for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.is_distinct) {
            let Some(argument) = call.argument else { continue };
            if let Some(set) = sets.iter_mut().find(|set| set.argument == argument) {
                set.calls.push(index);
                set.filters.push(call.filter);
                continue;
            }
            sets.push(Self {
                argument,
                calls: vec![index],
                filters: vec![call.filter],
                codec: RowCodec::new([call.argument_type.clone()]).map_err(failed)?,
                table: context.table_of_sub_keys(&format!("distinct-{argument}"))?,
            });
        }
        Ok(sets)
    }

    /// Says for each of the set's aggregates which rows change what it has seen. `spaces` has the window of each row, or
    /// is empty.
    pub fn novelties(
        &mut self,
        batch: &ChangeBatch,
        keys: &Keys,
        spaces: &[i64],
        is_late: impl Fn(usize) -> bool,
    ) -> Result<Vec<(usize, BooleanArray)>, TaskError> {
        let column: &ArrayRef = batch.rows.column(self.argument);
        let values = self.codec.encode(std::slice::from_ref(column)).map_err(failed)?;
        let filters: Vec<Option<&BooleanArray>> =
            self.filters.iter().map(|filter| filter.map(|filter| filter_of(&batch.rows, filter))).collect();
        let rows = batch.len();
        let mut novel: Vec<BooleanBufferBuilder> = self
            .calls
            .iter()
            .map(|_| {
                let mut bits = BooleanBufferBuilder::new(rows);
                bits.append_n(rows, false);
                bits
            })
            .collect();
        let mut scratch = Vec::new();
        let mut row = 0;
        while row < rows {
            // The table's namespace is chosen once for a run of rows.
            let space = spaces.get(row).copied().unwrap_or(0);
            let mut contents = self.table.select(space)?;
            while row < rows && spaces.get(row).copied().unwrap_or(0) == space {
                if column.is_valid(row) && !is_late(row) {
                    sub_key(keys.hash(row), keys.bytes(row), values.row(row).data(), &mut scratch);
                    let hash = sub_key_hash(&scratch);
                    let is_addition = batch.kind(row).is_addition();
                    let calls = self.calls.len();
                    let counts =
                        contents.get_or_insert_borrowed(hash, scratch.as_slice(), || vec![0; calls])?;
                    for (call, filter) in filters.iter().enumerate() {
                        if filter.is_some_and(|filter| !(filter.is_valid(row) && filter.value(row))) {
                            continue;
                        }
                        let before = counts[call];
                        counts[call] += if is_addition { 1 } else { -1 };
                        let is_novel = if is_addition { before == 0 } else { before == 1 };
                        novel[call].set_bit(row, is_novel);
                    }
                    if !is_addition && counts.iter().all(|count| *count == 0) {
                        contents.remove(hash, &RowBytes::from(scratch.as_slice()))?;
                    }
                }
                row += 1;
            }
        }
        let arrays = novel.into_iter().map(|mut bits| BooleanArray::new(bits.finish(), None));
        Ok(self.calls.iter().copied().zip(arrays).collect())
    }

    pub fn drop_space(&mut self, space: i64) -> Result<(), TaskError> {
        Ok(self.table.drop_namespace(space)?)
    }

    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}

/// A filter's column.
pub(super) fn filter_of(rows: &RecordBatch, column: usize) -> &BooleanArray {
    use arrow::array::AsArray;
    rows.column(column).as_boolean()
}
