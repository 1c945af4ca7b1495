//! Writes rows as separated values.

use arrow::{array::RecordBatch, datatypes::Fields};

use super::{
    super::{cells::Cells, temporal::TimestampStyle},
    CsvOptions,
};
use crate::error::SqlError;

/// Writes one line per row.
#[derive(Debug, Clone)]
pub(in crate::formats) struct CsvEncoder {
    options: CsvOptions,
}

impl CsvEncoder {
    pub(in crate::formats) fn new(fields: &Fields, options: &CsvOptions) -> Result<Self, SqlError> {
        super::check_types(fields)?;
        Ok(Self { options: options.clone() })
    }

    /// Appends all rows.
    pub(in crate::formats) fn encode(&self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), String> {
        let columns: Vec<Cells<'_>> = rows.columns().iter().map(Cells::new).collect();
        let (mut text, mut delimiter) = (Vec::new(), [0; 4]);
        let delimiter = self.options.delimiter.encode_utf8(&mut delimiter).as_bytes();
        for row in 0..rows.num_rows() {
            let begin = out.len();
            for (index, column) in columns.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(delimiter);
                }
                text.clear();
                self.write_field(column, row, &mut text);
                let is_first = out.len() == begin;
                self.write_quoted(&text, is_first, rows.schema_ref().field(index).name(), out)?;
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn write_field(&self, column: &Cells<'_>, row: usize, text: &mut Vec<u8>) {
        let parts: Vec<(&Cells<'_>, usize)> = match column {
            _ if column.is_null(row) => return self.write_null(text),
            Cells::List(_, element) => column.range(row).map(|at| (&**element, at)).collect(),
            Cells::Struct(_, fields) => fields.iter().map(|(_, column)| (column, row)).collect(),
            _ => return column.write_scalar(row, TimestampStyle::Sql, text),
        };
        for (index, (column, at)) in parts.into_iter().enumerate() {
            if index > 0 {
                text.extend_from_slice(self.options.array_delimiter.as_bytes());
            }
            if column.is_null(at) {
                self.write_null(text);
            } else {
                column.write_scalar(at, TimestampStyle::Sql, text);
            }
        }
    }

    fn write_null(&self, text: &mut Vec<u8>) {
        text.extend_from_slice(self.options.null_literal.as_deref().unwrap_or("").as_bytes());
    }

    /// Writes a field, in quotes if it must be.
    fn write_quoted(
        &self,
        text: &[u8],
        is_first: bool,
        column: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let CsvOptions { delimiter, quote, escape, allows_comments, .. } = self.options;
        let is_special = |found: char| {
            found == delimiter
                || Some(found) == quote
                || Some(found) == escape
                || matches!(found, '\n' | '\r')
        };
        let text = str::from_utf8(text).expect("cells are written as text");
        let is_comment = is_first && allows_comments && text.starts_with('#');
        if !is_comment && !text.contains(is_special) {
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let Some(quote) = quote else { return self.write_escaped(text, is_special, is_comment, column, out) };
        let mut buffer = [0; 4];
        let mut push = |found: char| out.extend_from_slice(found.encode_utf8(&mut buffer).as_bytes());
        push(quote);
        for found in text.chars() {
            if found == quote || Some(found) == escape {
                push(escape.unwrap_or(quote));
            }
            push(found);
        }
        push(quote);
        Ok(())
    }

    /// Writes a field that would need quotes with escapes.
    fn write_escaped(
        &self,
        text: &str,
        is_special: impl Fn(char) -> bool,
        is_comment: bool,
        column: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Some(escape) = self.options.escape else {
            return Err(format!(
                "column `{column}`: expected a value without the field delimiter, line ends{}, found `{}`; set \
                 `csv.quote-character` or `csv.escape-character`",
                if is_comment { " and `#` at its beginning" } else { "" },
                super::super::scalar::beginning(text)
            ));
        };
        let mut buffer = [0; 4];
        for (index, found) in text.chars().enumerate() {
            if is_special(found) || (is_comment && index == 0) {
                out.extend_from_slice(escape.encode_utf8(&mut buffer).as_bytes());
            }
            let written = match found {
                '\n' => 'n',
                '\r' => 'r',
                other => other,
            };
            out.extend_from_slice(written.encode_utf8(&mut buffer).as_bytes());
        }
        Ok(())
    }
}
