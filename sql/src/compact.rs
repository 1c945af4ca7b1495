//! Rows as bytes that take little memory, for state that is only stored and read back: whoever sorts rows or looks keys up takes
//! [`rows`](crate::rows). Equal rows have equal bytes.
//!
//! A row begins with a bit for each column that says whether it is null. Then come the values of the others: what fits into 64 bits as a
//! number of variable length (zigzag, LEB128), text and bytes behind their length, and all else as Arrow's row format has it, behind its
//! length. Both directions go column by column, with a cursor for each row.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, StringArray},
    buffer::{Buffer, NullBuffer, OffsetBuffer},
    compute::cast,
    datatypes::{DataType, Int64Type},
    error::ArrowError,
    row::Rows,
};

use crate::rows::RowCodec;

/// Encodes rows of fixed types, and decodes them again.
pub struct CompactCodec {
    columns: Vec<(DataType, Kind)>,
}

enum Kind {
    /// What fits into 64 bits.
    Integer,
    /// `Utf8` or `Binary`.
    Bytes,
    /// Anything else.
    Other(RowCodec),
}

/// Encoded rows.
pub struct CompactRows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl CompactRows {
    /// The bytes of a row.
    #[inline]
    pub fn get(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

/// The values of one column that are to be encoded.
enum Values<'a> {
    Integers(ArrayRef),
    Bytes(&'a [u8], &'a OffsetBuffer<i32>),
    Other(Rows),
}

impl Values<'_> {
    /// Calls a function with each value that is not null.
    fn for_each(&self, column: &ArrayRef, mut visit: impl FnMut(usize, Value<'_>)) {
        let nulls = column.nulls();
        let rows = (0..column.len()).filter(|row| nulls.is_none_or(|nulls| nulls.is_valid(*row)));
        match self {
            Self::Integers(integers) => {
                let integers = integers.as_primitive::<Int64Type>().values();
                rows.for_each(|row| visit(row, Value::Number(zigzag(integers[row]))));
            }
            Self::Bytes(bytes, offsets) => rows.for_each(|row| {
                visit(row, Value::Bytes(&bytes[offsets[row] as usize..offsets[row + 1] as usize]));
            }),
            Self::Other(values) => rows.for_each(|row| visit(row, Value::Bytes(values.row(row).data()))),
        }
    }
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Value<'_> {
    #[inline]
    fn encoded_bytes(&self) -> usize {
        match self {
            Self::Number(number) => number_bytes(*number),
            Self::Bytes(bytes) => number_bytes(bytes.len() as u64) + bytes.len(),
        }
    }

    /// Writes the value, and returns where it ends.
    #[inline]
    fn write(&self, into: &mut [u8], at: usize) -> usize {
        match self {
            Self::Number(number) => write_number(*number, into, at),
            Self::Bytes(bytes) => {
                let at = write_number(bytes.len() as u64, into, at);
                into[at..at + bytes.len()].copy_from_slice(bytes);
                at + bytes.len()
            }
        }
    }
}

impl CompactCodec {
    /// A codec for columns of these types.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self, ArrowError> {
        let columns = types.into_iter().map(|data_type| {
            let kind = match &data_type {
                data_type if is_integer(data_type) => Kind::Integer,
                DataType::Utf8 | DataType::Binary => Kind::Bytes,
                other => Kind::Other(RowCodec::new([other.clone()])?),
            };
            Ok((data_type, kind))
        });
        Ok(Self { columns: columns.collect::<Result<_, ArrowError>>()? })
    }

    /// Encodes all rows.
    pub fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<CompactRows, ArrowError> {
        let null_bytes = self.columns.len().div_ceil(8);
        let values: Vec<Values<'_>> = self
            .columns
            .iter()
            .zip(columns)
            .map(|((_, kind), column)| kind.values(column))
            .collect::<Result<_, _>>()?;
        let mut ends = vec![null_bytes; rows];
        for (values, column) in values.iter().zip(columns) {
            values.for_each(column, |row, value| ends[row] += value.encoded_bytes());
        }
        let (mut cursors, mut end) = (Vec::with_capacity(rows), 0);
        for length in &mut ends {
            cursors.push(end + null_bytes);
            end += *length;
            *length = end;
        }
        let mut bytes = vec![0; end];
        for (index, (values, column)) in values.iter().zip(columns).enumerate() {
            if column.null_count() > 0 {
                let nulls = (0..rows).filter(|row| column.is_null(*row));
                for row in nulls {
                    let start = if row == 0 { 0 } else { ends[row - 1] };
                    bytes[start + index / 8] |= 1 << (index % 8);
                }
            }
            values.for_each(column, |row, value| cursors[row] = value.write(&mut bytes, cursors[row]));
        }
        Ok(CompactRows { bytes, ends })
    }

