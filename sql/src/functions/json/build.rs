//! JSON from values: `JSON_OBJECT`, `JSON_ARRAY`, `JSON_STRING`.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Field, Schema},
    json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited},
};
use datafusion::{
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::ScalarUDF,
};

use super::{clause, scan::Value};
use crate::functions::{
    cast::to_text,
    udf::{Args, Builtin, Kind, a_string},
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Text};
    vec![
        Builtin::new("JSON_OBJECT", &[Text], a_string, object).rest(Any).udf(),
        Builtin::new("JSON_ARRAY", &[Text], a_string, array).rest(Any).udf(),
        Builtin::new("JSON_STRING", &[Any], a_string, string).udf(),
        Builtin::new("JSON", &[Text], a_string, json).udf(),
    ]
}

/// The clauses: what becomes of nulls, and for each value whether it is JSON already.
fn spec(args: &Args) -> Result<(bool, &str)> {
    match clause(args, 0, "")?.split_once(':') {
        Some((nulls, raw)) => Ok((nulls == "ABSENT", raw)),
        None => exec_err!("expected JSON_OBJECT and JSON_ARRAY with their clauses"),
    }
}

/// The members are in the order of their names, as Flink's are.
fn object(args: &Args) -> Result<ArrayRef> {
    let (absent, raw) = spec(args)?;
    let count = raw.len();
    let names = (0..count).map(|n| args.text(1 + 2 * n)).collect::<Result<Vec<_>>>()?;
    let values = raw
        .bytes()
        .enumerate()
        .map(|(n, raw)| texts(args, 2 + 2 * n, raw == b'r'))
        .collect::<Result<Vec<_>>>()?;
    args.strings(|row, out| {
        let mut members = BTreeMap::new();
        for (name, value) in names.iter().zip(&values) {
            let Some(name) = name.get(row) else { return exec_err!("a key of JSON_OBJECT is null") };
            match value.is_valid(row) {
                true => members.insert(name, value.value(row)),
                false if absent => None,
                false => members.insert(name, "null"),
            };
        }
        out.push('{');
        for (n, (name, value)) in members.into_iter().enumerate() {
            if n > 0 {
                out.push(',');
            }
            quote(name, out);
            out.push(':');
            out.push_str(value);
        }
        out.push('}');
        Ok(Some(()))
    })
}

fn array(args: &Args) -> Result<ArrayRef> {
    let (absent, raw) = spec(args)?;
    let values = raw
        .bytes()
        .enumerate()
        .map(|(n, raw)| texts(args, 1 + n, raw == b'r'))
        .collect::<Result<Vec<_>>>()?;
    args.strings(|row, out| {
        out.push('[');
        let mut first = true;
        for value in values.iter().filter(|value| !absent || value.is_valid(row)) {
            if !first {
                out.push(',');
            }
            first = false;
            out.push_str(if value.is_valid(row) { value.value(row) } else { "null" });
        }
        out.push(']');
        Ok(Some(()))
    })
}

fn string(args: &Args) -> Result<ArrayRef> {
    Ok(Arc::new(texts(args, 0, false)?))
}

fn json(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.strings(|row, out| match texts.get(row).map(Value::parse) {
        None => Ok(None),
        Some(Some(value)) => {
            value.write_compact(out);
            Ok(Some(()))
        }
        Some(None) => exec_err!("JSON expects JSON"),
    })
}

fn quote(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

/// An argument's values as JSON, nulls as nulls.
fn texts(args: &Args, n: usize, raw: bool) -> Result<StringArray> {
    let array = args.array(n)?;
    let plain = |array: &ArrayRef| -> Result<StringArray> {
        Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
    };
    match array.data_type() {
        DataType::Utf8 if raw => plain(&array),
        data_type if data_type.is_numeric() || data_type.is_null() || *data_type == DataType::Boolean => {
            plain(&array)
        }
        data_type if data_type.is_nested() => nested(&array),
        _ => {
            let text = to_text(&array)?;
            let text = text.as_string::<i32>();
            let quoted = text.iter().map(|text| {
                text.map(|text| {
                    let mut quoted = String::with_capacity(text.len() + 2);
                    quote(text, &mut quoted);
                    quoted
                })
            });
            Ok(quoted.collect())
        }
    }
}

/// Rows, arrays and maps, by Arrow's writer, a line each.
fn nested(array: &ArrayRef) -> Result<StringArray> {
    let schema = Arc::new(Schema::new(vec![Field::new("v", array.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::clone(array)])?;
    let mut lines = Vec::new();
    let mut writer: LineDelimitedWriter<_> =
        WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut lines);
    writer.write(&batch)?;
    writer.finish()?;
    let lines =
        String::from_utf8(lines).map_err(|error| exec_datafusion_err!("JSON is no UTF-8: {error}"))?;
    let value =
        |line: &str| line.strip_prefix("{\"v\":").and_then(|line| line.strip_suffix('}')).map(str::to_owned);
    let values = lines.lines().enumerate().map(|(row, line)| value(line).filter(|_| array.is_valid(row)));
    Ok(values.collect())
}
