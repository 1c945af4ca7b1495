//! Rows as text, as Apache Flink prints them: `+I[a, 1, null]`, nested rows `+I[…]`, arrays `[1, 2]`, maps `{k=v}`.
//!
//! Values are written as Java does: `1.0E10`, `2020-01-01T00:00` for a TIMESTAMP, `2020-01-01T00:00:00Z` for a TIMESTAMP_LTZ.

use std::fmt::{Debug, LowerExp, Write};

use arrow::{
    array::{Array, AsArray, OffsetSizeTrait, RecordBatch, StructArray},
    datatypes::*,
    error::ArrowError,
    temporal_conversions::{as_date, as_datetime, as_time},
    util::display::{ArrayFormatter, FormatOptions},
};
use chrono::{NaiveDateTime, NaiveTime, Timelike};

use crate::batch::RowKind;

type WriteCell<'a> = Box<dyn Fn(usize, &mut String) + 'a>;

/// Writes the rows of a batch.
pub struct RowText<'a> {
    cells: Vec<WriteCell<'a>>,
}

impl<'a> RowText<'a> {
    /// For the rows of this batch; an error if it has values that cannot be shown.
    pub fn new(batch: &'a RecordBatch) -> Result<Self, ArrowError> {
        let cells = batch.columns().iter().map(|column| cell(column.as_ref())).collect::<Result<_, _>>()?;
        Ok(Self { cells })
    }

    /// Appends a row: `+I[a, 1, null]`.
    pub fn write_row(&self, kind: RowKind, row: usize, out: &mut String) {
        out.push_str(kind.short());
        out.push('[');
        write_list(self.cells.iter(), out, |cell, out| cell(row, out));
        out.push(']');
    }

    /// Appends one value of a row.
    pub fn write_cell(&self, column: usize, row: usize, out: &mut String) {
        (self.cells[column])(row, out);
    }
}

fn write_list<T>(items: impl Iterator<Item = T>, out: &mut String, mut write: impl FnMut(T, &mut String)) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        write(item, out);
    }
}

/// What writes the values of an array, nulls included.
fn cell<'a>(array: &'a dyn Array) -> Result<WriteCell<'a>, ArrowError> {
    let write = value(array)?;
    Ok(Box::new(move |row, out| if array.is_null(row) { out.push_str("null") } else { write(row, out) }))
}

/// Writing to a string cannot fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {
        write!($out, $($format)*).expect("a string takes everything")
    };
}

fn value<'a>(array: &'a dyn Array) -> Result<WriteCell<'a>, ArrowError> {
    Ok(match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean();
            Box::new(move |row, out| put!(out, "{}", values.value(row)))
        }
        DataType::Int8 => number::<Int8Type>(array),
        DataType::Int16 => number::<Int16Type>(array),
        DataType::Int32 => number::<Int32Type>(array),
        DataType::Int64 => number::<Int64Type>(array),
        DataType::UInt8 => number::<UInt8Type>(array),
        DataType::UInt16 => number::<UInt16Type>(array),
        DataType::UInt32 => number::<UInt32Type>(array),
        DataType::UInt64 => number::<UInt64Type>(array),
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>();
            Box::new(move |row, out| write_float(values.value(row), out))
        }
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>();
            Box::new(move |row, out| write_float(values.value(row), out))
        }
        DataType::Decimal128(_, scale) => {
            let (values, scale) = (array.as_primitive::<Decimal128Type>(), *scale);
            Box::new(move |row, out| write_decimal(values.value(row), scale, out))
        }
        DataType::Utf8 => {
            let values = array.as_string::<i32>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::LargeUtf8 => {
            let values = array.as_string::<i64>();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Utf8View => {
            let values = array.as_string_view();
            Box::new(move |row, out| out.push_str(values.value(row)))
        }
        DataType::Binary => {
            let values = array.as_binary::<i32>();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::LargeBinary => {
            let values = array.as_binary::<i64>();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::BinaryView => {
            let values = array.as_binary_view();
            Box::new(move |row, out| write_bytes(values.value(row), out))
        }
        DataType::Date32 => {
            let values = array.as_primitive::<Date32Type>();
            Box::new(move |row, out| {
                let days = values.value(row);
                match as_date::<Date32Type>(i64::from(days)) {
                    Some(date) => put!(out, "{date}"),
                    None => put!(out, "{days}"),
                }
            })
        }
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(array),
        DataType::Time32(_) => time::<Time32MillisecondType>(array),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(array),
        DataType::Time64(_) => time::<Time64NanosecondType>(array),
        DataType::Timestamp(unit, zone) => {
            let is_instant = zone.is_some();
            match unit {
                TimeUnit::Second => timestamp::<TimestampSecondType>(array, is_instant),
                TimeUnit::Millisecond => timestamp::<TimestampMillisecondType>(array, is_instant),
                TimeUnit::Microsecond => timestamp::<TimestampMicrosecondType>(array, is_instant),
                TimeUnit::Nanosecond => timestamp::<TimestampNanosecondType>(array, is_instant),
            }
        }
        DataType::Struct(_) => {
            let cells = cells(array.as_struct())?;
            Box::new(move |row, out| {
                out.push_str("+I[");
                write_list(cells.iter(), out, |cell, out| cell(row, out));
                out.push(']');
            })
        }
        DataType::List(_) => list::<i32>(array)?,
        DataType::LargeList(_) => list::<i64>(array)?,
        DataType::Map(..) => {
            let map = array.as_map();
            let (keys, values) = (cell(map.keys())?, cell(map.values())?);
            let offsets = map.value_offsets();
            Box::new(move |row, out| {
                out.push('{');
                write_list(offsets[row] as usize..offsets[row + 1] as usize, out, |entry, out| {
                    keys(entry, out);
                    out.push('=');
                    values(entry, out);
                });
                out.push('}');
            })
        }
        // Intervals and what only casts yield.
        _ => {
            let formatter = ArrayFormatter::try_new(array, &FormatOptions::new())?;
            Box::new(move |row, out| put!(out, "{}", formatter.value(row)))
        }
    })
}

fn number<'a, T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &'a dyn Array) -> WriteCell<'a> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| put!(out, "{}", values.value(row)))
}

