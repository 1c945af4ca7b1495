//! Rows are what they were once they are written and read again.

use std::sync::Arc;

use arrow::{
    array::{
        ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
        Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch,
        StringArray, StructArray, Time32MillisecondArray, TimestampMicrosecondArray,
        TimestampMillisecondArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Field, Fields, Schema},
};
use proptest::prelude::*;

use super::{decoder, fields_of, format, read, written};
use crate::{
    formats::{Format, Pushed},
    types,
};

/// A column of each type, from its values.
fn columns(rows: &[Cells]) -> Vec<(Field, ArrayRef)> {
    fn of<T, U>(rows: &[Cells], pick: impl Fn(&Cells) -> Option<T>) -> U
    where
        U: FromIterator<Option<T>>,
    {
        rows.iter().map(pick).collect()
    }
    let number = |cells: &Cells| cells.number;
    let ms = |cells: &Cells| cells.number.map(|n| n.rem_euclid(200_000_000_000_000) - 20_000_000_000_000);
    let text: StringArray = of(rows, |cells| cells.text.clone());
    let decimal: Decimal128Array = of(rows, |cells| number(cells).map(i128::from));
    let list_of_text = {
        let lengths = rows.iter().map(|cells| cells.list.as_ref().map_or(0, Vec::len));
        let items: StringArray = rows.iter().flat_map(|cells| cells.list.iter().flatten().cloned()).collect();
        let nulls = NullBuffer::from_iter(rows.iter().map(|cells| cells.list.is_some()));
        let item = Arc::new(Field::new("item", DataType::Utf8, true));
        ListArray::new(item, OffsetBuffer::from_lengths(lengths), Arc::new(items), Some(nulls))
    };
    let row = {
        let fields: Fields =
            vec![Field::new("n", DataType::Int64, true), Field::new("s", DataType::Utf8, true)].into();
        let nulls = NullBuffer::from_iter(rows.iter().map(|cells| cells.is_row));
        let masked = |cells: &Cells| cells.is_row.then_some(cells.number).flatten();
        let numbers: Int64Array = of(rows, masked);
        let texts: StringArray = of(rows, |cells| cells.text.clone().filter(|_| cells.is_row));
        StructArray::new(fields, vec![Arc::new(numbers), Arc::new(texts)], Some(nulls))
    };
    let map = {
        let DataType::Map(entries, _) = types::map(DataType::Utf8, DataType::Int64, true) else {
            unreachable!()
        };
        let DataType::Struct(fields) = entries.data_type().clone() else { unreachable!() };
        let lengths = rows.iter().map(|cells| usize::from(cells.text.is_some()));
        let keys: StringArray = rows.iter().filter_map(|cells| cells.text.clone()).map(Some).collect();
        let values: Int64Array =
            rows.iter().filter(|cells| cells.text.is_some()).map(|cells| cells.number).collect();
        let pairs = StructArray::new(fields, vec![Arc::new(keys), Arc::new(values)], None);
        MapArray::new(entries, OffsetBuffer::from_lengths(lengths), pairs, None, false)
    };
    let arrays: Vec<(&str, ArrayRef)> = vec![
        ("boolean", Arc::new(of::<_, BooleanArray>(rows, |cells| number(cells).map(|n| n % 2 == 0)))),
        ("tinyint", Arc::new(of::<_, Int8Array>(rows, |cells| number(cells).map(|n| n as i8)))),
        ("smallint", Arc::new(of::<_, Int16Array>(rows, |cells| number(cells).map(|n| n as i16)))),
        ("int", Arc::new(of::<_, Int32Array>(rows, |cells| number(cells).map(|n| n as i32)))),
        ("bigint", Arc::new(of::<_, Int64Array>(rows, number))),
        ("float", Arc::new(of::<_, Float32Array>(rows, |cells| cells.float.map(|f| f as f32)))),
        ("double", Arc::new(of::<_, Float64Array>(rows, |cells| cells.float))),
        ("decimal", Arc::new(decimal.with_precision_and_scale(38, 9).unwrap())),
        ("date", Arc::new(of::<_, Date32Array>(rows, |cells| number(cells).map(|n| (n % 700_000) as i32)))),
        (
            "time",
            Arc::new(of::<_, Time32MillisecondArray>(rows, |cells| {
                number(cells).map(|n| n.rem_euclid(86_400_000) as i32)
            })),
        ),
        ("ts3", Arc::new(of::<_, TimestampMillisecondArray>(rows, ms))),
        ("ts6", Arc::new(of::<_, TimestampMicrosecondArray>(rows, ms))),
        ("ltz", Arc::new(of::<_, TimestampMillisecondArray>(rows, ms).with_timezone("UTC"))),
        ("string", Arc::new(text)),
        (
            "bytes",
            Arc::new(of::<_, BinaryArray>(rows, |cells| {
                cells.text.as_ref().map(|text| text.clone().into_bytes())
            })),
        ),
        ("list", Arc::new(list_of_text)),
        ("row", Arc::new(row)),
        ("map", Arc::new(map)),
    ];
    arrays
        .into_iter()
        .map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array))
        .collect()
}

#[derive(Debug, Clone)]
struct Cells {
    number: Option<i64>,
    float: Option<f64>,
    text: Option<String>,
    list: Option<Vec<Option<String>>>,
    is_row: bool,
}

