//! What becomes of records.

mod round_trip;

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, Int32Array, RecordBatch},
    datatypes::{Field, Fields, Int64Type, Schema},
};

use super::{Format, Pushed, ReadSchema, RecordDecoder};
use crate::{
    batch::RowKind,
    connectors::{options::OptionReader, testing::table},
    types,
};

fn try_format(options: &[(&str, &str)]) -> Result<Format, String> {
    let table = table("t", [], options.iter().copied());
    let mut reader = OptionReader::new(&table);
    let format = Format::read(&mut reader).map_err(|error| error.to_string())?;
    reader.finish().map_err(|error| error.to_string())?;
    Ok(format)
}

fn format(options: &[(&str, &str)]) -> Format {
    try_format(options).unwrap()
}

/// Reads all columns.
fn decoder(format: &Format, fields: &Fields) -> RecordDecoder {
    let wanted = (0..fields.len()).collect();
    let schema = ReadSchema { physical: fields.clone(), wanted, fields: fields.clone(), nested: Vec::new() };
    format.decoder(&schema).unwrap()
}

fn fields_of(declared: &[(&str, &str)]) -> Fields {
    let field = |(name, declared): &(&str, &str)| {
        let (data_type, is_nullable) = types::parse(declared).unwrap();
        Field::new(*name, data_type, is_nullable)
    };
    declared.iter().map(field).collect()
}

/// What becomes of each line, and the rows that were read as Arrow shows them.
fn read(format: &Format, fields: &Fields, lines: &[&str]) -> (Vec<Result<Pushed, String>>, RecordBatch) {
    let mut decoder = decoder(format, fields);
    let pushed = lines.iter().map(|line| decoder.push(line.as_bytes())).collect();
    let schema = Arc::new(Schema::new(fields.clone()));
    (pushed, RecordBatch::try_new(schema, decoder.finish().unwrap()).unwrap())
}

