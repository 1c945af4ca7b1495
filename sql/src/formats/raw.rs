//! A record's bytes as one column, as in Flink's format `raw`.

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::{DataType, Fields},
    error::ArrowError,
};

use super::{
    ReadSchema,
    cells::Cells,
    column::{ColumnBuilder, Values},
    temporal::TimestampStyle,
};
use crate::{connectors::options::OptionReader, error::SqlError, types::spelling};

/// The options of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawOptions {
    is_little_endian: bool,
}

impl RawOptions {
    /// Reads the options `raw.…` of a table.
    pub(super) fn read(options: &mut OptionReader<'_>) -> Result<Self, SqlError> {
        options.choice("raw.charset", &[("UTF-8", ())])?;
        let orders = [("big-endian", false), ("little-endian", true)];
        Ok(Self { is_little_endian: options.choice("raw.endianness", &orders)?.unwrap_or(false) })
    }
}

fn check_types(fields: &Fields) -> Result<(), SqlError> {
    let [field] = &fields[..] else {
        return Err(SqlError::new(format!(
            "the format `raw` only supports a single physical column, found {}",
            fields.len()
        )));
    };
    match field.data_type() {
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Utf8
        | DataType::Binary => Ok(()),
        other => Err(SqlError::new(format!(
            "column `{}`: the format `raw` does not support {}; expected STRING, BYTES, BOOLEAN, a whole number, \
             FLOAT or DOUBLE",
            field.name(),
            spelling(other)
        ))),
    }
}

/// Reads one value per record.
pub(super) struct RawDecoder {
    /// `None` if it is not wanted.
    column: Option<ColumnBuilder>,
    rows: usize,
    options: RawOptions,
}

impl RawDecoder {
    pub(super) fn new(schema: &ReadSchema, options: RawOptions) -> Result<Self, SqlError> {
        check_types(&schema.physical)?;
        let column = schema.fields.first().map(ColumnBuilder::new).transpose()?;
        Ok(Self { column, rows: 0, options })
    }

    pub(super) fn push(&mut self, record: &[u8]) -> Result<(), String> {
        if let Some(column) = &mut self.column {
            push_bytes(column, record, self.options)?;
            column.is_set();
        }
        self.rows += 1;
        Ok(())
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.column.as_mut().map(ColumnBuilder::finish).into_iter().collect()
    }
}

fn push_bytes(column: &mut ColumnBuilder, record: &[u8], options: RawOptions) -> Result<(), String> {
    macro_rules! number {
        ($values:ident, $type:ty) => {
            match <[u8; size_of::<$type>()]>::try_from(record) {
                Ok(bytes) if options.is_little_endian => $values.push(<$type>::from_le_bytes(bytes)),
                Ok(bytes) => $values.push(<$type>::from_be_bytes(bytes)),
                Err(_) => return Err(wrong_size(column, size_of::<$type>(), record.len())),
            }
        };
    }
    match &mut column.values {
        Values::Text(bytes) => match str::from_utf8(record) {
            Ok(text) => bytes.push(text.as_bytes()),
            Err(error) => return Err(super::not_utf8(error)),
        },
        Values::Binary(bytes) => bytes.push(record),
        Values::Boolean(values) => match record {
            [byte] => values.append(*byte != 0),
            _ => return Err(wrong_size(column, 1, record.len())),
        },
        Values::Int8(values) => number!(values, i8),
        Values::Int16(values) => number!(values, i16),
        Values::Int32(values) => number!(values, i32),
        Values::Int64(values) => number!(values, i64),
        Values::Float32(values) => number!(values, f32),
        Values::Float64(values) => number!(values, f64),
        _ => unreachable!("the column's type was checked"),
    }
    Ok(())
}

#[cold]
fn wrong_size(column: &ColumnBuilder, expected: usize, found: usize) -> String {
    column.expected(format_args!("{} of {expected} bytes", column.description(TimestampStyle::Sql)), found)
}

/// Writes one line per value; NULL is an empty one.
#[derive(Debug, Clone)]
pub(super) struct RawEncoder {
    options: RawOptions,
}

impl RawEncoder {
    pub(super) fn new(fields: &Fields, options: RawOptions) -> Result<Self, SqlError> {
        check_types(fields)?;
        Ok(Self { options })
    }

    pub(super) fn encode(&self, rows: &RecordBatch, out: &mut Vec<u8>) {
        macro_rules! number {
            ($value:expr) => {
                match self.options.is_little_endian {
                    true => out.extend_from_slice(&$value.to_le_bytes()),
                    false => out.extend_from_slice(&$value.to_be_bytes()),
                }
            };
        }
        let cells = Cells::new(rows.column(0));
        for row in 0..rows.num_rows() {
            if !cells.is_null(row) {
                match &cells {
                    Cells::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
                    Cells::Binary(array) => out.extend_from_slice(array.value(row)),
                    Cells::Boolean(array) => out.push(array.value(row).into()),
                    Cells::Int8(array) => number!(array.value(row)),
                    Cells::Int16(array) => number!(array.value(row)),
                    Cells::Int32(array) => number!(array.value(row)),
                    Cells::Int64(array) => number!(array.value(row)),
                    Cells::Float32(array) => number!(array.value(row)),
                    Cells::Float64(array) => number!(array.value(row)),
                    _ => unreachable!("the column's type was checked"),
                }
            }
            out.push(b'\n');
        }
    }
}
