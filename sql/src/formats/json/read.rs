//! Reads JSON objects into columns.

use arrow::{array::ArrayRef, error::ArrowError};

use super::{
    super::{
        column::{ColumnBuilder, StructFields, Values},
        scalar::beginning,
        temporal::TimestampStyle,
    },
    scan::{Scalar, Scanner, Syntax},
};
use crate::error::SqlError;
use crate::formats::ReadSchema;

/// How objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadOptions {
    pub(super) style: TimestampStyle,
    pub(super) ignores_errors: bool,
    pub(super) fails_on_missing: bool,
}

/// Reads one object per record.
pub(in crate::formats) struct JsonDecoder {
    columns: StructFields,
    rows: usize,
    options: ReadOptions,
    scratch: String,
}

/// Why a value cannot be read.
enum Fault {
    /// It is not JSON; nothing behind it can be read.
    Syntax(Syntax),
    /// It is not what the column takes.
    Value(String),
}

impl From<Syntax> for Fault {
    fn from(message: Syntax) -> Self {
        Self::Syntax(message)
    }
}

impl JsonDecoder {
    pub(super) fn new(schema: &ReadSchema, options: ReadOptions) -> Result<Self, SqlError> {
        let mut columns = StructFields::new(&schema.fields, |_| true)?;
        for (index, wanted) in &schema.nested {
            columns.columns[*index] =
                ColumnBuilder::with_fields(&schema.fields[*index], |name| wanted.contains(name))?;
        }
        Ok(Self { columns, rows: 0, options, scratch: String::new() })
    }

    /// Adds the row of a record; returns false if it is empty.
    pub(in crate::formats) fn push(&mut self, record: &str) -> Result<bool, String> {
        let mut scanner = Scanner::new(record);
        if scanner.peek() == 0 && scanner.at() == record.len() {
            return Ok(false);
        }
        let mut reader = Reader { scanner, options: self.options, scratch: &mut self.scratch };
        let read = match reader.scanner.take(b'{') {
            true => reader.members(&mut self.columns, self.rows),
            false => Err(Fault::Value(format!("expected a JSON object, found `{}`", beginning(record)))),
        };
        let read = read.and_then(|()| Ok(reader.scanner.expect_end()?));
        match read {
            Ok(()) => {
                self.rows += 1;
                Ok(true)
            }
            Err(Fault::Syntax(cause) | Fault::Value(cause)) => {
                self.columns.columns.iter_mut().for_each(|column| column.truncate(self.rows));
                Err(cause)
            }
        }
    }

    pub(in crate::formats) fn rows(&self) -> usize {
        self.rows
    }

    pub(in crate::formats) fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.columns.columns.iter_mut().map(ColumnBuilder::finish).collect()
    }
}

struct Reader<'a, 's> {
    scanner: Scanner<'a>,
    options: ReadOptions,
    scratch: &'s mut String,
}

impl Reader<'_, '_> {
    /// Reads an object's members behind the `{` into one more value of each column, which have `row` values.
    fn members(&mut self, columns: &mut StructFields, row: usize) -> Result<(), Fault> {
        columns.begin();
        let mut is_first = true;
        while self.scanner.next_item(b'}', is_first)? {
            is_first = false;
            let key = self.scanner.key(self.scratch)?;
            match columns.find(key) {
                Some(column) => {
                    // Of a key that comes twice the last one holds.
                    if column.len() > row {
                        column.truncate(row);
                    }
                    self.value(column)?;
                }
                None => self.scanner.skip_value(self.scratch)?,
            }
        }
        for index in 0..columns.columns.len() {
            let is_wanted = columns.is_wanted(index);
            let column = &mut columns.columns[index];
            if column.len() == row {
                if !is_wanted {
                    column.push_unread();
                } else if self.options.fails_on_missing && !self.options.ignores_errors {
                    return Err(Fault::Value(format!("could not find field with name `{}`", column.name())));
                } else {
                    column.push_null();
                }
            }
            column.missing().map_err(Fault::Value)?;
        }
        Ok(())
    }

    /// Reads the next value. One that the column does not take is NULL if errors are ignored.
    fn value(&mut self, column: &mut ColumnBuilder) -> Result<(), Fault> {
        let (rows, begin) = (column.len(), self.scanner.at());
        match self.typed_value(column) {
            Err(Fault::Value(_)) if self.options.ignores_errors => {
                self.scanner.go_back(begin);
                self.scanner.skip_value(self.scratch)?;
                column.truncate(rows);
                column.push_null();
                Ok(())
            }
            read => read,
        }
    }

    #[inline]
    fn typed_value(&mut self, column: &mut ColumnBuilder) -> Result<(), Fault> {
        let style = self.options.style;
        let text = match self.scanner.scalar(self.scratch)? {
            None => return self.container(column),
            Some(Scalar::Null) => {
                column.push_null();
                return Ok(());
            }
            Some(Scalar::True) => "true",
            Some(Scalar::False) => "false",
            Some(Scalar::Text(text)) => text,
            Some(Scalar::Number(number)) => return push_number(column, number, style),
        };
        column.push_text(text, style).map_err(Fault::Value)
    }

    /// Reads an object or array.
    fn container(&mut self, column: &mut ColumnBuilder) -> Result<(), Fault> {
        let row = column.len();
        let opening = self.scanner.peek();
        match (opening, &mut column.values) {
            (b'{', Values::Struct(fields)) => {
                self.scanner.take(b'{');
                self.members(fields, row)?;
            }
            (b'{', Values::Map { offsets, key, value, .. }) => {
                self.scanner.take(b'{');
                let mut is_first = true;
                while self.scanner.next_item(b'}', is_first)? {
                    is_first = false;
                    let name = self.scanner.key(self.scratch)?;
                    key.push_text(name, self.options.style).map_err(Fault::Value)?;
                    self.value(value)?;
                    value.missing().map_err(Fault::Value)?;
                }
                offsets.push(end_of(value.len()));
            }
            (b'[', Values::List { offsets, element }) => {
                self.scanner.take(b'[');
                let mut is_first = true;
                while self.scanner.next_item(b']', is_first)? {
                    is_first = false;
                    self.value(element)?;
                    element.missing().map_err(Fault::Value)?;
                }
                offsets.push(end_of(element.len()));
            }
            (_, Values::Text(bytes)) => {
                let (scanner, scratch) = (&mut self.scanner, &mut *self.scratch);
                let mut read = Ok(());
                bytes.push_with(|out| read = scanner.compact(scratch, out));
                read?;
            }
            _ => {
                let found = if opening == b'{' { "an object" } else { "an array" };
                return Err(Fault::Value(column.expected(column.description(self.options.style), found)));
            }
        }
        column.is_set();
        Ok(())
    }
}

fn end_of(values: usize) -> i32 {
    i32::try_from(values).expect("a batch is ended long before it has 2^31 values")
}

/// Adds a number. An integer column cuts its fraction off, as in Java.
fn push_number(column: &mut ColumnBuilder, number: &str, style: TimestampStyle) -> Result<(), Fault> {
    let is_integer =
        matches!(column.values, Values::Int8(_) | Values::Int16(_) | Values::Int32(_) | Values::Int64(_));
    if is_integer && number.contains(['.', 'e', 'E']) {
        let value: f64 = number.parse().map_err(|_| Fault::Value(column.expected("a number", number)))?;
        // Beyond 2^63 it has more digits than any integer column takes, and is refused as a text.
        return column.push_text(&format!("{:.0}", value.trunc()), style).map_err(Fault::Value);
    }
    column.push_text(number, style).map_err(Fault::Value)
}