fn cells(rows: &StructArray) -> Result<Vec<WriteCell<'_>>, ArrowError> {
    rows.columns().iter().map(|column| cell(column.as_ref())).collect()
}

fn list<'a, O: OffsetSizeTrait>(array: &'a dyn Array) -> Result<WriteCell<'a>, ArrowError> {
    let list = array.as_list::<O>();
    let element = cell(list.values().as_ref())?;
    let offsets = list.value_offsets();
    Ok(Box::new(move |row, out| {
        out.push('[');
        write_list(offsets[row].as_usize()..offsets[row + 1].as_usize(), out, &element);
        out.push(']');
    }))
}

fn time<'a, T: ArrowPrimitiveType<Native: Into<i64>>>(array: &'a dyn Array) -> WriteCell<'a> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let number: i64 = values.value(row).into();
        match as_time::<T>(number) {
            Some(time) => write_time(time, false, out),
            None => put!(out, "{number}"),
        }
    })
}

fn timestamp<'a, T: ArrowPrimitiveType<Native = i64>>(
    array: &'a dyn Array,
    is_instant: bool,
) -> WriteCell<'a> {
    let values = array.as_primitive::<T>();
    Box::new(move |row, out| {
        let number = values.value(row);
        match as_datetime::<T>(number) {
            Some(time) => write_datetime(time, is_instant, out),
            None => put!(out, "{number}"),
        }
    })
}

/// As Java writes a `LocalDateTime` or an `Instant`.
fn write_datetime(time: NaiveDateTime, is_instant: bool, out: &mut String) {
    put!(out, "{}T", time.date());
    write_time(time.time(), is_instant, out);
    if is_instant {
        out.push('Z');
    }
}

/// As Java writes a `LocalTime`: without seconds that are 0, and with as many groups of three decimals as needed.
fn write_time(time: NaiveTime, always_seconds: bool, out: &mut String) {
    put!(out, "{:02}:{:02}", time.hour(), time.minute());
    let nanos = time.nanosecond();
    if always_seconds || time.second() > 0 || nanos > 0 {
        put!(out, ":{:02}", time.second());
    }
    if nanos == 0 {
    } else if nanos.is_multiple_of(1_000_000) {
        put!(out, ".{:03}", nanos / 1_000_000);
    } else if nanos.is_multiple_of(1_000) {
        put!(out, ".{:06}", nanos / 1_000);
    } else {
        put!(out, ".{nanos:09}");
    }
}

/// As Java's `Double.toString` and `Float.toString`: from 0.001 to 10,000,000 plain, else with an exponent.
fn write_float<F: Copy + Into<f64> + Debug + LowerExp>(value: F, out: &mut String) {
    let wide: f64 = value.into();
    if wide.is_nan() {
        out.push_str("NaN");
    } else if wide.is_infinite() {
        out.push_str(if wide > 0.0 { "Infinity" } else { "-Infinity" });
    } else if wide == 0.0 || (1e-3..1e7).contains(&wide.abs()) {
        put!(out, "{value:?}");
    } else {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').expect("the format has an exponent");
        let point = if digits.contains('.') { "" } else { ".0" };
        put!(out, "{digits}{point}E{exponent}");
    }
}

/// As Java's `BigDecimal.toString`, which has an exponent for what is below 0.000001.
fn write_decimal(unscaled: i128, scale: i8, out: &mut String) {
    let digits = unscaled.unsigned_abs().to_string();
    if unscaled < 0 {
        out.push('-');
    }
    let exponent = digits.len() as i64 - 1 - i64::from(scale);
    if scale == 0 {
        out.push_str(&digits);
    } else if scale > 0 && exponent >= -6 {
        let decimals = scale as usize;
        let digits = format!("{digits:0>width$}", width = decimals + 1);
        let (whole, part) = digits.split_at(digits.len() - decimals);
        put!(out, "{whole}.{part}");
    } else {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        put!(out, "{first}{point}{rest}E{exponent:+}");
    }
}

