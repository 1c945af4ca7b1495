//! Writes rows as JSON objects.

use arrow::array::{Array, RecordBatch};

use super::super::{cells::Cells, temporal::TimestampStyle};
use crate::batch::RowKind;

/// How objects are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WriteOptions {
    pub(super) style: TimestampStyle,
    pub(super) null_keys: NullKeys,
    pub(super) null_key: String,
    pub(super) has_plain_decimals: bool,
    pub(super) ignores_null_fields: bool,
}

/// What becomes of a MAP's entry whose key is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NullKeys {
    /// It is an error.
    Fail,
    /// It is left out.
    Drop,
    /// It is written with another key.
    Literal,
}

/// Writes one line per row.
#[derive(Debug, Clone)]
pub(in crate::formats) struct JsonEncoder {
    options: WriteOptions,
}

impl JsonEncoder {
    pub(super) fn new(options: WriteOptions) -> Self {
        Self { options }
    }

    /// Appends all rows.
    pub(in crate::formats) fn encode(&self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<(), String> {
        let columns = columns(rows);
        for row in 0..rows.num_rows() {
            self.write_members(&columns, row, out)?;
            out.push(b'\n');
        }
        Ok(())
    }

    /// Appends all rows as changes in Debezium's form: what was there `before` and what is there `after`. An update is two of them.
    pub(in crate::formats) fn encode_changes(
        &self,
        rows: &RecordBatch,
        kinds: Option<&[RowKind]>,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let columns = columns(rows);
        for row in 0..rows.num_rows() {
            let is_addition = kinds.is_none_or(|kinds| kinds[row].is_addition());
            out.extend_from_slice(if is_addition { br#"{"before":null,"after":"# } else { br#"{"before":"# });
            self.write_members(&columns, row, out)?;
            out.extend_from_slice(if is_addition { br#","op":"c"}"# } else { br#","after":null,"op":"d"}"# });
            out.push(b'\n');
        }
        Ok(())
    }

    fn write_members(
        &self,
        columns: &[(&str, Cells<'_>)],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        out.push(b'{');
        let mut is_first = true;
        for (name, column) in columns {
            if self.options.ignores_null_fields && column.is_null(row) {
                continue;
            }
            write_key(name.as_bytes(), is_first, out);
            is_first = false;
            self.write_value(column, row, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    fn write_value(&self, column: &Cells<'_>, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if column.is_null(row) {
            out.extend_from_slice(b"null");
            return Ok(());
        }
        match column {
            Cells::Struct(_, fields) => return self.write_members(fields, row, out),
            Cells::List(_, element) => {
                out.push(b'[');
                for (index, at) in column.range(row).enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.write_value(element, at, out)?;
                }
                out.push(b']');
            }
            Cells::Map(_, entries) => self.write_map(column, entries, row, out)?,
            Cells::Text(array) => write_string(array.value(row).as_bytes(), out),
            Cells::Float32(array) if !array.value(row).is_finite() => self.write_quoted(column, row, out),
            Cells::Float64(array) if !array.value(row).is_finite() => self.write_quoted(column, row, out),
            Cells::Decimal(array) if !self.options.has_plain_decimals => {
                write_decimal(array.value(row), array.scale(), out);
            }
            _ if column.is_text() => self.write_quoted(column, row, out),
            _ => column.write_scalar(row, self.options.style, out),
        }
        Ok(())
    }

    fn write_map(
        &self,
        column: &Cells<'_>,
        (keys, values): &(Cells<'_>, Cells<'_>),
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Cells::Text(names) = keys else { unreachable!("the keys of maps were checked to be strings") };
        out.push(b'{');
        let mut is_first = true;
        for at in column.range(row) {
            let name = match self.options.null_keys {
                _ if names.is_valid(at) => names.value(at),
                NullKeys::Literal => &self.options.null_key,
                NullKeys::Drop => continue,
                NullKeys::Fail => {
                    return Err(
                        "expected keys in a MAP, found NULL; set `json.map-null-key.mode` to `DROP` or \
                                `LITERAL`"
                            .to_owned(),
                    );
                }
            };
            write_key(name.as_bytes(), is_first, out);
            is_first = false;
            self.write_value(values, at, out)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Writes what needs quotes, but no escapes.
    fn write_quoted(&self, column: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
        out.push(b'"');
        column.write_scalar(row, self.options.style, out);
        out.push(b'"');
    }
}

/// The columns with their names.
fn columns(rows: &RecordBatch) -> Vec<(&str, Cells<'_>)> {
    let fields = rows.schema_ref().fields().iter().zip(rows.columns());
    fields.map(|(field, column)| (field.name().as_str(), Cells::new(column))).collect()
}

fn write_key(name: &[u8], is_first: bool, out: &mut Vec<u8>) {
    if !is_first {
        out.push(b',');
    }
    write_string(name, out);
    out.push(b':');
}

fn write_string(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut begin = 0;
    for (at, byte) in text.iter().copied().enumerate() {
        let escaped: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => b"\\u00",
            _ => continue,
        };
        out.extend_from_slice(&text[begin..at]);
        out.extend_from_slice(escaped);
        if escaped.len() > 2 {
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        begin = at + 1;
    }
    out.extend_from_slice(&text[begin..]);
    out.push(b'"');
}

/// Writes a decimal number as Java's `BigDecimal`, with an exponent if it is small.
fn write_decimal(unscaled: i128, scale: i8, out: &mut Vec<u8>) {
    let digits = unscaled.unsigned_abs().to_string();
    if unscaled < 0 {
        out.push(b'-');
    }
    let scale = i32::from(scale);
    let exponent = i32::try_from(digits.len()).expect("39 digits at most") - 1 - scale;
    if scale >= 0 && exponent >= -6 {
        let wanted = usize::try_from(scale).unwrap_or(0) + 1;
        let padded = format!("{digits:0>wanted$}");
        let (whole, fraction) = padded.split_at(padded.len() + 1 - wanted);
        out.extend_from_slice(whole.as_bytes());
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction.as_bytes());
        }
        return;
    }
    let (first, others) = digits.split_at(1);
    let point = if others.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { "" } else { "+" };
    out.extend_from_slice(format!("{first}{point}{others}E{sign}{exponent}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_java_does() {
        let text = |unscaled, scale| {
            let mut out = Vec::new();
            write_decimal(unscaled, scale, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(12345, 2), "123.45");
        assert_eq!(text(-5, 2), "-0.05");
        assert_eq!(text(0, 2), "0.00");
        assert_eq!(text(7, 0), "7");
        assert_eq!(text(1, 7), "1E-7");
        assert_eq!(text(-123, 10), "-1.23E-8");
        assert_eq!(text(1, 6), "0.000001");
    }

    #[test]
    fn strings_are_escaped_where_json_wants_it() {
        let mut out = Vec::new();
        write_string("a\"b\\c\nd\u{1}é/".as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), r#""a\"b\\c\nd\u0001é/""#);
    }
}