fn cells(text: &'static str, element: &'static str) -> impl Strategy<Value = Vec<Cells>> {
    let number = prop::option::of(prop_oneof![any::<i64>(), -1000i64..1000]);
    let float = prop::option::of(prop_oneof![
        any::<f64>().prop_filter("it has no equal", |f| !f.is_nan()),
        -10.0..10.0
    ]);
    let list = prop::option::of(prop::collection::vec(prop::option::of(element), 0..4));
    let cell = (number, float, prop::option::of(text), list, any::<bool>())
        .prop_map(|(number, float, text, list, is_row)| Cells { number, float, text, list, is_row });
    prop::collection::vec(cell, 1..20)
}

fn batch(columns: Vec<(Field, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// The rows that the lines of `text` hold; records may have several.
fn read_text(format: &Format, fields: &Fields, text: &str) -> RecordBatch {
    let mut decoder = decoder(format, fields);
    let mut record = String::new();
    for line in text.strip_suffix('\n').unwrap().split('\n') {
        record.push_str(line);
        if decoder.push(record.as_bytes()).unwrap() == Pushed::Incomplete {
            assert!(decoder.ends_within_quotes(record.as_bytes(), false), "{record:?}");
            record.push('\n');
        } else {
            assert!(!decoder.ends_within_quotes(record.as_bytes(), false), "{record:?}");
            record.clear();
        }
    }
    assert_eq!(record, "");
    RecordBatch::try_new(Arc::new(Schema::new(fields.clone())), decoder.finish().unwrap()).unwrap()
}

proptest! {
    #[test]
    fn json_is_read_as_it_was_written(rows in cells(".{0,9}", ".{0,9}"), is_iso: bool, ignores_nulls: bool) {
        let rows = batch(columns(&rows));
        let format = format(&[
            ("format", "json"),
            ("json.timestamp-format.standard", if is_iso { "ISO-8601" } else { "SQL" }),
            ("json.encode.ignore-null-fields", if ignores_nulls { "true" } else { "false" }),
        ]);
        let text = written(&format, &rows);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        prop_assert_eq!(read_text(&format, rows.schema().fields(), &text), rows, "{}", text);
    }

    #[test]
    fn csv_is_read_as_it_was_written(
        rows in cells("[a-c\"',;#|\\\\ \n\r\té]{0,9}", "[a-c\"',#| \né]{1,9}"), variant in 0usize..5,
    ) {
        // Without a null literal NULL is written as an empty text, which is none: so these have one. A list that is empty, or
        // of one NULL, is written as nothing.
        let columns: Vec<_> = columns(&rows).into_iter().filter(|(field, _)| {
            !["map", "list", "row"].contains(&field.name().as_str())
        }).collect();
        let rows = batch(columns);
        let mut options = vec![("format", "csv"), ("csv.null-literal", "NULL")];
        options.extend_from_slice(match variant {
            0 => &[][..],
            1 => &[("csv.field-delimiter", "|"), ("csv.quote-character", "'")],
            2 => &[("csv.escape-character", "\\")],
            3 => &[("csv.disable-quote-character", "true"), ("csv.escape-character", "\\")],
            _ => &[("csv.allow-comments", "true"), ("csv.field-delimiter", "\\t")],
        });
        let format = format(&options);
        let text = written(&format, &rows);
        prop_assert_eq!(read_text(&format, rows.schema().fields(), &text), rows, "{}", text);
    }

    #[test]
    fn nested_csv_is_read_as_it_was_written(rows in cells("[a-c\"', é]{1,9}", "[a-c\"',#| \né]{1,9}")) {
        let columns: Vec<_> = columns(&rows).into_iter().filter(|(field, array)| match field.name().as_str() {
            "list" => array.as_list::<i32>().iter().all(|list| list.is_none_or(|list| list.len() > 1)),
            "row" => true,
            name => name == "int",
        }).collect();
        let rows = batch(columns);
        let format = format(&[("format", "csv"), ("csv.null-literal", "NULL"), ("csv.array-element-delimiter", "~~")]);
        let text = written(&format, &rows);
        prop_assert_eq!(read_text(&format, rows.schema().fields(), &text), rows, "{}", text);
    }

    #[test]
    fn a_malformed_line_leaves_nothing_behind(
        lines in prop::collection::vec(prop_oneof![
            r#"\{"a":[0-9]{1,3},"r":\{"x":[1-9],"l":\[1,2\]\},"m":\{"k":1\}\}"#,
            r#"[{}\[\]:,"arxlmk0-9]{0,20}"#,
            r#"\{"a":1,"r":\{"x":"(1|one)","l":\[1,(2|two)\]\},"m":\{"k":(1|"\?")\}\}?"#,
        ], 1..30), ignores_errors: bool,
    ) {
        let fields = fields_of(&[
            ("a", "INT"), ("r", "ROW<x BIGINT, l ARRAY<INT>>"), ("m", "MAP<STRING, BIGINT>"),
        ]);
        let ignore = if ignores_errors { "true" } else { "false" };
        let json = format(&[("format", "json"), ("json.ignore-parse-errors", ignore)]);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let (pushed, rows) = read(&json, &fields, &lines);
        let good: Vec<&str> = lines.iter().zip(&pushed).filter(|(_, pushed)| pushed.is_ok()).map(|(line, _)| *line).collect();
        prop_assert_eq!(rows.num_rows(), pushed.iter().filter(|pushed| **pushed == Ok(Pushed::Row)).count());
        prop_assert_eq!(read(&json, &fields, &good).1, rows);
    }
}
