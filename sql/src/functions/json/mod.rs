//! Functions of JSON. Their clauses come as strings, see `parser::json`.

mod build;
mod path;
mod scan;

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use datafusion::{
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::ScalarUDF,
};

use self::{
    path::{Found, Path},
    scan::{Kind as JsonKind, Value, unescape},
};
use super::udf::{Args, Builtin, Kind, Values, a_boolean, a_string};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::Text;
    let mut functions = vec![
        Builtin::new("JSON_VALUE", &[Text, Text], a_string, value).optional(&[Text, Text, Text, Text]).udf(),
        Builtin::new("JSON_QUERY", &[Text, Text], a_string, query).optional(&[Text, Text, Text]).udf(),
        Builtin::new("JSON_EXISTS", &[Text, Text], a_boolean, exists).optional(&[Text]).udf(),
        Builtin::new("IS_JSON", &[Text], a_boolean, is_json).optional(&[Text]).udf(),
    ];
    functions.extend(build::functions());
    functions
}

/// The path of each row; mostly it is one for all.
struct Paths<'a> {
    texts: Values<'a, StringArray>,
    last: Option<(&'a str, Path)>,
}

impl<'a> Paths<'a> {
    fn of(args: &'a Args) -> Result<Self> {
        Ok(Self { texts: args.text(1)?, last: None })
    }

    fn get(&mut self, row: usize) -> Result<Option<&Path>> {
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, Path::parse(text).map_err(|error| exec_datafusion_err!("{error}"))?));
        }
        Ok(self.last.as_ref().map(|(_, path)| path))
    }
}

/// A clause, which the parser has made a constant of.
fn clause<'a>(args: &'a Args, n: usize, default: &'static str) -> Result<&'a str> {
    Ok(args.optional_text(n)?.and_then(|clause| clause.get(0)).unwrap_or(default))
}

fn value(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut paths = Paths::of(args)?;
    let (on_empty, on_error) = (clause(args, 2, "NULL")?, clause(args, 4, "NULL")?);
    let (empty_default, error_default) = (args.optional_text(3)?, args.optional_text(5)?);
    args.strings(|row, out| {
        let (Some(text), Some(path)) = (texts.get(row), paths.get(row)?) else { return Ok(None) };
        let found = Value::parse(text).map(|root| path.find(root));
        let (mode, default, what) = match found {
            Some(Found::One(value)) if value.is_scalar() && value.kind != JsonKind::Null => {
                return scalar(value, out)
                    .map(Some)
                    .ok_or_else(|| exec_datafusion_err!("a string of JSON is no Unicode"));
            }
            Some(Found::One(value)) if path.strict && !value.is_scalar() => {
                (on_error, &error_default, "no scalar value")
            }
            Some(Found::Many(_)) if path.strict => (on_error, &error_default, "no scalar value"),
            Some(Found::Nothing) if path.strict => (on_error, &error_default, "no value"),
            Some(_) => (on_empty, &empty_default, "no scalar value"),
            None => (on_error, &error_default, "no JSON"),
        };
        match mode {
            "ERROR" => exec_err!("JSON_VALUE found {what} in `{}`", short(text)),
            "DEFAULT" => {
                Ok(default.as_ref().and_then(|default| default.get(row)).map(|default| out.push_str(default)))
            }
            _ => Ok(None),
        }
    })
}

/// The begin of a text, for an error.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

fn scalar(value: Value<'_>, out: &mut String) -> Option<()> {
    match value.kind {
        JsonKind::String if value.text.contains('\\') => out.push_str(&unescape(value.text)?),
        JsonKind::String => out.push_str(&value.text[1..value.text.len() - 1]),
        JsonKind::Number if value.text.contains(['.', 'e', 'E']) => {
            let number: f64 = value.text.parse().ok()?;
            out.push_str(&format!("{number:?}"));
        }
        _ => out.push_str(value.text),
    }
    Some(())
}

fn query(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut paths = Paths::of(args)?;
    let wrapper = clause(args, 2, "WITHOUT")?;
    let (on_empty, on_error) = (clause(args, 3, "NULL")?, clause(args, 4, "NULL")?);
    args.strings(|row, out| {
        let (Some(text), Some(path)) = (texts.get(row), paths.get(row)?) else { return Ok(None) };
        let found = Value::parse(text).map(|root| path.find(root));
        let (mode, what) = match found {
            Some(Found::One(value)) if value.kind != JsonKind::Null => {
                let array = value.kind == JsonKind::Array;
                let wrap = wrapper == "UNCONDITIONAL" || wrapper == "CONDITIONAL" && !array;
                if wrap || !value.is_scalar() {
                    write_array(wrap, &[value], out);
                    return Ok(Some(()));
                }
                (if path.strict { on_error } else { on_empty }, "a scalar value")
            }
            Some(Found::Many(values)) => {
                if wrapper == "UNCONDITIONAL" {
                    out.push('[');
                }
                write_array(true, &values, out);
                if wrapper == "UNCONDITIONAL" {
                    out.push(']');
                }
                return Ok(Some(()));
            }
            Some(_) => (if path.strict { on_error } else { on_empty }, "no value"),
            None => (on_error, "no JSON"),
        };
        match mode {
            "ERROR" => return exec_err!("JSON_QUERY found {what} in `{}`", short(text)),
            "EMPTY ARRAY" => out.push_str("[]"),
            "EMPTY OBJECT" => out.push_str("{}"),
            _ => return Ok(None),
        }
        Ok(Some(()))
    })
}

fn write_array(wrap: bool, values: &[Value<'_>], out: &mut String) {
    if wrap {
        out.push('[');
    }
    for (n, value) in values.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        value.write_compact(out);
    }
    if wrap {
        out.push(']');
    }
}

fn exists(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut paths = Paths::of(args)?;
    let on_error = clause(args, 2, "FALSE")?;
    args.bools(|row| {
        let (Some(text), Some(path)) = (texts.get(row), paths.get(row)?) else { return Ok(None) };
        match Value::parse(text).map(|root| path.find(root)) {
            Some(Found::One(_)) => Ok(Some(true)),
            Some(Found::Many(values)) => Ok(Some(!values.is_empty())),
            Some(Found::Nothing) if !path.strict => Ok(Some(false)),
            _ => match on_error {
                "TRUE" => Ok(Some(true)),
                "UNKNOWN" => Ok(None),
                "ERROR" => exec_err!("JSON_EXISTS found no such JSON in `{}`", short(text)),
                _ => Ok(Some(false)),
            },
        }
    })
}

fn is_json(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let kind = clause(args, 1, "VALUE")?;
    args.bools(|row| {
        let value = texts.get(row).map(Value::parse);
        Ok(value.map(|value| match (value, kind) {
            (None, _) => false,
            (Some(value), "SCALAR") => value.is_scalar(),
            (Some(value), "ARRAY") => value.kind == JsonKind::Array,
            (Some(value), "OBJECT") => value.kind == JsonKind::Object,
            (Some(_), _) => true,
        }))
    })
}
