//! Keys, and what rows are sorted by, as bytes in Arrow's row format.

use std::{
    borrow::Borrow,
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::SortOptions,
    datatypes::{DataType, Int64Type, SchemaRef},
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};
use headwater_core::key_group::hash_key;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// So many bytes are stored in place: those of two 64-bit integers, say. A `RowBytes` then takes 24 bytes of memory, as an `Option` of
/// it does.
const INLINE_BYTES: usize = 22;

/// A key or a row, encoded; short ones are stored in place. Equal rows have equal bytes, nulls included.
#[derive(Clone)]
pub struct RowBytes(Bytes);

#[derive(Clone)]
enum Bytes {
    Inline { length: u8, bytes: [u8; INLINE_BYTES] },
    Boxed(Box<[u8]>),
}

impl RowBytes {
    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Bytes::Inline { length, bytes } => &bytes[..usize::from(*length)],
            Bytes::Boxed(bytes) => bytes,
        }
    }

    /// Several parts as one.
    #[inline]
    pub fn concat(parts: &[&[u8]]) -> Self {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > INLINE_BYTES {
            return Self(Bytes::Boxed(parts.concat().into_boxed_slice()));
        }
        let mut bytes = [0; INLINE_BYTES];
        let mut end = 0;
        for part in parts {
            bytes[end..end + part.len()].copy_from_slice(part);
            end += part.len();
        }
        Self(Bytes::Inline { length: length as u8, bytes })
    }
}

impl Default for RowBytes {
    fn default() -> Self {
        Self(Bytes::Inline { length: 0, bytes: [0; INLINE_BYTES] })
    }
}

impl PartialEq for RowBytes {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for RowBytes {}

impl PartialOrd for RowBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RowBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for RowBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.as_slice());
    }
}

impl Borrow<[u8]> for RowBytes {
    #[inline]
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&[u8]> for RowBytes {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        Self::concat(&[bytes])
    }
}

impl fmt::Debug for RowBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for RowBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(&format_args!("0x{self:?}"));
        }
        serializer.serialize_bytes(self.as_slice())
    }
}

impl<'de> Deserialize<'de> for RowBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = RowBytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a row")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<RowBytes, E> {
                Ok(RowBytes::from(bytes))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

struct Unowned<'a>(&'a [u8]);

impl Hash for Unowned<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

/// The hash of an encoded key, which is that of [`RowBytes`] with the same bytes.
#[inline]
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    hash_key(&Unowned(bytes))
}

/// How many bytes of a sub-key tell its key group.
const ROUTE_BYTES: usize = 4;

/// Writes the state key of one of many things that belong to a key, such as the distinct values of a group: found one by one, yet in the
/// key's key group. Begins with what routes the key, the upper half of its hash.
pub fn sub_key(key_hash: u64, key: &[u8], thing: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.extend_from_slice(&((key_hash >> 32) as u32).to_be_bytes());
    into.extend_from_slice(key);
    into.extend_from_slice(thing);
}

/// The hash of a sub-key: its upper half is the key's, its lower half tells the things of the key apart.
#[inline]
pub fn sub_key_hash(bytes: &[u8]) -> u64 {
    let mut route = [0; ROUTE_BYTES];
    route.copy_from_slice(&bytes[..ROUTE_BYTES]);
    (u64::from(u32::from_be_bytes(route)) << 32) | (hash_bytes(bytes) & 0xFFFF_FFFF)
}

/// Encodes rows of fixed types, and decodes them again. Compared as bytes, rows are in the order of the sort options.
pub struct RowCodec {
    converter: RowConverter,
    types: Vec<DataType>,
}

impl RowCodec {
    /// A codec for columns of these types, in ascending order with nulls first.
    pub fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self, ArrowError> {
        Self::sorted(types.into_iter().map(|data_type| (data_type, SortOptions::default())))
    }

    /// A codec whose encoded rows sort as `columns` say.
    pub fn sorted(columns: impl IntoIterator<Item = (DataType, SortOptions)>) -> Result<Self, ArrowError> {
        let columns: Vec<_> = columns.into_iter().collect();
        let types = columns.iter().map(|(data_type, _)| data_type.clone()).collect();
        let fields = columns
            .into_iter()
            .map(|(data_type, options)| SortField::new_with_options(data_type, options))
            .collect();
        Ok(Self { converter: RowConverter::new(fields)?, types })
    }

    /// Encodes all rows.
    pub fn encode(&self, columns: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(columns)
    }

