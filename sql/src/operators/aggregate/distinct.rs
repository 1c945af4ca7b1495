//! Values that count once. Aggregates over the same column share what was seen of it, whatever their filters are: for each group and
//! value one entry, with a bit for each of the aggregates.

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch},
    buffer::BooleanBuffer,
    datatypes::Int64Type,
};
use headwater_actors::context::TaskError;
use headwater_state::{AnyTable, Table, Value};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{AggregateCall, call::is_integer_like, rows::integers};
use crate::{
    batch::ChangeBatch,
    operator::{OpenContext, failed},
    operators::groups::Groups,
    rows::{Keys, RowBytes, RowCodec, hash_bytes, sub_key, sub_key_hash},
};

/// So many aggregates have their bits in an entry.
const BITS: usize = u32::BITS as usize;

/// The state of so many rows is read ahead.
const PREFETCHED_ROWS: usize = 64;

/// A value of a group. The group is told by the upper half of its key's hash, and by a number among the keys that share that, which
/// is nearly always 0: with the keys themselves the entries would take several times the memory.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Place<V> {
    route: u32,
    number: u32,
    value: V,
}

impl<V> Place<V> {
    /// The hash, in the key group of the group's key. `value` is the hash of the value.
    #[inline]
    fn hash(&self, value: u64) -> u64 {
        let mixed = (value ^ u64::from(self.number)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (u64::from(self.route) << 32) | ((mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32)
    }
}

fn hash_of_integer(place: &Place<i64>) -> u64 {
    place.hash(place.value as u64)
}

fn hash_of_row(place: &Place<RowBytes>) -> u64 {
    place.hash(hash_bytes(place.value.as_slice()))
}

fn hash_of_route(route: &u32) -> u64 {
    (u64::from(*route) << 32) | u64::from(*route)
}

/// What all distinct aggregates of an operator have seen.
pub(super) struct Distinct {
    /// The keys of groups by the upper half of their hash; a key's place is its number. `None` if only counts are kept.
    keys: Option<Table<u32, Vec<RowBytes>>>,
    /// The numbers of the groups that the current results are made of.
    numbers: Vec<u32>,
    sets: Vec<Set>,
}

/// What was seen of one column.
struct Set {
    argument: usize,
    /// The aggregates, by their place among all.
    calls: Vec<usize>,
    filters: Vec<Option<usize>>,
    codec: RowCodec,
    seen: Seen,
}

enum Seen {
    /// Which aggregates have seen a value that fits into 64 bits.
    Integers(Table<Place<i64>, u32>),
    /// Which aggregates have seen another value.
    Rows(Table<Place<RowBytes>, u32>),
    /// How often a value is there for each aggregate, where values go again.
    Counts(Table<RowBytes, Vec<i64>>),
}

impl Distinct {
    /// For aggregates none of which is distinct.
    pub fn none() -> Self {
        Self { keys: None, numbers: Vec::new(), sets: Vec::new() }
    }

    /// Opens the state: one set for each column that a distinct aggregate is over.
    pub fn open(
        calls: &[AggregateCall],
        is_retracting: bool,
        context: &mut OpenContext<'_>,
    ) -> Result<Self, TaskError> {
        let mut columns: Vec<(usize, Vec<usize>)> = Vec::new();
        for (index, call) in calls.iter().enumerate().filter(|(_, call)| call.is_distinct) {
            let Some(argument) = call.argument else { continue };
            match columns.iter_mut().find(|(known, _)| *known == argument) {
                Some((_, calls)) => calls.push(index),
                None => columns.push((argument, vec![index])),
            }
        }
        let mut distinct = Self::none();
        for (argument, own) in columns {
            let argument_type = &calls[own[0]].argument_type;
            let name = format!("distinct-{argument}");
            let seen = if is_retracting || own.len() > BITS {
                Seen::Counts(context.table_of_sub_keys(&name)?)
            } else if is_integer_like(argument_type) {
                Seen::Integers(context.table_hashed_by(&name, hash_of_integer)?)
            } else {
                Seen::Rows(context.table_hashed_by(&name, hash_of_row)?)
            };
            if distinct.keys.is_none() && !matches!(seen, Seen::Counts(_)) {
                distinct.keys = Some(context.table_hashed_by("distinct-keys", hash_of_route)?);
            }
            let filters = own.iter().map(|call| calls[*call].filter).collect();
            let codec = RowCodec::new([argument_type.clone()]).map_err(failed)?;
            distinct.sets.push(Set { argument, calls: own, filters, codec, seen });
        }
        Ok(distinct)
    }

    /// Says for each distinct aggregate which rows change what it has seen. `spaces` has the window of each row, or is empty;
    /// `ids` has the group of each row.
    pub fn novelties(
        &mut self,
        batch: &ChangeBatch,
        keys: &Keys,
        spaces: &[i64],
        groups: &Groups,
        ids: &[u32],
    ) -> Result<Vec<(usize, BooleanArray)>, TaskError> {
        self.number(groups)?;
        let mut novel = Vec::new();
        for set in &mut self.sets {
            novel.extend(set.novelties(batch, keys, spaces, &self.numbers, ids)?);
        }
        Ok(novel)
    }

    /// Finds out the numbers of groups that are new since the last call, or since `clear`.
    fn number(&mut self, groups: &Groups) -> Result<(), TaskError> {
        let Some(keys) = &mut self.keys else { return Ok(()) };
        for id in self.numbers.len()..groups.len() {
            let (route, key) = (route(groups.hash(id)), groups.key(id));
            let mut contents = keys.select(groups.space(id))?;
            let known = contents.get(hash_of_route(&route), &route)?;
            let place = known.and_then(|known| known.iter().position(|other| other.as_slice() == key));
            let number = match place {
                Some(place) => place,
                None => {
                    let keys = contents.get_or_insert_with(hash_of_route(&route), &route, Vec::new)?;
                    keys.push(RowBytes::from(key));
                    keys.len() - 1
                }
            };
            self.numbers.push(number as u32);
        }
        Ok(())
    }

    /// The groups get new numbers in [`Groups`].
    pub fn clear(&mut self) {
        self.numbers.clear();
    }

    pub fn drop_space(&mut self, space: i64) -> Result<(), TaskError> {
        if let Some(keys) = &mut self.keys {
            keys.drop_namespace(space)?;
        }
        for set in &mut self.sets {
            match &mut set.seen {
                Seen::Integers(table) => table.drop_namespace(space)?,
                Seen::Rows(table) => table.drop_namespace(space)?,
                Seen::Counts(table) => table.drop_namespace(space)?,
            }
        }
        Ok(())
    }

    pub fn tables(&mut self) -> impl Iterator<Item = &mut dyn AnyTable> {
        let sets = self.sets.iter_mut().map(|set| -> &mut dyn AnyTable {
            match &mut set.seen {
                Seen::Integers(table) => table,
                Seen::Rows(table) => table,
                Seen::Counts(table) => table,
            }
        });
        self.keys.iter_mut().map(|keys| keys as &mut dyn AnyTable).chain(sets)
    }
}

fn route(key_hash: u64) -> u32 {
    (key_hash >> 32) as u32
}

impl Set {
    fn novelties(
        &mut self,
        batch: &ChangeBatch,
        keys: &Keys,
        spaces: &[i64],
        numbers: &[u32],
        ids: &[u32],
    ) -> Result<Vec<(usize, BooleanArray)>, TaskError> {
        let column = batch.rows.column(self.argument);
        let filters: Vec<Option<&BooleanArray>> =
            self.filters.iter().map(|filter| filter.map(|filter| filter_of(&batch.rows, filter))).collect();
        let encode = |codec: &RowCodec| codec.encode(std::slice::from_ref(column)).map_err(failed);
        let place = |row: usize| (route(keys.hash(row)), numbers[ids[row] as usize]);
        let arrays = match &mut self.seen {
            Seen::Counts(table) => {
                let values = encode(&self.codec)?;
                let value = |row: usize| values.row(row).data();
                count(table, batch, column, keys, spaces, &filters, value)?
            }
            Seen::Integers(table) => {
                let values = integers(column).map_err(failed)?;
                let values = values.as_primitive::<Int64Type>().values();
                let mut masks = wanted(column, &filters);
                note(table, hash_of_integer, spaces, &mut masks, |row| {
                    let (route, number) = place(row);
                    Place { route, number, value: values[row] }
                })?;
                unmasked(&masks, filters.len())
            }
            Seen::Rows(table) => {
                let values = encode(&self.codec)?;
                let mut masks = wanted(column, &filters);
                note(table, hash_of_row, spaces, &mut masks, |row| {
                    let (route, number) = place(row);
                    Place { route, number, value: RowBytes::from(values.row(row).data()) }
                })?;
                unmasked(&masks, filters.len())
            }
        };
        Ok(self.calls.iter().copied().zip(arrays).collect())
    }
}

/// Which aggregates want each row: a bit for each.
fn wanted(column: &ArrayRef, filters: &[Option<&BooleanArray>]) -> Vec<u32> {
    let unfiltered = filters.iter().enumerate().filter(|(_, filter)| filter.is_none());
    let mut masks = vec![unfiltered.fold(0, |mask, (call, _)| mask | (1 << call)); column.len()];
    for (call, filter) in filters.iter().enumerate() {
        let Some(filter) = filter else { continue };
        let passes = match filter.nulls() {
            Some(nulls) => filter.values() & nulls.inner(),
            None => filter.values().clone(),
        };
        passes.set_indices().for_each(|row| masks[row] |= 1 << call);
    }
    if let Some(nulls) = column.nulls() {
        (!nulls.inner()).set_indices().for_each(|row| masks[row] = 0);
    }
    masks
}

/// For each aggregate, the rows whose mask has its bit.
fn unmasked(masks: &[u32], calls: usize) -> Vec<BooleanArray> {
    let array = |call: usize| {
        let bits = BooleanBuffer::collect_bool(masks.len(), |row| masks[row] & (1 << call) != 0);
        BooleanArray::new(bits, None)
    };
    (0..calls).map(array).collect()
}

/// The next rows that are in one space.
fn run_from(row: usize, spaces: &[i64], rows: usize) -> (i64, usize) {
    let Some(space) = spaces.get(row) else { return (0, rows) };
    (*space, row + spaces[row..].iter().take_while(|other| *other == space).count())
}

/// Takes note of values. `masks` has the aggregates that want each row, and is left with those that have not seen its value before.
fn note<V>(
    table: &mut Table<Place<V>, u32>,
    hash_of: fn(&Place<V>) -> u64,
    spaces: &[i64],
    masks: &mut [u32],
    place_of: impl Fn(usize) -> Place<V>,
) -> Result<(), TaskError>
where
    V: Value + Eq + std::hash::Hash + Serialize + DeserializeOwned,
{
    let mut hashed: Vec<(u64, Place<V>)> = Vec::with_capacity(PREFETCHED_ROWS);
    let mut row = 0;
    while row < masks.len() {
        let (space, run_end) = run_from(row, spaces, masks.len());
        // The table's namespace is chosen once for a run of rows.
        let mut contents = table.select(space)?;
        while row < run_end {
            let end = run_end.min(row + PREFETCHED_ROWS);
            hashed.clear();
            hashed.extend((row..end).map(|row| {
                let place = place_of(row);
                (hash_of(&place), place)
            }));
            // Most of the time goes into waiting for memory: so the processor waits for several entries at once.
            let read = hashed.iter().map(|(hash, _)| contents.peek(*hash).copied().unwrap_or(0));
            std::hint::black_box(read.fold(0, |all, bits| all ^ bits));
            for (mask, (hash, place)) in masks[row..end].iter_mut().zip(&hashed) {
                // A look first: what is only read is not written again with the next checkpoint.
                if *mask != 0
                    && let Some(seen) = contents.get(*hash, place)?
                {
                    *mask &= !seen;
                }
                if *mask != 0 {
                    *contents.get_or_insert_with(*hash, place, || 0)? |= *mask;
                }
            }
            row = end;
        }
    }
    Ok(())
}

/// Counts values up and down. Says for each aggregate which rows are of a value's first or last time.
fn count<'a>(
    table: &mut Table<RowBytes, Vec<i64>>,
    batch: &ChangeBatch,
    column: &ArrayRef,
    keys: &Keys,
    spaces: &[i64],
    filters: &[Option<&BooleanArray>],
    value_of: impl Fn(usize) -> &'a [u8],
) -> Result<Vec<BooleanArray>, TaskError> {
    let rows = batch.len();
    let bits = |_: &Option<&BooleanArray>| {
        let mut bits = BooleanBufferBuilder::new(rows);
        bits.append_n(rows, false);
        bits
    };
    let mut novel: Vec<BooleanBufferBuilder> = filters.iter().map(bits).collect();
    let mut scratch = Vec::new();
    let mut row = 0;
    while row < rows {
        let (space, end) = run_from(row, spaces, rows);
        let mut contents = table.select(space)?;
        for row in (row..end).filter(|row| column.is_valid(*row)) {
            sub_key(keys.hash(row), keys.bytes(row), value_of(row), &mut scratch);
            let hash = sub_key_hash(&scratch);
            let (first, change) = if batch.kind(row).is_addition() { (0, 1) } else { (1, -1) };
            let counts =
                contents.get_or_insert_borrowed(hash, scratch.as_slice(), || vec![0; filters.len()])?;
            for (call, filter) in filters.iter().enumerate() {
                if filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row)) {
                    novel[call].set_bit(row, counts[call] == first);
                    counts[call] += change;
                }
            }
            if change < 0 && counts.iter().all(|count| *count == 0) {
                contents.remove(hash, &RowBytes::from(scratch.as_slice()))?;
            }
        }
        row = end;
    }
    Ok(novel.into_iter().map(|mut bits| BooleanArray::new(bits.finish(), None)).collect())
}

/// A filter's column.
pub(super) fn filter_of(rows: &RecordBatch, column: usize) -> &BooleanArray {
    rows.column(column).as_boolean()
}