    /// Decodes rows, whose bytes this codec has made, into columns.
    pub fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows: Vec<&[u8]> = rows.into_iter().collect();
        let mut cursors = vec![self.columns.len().div_ceil(8); rows.len()];
        let decode = |(index, (data_type, kind)): (usize, &(DataType, Kind))| {
            let valid = |row: &&[u8]| row[index / 8] & (1 << (index % 8)) == 0;
            let nulls = NullBuffer::from_iter(rows.iter().map(valid));
            let nulls = (nulls.null_count() > 0).then_some(nulls);
            kind.decode(data_type, &rows, &mut cursors, nulls)
        };
        self.columns.iter().enumerate().map(decode).collect()
    }
}

impl Kind {
    fn values<'a>(&self, column: &'a ArrayRef) -> Result<Values<'a>, ArrowError> {
        Ok(match self {
            Self::Integer => Values::Integers(to_integers(column)?),
            Self::Bytes => match column.data_type() {
                DataType::Utf8 => {
                    let column = column.as_string::<i32>();
                    Values::Bytes(column.value_data(), column.offsets())
                }
                _ => {
                    let column = column.as_binary::<i32>();
                    Values::Bytes(column.value_data(), column.offsets())
                }
            },
            Self::Other(codec) => Values::Other(codec.encode(std::slice::from_ref(column))?),
        })
    }

    /// Reads a column at the cursors and moves them behind it.
    fn decode(
        &self,
        data_type: &DataType,
        rows: &[&[u8]],
        cursors: &mut [usize],
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef, ArrowError> {
        let is_valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let cursors = rows.iter().zip(cursors).enumerate();
        match self {
            Self::Integer => {
                let values: Vec<i64> = cursors
                    .map(
                        |(row, (bytes, cursor))| {
                            if is_valid(row) { unzigzag(read_number(bytes, cursor)) } else { 0 }
                        },
                    )
                    .collect();
                from_integers(Int64Array::try_new(values.into(), nulls)?, data_type)
            }
            Self::Bytes => {
                let mut all: Vec<u8> = Vec::new();
                let mut offsets: Vec<i32> = Vec::with_capacity(rows.len() + 1);
                offsets.push(0);
                for (row, (bytes, cursor)) in cursors {
                    if is_valid(row) {
                        all.extend_from_slice(read_bytes(bytes, cursor));
                    }
                    offsets.push(
                        i32::try_from(all.len()).map_err(|_| ArrowError::OffsetOverflowError(all.len()))?,
                    );
                }
                let (offsets, all) = (OffsetBuffer::new(offsets.into()), Buffer::from_vec(all));
                Ok(match data_type {
                    DataType::Utf8 => Arc::new(StringArray::try_new(offsets, all, nulls)?),
                    _ => Arc::new(BinaryArray::try_new(offsets, all, nulls)?),
                })
            }
            Self::Other(codec) => {
                let null = codec.encode(&[arrow::array::new_null_array(data_type, 1)])?;
                let values =
                    cursors.map(
                        |(row, (bytes, cursor))| {
                            if is_valid(row) { read_bytes(bytes, cursor) } else { null.row(0).data() }
                        },
                    );
                let columns = codec.decode(values)?;
                Ok(columns.into_iter().next().expect("the codec has one column"))
            }
        }
    }
}

fn is_integer(data_type: &DataType) -> bool {
    use DataType::{Date32, Date64, Duration, Int8, Int16, Int32, Int64, Time32, Time64, Timestamp};
    matches!(
        data_type,
        Int8 | Int16 | Int32 | Int64 | Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) | Duration(_)
    )
}

fn to_integers(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Int64 => Ok(column.clone()),
        DataType::Date32 | DataType::Time32(_) => cast(&cast(column, &DataType::Int32)?, &DataType::Int64),
        _ => cast(column, &DataType::Int64),
    }
}

fn from_integers(values: Int64Array, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    match data_type {
        DataType::Int64 => Ok(Arc::new(values)),
        DataType::Date32 | DataType::Time32(_) => cast(&cast(&values, &DataType::Int32)?, data_type),
        _ => cast(&values, data_type),
    }
}

