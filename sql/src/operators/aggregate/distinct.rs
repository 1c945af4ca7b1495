//! Values that count once. Aggregates over the same column share what was seen of it, whatever their filters are.

use arrow::array::{Array, ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch};
use headwater_actors::context::TaskError;
use headwater_state::{AnyTable, Table};
use serde::{Deserialize, Serialize};

use super::AggregateCall;
use crate::{
    batch::ChangeBatch,
    operator::{OpenContext, failed},
    rows::{Keys, RowBytes, RowCodec, sub_key, sub_key_hash},
};

/// What each aggregate of the set has seen of a value.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Seen {
    /// Of an input that only grows: a bit for each aggregate that has seen the value.
    Bits(u64),
    /// How often the value is there, for each aggregate.
    Counts(Vec<i64>),
}

impl Seen {
    /// Takes note of one more or one less; whether it is the first or the last for this aggregate.
    fn note(&mut self, call: usize, is_addition: bool) -> bool {
        match self {
            Self::Bits(bits) => {
                let is_new = *bits & (1 << call) == 0;
                *bits |= 1 << call;
                is_new
            }
            Self::Counts(counts) => {
                let before = counts[call];
                counts[call] += if is_addition { 1 } else { -1 };
                before == if is_addition { 0 } else { 1 }
            }
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self, Self::Counts(counts) if counts.iter().all(|count| *count == 0))
    }
}

/// What was seen of one column.
pub(super) struct DistinctSet {
    argument: usize,
    /// The aggregates, by their place among all.
    calls: Vec<usize>,
    filters: Vec<Option<usize>>,
    codec: RowCodec,
    is_retracting: bool,
    table: Table<RowBytes, Seen>,
}

impl DistinctSet {
    /// One set for each column that a distinct aggregate is over.
    pub fn open_all(
        calls: &[AggregateCall],
        is_retracting: bool,
        context: &mut OpenContext<'_>,
    ) -> Result<Vec<Self>, TaskError> {
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
                // More aggregates than bits are counted.
                is_retracting: is_retracting || calls.len() > 64,
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
        let (rows, calls, is_retracting) = (batch.len(), self.calls.len(), self.is_retracting);
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
                    let first = || match is_retracting {
                        false => Seen::Bits(0),
                        true => Seen::Counts(vec![0; calls]),
                    };
                    let seen = contents.get_or_insert_borrowed(hash, scratch.as_slice(), first)?;
                    for (call, filter) in filters.iter().enumerate() {
                        if filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)) {
                            novel[call].set_bit(row, seen.note(call, is_addition));
                        }
                    }
                    if !is_addition && seen.is_gone() {
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
