//! Comma-separated values, as in Flink's format `csv`: fields by position, and no header.

mod read;
mod write;

use arrow::datatypes::{DataType, Fields};

use crate::{connectors::options::OptionReader, error::SqlError};

pub(super) use read::CsvDecoder;
pub(super) use write::CsvEncoder;

/// The options of the format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    delimiter: char,
    /// `None`: quotes are characters like others.
    quote: Option<char>,
    escape: Option<char>,
    null_literal: Option<String>,
    array_delimiter: String,
    allows_comments: bool,
    pub(super) ignores_errors: bool,
}

impl CsvOptions {
    /// Reads the options `csv.…` of a table.
    pub(super) fn read(options: &mut OptionReader<'_>) -> Result<Self, SqlError> {
        let disables_quote = options.flag("csv.disable-quote-character")?.unwrap_or(false);
        let quote = character(options, "csv.quote-character")?;
        if disables_quote && quote.is_some() {
            return Err(options.error(
                "csv.quote-character",
                "expected it not to be set, since `csv.disable-quote-character` is `true`",
            ));
        }
        let quote = (!disables_quote).then_some(quote.unwrap_or('"'));
        // A quote that escapes quotes is what a doubled one is anyhow.
        let escape = character(options, "csv.escape-character")?.filter(|escape| Some(*escape) != quote);
        Ok(Self {
            delimiter: character(options, "csv.field-delimiter")?.unwrap_or(','),
            quote,
            escape,
            null_literal: options.optional("csv.null-literal").map(str::to_owned),
            array_delimiter: options
                .parsed("csv.array-element-delimiter", "at least one character", |text| {
                    (!text.is_empty()).then(|| text.to_owned())
                })?
                .unwrap_or_else(|| ";".to_owned()),
            allows_comments: options.flag("csv.allow-comments")?.unwrap_or(false),
            ignores_errors: options.flag("csv.ignore-parse-errors")?.unwrap_or(false),
        })
    }

    /// Whether a record may go on behind the end of a line.
    pub(super) fn has_quotes(&self) -> bool {
        self.quote.is_some()
    }
}

/// One character, which may be written as in Java: `\t`, `\u0001`.
fn character(options: &mut OptionReader<'_>, key: &str) -> Result<Option<char>, SqlError> {
    options.parsed(key, "one character, or one escaped as in `\\t` or `\\u0001`", |text| {
        let mut characters = text.chars();
        let first = characters.next()?;
        match (first, characters.as_str()) {
            (_, "") => Some(first),
            ('\\', "t") => Some('\t'),
            ('\\', "\\") => Some('\\'),
            ('\\', escaped) => {
                let digits = escaped.strip_prefix('u').filter(|digits| digits.len() == 4)?;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)
            }
            _ => None,
        }
    })
}

/// Refuses columns that the format has no way to write.
fn check_types(fields: &Fields) -> Result<(), SqlError> {
    for field in fields {
        let parts: Vec<&DataType> = match field.data_type() {
            DataType::List(element) => vec![element.data_type()],
            DataType::Struct(fields) => fields.iter().map(|field| field.data_type()).collect(),
            DataType::Map(..) => return Err(unsupported(field.name(), "MAP")),
            _ => continue,
        };
        if parts.into_iter().any(DataType::is_nested) {
            return Err(unsupported(field.name(), "ARRAY, ROW and MAP within an ARRAY or ROW"));
        }
    }
    Ok(())
}

fn unsupported(column: &str, what: &str) -> SqlError {
    SqlError::new(format!("column `{column}`: the format `csv` does not support {what}; use `json`"))
}