/// Small numbers of either sign as small ones without.
#[inline]
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes a number takes, at seven bits each.
#[inline]
fn number_bytes(number: u64) -> usize {
    (64 - (number | 1).leading_zeros() as usize).div_ceil(7)
}

#[inline]
fn write_number(mut number: u64, into: &mut [u8], mut at: usize) -> usize {
    while number >= 0x80 {
        into[at] = number as u8 | 0x80;
        number >>= 7;
        at += 1;
    }
    into[at] = number as u8;
    at + 1
}

#[inline]
fn read_number(bytes: &[u8], cursor: &mut usize) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[*cursor];
        *cursor += 1;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

#[inline]
fn read_bytes<'a>(bytes: &'a [u8], cursor: &mut usize) -> &'a [u8] {
    let length = read_number(bytes, cursor) as usize;
    let start = *cursor;
    *cursor += length;
    &bytes[start..start + length]
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{
            BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, ListArray,
            TimestampMillisecondArray,
        },
        datatypes::Int32Type,
    };
    use proptest::prelude::*;

    use super::*;

    fn columns(rows: &[(Option<i64>, Option<String>, Option<f64>)]) -> Vec<ArrayRef> {
        let integers = || rows.iter().map(|(value, _, _)| *value);
        let lists = integers().map(|value| value.map(|value| vec![Some(value as i32), None]));
        vec![
            Arc::new(integers().collect::<Int64Array>()),
            Arc::new(rows.iter().map(|(_, text, _)| text.clone()).collect::<StringArray>()),
            Arc::new(rows.iter().map(|(_, _, value)| *value).collect::<Float64Array>()),
            Arc::new(integers().map(|value| value.map(|value| value as i32)).collect::<Int32Array>()),
            Arc::new(integers().map(|value| value.map(|value| value as i32)).collect::<Date32Array>()),
            Arc::new(integers().collect::<TimestampMillisecondArray>().with_timezone("UTC")),
            Arc::new(integers().map(|value| value.map(|value| value > 0)).collect::<BooleanArray>()),
            Arc::new(integers().map(|value| value.map(i128::from)).collect::<Decimal128Array>()),
            Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists)),
            Arc::new(
                rows.iter().map(|(_, text, _)| text.as_ref().map(String::as_bytes)).collect::<BinaryArray>(),
            ),
        ]
    }

    proptest! {
        #[test]
        fn rows_come_back_and_equal_ones_have_equal_bytes(
            rows in prop::collection::vec(
                (
                    prop::option::weighted(0.8, prop_oneof![any::<i64>(), -200i64..200]),
                    prop::option::weighted(0.8, ".{0,200}"),
                    prop::option::weighted(0.8, -1e9..1e9),
                ),
                0..40,
            ),
        ) {
            let columns = columns(&rows);
            let codec = CompactCodec::new(columns.iter().map(|column| column.data_type().clone())).unwrap();
            let encoded = codec.encode(&columns, rows.len()).unwrap();
            let decoded = codec.decode((0..rows.len()).map(|row| encoded.get(row))).unwrap();
            prop_assert_eq!(&decoded, &columns);
            for row in 1..rows.len() {
                prop_assert_eq!(encoded.get(row) == encoded.get(row - 1), rows[row] == rows[row - 1]);
            }
            // Slices have other offsets.
            let half: Vec<ArrayRef> = columns.iter().map(|c| c.slice(rows.len() / 2, rows.len() - rows.len() / 2)).collect();
            let sliced = codec.encode(&half, rows.len() - rows.len() / 2).unwrap();
            for row in rows.len() / 2..rows.len() {
                prop_assert_eq!(sliced.get(row - rows.len() / 2), encoded.get(row));
            }
        }
    }

    #[test]
    fn numbers_take_as_many_bytes_as_is_said() {
        for shift in 0..64 {
            for number in [1u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let mut bytes = [0; 10];
                assert_eq!(write_number(number, &mut bytes, 0), number_bytes(number));
                let mut cursor = 0;
                assert_eq!((read_number(&bytes, &mut cursor), cursor), (number, number_bytes(number)));
            }
            let value = i64::MIN >> shift;
            assert_eq!((unzigzag(zigzag(value)), unzigzag(zigzag(!value))), (value, !value));
        }
    }

    #[test]
    fn rows_without_columns_are_empty() {
        let codec = CompactCodec::new([]).unwrap();
        let rows = codec.encode(&[], 3).unwrap();
        assert_eq!(rows.get(2), b"");
        assert!(codec.decode([b"".as_slice()]).unwrap().is_empty());
    }
}
