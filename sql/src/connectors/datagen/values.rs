//! What a column holds, and its values as arrays.
//!
//! The value of a row is a function of the seed, the column's path and the row's number.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array,
        ListArray, MapArray, StringArray, StructArray,
    },
    buffer::OffsetBuffer,
    compute::{cast, kernels::nullif::nullif},
    datatypes::{DataType, FieldRef, TimeUnit},
    error::ArrowError,
};
use headwater_core::{random, time::TimestampMs};

const DAY_MS: i64 = 86_400_000;

/// What the values of a column, a field, or an element are.
#[derive(Debug, Clone)]
pub(super) struct Values {
    pub field: FieldRef,
    /// Tells it from the other columns.
    pub salt: u64,
    /// The share of nulls.
    pub null_rate: f64,
    pub of: ValuesOf,
}

#[derive(Debug, Clone)]
pub(super) enum ValuesOf {
    /// The row's number and the start, as whatever type the column has.
    Sequence {
        start: i64,
        end: i64,
    },
    Booleans,
    Integers {
        min: i64,
        max: i64,
    },
    Floats {
        min: f64,
        max: f64,
    },
    /// As unscaled numbers.
    Decimals {
        min: i128,
        max: i128,
    },
    /// Of hexadecimal digits; of every length up to this one if that is varied.
    Strings {
        length: u64,
        is_varied: bool,
    },
    Bytes {
        length: u64,
        is_varied: bool,
    },
    /// The date or the time of the day.
    Now,
    /// The time, or one before it.
    Times {
        max_past_ms: u64,
    },
    Rows {
        fields: Vec<Values>,
    },
    Arrays {
        length: u64,
        element: Box<Values>,
    },
    Maps {
        length: u64,
        key: Box<Values>,
        value: Box<Values>,
    },
}

/// What makes the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance {
    pub seed: u64,
    pub now_ms: TimestampMs,
}

impl Values {
    /// How many bytes or elements a value has at most.
    pub fn bytes_max(&self) -> u64 {
        match &self.of {
            ValuesOf::Strings { length, .. } | ValuesOf::Bytes { length, .. } => *length,
            ValuesOf::Rows { fields } => fields.iter().map(Self::bytes_max).sum(),
            ValuesOf::Arrays { length, element } => length.saturating_mul(element.bytes_max()),
            ValuesOf::Maps { length, key, value } => {
                length.saturating_mul(key.bytes_max().saturating_add(value.bytes_max()))
            }
            _ => 16,
        }
    }

    /// The values of these rows.
    pub fn make(&self, chance: Chance, rows: &[u64]) -> Result<ArrayRef, ArrowError> {
        let array = self.make_valid(chance, rows)?;
        if self.null_rate == 0.0 {
            return Ok(array);
        }
        let seed = random::at(chance.seed, self.salt.wrapping_add(1));
        let is_null = |row: &u64| Some(share(random::at(seed, *row)) < self.null_rate);
        nullif(&array, &rows.iter().map(is_null).collect::<BooleanArray>())
    }

    fn make_valid(&self, chance: Chance, rows: &[u64]) -> Result<ArrayRef, ArrowError> {
        let seed = random::at(chance.seed, self.salt);
        let bits = || rows.iter().map(|row| random::at(seed, *row));
        let data_type = self.field.data_type();
        match &self.of {
            ValuesOf::Sequence { start, .. } => sequence(data_type, *start, rows),
            ValuesOf::Booleans => {
                Ok(Arc::new(bits().map(|bits| Some(bits & 1 == 1)).collect::<BooleanArray>()))
            }
            ValuesOf::Integers { min, max } => {
                let choices = (i128::from(*max) - i128::from(*min)) as u128 + 1;
                let number = |bits| (i128::from(*min) + below(bits, choices) as i128) as i64;
                cast(&Int64Array::from_iter_values(bits().map(number)), data_type)
            }
            ValuesOf::Floats { min, max } => {
                // Not `min + share * (max - min)`: the difference may be beyond what a float holds.
                let number = |bits| min * (1.0 - share(bits)) + max * share(bits);
                cast(&Float64Array::from_iter_values(bits().map(number)), data_type)
            }
            ValuesOf::Decimals { min, max } => {
                let (low, high) = (*min as f64, *max as f64);
                let numbers = bits().map(|bits| {
                    let number = low * (1.0 - share(bits)) + high * share(bits);
                    (number as i128).clamp(*min, *max)
                });
                Ok(Arc::new(Decimal128Array::from_iter_values(numbers).with_data_type(data_type.clone())))
            }
            ValuesOf::Strings { length, is_varied } => {
                let texts = bits().map(|bits| digits(bits, length_of(bits, *length, *is_varied)));
                Ok(Arc::new(StringArray::from_iter_values(texts)))
            }
            ValuesOf::Bytes { length, is_varied } => {
                let values = bits().map(|bits| bytes(bits, length_of(bits, *length, *is_varied)));
                Ok(Arc::new(BinaryArray::from_iter_values(values)))
            }
            ValuesOf::Now => now(data_type, chance.now_ms, rows.len()),
            ValuesOf::Times { max_past_ms } => {
                let time = |bits| chance.now_ms - below(bits, u128::from((*max_past_ms).max(1))) as i64;
                times(data_type, bits().map(time))
            }
            ValuesOf::Rows { fields } => {
                let arrays = fields.iter().map(|field| field.make(chance, rows)).collect::<Result<_, _>>()?;
                let DataType::Struct(fields) = data_type else { return Err(mistaken(data_type)) };
                Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, None, rows.len())?))
            }
            ValuesOf::Arrays { length, element } => {
                let values = element.make(chance, &elements(rows, *length))?;
                let offsets = offsets(rows, *length);
                Ok(Arc::new(ListArray::try_new(element.field.clone(), offsets, values, None)?))
            }
            ValuesOf::Maps { length, key, value } => {
                let elements = elements(rows, *length);
                let (keys, values) = (key.make(chance, &elements)?, value.make(chance, &elements)?);
                let DataType::Map(entries, is_sorted) = data_type else { return Err(mistaken(data_type)) };
                let DataType::Struct(fields) = entries.data_type() else { return Err(mistaken(data_type)) };
                let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
                let offsets = offsets(rows, *length);
                Ok(Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, None, *is_sorted)?))
            }
        }
    }
}

