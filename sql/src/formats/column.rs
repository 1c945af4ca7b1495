//! Columns that are built value by value, and can take back what was begun.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Decimal128Array, ListArray, MapArray,
        NullBufferBuilder, PrimitiveArray, StringArray, StructArray,
    },
    buffer::{Buffer, OffsetBuffer, ScalarBuffer},
    datatypes::{
        ArrowPrimitiveType, DataType, Date32Type, FieldRef, Fields, Float32Type, Float64Type, Int8Type,
        Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
        Time64NanosecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
    error::ArrowError,
};
use hashbrown::HashMap;

use crate::{error::SqlError, types::spelling};

/// A column in the making.
pub struct ColumnBuilder {
    pub(super) field: FieldRef,
    pub(super) values: Values,
    nulls: NullBufferBuilder,
}

/// The values of a column, where it is null any. The numbers of a TIME or TIMESTAMP are in its type's unit.
pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    Int8(Vec<i8>),
    Int16(Vec<i16>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float32(Vec<f32>),
    Float64(Vec<f64>),
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    Date(Vec<i32>),
    Time { values: Vec<i64>, unit: TimeUnit },
    Timestamp { values: Vec<i64>, unit: TimeUnit, zone: Option<Arc<str>> },
    Text(Bytes),
    Binary(Bytes),
    Struct(StructFields),
    List { offsets: Vec<i32>, element: Box<ColumnBuilder> },
    Map { offsets: Vec<i32>, entries: FieldRef, key: Box<ColumnBuilder>, value: Box<ColumnBuilder> },
}

/// Values of any length.
pub(super) struct Bytes {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
}

/// The fields of a ROW.
pub(super) struct StructFields {
    pub(super) columns: Vec<ColumnBuilder>,
    /// Where the wanted ones are, by their names; the others stay null.
    indices: HashMap<String, usize>,
    /// The one that comes next if a row has its fields in the order of the type.
    next: usize,
}

impl Bytes {
    fn new() -> Self {
        Self { offsets: vec![0], bytes: Vec::new() }
    }

    pub(super) fn push(&mut self, value: &[u8]) {
        self.bytes.extend_from_slice(value);
        self.end_value();
    }

    /// Adds what `write` appends.
    pub(super) fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.end_value();
    }

    fn end_value(&mut self) {
        self.offsets
            .push(i32::try_from(self.bytes.len()).expect("a batch is ended long before it has 2 GiB"));
    }

    fn truncate(&mut self, len: usize) {
        self.offsets.truncate(len + 1);
        self.bytes.truncate(self.offsets[len] as usize);
    }

    fn take(&mut self) -> (OffsetBuffer<i32>, Buffer) {
        let Self { offsets, bytes } = std::mem::replace(self, Self::new());
        (offsets_of(offsets), Buffer::from_vec(bytes))
    }
}

fn offsets_of(offsets: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(offsets))
}

impl StructFields {
    pub(super) fn new(fields: &Fields, is_wanted: impl Fn(&str) -> bool) -> Result<Self, SqlError> {
        let columns: Vec<_> = fields.iter().map(ColumnBuilder::new).collect::<Result<_, _>>()?;
        let names = (0..).zip(fields).map(|(index, field)| (field.name().clone(), index));
        Ok(Self { columns, indices: names.filter(|(name, _)| is_wanted(name)).collect(), next: 0 })
    }

    /// The column of a field, if it is wanted.
    #[inline]
    pub(super) fn find(&mut self, name: &str) -> Option<&mut ColumnBuilder> {
        let expected = self.columns.get(self.next).filter(|column| column.name() == name);
        let index = match expected {
            Some(_) if self.indices.len() == self.columns.len() => self.next,
            _ => *self.indices.get(name)?,
        };
        self.next = index + 1;
        Some(&mut self.columns[index])
    }

    /// A new row begins.
    #[inline]
    pub(super) fn begin(&mut self) {
        self.next = 0;
    }

    /// Whether a field is read at all.
    pub(super) fn is_wanted(&self, index: usize) -> bool {
        self.indices.len() == self.columns.len() || self.indices.contains_key(self.columns[index].name())
    }
}

impl ColumnBuilder {
    /// An empty column. An error names the type if no format can write it.
    pub fn new(field: &FieldRef) -> Result<Self, SqlError> {
        Self::with_fields(field, |_| true)
    }

