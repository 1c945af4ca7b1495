//! Reads records of separated values into columns.

use arrow::{array::ArrayRef, error::ArrowError};

use super::{
    super::{
        Pushed, ReadSchema,
        column::{ColumnBuilder, Values},
        temporal::TimestampStyle,
    },
    CsvOptions,
};
use crate::error::SqlError;

/// Reads one row per record.
pub(in crate::formats) struct CsvDecoder {
    options: CsvOptions,
    /// For each field of a record the column that takes it.
    slots: Vec<Option<usize>>,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    scratch: String,
}

/// Why a record has no row.
enum Fault {
    /// It ends within quotes.
    Open,
    Malformed(String),
}

impl CsvDecoder {
    pub(in crate::formats) fn new(schema: &ReadSchema, options: &CsvOptions) -> Result<Self, SqlError> {
        let mut slots = vec![None; schema.physical.len()];
        for (column, place) in schema.wanted.iter().enumerate() {
            slots[*place] = Some(column);
        }
        super::check_types(&schema.physical)?;
        let columns = schema.fields.iter().map(ColumnBuilder::new).collect::<Result<_, _>>()?;
        Ok(Self { options: options.clone(), slots, columns, rows: 0, scratch: String::new() })
    }

    /// Adds the row of a record, which may be one that ends within quotes and goes on with the next line.
    pub(in crate::formats) fn push(&mut self, record: &str) -> Result<Pushed, String> {
        if self.options.allows_comments && record.starts_with('#') {
            return Ok(Pushed::Nothing);
        }
        let fault = match self.push_fields(record) {
            Ok(()) => {
                self.rows += 1;
                return Ok(Pushed::Row);
            }
            Err(fault) => fault,
        };
        self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
        match fault {
            Fault::Open => Ok(Pushed::Incomplete),
            Fault::Malformed(cause) => Err(cause),
        }
    }

    fn push_fields(&mut self, record: &str) -> Result<(), Fault> {
        let Self { options, slots, columns, scratch, .. } = self;
        let mut fields = Fields { options, rest: Some(record) };
        let mut index = 0;
        while let Some(field) = fields.next(scratch).map_err(|fault| in_column(fault, index))? {
            match slots.get(index) {
                Some(Some(column)) => push_field(&mut columns[*column], field, options)?,
                Some(None) => {}
                // A last delimiter is no harm.
                None if index == slots.len() && field.is_empty() && fields.rest.is_none() => break,
                None => return Err(too_many(slots.len())),
            }
            index += 1;
        }
        if index < slots.len() {
            if !options.ignores_errors {
                return Err(Fault::Malformed(format!(
                    "row length mismatch: expected {} fields, found {index}",
                    slots.len()
                )));
            }
            for column in slots[index..].iter().flatten() {
                columns[*column].push_null();
                columns[*column].missing().map_err(Fault::Malformed)?;
            }
        }
        Ok(())
    }

    /// Whether a piece of a record ends within quotes, beginning within or at a field's beginning.
    pub(in crate::formats) fn ends_within_quotes(&self, piece: &[u8], begins_within: bool) -> bool {
        let CsvOptions { quote: Some(quote), delimiter, escape, .. } = self.options else { return false };
        let text = String::from_utf8_lossy(piece);
        let (mut is_within, mut is_field_start, mut is_escaped) = (begins_within, !begins_within, false);
        for found in text.chars() {
            if is_escaped {
                is_escaped = false;
            } else if escape == Some(found) {
                is_escaped = true;
            } else if is_within {
                // Of a doubled quote the second one opens again.
                is_within = found != quote;
                is_field_start = !is_within;
                continue;
            } else if found == quote && is_field_start {
                is_within = true;
            }
            is_field_start = found == delimiter && !is_within;
        }
        is_within
    }

    pub(in crate::formats) fn rows(&self) -> usize {
        self.rows
    }

    pub(in crate::formats) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.columns.iter_mut().map(ColumnBuilder::finish).collect()
    }
}

#[cold]
fn too_many(expected: usize) -> Fault {
    Fault::Malformed(format!("row length mismatch: expected {expected} fields, found more"))
}

fn in_column(fault: Fault, index: usize) -> Fault {
    match fault {
        Fault::Malformed(cause) => Fault::Malformed(format!("field {}: {cause}", index + 1)),
        Fault::Open => Fault::Open,
    }
}