fn mistaken(data_type: &DataType) -> ArrowError {
    ArrowError::SchemaError(format!("the values of a column were planned for another type than {data_type}"))
}

/// A number below `n`.
fn below(bits: u64, n: u128) -> u128 {
    // For all 2^64 choices the product is beyond 128 bits, and any number is right.
    u128::from(bits).checked_mul(n).map_or(u128::from(bits), |product| product >> 64)
}

/// A number from 0 to 1, exclusive.
fn share(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn length_of(bits: u64, length: u64, is_varied: bool) -> usize {
    let varied = || 1 + below(random::at(bits, u64::MAX), u128::from(length)) as u64;
    (if is_varied { varied() } else { length }) as usize
}

fn bytes(bits: u64, length: usize) -> Vec<u8> {
    let words = 0..length.div_ceil(8) as u64;
    let mut bytes: Vec<u8> = words.flat_map(|word| random::at(bits, word).to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

fn digits(bits: u64, length: usize) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let bytes = bytes(bits, length.div_ceil(2));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).take(length).collect()
}

/// The numbers of the elements in these rows, which have as many each.
fn elements(rows: &[u64], length: u64) -> Vec<u64> {
    rows.iter().flat_map(|row| (0..length).map(move |index| row.wrapping_mul(length) + index)).collect()
}

fn offsets(rows: &[u64], length: u64) -> OffsetBuffer<i32> {
    OffsetBuffer::from_lengths(rows.iter().map(|_| length as usize))
}

fn sequence(data_type: &DataType, start: i64, rows: &[u64]) -> Result<ArrayRef, ArrowError> {
    let numbers = rows.iter().map(|row| start + *row as i64);
    match data_type {
        DataType::Binary => {
            Ok(Arc::new(BinaryArray::from_iter_values(numbers.map(|number| number.to_be_bytes()))))
        }
        _ => cast(&Int64Array::from_iter_values(numbers), data_type),
    }
}

fn now(data_type: &DataType, now_ms: TimestampMs, count: usize) -> Result<ArrayRef, ArrowError> {
    let (day, time_ms) = (now_ms.div_euclid(DAY_MS), now_ms.rem_euclid(DAY_MS));
    let number = match data_type {
        DataType::Date32 => {
            return cast(&Int32Array::from(vec![day as i32; count]), data_type);
        }
        DataType::Time32(TimeUnit::Second) => time_ms / 1000,
        DataType::Time64(TimeUnit::Microsecond) => time_ms * 1000,
        DataType::Time64(_) => time_ms * 1_000_000,
        _ => time_ms,
    };
    match data_type {
        DataType::Time32(_) => cast(&Int32Array::from(vec![number as i32; count]), data_type),
        _ => cast(&Int64Array::from(vec![number; count]), data_type),
    }
}

fn times(data_type: &DataType, times_ms: impl Iterator<Item = TimestampMs>) -> Result<ArrayRef, ArrowError> {
    let factor = match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        _ => 1,
    };
    cast(&Int64Array::from_iter_values(times_ms.map(|time_ms| time_ms.saturating_mul(factor))), data_type)
}