    /// The same; of a ROW only the wanted fields are read, and the others are null.
    pub fn with_fields(field: &FieldRef, is_wanted: impl Fn(&str) -> bool) -> Result<Self, SqlError> {
        let values = match field.data_type() {
            DataType::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int8 => Values::Int8(Vec::new()),
            DataType::Int16 => Values::Int16(Vec::new()),
            DataType::Int32 => Values::Int32(Vec::new()),
            DataType::Int64 => Values::Int64(Vec::new()),
            DataType::Float32 => Values::Float32(Vec::new()),
            DataType::Float64 => Values::Float64(Vec::new()),
            DataType::Decimal128(precision, scale) => {
                Values::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Date32 => Values::Date(Vec::new()),
            DataType::Time32(unit) | DataType::Time64(unit) => {
                Values::Time { values: Vec::new(), unit: *unit }
            }
            DataType::Timestamp(unit, zone) => {
                Values::Timestamp { values: Vec::new(), unit: *unit, zone: zone.clone() }
            }
            DataType::Utf8 => Values::Text(Bytes::new()),
            DataType::Binary => Values::Binary(Bytes::new()),
            DataType::Struct(fields) => Values::Struct(StructFields::new(fields, is_wanted)?),
            DataType::List(element) => {
                Values::List { offsets: vec![0], element: Box::new(Self::new(element)?) }
            }
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) if fields.len() == 2 => Values::Map {
                    offsets: vec![0],
                    entries: entries.clone(),
                    key: Box::new(Self::new(&fields[0])?),
                    value: Box::new(Self::new(&fields[1])?),
                },
                _ => return Err(unsupported(field)),
            },
            _ => return Err(unsupported(field)),
        };
        Ok(Self { field: field.clone(), values, nulls: NullBufferBuilder::new(0) })
    }

    /// The column's name.
    pub fn name(&self) -> &str {
        self.field.name()
    }

    /// How many values it has.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Notes that a value was added.
    #[inline]
    pub(super) fn is_set(&mut self) {
        self.nulls.append_non_null();
    }

    /// Adds a NULL, also if the column is declared NOT NULL: [`missing`](Self::missing) tells.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Boolean(values) => values.append(false),
            Values::Int8(values) => values.push(0),
            Values::Int16(values) => values.push(0),
            Values::Int32(values) | Values::Date(values) => values.push(0),
            Values::Int64(values) | Values::Time { values, .. } | Values::Timestamp { values, .. } => {
                values.push(0);
            }
            Values::Float32(values) => values.push(0.0),
            Values::Float64(values) => values.push(0.0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Text(bytes) | Values::Binary(bytes) => bytes.push(&[]),
            Values::Struct(fields) => fields.columns.iter_mut().for_each(Self::push_null),
            Values::List { offsets, .. } | Values::Map { offsets, .. } => {
                offsets.extend(offsets.last().copied());
            }
        }
        self.nulls.append_null();
    }

    /// Adds what stands for a value that nobody reads.
    pub(super) fn push_unread(&mut self) {
        if self.field.is_nullable() {
            return self.push_null();
        }
        if let Values::Struct(fields) = &mut self.values {
            fields.columns.iter_mut().for_each(Self::push_unread);
            return self.is_set();
        }
        self.push_null();
        self.nulls.set_bit(self.len() - 1, true);
    }

    /// Takes back all but the first `len` values, of which there are at least so many, and what a failed call has left.
    pub fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Boolean(values) => values.truncate(len),
            Values::Int8(values) => values.truncate(len),
            Values::Int16(values) => values.truncate(len),
            Values::Int32(values) | Values::Date(values) => values.truncate(len),
            Values::Int64(values) | Values::Time { values, .. } | Values::Timestamp { values, .. } => {
                values.truncate(len);
            }
            Values::Float32(values) => values.truncate(len),
            Values::Float64(values) => values.truncate(len),
            Values::Decimal { values, .. } => values.truncate(len),
            Values::Text(bytes) | Values::Binary(bytes) => bytes.truncate(len),
            Values::Struct(fields) => fields.columns.iter_mut().for_each(|column| column.truncate(len)),
            Values::List { offsets, element } => {
                offsets.truncate(len + 1);
                element.truncate(offsets[len] as usize);
            }
            Values::Map { offsets, key, value, .. } => {
                offsets.truncate(len + 1);
                key.truncate(offsets[len] as usize);
                value.truncate(offsets[len] as usize);
            }
        }
        self.nulls.truncate(len);
    }

    /// What is wrong with the last value, if it is NULL and must not be.
    #[inline]
    pub fn missing(&self) -> Result<(), String> {
        if self.field.is_nullable() || self.nulls.is_valid(self.len() - 1) {
            return Ok(());
        }
        Err(format!("column `{}`: expected a value since it is NOT NULL, found none", self.name()))
    }

    /// The column; it is empty then.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = self.nulls.finish();
        Ok(match &mut self.values {
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Int8(values) => array_of::<Int8Type>(values, nulls),
            Values::Int16(values) => array_of::<Int16Type>(values, nulls),
            Values::Int32(values) => array_of::<Int32Type>(values, nulls),
            Values::Int64(values) => array_of::<Int64Type>(values, nulls),
            Values::Float32(values) => array_of::<Float32Type>(values, nulls),
            Values::Float64(values) => array_of::<Float64Type>(values, nulls),
            Values::Date(values) => array_of::<Date32Type>(values, nulls),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::new(std::mem::take(values).into(), nulls);
                Arc::new(array.with_precision_and_scale(*precision, *scale)?)
            }
            Values::Time { values, unit } => {
                let narrow = |values: &[i64]| -> Vec<i32> {
                    let in_range = |value: &i64| i32::try_from(*value).expect("a day has fewer milliseconds");
                    values.iter().map(in_range).collect()
                };
                match unit {
                    TimeUnit::Second => {
                        array_of::<Time32SecondType>(&mut narrow(&std::mem::take(values)), nulls)
                    }
                    TimeUnit::Millisecond => {
                        array_of::<Time32MillisecondType>(&mut narrow(&std::mem::take(values)), nulls)
                    }
                    TimeUnit::Microsecond => array_of::<Time64MicrosecondType>(values, nulls),
                    TimeUnit::Nanosecond => array_of::<Time64NanosecondType>(values, nulls),
                }
            }
            Values::Timestamp { values, unit, zone } => {
                macro_rules! timestamps {
                    ($type:ty) => {
                        Arc::new(
                            PrimitiveArray::<$type>::new(std::mem::take(values).into(), nulls)
                                .with_timezone_opt(zone.clone()),
                        )
                    };
                }
                match unit {
                    TimeUnit::Second => timestamps!(TimestampSecondType),
                    TimeUnit::Millisecond => timestamps!(TimestampMillisecondType),
                    TimeUnit::Microsecond => timestamps!(TimestampMicrosecondType),
                    TimeUnit::Nanosecond => timestamps!(TimestampNanosecondType),
                }
            }
            Values::Text(bytes) => {
                let (offsets, bytes) = bytes.take();
                Arc::new(StringArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Binary(bytes) => {
                let (offsets, bytes) = bytes.take();
                Arc::new(BinaryArray::try_new(offsets, bytes, nulls)?)
            }
            Values::Struct(fields) => {
                let DataType::Struct(types) = self.field.data_type() else {
                    unreachable!("it is made of one")
                };
                let columns = fields.columns.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                Arc::new(StructArray::try_new(types.clone(), columns, nulls)?)
            }
            Values::List { offsets, element } => {
                let field = element.field.clone();
                let offsets = offsets_of(std::mem::replace(offsets, vec![0]));
                Arc::new(ListArray::try_new(field, offsets, element.finish()?, nulls)?)
            }
            Values::Map { offsets, entries, key, value } => {
                let DataType::Struct(fields) = entries.data_type() else { unreachable!("it is made of one") };
                let pairs = StructArray::try_new(fields.clone(), vec![key.finish()?, value.finish()?], None)?;
                let offsets = offsets_of(std::mem::replace(offsets, vec![0]));
                Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, false)?)
            }
        })
    }
}

fn array_of<T: ArrowPrimitiveType>(
    values: &mut Vec<T::Native>,
    nulls: Option<arrow::buffer::NullBuffer>,
) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(std::mem::take(values).into(), nulls))
}

fn unsupported(field: &FieldRef) -> SqlError {
    SqlError::new(format!(
        "column `{}`: expected a type that can be read from text, found {}",
        field.name(),
        spelling(field.data_type())
    ))
}