/// The fields of a record.
struct Fields<'a> {
    options: &'a CsvOptions,
    /// What is not yet read; `None` behind the last field.
    rest: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// The next field; it is copied only if it has quotes or escapes in it.
    #[inline]
    fn next<'b>(&mut self, scratch: &'b mut String) -> Result<Option<&'b str>, Fault>
    where
        'a: 'b,
    {
        let Some(rest) = self.rest else { return Ok(None) };
        if let Some(quote) = self.options.quote
            && let Some(quoted) = rest.strip_prefix(quote)
        {
            return self.quoted(quoted, quote, scratch).map(Some);
        }
        let end = find(rest, self.options.delimiter);
        match self.options.escape {
            Some(escape) if rest[..end.unwrap_or(rest.len())].contains(escape) => {
                self.escaped(rest, escape, scratch).map(Some)
            }
            _ => {
                self.rest = end.map(|end| &rest[end + self.options.delimiter.len_utf8()..]);
                Ok(Some(&rest[..end.unwrap_or(rest.len())]))
            }
        }
    }

    /// The field that begins behind its opening quote.
    fn quoted<'b>(&mut self, quoted: &'a str, quote: char, scratch: &'b mut String) -> Result<&'b str, Fault>
    where
        'a: 'b,
    {
        scratch.clear();
        let mut rest = quoted;
        loop {
            let special = |found: char| found == quote || Some(found) == self.options.escape;
            let Some(at) = rest.find(special) else { return Err(Fault::Open) };
            let mut behind = rest[at..].chars();
            let found = behind.next();
            scratch.push_str(&rest[..at]);
            if found == Some(quote) {
                rest = behind.as_str();
                match rest.strip_prefix(quote) {
                    Some(doubled) => {
                        scratch.push(quote);
                        rest = doubled;
                    }
                    None => break,
                }
            } else {
                scratch.push(unescaped(behind.next().ok_or(Fault::Open)?));
                rest = behind.as_str();
            }
        }
        let behind = rest.trim_start_matches(' ');
        self.rest = match behind.strip_prefix(self.options.delimiter) {
            None if behind.is_empty() => None,
            None => {
                return Err(Fault::Malformed(format!(
                    "expected `{}` or the end after a closing quote, found `{}`",
                    self.options.delimiter,
                    super::super::scalar::beginning(behind)
                )));
            }
            behind => behind,
        };
        Ok(scratch)
    }

    /// A field without quotes, but with escapes.
    fn escaped<'b>(
        &mut self,
        field: &'a str,
        escape: char,
        scratch: &'b mut String,
    ) -> Result<&'b str, Fault> {
        scratch.clear();
        let mut rest = field.chars();
        self.rest = None;
        while let Some(found) = rest.next() {
            if found == self.options.delimiter {
                self.rest = Some(rest.as_str());
                break;
            }
            if found == escape {
                let escaped = rest.next().ok_or_else(|| {
                    Fault::Malformed(
                        "expected a character after the escape character, found the end".to_owned(),
                    )
                })?;
                scratch.push(unescaped(escaped));
            } else {
                scratch.push(found);
            }
        }
        Ok(scratch)
    }
}

/// Where a character is.
#[inline]
fn find(text: &str, wanted: char) -> Option<usize> {
    match u8::try_from(wanted) {
        Ok(byte) if byte.is_ascii() => memchr::memchr(byte, text.as_bytes()),
        _ => text.find(wanted),
    }
}

/// What a character stands for behind the escape character.
fn unescaped(escaped: char) -> char {
    match escaped {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        other => other,
    }
}

/// Adds a field to its column. What the column does not take is NULL if errors are ignored.
#[inline]
fn push_field(column: &mut ColumnBuilder, field: &str, options: &CsvOptions) -> Result<(), Fault> {
    if options.null_literal.as_deref() == Some(field) {
        column.push_null();
    } else {
        let rows = column.len();
        if let Err(cause) = push_value(column, field, options) {
            if !options.ignores_errors {
                return Err(Fault::Malformed(cause));
            }
            column.truncate(rows);
            column.push_null();
        }
    }
    column.missing().map_err(Fault::Malformed)
}

#[inline]
fn push_value(column: &mut ColumnBuilder, field: &str, options: &CsvOptions) -> Result<(), String> {
    let is_nested = matches!(column.values, Values::Struct(_) | Values::List { .. });
    if is_nested {
        return push_nested(column, field, options);
    }
    column.push_text(field, TimestampStyle::Sql).map_err(|cause| match field {
        "" => format!("{cause}; set `csv.null-literal` to '' if that is NULL"),
        _ => cause,
    })
}

/// Adds an ARRAY or ROW, whose parts are separated by a delimiter of their own.
fn push_nested(column: &mut ColumnBuilder, field: &str, options: &CsvOptions) -> Result<(), String> {
    let is_empty = field.trim().is_empty();
    let parts = || field.split(options.array_delimiter.as_str()).filter(|_| !is_empty);
    let part = |column: &mut ColumnBuilder, text| match push_field(column, text, options) {
        Err(Fault::Malformed(cause)) => Err(cause),
        Err(Fault::Open) | Ok(()) => Ok(()),
    };
    match &mut column.values {
        Values::List { offsets, element } => {
            parts().try_for_each(|text| part(element, text))?;
            let end =
                i32::try_from(element.len()).map_err(|_| "expected fewer than 2^31 elements".to_owned())?;
            offsets.push(end);
        }
        Values::Struct(_) if is_empty => {
            column.push_null();
            return Ok(());
        }
        Values::Struct(fields) => {
            let (expected, found) = (fields.columns.len(), parts().count());
            let is_fitting = if options.ignores_errors { found <= expected } else { found == expected };
            if !is_fitting {
                return Err(column.expected(format_args!("a ROW of {expected} fields"), found));
            }
            let missing = fields.columns.iter_mut().skip(found);
            missing.for_each(ColumnBuilder::push_null);
            fields.columns.iter_mut().zip(parts()).try_for_each(|(column, text)| part(column, text))?;
        }
        _ => unreachable!("other values are not nested"),
    }
    column.is_set();
    Ok(())
}