    /// Decodes rows, whose bytes this codec has made, into columns.
    pub fn decode<'a>(&self, rows: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>, ArrowError> {
        let parser = self.converter.parser();
        // Without a row the converter makes no columns if it has no fields.
        let rows: Vec<_> = rows.into_iter().map(|bytes| parser.parse(bytes)).collect();
        self.converter.convert_rows(rows)
    }

    /// The types of the columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }
}

/// Takes the key out of rows: encodes some of their columns, and hashes that.
#[derive(Clone)]
pub struct KeyExtractor {
    columns: Vec<usize>,
    codec: Arc<RowCodec>,
    is_one_integer: bool,
}

/// The keys of a batch's rows.
pub struct Keys {
    bytes: KeyRows,
    hashes: Vec<u64>,
}

enum KeyRows {
    /// Of any columns.
    Rows(Rows),
    /// Of one 64-bit integer without nulls: what the codec would write.
    Integers(Vec<[u8; 9]>),
    /// There are no key columns.
    Nothing,
}

impl KeyExtractor {
    /// Keys by these columns of `schema`; by none, all rows have the same key.
    pub fn new(schema: &SchemaRef, columns: Vec<usize>) -> Result<Self, ArrowError> {
        let types: Vec<_> = columns.iter().map(|c| schema.field(*c).data_type().clone()).collect();
        let is_one_integer = types == [DataType::Int64];
        Ok(Self { columns, codec: Arc::new(RowCodec::new(types)?), is_one_integer })
    }

    /// The key columns.
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// What encodes keys.
    pub fn codec(&self) -> &RowCodec {
        &self.codec
    }

    /// The keys of all rows. `hashes` are theirs if they are known already, else empty.
    pub fn keys(&self, rows: &RecordBatch, hashes: Vec<u64>) -> Result<Keys, ArrowError> {
        let bytes = self.encode(rows)?;
        let hashes = if hashes.len() == rows.num_rows() {
            hashes
        } else {
            match &bytes {
                KeyRows::Rows(rows) => rows.iter().map(|row| hash_bytes(row.data())).collect(),
                KeyRows::Integers(keys) => keys.iter().map(|key| hash_bytes(key)).collect(),
                KeyRows::Nothing => vec![hash_bytes(&[]); rows.num_rows()],
            }
        };
        Ok(Keys { bytes, hashes })
    }

    fn encode(&self, rows: &RecordBatch) -> Result<KeyRows, ArrowError> {
        if self.columns.is_empty() {
            return Ok(KeyRows::Nothing);
        }
        if self.is_one_integer {
            let column = rows.column(self.columns[0]).as_primitive::<Int64Type>();
            if column.null_count() == 0 {
                return Ok(KeyRows::Integers(column.values().iter().map(|v| encode_integer(*v)).collect()));
            }
        }
        let columns: Vec<ArrayRef> = self.columns.iter().map(|c| rows.column(*c).clone()).collect();
        Ok(KeyRows::Rows(self.codec.encode(&columns)?))
    }
}

/// A 64-bit integer in Arrow's row format: a byte that says that it is not null, then the number with its sign bit flipped.
#[inline]
fn encode_integer(value: i64) -> [u8; 9] {
    let mut bytes = [1; 9];
    bytes[1..].copy_from_slice(&((value as u64) ^ (1 << 63)).to_be_bytes());
    bytes
}

impl Keys {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The encoded key of a row.
    #[inline]
    pub fn bytes(&self, row: usize) -> &[u8] {
        match &self.bytes {
            KeyRows::Rows(rows) => rows.row(row).data(),
            KeyRows::Integers(keys) => &keys[row],
            KeyRows::Nothing => &[],
        }
    }

    /// The hash of a row's key.
    #[inline]
    pub fn hash(&self, row: usize) -> u64 {
        self.hashes[row]
    }

    /// All hashes.
    pub fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// All hashes, taken out.
    pub fn into_hashes(self) -> Vec<u64> {
        self.hashes
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::Int64Array,
        datatypes::{Field, Schema},
    };

    use super::*;

    #[test]
    fn an_integer_key_is_encoded_as_the_row_format_does() {
        let values = [0, 1, -1, i64::MIN, i64::MAX, 42];
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
        let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
        let rows = RecordBatch::try_new(schema.clone(), vec![column.clone()]).unwrap();
        let extractor = KeyExtractor::new(&schema, vec![0]).unwrap();
        let fast = extractor.keys(&rows, Vec::new()).unwrap();
        let slow = extractor.codec().encode(&[column]).unwrap();
        for row in 0..values.len() {
            assert_eq!(fast.bytes(row), slow.row(row).data());
            assert_eq!(fast.hash(row), hash_key(&RowBytes::from(slow.row(row).data())));
        }
    }
}