fn written(format: &Format, rows: &RecordBatch) -> String {
    let mut out = Vec::new();
    format.encoder(rows.schema().fields()).unwrap().encode(rows, None, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// One line, in JSON as this format writes it.
fn read_line(format: &Format, fields: &Fields, line: &str) -> Result<String, String> {
    let (mut pushed, rows) = read(format, fields, &[line]);
    pushed.remove(0)?;
    let mut out = Vec::new();
    self::format(&[("format", "json")]).encoder(fields).unwrap().encode(&rows, None, &mut out).unwrap();
    Ok(String::from_utf8(out).unwrap().trim_end().to_owned())
}

#[test]
fn json_is_read_as_flink_does() {
    let json = |options: &[(&str, &str)], declared: &str, line: &str| {
        let options: Vec<_> = [("format", "json")].iter().chain(options).copied().collect();
        read_line(&format(&options), &fields_of(&[("a", declared)]), line)
    };
    let ok = |text: &str| Ok(text.to_owned());
    let cases = [
        ("INT", r#"{"a": 1}"#, r#"{"a":1}"#),
        ("INT", r#"{"a": "12"}"#, r#"{"a":12}"#),
        ("INT", r#"{"a": " 12 "}"#, r#"{"a":12}"#),
        ("INT", r#"{"a": 1.9e1}"#, r#"{"a":19}"#),
        ("INT", r#"{"a": -1.9}"#, r#"{"a":-1}"#),
        ("INT", r#"{"b": [1, {"c": "}"}]}"#, r#"{"a":null}"#),
        ("INT", r#"{"a": 1, "a": 2}"#, r#"{"a":2}"#),
        ("INT", "{}", r#"{"a":null}"#),
        ("STRING", r#"{"a": 1.50}"#, r#"{"a":"1.50"}"#),
        ("STRING", r#"{"a": true}"#, r#"{"a":"true"}"#),
        ("STRING", r#"{"a": {"b": [1, "x y"]}}"#, r#"{"a":"{\"b\":[1,\"x y\"]}"}"#),
        ("BOOLEAN", r#"{"a": "TRUE"}"#, r#"{"a":true}"#),
        ("DOUBLE", r#"{"a": 1}"#, r#"{"a":1.0}"#),
        ("DECIMAL(20, 2)", r#"{"a": 123456789012345678.905}"#, r#"{"a":123456789012345678.91}"#),
        ("TIMESTAMP(3)", r#"{"a": "2020-01-02 03:04:05.678"}"#, r#"{"a":"2020-01-02 03:04:05.678"}"#),
        ("TIMESTAMP_LTZ(3)", r#"{"a": "2020-01-02 03:04:05Z"}"#, r#"{"a":"2020-01-02 03:04:05Z"}"#),
        ("BYTES", r#"{"a": "AQI="}"#, r#"{"a":"AQI="}"#),
        ("ARRAY<ARRAY<INT>>", r#"{"a": [[1, null], [], null]}"#, r#"{"a":[[1,null],[],null]}"#),
        (
            "MAP<STRING, ROW<x INT>>",
            r#"{"a": {"k": {"x": 1}, "l": null}}"#,
            r#"{"a":{"k":{"x":1},"l":null}}"#,
        ),
    ];
    for (declared, line, expected) in cases {
        assert_eq!(json(&[], declared, line), ok(expected), "{declared} {line}");
    }
    let iso = [("json.timestamp-format.standard", "ISO-8601")];
    assert_eq!(
        json(&iso, "TIMESTAMP(3)", r#"{"a": "2020-01-02T03:04:05"}"#),
        ok(r#"{"a":"2020-01-02 03:04:05"}"#)
    );

    let refused = [
        ("INT", r#"{"a": "x"}"#, "column `a`: expected INT, found `x`"),
        ("INT", r#"{"a": 3000000000}"#, "column `a`: expected INT, found `3000000000`"),
        ("INT", r#"{"a": [1]}"#, "column `a`: expected INT, found an array"),
        ("INT NOT NULL", r#"{"a": null}"#, "column `a`: expected a value since it is NOT NULL, found none"),
        (
            "ROW<x INT NOT NULL>",
            r#"{"a": {}}"#,
            "column `x`: expected a value since it is NOT NULL, found none",
        ),
        ("ARRAY<INT>", r#"{"a": {"b": 1}}"#, "column `a`: expected ARRAY, found an object"),
        ("INT", "[1]", "expected a JSON object, found `[1]`"),
        ("INT", r#"{"a": 1} x"#, "not JSON: expected nothing more at byte 9, found `x`"),
        (
            "TIMESTAMP(3)",
            r#"{"a": "2020-01-02T03:04:05"}"#,
            "column `a`: expected TIMESTAMP like `2020-01-31 12:30:00.123`, found `2020-01-02T03:04:05`",
        ),
    ];
    for (declared, line, expected) in refused {
        assert_eq!(json(&[], declared, line), Err(expected.to_owned()), "{declared} {line}");
    }
    let missing = [("json.fail-on-missing-field", "true")];
    assert_eq!(json(&missing, "INT", "{}"), Err("could not find field with name `a`".to_owned()));
    assert_eq!(json(&missing, "INT", r#"{"a": null}"#), ok(r#"{"a":null}"#));

    let ignoring = [("json.ignore-parse-errors", "true")];
    assert_eq!(json(&ignoring, "INT", r#"{"a": {"x": 1}, "b": 2}"#), ok(r#"{"a":null}"#));
    assert_eq!(
        json(&ignoring, "ROW<x INT, y INT>", r#"{"a": {"x": "?", "y": 2}}"#),
        ok(r#"{"a":{"x":null,"y":2}}"#)
    );
    assert_eq!(json(&ignoring, "ARRAY<INT>", r#"{"a": [1, "?", 3]}"#), ok(r#"{"a":[1,null,3]}"#));
    assert!(json(&ignoring, "INT", r#"{"a": "#).is_err(), "a line that is not JSON is no row");
}

#[test]
fn changes_are_written_as_debezium_does_and_refused_by_formats_without_them() {
    let fields = fields_of(&[("id", "INT"), ("at", "TIMESTAMP(3)")]);
    let json = format(&[("format", "json")]);
    let (_, rows) = read(
        &json,
        &fields,
        &[r#"{"id":1,"at":"2024-03-01 00:00:00.5"}"#, r#"{"id":2}"#, r#"{"id":3}"#, r#"{"id":4}"#],
    );
    let kinds = [RowKind::Insert, RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete];
    let debezium =
        format(&[("format", "debezium-json"), ("debezium-json.timestamp-format.standard", "ISO-8601")]);
    let mut out = Vec::new();
    debezium.encoder(&fields).unwrap().encode(&rows, Some(&kinds), &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"before":null,"after":{"id":1,"at":"2024-03-01T00:00:00.5"},"op":"c"}
{"before":{"id":2,"at":null},"after":null,"op":"d"}
{"before":null,"after":{"id":3,"at":null},"op":"c"}
{"before":{"id":4,"at":null},"after":null,"op":"d"}
"#
    );
    let refused = json.encoder(&fields).unwrap().encode(&rows, Some(&kinds), &mut Vec::new());
    assert!(refused.unwrap_err().starts_with("expected only new rows"));
    let all = ReadSchema { physical: fields.clone(), wanted: vec![0], fields, nested: Vec::new() };
    let refused = debezium.decoder(&all).err().unwrap().to_string();
    assert!(refused.starts_with("the format `debezium-json` can be written, and not be read"), "{refused}");
}

#[test]
fn csv_is_read_as_flink_does() {
    let fields = fields_of(&[("a", "INT"), ("b", "STRING")]);
    let csv = |options: &[(&str, &str)], line: &str| {
        let options: Vec<_> = [("format", "csv")].iter().chain(options).copied().collect();
        read_line(&format(&options), &fields, line)
    };
    let ok = |text: &str| Ok(text.to_owned());
    assert_eq!(csv(&[], " 1 ,x"), ok(r#"{"a":1,"b":"x"}"#));
    assert_eq!(csv(&[], r#""1","x ""y"", z""#), ok(r#"{"a":1,"b":"x \"y\", z"}"#));
    assert_eq!(
        csv(&[], r#"1,a "b" c"#),
        ok(r#"{"a":1,"b":"a \"b\" c"}"#),
        "quotes within a field are characters"
    );
    assert_eq!(csv(&[], "1,"), ok(r#"{"a":1,"b":""}"#));
    assert_eq!(csv(&[], "1,x,"), ok(r#"{"a":1,"b":"x"}"#), "a last delimiter is no field");
    assert_eq!(csv(&[("csv.null-literal", "")], ","), ok(r#"{"a":null,"b":null}"#));
    assert_eq!(csv(&[("csv.null-literal", "n/a")], "n/a,n/a"), ok(r#"{"a":null,"b":null}"#));
    assert_eq!(csv(&[("csv.field-delimiter", "\\u0001")], "1\u{1}x"), ok(r#"{"a":1,"b":"x"}"#));
    assert_eq!(csv(&[("csv.field-delimiter", "；")], "1；x"), ok(r#"{"a":1,"b":"x"}"#));
    assert_eq!(csv(&[("csv.quote-character", "'")], "1,'x,''y'"), ok(r#"{"a":1,"b":"x,'y"}"#));
    assert_eq!(csv(&[("csv.disable-quote-character", "true")], r#"1,"x""#), ok(r#"{"a":1,"b":"\"x\""}"#));
    assert_eq!(csv(&[("csv.escape-character", "\\")], r#"1,"a\"b\\c\n""#), ok(r#"{"a":1,"b":"a\"b\\c\n"}"#));
    assert_eq!(csv(&[("csv.escape-character", "\\")], r"1,a\,b"), ok(r#"{"a":1,"b":"a,b"}"#));

    let refused = [
        ("x,y", "column `a`: expected INT, found `x`"),
        (",y", "column `a`: expected INT, found ``; set `csv.null-literal` to '' if that is NULL"),
        ("1", "row length mismatch: expected 2 fields, found 1"),
        ("1,2,3", "row length mismatch: expected 2 fields, found more"),
        (r#"1,"a"b"#, "field 2: expected `,` or the end after a closing quote, found `b`"),
    ];
    for (line, expected) in refused {
        assert_eq!(csv(&[], line), Err(expected.to_owned()), "{line}");
    }
    let ignoring = [("csv.ignore-parse-errors", "true")];
    assert_eq!(csv(&ignoring, "x,y"), ok(r#"{"a":null,"b":"y"}"#));
    assert_eq!(csv(&ignoring, "1"), ok(r#"{"a":1,"b":null}"#));
    assert!(csv(&ignoring, "1,2,3").is_err());

    let comments = format(&[("format", "csv"), ("csv.allow-comments", "true")]);
    let (pushed, rows) = read(&comments, &fields, &["#1,x", "1,#x", r#"2,"x"#]);
    assert_eq!(pushed, [Ok(Pushed::Nothing), Ok(Pushed::Row), Ok(Pushed::Incomplete)]);
    assert_eq!(rows.num_rows(), 1);
}

#[test]
fn only_the_wanted_columns_and_fields_are_read() {
    let fields =
        fields_of(&[("a", "INT"), ("r", "ROW<x INT, y INT NOT NULL, z ROW<w INT NOT NULL> NOT NULL>")]);
    let schema = ReadSchema {
        physical: fields.clone(),
        wanted: vec![1],
        fields: vec![fields[1].clone()].into(),
        nested: vec![(0, ["x".to_owned()].into())],
    };
    let mut json = format(&[("format", "json")]).decoder(&schema).unwrap();
    assert_eq!(json.push(br#"{"a": "no number", "r": {"z": 7, "x": 1, "y": "no number"}}"#), Ok(Pushed::Row));
    let columns = json.finish().unwrap();
    assert_eq!(columns.len(), 1);
    assert_eq!(columns[0].as_struct().column(0).as_ref(), &Int32Array::from(vec![1]) as &dyn Array);

    let pair = fields_of(&[("a", "INT"), ("b", "BIGINT")]);
    let schema = ReadSchema {
        physical: pair.clone(),
        wanted: vec![1],
        fields: vec![pair[1].clone()].into(),
        nested: vec![],
    };
    let mut csv = format(&[("format", "csv")]).decoder(&schema).unwrap();
    assert_eq!(csv.push(b"x,2"), Ok(Pushed::Row));
    assert_eq!(csv.finish().unwrap()[0].as_primitive::<Int64Type>().values(), &[2]);
}

#[test]
fn raw_values_are_the_bytes_of_a_record() {
    let text = format(&[("format", "raw")]);
    let fields = fields_of(&[("line", "STRING")]);
    let (pushed, rows) = read(&text, &fields, &["a,\"b", ""]);
    assert_eq!(pushed, [Ok(Pushed::Row), Ok(Pushed::Row)]);
    assert_eq!(written(&text, &rows), "a,\"b\n\n");
    assert!(decoder(&text, &fields).push(b"\xFF").unwrap_err().contains("UTF-8"));
    let number = fields_of(&[("n", "INT")]);
    for (order, bytes) in [("big-endian", [0, 0, 1, 2]), ("little-endian", [2, 1, 0, 0])] {
        let format = format(&[("format", "raw"), ("raw.endianness", order)]);
        let mut decoder = decoder(&format, &number);
        assert_eq!(decoder.push(&bytes), Ok(Pushed::Row));
        assert_eq!(decoder.push(b"123"), Err("column `n`: expected INT of 4 bytes, found 3".to_owned()));
        assert_eq!(decoder.finish().unwrap()[0].as_ref(), &Int32Array::from(vec![258]) as &dyn Array);
    }
}

#[test]
fn what_a_format_cannot_do_is_refused_by_name() {
    let refused = |options: &[(&str, &str)], declared: &[(&str, &str)]| {
        format(options).encoder(&fields_of(declared)).err().unwrap().to_string()
    };
    assert_eq!(
        refused(&[("format", "csv")], &[("m", "MAP<STRING, INT>")]),
        "column `m`: the format `csv` does not support MAP; use `json`"
    );
    assert_eq!(
        refused(&[("format", "json")], &[("m", "MAP<INT, INT>")]),
        "column `m`: the format `json` does not support a MAP whose keys are not of type STRING"
    );
    assert_eq!(
        refused(&[("format", "raw")], &[("a", "INT"), ("b", "INT")]),
        "the format `raw` only supports a single physical column, found 2"
    );
    assert_eq!(
        try_format(&[("format", "avro")]).unwrap_err(),
        "table `t`, option `format`: expected `csv`, `json`, `debezium-json`, `raw` or `parquet`, found `avro`"
    );
    assert_eq!(
        try_format(&[("format", "csv"), ("csv.field-delimiter", "||")]).unwrap_err(),
        "table `t`, option `csv.field-delimiter`: expected one character, or one escaped as in `\\t` or `\\u0001`, found `||`"
    );
    let error = try_format(&[("format", "json"), ("csv.null-literal", "")]).unwrap_err();
    assert!(error.contains("option `csv.null-literal`: unknown"), "{error}");
}
