//! How rows are written as bytes: csv, json, debezium-json, raw, parquet.
//!
//! Records are read into columns value by value, and one that turns out to be malformed is taken back. Arrow's own readers of csv and json are not used since they know neither Flink's nulls,
//! escapes and timestamps, nor to go on behind a malformed record.

mod cells;
mod column;
mod csv;
mod json;
mod parquet;
mod raw;
mod scalar;
pub mod temporal;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, str::Utf8Error};

use arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::Fields,
    error::ArrowError,
};

pub use self::{
    column::ColumnBuilder, csv::CsvOptions, json::JsonOptions, parquet::ParquetOptions, raw::RawOptions,
};
use crate::{batch::RowKind, connectors::options::OptionReader, error::SqlError};

const DEBEZIUM_JSON: &str = "debezium-json";

/// A format with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// Separated values.
    Csv(CsvOptions),
    /// An object per line.
    Json(JsonOptions),
    /// A change per line: an object with the row before and after.
    DebeziumJson(JsonOptions),
    /// A value per line.
    Raw(RawOptions),
    /// Columns in files; not for single records.
    Parquet(ParquetOptions),
}

#[derive(Clone, Copy)]
enum Kind {
    Csv,
    Json,
    DebeziumJson,
    Raw,
    Parquet,
}

impl Format {
    /// Reads `format` and the options that begin with its name.
    pub fn read(options: &mut OptionReader<'_>) -> Result<Self, SqlError> {
        let kinds = [
            ("csv", Kind::Csv),
            ("json", Kind::Json),
            (DEBEZIUM_JSON, Kind::DebeziumJson),
            ("raw", Kind::Raw),
            ("parquet", Kind::Parquet),
        ];
        options.required("format")?;
        Ok(match options.choice("format", &kinds)? {
            Some(Kind::Csv) => Self::Csv(CsvOptions::read(options)?),
            Some(Kind::Json) => Self::Json(JsonOptions::read("json", options)?),
            Some(Kind::DebeziumJson) => Self::DebeziumJson(JsonOptions::read(DEBEZIUM_JSON, options)?),
            Some(Kind::Raw) => Self::Raw(RawOptions::read(options)?),
            Some(Kind::Parquet) => Self::Parquet(ParquetOptions::read(options)?),
            None => return Err(options.invalid("format", "a format")),
        })
    }

    /// Whether what cannot be read is NULL, or passed over.
    pub fn ignores_errors(&self) -> bool {
        match self {
            Self::Csv(options) => options.ignores_errors,
            Self::Json(options) | Self::DebeziumJson(options) => options.ignores_errors(),
            Self::Raw(_) | Self::Parquet(_) => false,
        }
    }

    /// Whether a row can be told to be gone.
    pub fn has_changes(&self) -> bool {
        matches!(self, Self::DebeziumJson(_))
    }

    /// Whether a record may have line ends in it, so that a file can only be read from its beginning.
    pub fn has_multiline_records(&self) -> bool {
        matches!(self, Self::Csv(options) if options.has_quotes())
    }

    /// Makes what reads records.
    pub fn decoder(&self, schema: &ReadSchema) -> Result<RecordDecoder, SqlError> {
        Ok(RecordDecoder(match self {
            Self::Csv(options) => Decoder::Csv(csv::CsvDecoder::new(schema, options)?),
            Self::Json(options) => Decoder::Json(options.decoder(schema)?),
            Self::DebeziumJson(_) => {
                let message = format!("the format `{DEBEZIUM_JSON}` can be written, and not be read");
                return Err(SqlError::new(message)
                    .hint("read its objects as `json`, with columns `before`, `after` and `op`"));
            }
            Self::Raw(options) => Decoder::Raw(raw::RawDecoder::new(schema, *options)?),
            Self::Parquet(_) => return Err(no_records()),
        }))
    }

    /// Makes what writes rows of these fields.
    pub fn encoder(&self, fields: &Fields) -> Result<RowEncoder, SqlError> {
        fields.iter().try_for_each(|field| ColumnBuilder::new(field).map(drop))?;
        Ok(RowEncoder(match self {
            Self::Csv(options) => Encoder::Csv(csv::CsvEncoder::new(fields, options)?),
            Self::Json(options) => Encoder::Json(options.encoder(fields)?),
            Self::DebeziumJson(options) => Encoder::Changes(options.encoder(fields)?),
            Self::Raw(options) => Encoder::Raw(raw::RawEncoder::new(fields, *options)?),
            Self::Parquet(_) => return Err(no_records()),
        }))
    }
}

