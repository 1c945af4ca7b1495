//! Columns as text, cell by cell: their types are looked at once per batch.

use std::{io::Write, ops::Range};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, ListArray, MapArray,
        PrimitiveArray, StringArray, StructArray,
    },
    datatypes::{
        DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType, Time64NanosecondType,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::temporal::{TimestampStyle, write_date, write_time, write_timestamp};

/// A column to be written.
pub(super) enum Cells<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a Decimal128Array),
    Date(&'a PrimitiveArray<Date32Type>),
    /// The numbers are in the unit.
    Time {
        values: Numbers<'a>,
        unit: TimeUnit,
    },
    Timestamp {
        values: &'a [i64],
        unit: TimeUnit,
        is_local_zoned: bool,
        array: &'a dyn Array,
    },
    Text(&'a StringArray),
    Binary(&'a BinaryArray),
    Struct(&'a StructArray, Vec<(&'a str, Cells<'a>)>),
    List(&'a ListArray, Box<Cells<'a>>),
    Map(&'a MapArray, Box<(Cells<'a>, Cells<'a>)>),
}

/// The numbers of a TIME.
pub(super) enum Numbers<'a> {
    Narrow(&'a [i32], &'a dyn Array),
    Wide(&'a [i64], &'a dyn Array),
}

impl<'a> Cells<'a> {
    /// The cells of a column, of a type that [`ColumnBuilder`](super::column::ColumnBuilder) knows, too.
    pub(super) fn new(array: &'a ArrayRef) -> Self {
        let any: &dyn Array = array;
        match array.data_type() {
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Int8 => Self::Int8(array.as_primitive()),
            DataType::Int16 => Self::Int16(array.as_primitive()),
            DataType::Int32 => Self::Int32(array.as_primitive()),
            DataType::Int64 => Self::Int64(array.as_primitive()),
            DataType::Float32 => Self::Float32(array.as_primitive()),
            DataType::Float64 => Self::Float64(array.as_primitive()),
            DataType::Decimal128(..) => Self::Decimal(array.as_primitive::<Decimal128Type>()),
            DataType::Date32 => Self::Date(array.as_primitive()),
            DataType::Time32(unit) => {
                let values = match unit {
                    TimeUnit::Second => array.as_primitive::<Time32SecondType>().values(),
                    _ => array.as_primitive::<Time32MillisecondType>().values(),
                };
                Self::Time { values: Numbers::Narrow(values, any), unit: *unit }
            }
            DataType::Time64(unit) => {
                let values = match unit {
                    TimeUnit::Microsecond => array.as_primitive::<Time64MicrosecondType>().values(),
                    _ => array.as_primitive::<Time64NanosecondType>().values(),
                };
                Self::Time { values: Numbers::Wide(values, any), unit: *unit }
            }
            DataType::Timestamp(unit, zone) => {
                let values = match unit {
                    TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
                    TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
                    TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
                    TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
                };
                Self::Timestamp { values, unit: *unit, is_local_zoned: zone.is_some(), array: any }
            }
            DataType::Utf8 => Self::Text(array.as_string()),
            DataType::Binary => Self::Binary(array.as_binary()),
            DataType::Struct(fields) => {
                let rows = array.as_struct();
                let columns = fields.iter().zip(rows.columns());
                Self::Struct(
                    rows,
                    columns.map(|(field, column)| (field.name().as_str(), Self::new(column))).collect(),
                )
            }
            DataType::List(_) => {
                let lists = array.as_list();
                Self::List(lists, Box::new(Self::new(lists.values())))
            }
            DataType::Map(..) => {
                let maps = array.as_map();
                Self::Map(maps, Box::new((Self::new(maps.keys()), Self::new(maps.values()))))
            }
            other => unreachable!("a sink's schema was checked, but has a column of type {other}"),
        }
    }

    fn array(&self) -> &dyn Array {
        match self {
            Self::Boolean(array) => array,
            Self::Int8(array) => array,
            Self::Int16(array) => array,
            Self::Int32(array) => array,
            Self::Int64(array) => array,
            Self::Float32(array) => array,
            Self::Float64(array) => array,
            Self::Decimal(array) => array,
            Self::Date(array) => array,
            Self::Time { values: Numbers::Narrow(_, array) | Numbers::Wide(_, array), .. } => *array,
            Self::Timestamp { array, .. } => *array,
            Self::Text(array) => array,
            Self::Binary(array) => array,
            Self::Struct(array, _) => array,
            Self::List(array, _) => array,
            Self::Map(array, _) => array,
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.array().is_null(row)
    }

    /// The places of an ARRAY's elements, or a MAP's entries.
    pub(super) fn range(&self, row: usize) -> Range<usize> {
        let offsets = match self {
            Self::List(lists, _) => lists.value_offsets(),
            Self::Map(maps, _) => maps.value_offsets(),
            _ => return 0..0,
        };
        offsets[row] as usize..offsets[row + 1] as usize
    }

    /// Whether a value is written as a text, rather than as a number or truth value.
    pub(super) fn is_text(&self) -> bool {
        matches!(
            self,
            Self::Date(_) | Self::Time { .. } | Self::Timestamp { .. } | Self::Text(_) | Self::Binary(_)
        )
    }

    /// Writes a value that is not null and has no parts.
    pub(super) fn write_scalar(&self, row: usize, style: TimestampStyle, out: &mut Vec<u8>) {
        match self {
            Self::Boolean(array) => display(array.value(row), out),
            Self::Int8(array) => write_integer(array.value(row).into(), out),
            Self::Int16(array) => write_integer(array.value(row).into(), out),
            Self::Int32(array) => write_integer(array.value(row).into(), out),
            Self::Int64(array) => write_integer(array.value(row), out),
            Self::Float32(array) => write_float(array.value(row), out),
            Self::Float64(array) => write_float(array.value(row), out),
            Self::Decimal(array) => display(array.value_as_string(row), out),
            Self::Date(array) => write_date(array.value(row), out),
            Self::Time { values: Numbers::Narrow(values, _), unit } => {
                write_time(values[row].into(), *unit, out)
            }
            Self::Time { values: Numbers::Wide(values, _), unit } => write_time(values[row], *unit, out),
            Self::Timestamp { values, unit, is_local_zoned, .. } => {
                write_timestamp(values[row], *unit, style, *is_local_zoned, out);
            }
            Self::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Self::Binary(array) => out.extend_from_slice(STANDARD.encode(array.value(row)).as_bytes()),
            Self::Struct(..) | Self::List(..) | Self::Map(..) => {
                unreachable!("what has parts is written part by part")
            }
        }
    }
}

/// Writes digit by digit: formatting as the standard library does it is dear.
fn write_integer(value: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = value.unsigned_abs();
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(rest % 10).expect("a digit is below 10");
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[first..]);
}

fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    write!(out, "{value}").expect("a Vec takes all that is written");
}

/// Writes a number as Java does: with a decimal point always, and an exponent from 10^7 and below 10^-3.
fn write_float<T: Into<f64> + Copy + std::fmt::Display + std::fmt::LowerExp>(value: T, out: &mut Vec<u8>) {
    let number: f64 = value.into();
    let size = number.abs();
    if number.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if number.is_infinite() {
        out.extend_from_slice(if number > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        let begin = out.len();
        display(value, out);
        if !out[begin..].contains(&b'.') {
            out.extend_from_slice(b".0");
        }
    } else {
        let text = format!("{value:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let point = if mantissa.contains('.') { "" } else { ".0" };
        write!(out, "{mantissa}{point}E{exponent}").expect("a Vec takes all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_java_does() {
        let text = |value: f64| {
            let mut out = Vec::new();
            write_float(value, &mut out);
            String::from_utf8(out).unwrap()
        };
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-1234.5, "-1234.5"),
            (0.001, "0.001"),
            (0.0001, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.25e10, "1.25E10"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
        let mut out = Vec::new();
        write_float(0.1_f32, &mut out);
        assert_eq!(out, b"0.1");
    }
}