/// As Java writes an array of its signed bytes.
fn write_bytes(bytes: &[u8], out: &mut String) {
    out.push('[');
    write_list(bytes.iter(), out, |byte, out| put!(out, "{}", byte.cast_signed()));
    out.push(']');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::*;

    use super::*;

    /// The values of a column, separated by `|`.
    fn told(column: impl Array + 'static) -> String {
        let column: ArrayRef = Arc::new(column);
        let batch = RecordBatch::try_from_iter([("a", column)]).unwrap();
        let text = RowText::new(&batch).unwrap();
        let mut out = String::new();
        for row in 0..batch.num_rows() {
            if row > 0 {
                out.push('|');
            }
            text.write_cell(0, row, &mut out);
        }
        out
    }

    #[test]
    fn numbers_are_written_as_in_java() {
        assert_eq!(told(Int8Array::from(vec![Some(-3), None])), "-3|null");
        let floats =
            [1.0, 0.001, 9_999_999.0, 1e7, -1.5e-5, 0.1, f64::NAN, f64::NEG_INFINITY, -0.0, 1.25e100];
        assert_eq!(
            told(Float64Array::from(floats.to_vec())),
            "1.0|0.001|9999999.0|1.0E7|-1.5E-5|0.1|NaN|-Infinity|-0.0|1.25E100"
        );
        assert_eq!(told(Float32Array::from(vec![0.1, 3.4e38])), "0.1|3.4E38");
        let decimals = |values: Vec<i128>, scale| {
            Decimal128Array::from(values).with_precision_and_scale(20, scale).unwrap()
        };
        assert_eq!(told(decimals(vec![12345, -5, 0], 2)), "123.45|-0.05|0.00");
        assert_eq!(told(decimals(vec![7, -7], 0)), "7|-7");
        assert_eq!(told(decimals(vec![1, -123, 10_000_000], 10)), "1E-10|-1.23E-8|0.0010000000");
    }

    #[test]
    fn times_are_written_as_in_java() {
        let ms = vec![1_577_836_800_000, 1_577_836_801_000, 1_577_836_800_123, -1];
        assert_eq!(
            told(TimestampMillisecondArray::from(ms.clone())),
            "2020-01-01T00:00|2020-01-01T00:00:01|2020-01-01T00:00:00.123|1969-12-31T23:59:59.999"
        );
        assert_eq!(
            told(TimestampMillisecondArray::from(ms).with_timezone("UTC")),
            "2020-01-01T00:00:00Z|2020-01-01T00:00:01Z|2020-01-01T00:00:00.123Z|1969-12-31T23:59:59.999Z"
        );
        assert_eq!(
            told(TimestampNanosecondArray::from(vec![1_000, 1])),
            "1970-01-01T00:00:00.000001|1970-01-01T00:00:00.000000001"
        );
        assert_eq!(told(TimestampMillisecondArray::from(vec![i64::MAX])), i64::MAX.to_string());
        assert_eq!(told(Date32Array::from(vec![0, 18_262])), "1970-01-01|2020-01-01");
        assert_eq!(told(Time32MillisecondArray::from(vec![3_600_000, 1_500])), "01:00|00:00:01.500");
    }

    #[test]
    fn rows_arrays_and_maps_are_nested() {
        let id: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        let name: ArrayRef = Arc::new(StringArray::from(vec!["x", "y"]));
        let fields = vec![Field::new("id", DataType::Int32, true), Field::new("name", DataType::Utf8, true)];
        let rows = StructArray::new(fields.into(), vec![id, name], None);
        assert_eq!(told(rows), "+I[1, x]|+I[null, y]");
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![]),
            Some(vec![Some(4)]),
        ]);
        assert_eq!(told(lists.slice(1, 3)), "null|[]|[4]");
        assert_eq!(told(lists), "[1, null]|null|[]|[4]");
        let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
        maps.keys().append_value("k");
        maps.values().append_value(1);
        maps.keys().append_value("l");
        maps.values().append_null();
        maps.append(true).unwrap();
        maps.append(true).unwrap();
        assert_eq!(told(maps.finish()), "{k=1, l=null}|{}");
        assert_eq!(told(BinaryArray::from(vec![&[97u8, 255][..]])), "[97, -1]");
    }

    #[test]
    fn a_row_begins_with_its_kind() {
        let batch = RecordBatch::try_from_iter([
            ("a", Arc::new(StringArray::from(vec!["a"])) as ArrayRef),
            ("b", Arc::new(Int64Array::from(vec![1])) as ArrayRef),
            ("c", Arc::new(BooleanArray::from(vec![None])) as ArrayRef),
        ])
        .unwrap();
        let mut out = String::new();
        RowText::new(&batch).unwrap().write_row(RowKind::UpdateBefore, 0, &mut out);
        assert_eq!(out, "-U[a, 1, null]");
    }
}
