//! One JSON object per line, as in Flink's format `json`.

mod read;
mod scan;
mod write;

use arrow::datatypes::{DataType, Fields};

use super::{ReadSchema, temporal::TimestampStyle};
use crate::{connectors::options::OptionReader, error::SqlError};

pub(super) use read::JsonDecoder;
use read::ReadOptions;
pub(super) use write::JsonEncoder;
use write::{NullKeys, WriteOptions};

/// The options of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonOptions {
    read: ReadOptions,
    write: WriteOptions,
}

impl JsonOptions {
    /// Reads the options of a table that begin with the format's name.
    pub(super) fn read(format: &str, options: &mut OptionReader<'_>) -> Result<Self, SqlError> {
        let key = |name: &str| format!("{format}.{name}");
        let styles = [("SQL", TimestampStyle::Sql), ("ISO-8601", TimestampStyle::Iso8601)];
        let style =
            options.choice(&key("timestamp-format.standard"), &styles)?.unwrap_or(TimestampStyle::Sql);
        let read = ReadOptions {
            style,
            ignores_errors: options.flag(&key("ignore-parse-errors"))?.unwrap_or(false),
            fails_on_missing: options.flag(&key("fail-on-missing-field"))?.unwrap_or(false),
        };
        if read.ignores_errors && read.fails_on_missing {
            return Err(options.error(
                &key("fail-on-missing-field"),
                format!("expected `false`, since `{}` is `true`", key("ignore-parse-errors")),
            ));
        }
        let modes = [("FAIL", NullKeys::Fail), ("DROP", NullKeys::Drop), ("LITERAL", NullKeys::Literal)];
        let write = WriteOptions {
            style,
            null_keys: options.choice(&key("map-null-key.mode"), &modes)?.unwrap_or(NullKeys::Fail),
            null_key: options.optional(&key("map-null-key.literal")).unwrap_or("null").to_owned(),
            has_plain_decimals: options.flag(&key("encode.decimal-as-plain-number"))?.unwrap_or(false),
            ignores_null_fields: options.flag(&key("encode.ignore-null-fields"))?.unwrap_or(false),
        };
        Ok(Self { read, write })
    }

    pub(super) fn ignores_errors(&self) -> bool {
        self.read.ignores_errors
    }

    pub(super) fn decoder(&self, schema: &ReadSchema) -> Result<JsonDecoder, SqlError> {
        check_types(&schema.physical)?;
        JsonDecoder::new(schema, self.read)
    }

    pub(super) fn encoder(&self, fields: &Fields) -> Result<JsonEncoder, SqlError> {
        check_types(fields)?;
        Ok(JsonEncoder::new(self.write.clone()))
    }
}

/// Refuses maps whose keys are no strings, which keys of objects always are.
fn check_types(fields: &Fields) -> Result<(), SqlError> {
    fields.iter().try_for_each(|field| match field.data_type() {
        DataType::Struct(fields) => check_types(fields),
        DataType::List(element) => check_types(&Fields::from(vec![element.clone()])),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(entry)
                if entry.first().is_some_and(|key| *key.data_type() != DataType::Utf8) =>
            {
                Err(SqlError::new(format!(
                    "column `{}`: the format `json` does not support a MAP whose keys are not of type STRING",
                    field.name()
                )))
            }
            DataType::Struct(entry) => check_types(entry),
            _ => Ok(()),
        },
        _ => Ok(()),
    })
}