fn no_records() -> SqlError {
    SqlError::new("the format `parquet` has no records of its own; expected `csv`, `json` or `raw`")
}

/// What is read of records.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSchema {
    /// The columns that records have.
    pub physical: Fields,
    /// The wanted ones, as indices into these.
    pub wanted: Vec<usize>,
    /// The wanted ones.
    pub fields: Fields,
    /// Of these, which are ROWs, only these fields are read.
    pub nested: Vec<(usize, BTreeSet<String>)>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// A row.
    Row,
    /// Nothing: it was a comment, or empty.
    Nothing,
    /// Nothing yet: the record ends within quotes, and goes on with the next line.
    Incomplete,
}

/// Reads records into columns.
pub struct RecordDecoder(Decoder);

enum Decoder {
    Csv(csv::CsvDecoder),
    Json(json::JsonDecoder),
    Raw(raw::RawDecoder),
}

impl RecordDecoder {
    /// Adds the row of a record. An error says what is wrong with it; then nothing is added.
    #[inline]
    pub fn push(&mut self, record: &[u8]) -> Result<Pushed, String> {
        let text = |record| str::from_utf8(record).map_err(not_utf8);
        match &mut self.0 {
            Decoder::Csv(decoder) => decoder.push(text(record)?),
            Decoder::Json(decoder) => {
                decoder.push(text(record)?).map(|is_row| if is_row { Pushed::Row } else { Pushed::Nothing })
            }
            Decoder::Raw(decoder) => decoder.push(record).map(|()| Pushed::Row),
        }
    }

    /// Whether a piece of a record ends within quotes, if it begins within them or not.
    pub fn ends_within_quotes(&self, piece: &[u8], begins_within: bool) -> bool {
        match &self.0 {
            Decoder::Csv(decoder) => decoder.ends_within_quotes(piece, begins_within),
            Decoder::Json(_) | Decoder::Raw(_) => false,
        }
    }

    /// How many rows were added.
    pub fn rows(&self) -> usize {
        match &self.0 {
            Decoder::Csv(decoder) => decoder.rows(),
            Decoder::Json(decoder) => decoder.rows(),
            Decoder::Raw(decoder) => decoder.rows(),
        }
    }

    /// The wanted columns of the rows that were added since the last call.
    pub fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        match &mut self.0 {
            Decoder::Csv(decoder) => decoder.finish(),
            Decoder::Json(decoder) => decoder.finish(),
            Decoder::Raw(decoder) => decoder.finish(),
        }
    }
}

/// What is wrong with a record that ends within quotes, and that nothing comes after.
pub(crate) const UNCLOSED_QUOTE: &str = "expected a closing quote, found the end of the record";

/// A value as csv writes it; `None` is NULL. It must have no parts.
pub(crate) fn text_of_cell(column: &ArrayRef, row: usize) -> Option<String> {
    let cells = cells::Cells::new(column);
    let mut text = Vec::new();
    if cells.is_null(row) {
        return None;
    }
    cells.write_scalar(row, temporal::TimestampStyle::Sql, &mut text);
    Some(String::from_utf8(text).expect("cells are written as text"))
}

fn not_utf8(error: Utf8Error) -> String {
    let valid = error.valid_up_to();
    format!("expected text in UTF-8, found something else after {valid} bytes of the record")
}

/// Writes rows as lines.
#[derive(Debug, Clone)]
pub struct RowEncoder(Encoder);

#[derive(Debug, Clone)]
enum Encoder {
    Csv(csv::CsvEncoder),
    Json(json::JsonEncoder),
    Changes(json::JsonEncoder),
    Raw(raw::RawEncoder),
}

impl RowEncoder {
    /// Appends a line per row; `None`: all rows are new. An error says what the format cannot express.
    pub fn encode(
        &self,
        rows: &RecordBatch,
        kinds: Option<&[RowKind]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        if kinds.is_some() && !matches!(self.0, Encoder::Changes(_)) {
            return Err(
                "expected only new rows, found changes of rows, which the format cannot express".to_owned()
            );
        }
        match &self.0 {
            Encoder::Csv(encoder) => encoder.encode(rows, out),
            Encoder::Json(encoder) => encoder.encode(rows, out),
            Encoder::Changes(encoder) => encoder.encode_changes(rows, kinds, out),
            Encoder::Raw(encoder) => {
                encoder.encode(rows, out);
                Ok(())
            }
        }
    }
}
