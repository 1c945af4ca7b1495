//! A submission's JSON, read by hand so that whatever is wrong with it is named.

use std::collections::BTreeMap;

use headwater_core::{
    job::{ArgValue, Args, JobSpec},
    options::{JobOptions, nearest},
};
use serde_json::{Map, Value};

use crate::problem::{Problem, ProblemKind};

const FIELDS: [&str; 7] =
    ["program", "args", "sql", "name", "parallelism", "checkpoint_interval_ms", "options"];

/// The program that runs SQL, and its argument.
const SQL: (&str, &str) = ("sql", "script");
const SQL_BYTES_MAX: usize = 1 << 20;
const NAME_CHARS_MAX: usize = 256;

/// Reads `{"program", "args"?, …}` or `{"sql", …}`, both with `{ "name"?, "parallelism"?, "checkpoint_interval_ms"?, "options"?}`.
pub(crate) fn parse(body: &[u8], defaults: &JobOptions) -> Result<JobSpec, Problem> {
    let value: Value = serde_json::from_slice(body).map_err(malformed)?;
    let Value::Object(mut fields) = value else {
        return Err(invalid(format!("expected a JSON object, found {}", kind_of(&value))));
    };
    if let Some(unknown) = fields.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        let suggestion =
            nearest(unknown, FIELDS).map_or_else(String::new, |known| format!(": did you mean `{known}`?"));
        return Err(invalid(format!("unknown field `{unknown}`{suggestion}"))
            .hint(format!("expected fields are {}", FIELDS.join(", "))));
    }
    if let Some(sql) = fields.remove("sql").filter(|sql| !sql.is_null()) {
        return sql_job(sql, fields, defaults);
    }
    let program = text(&mut fields, "program")?
        .ok_or_else(|| invalid("missing field `program`").hint("GET /api/v1/programs lists the programs"))?;
    let name = text(&mut fields, "name")?.unwrap_or_default();
    Ok(JobSpec { args: args(&mut fields)?, options: options(&mut fields, defaults)?, name, program })
}

/// A job in SQL: its statements, the INSERT last.
fn sql_job(sql: Value, mut fields: Map<String, Value>, defaults: &JobOptions) -> Result<JobSpec, Problem> {
    let Value::String(script) = sql else { return Err(wrong_kind("sql", "a string", &sql)) };
    if script.is_empty() || script.len() > SQL_BYTES_MAX {
        return Err(invalid(format!(
            "field `sql`: expected 1 to {SQL_BYTES_MAX} bytes, found {}",
            script.len()
        )));
    }
    if let Some(other) =
        ["program", "args"].iter().find(|field| fields.get(**field).is_some_and(|value| !value.is_null()))
    {
        return Err(invalid(format!(
            "field `{other}` is for registered programs: expected it without `sql`"
        )));
    }
    let name = text(&mut fields, "name")?.unwrap_or_default();
    let args = Args::from([(SQL.1.to_owned(), ArgValue::Text(script))]);
    Ok(JobSpec { args, options: options(&mut fields, defaults)?, name, program: SQL.0.to_owned() })
}

fn malformed(error: serde_json::Error) -> Problem {
    // serde_json ends its messages with the place.
    Problem::new(ProblemKind::MalformedJson, error.to_string())
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, detail)
}

fn text(fields: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Problem> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.contains(char::is_control) => {
            Err(invalid(format!("field `{field}`: expected a text without control characters")))
        }
        Some(Value::String(text)) if (1..=NAME_CHARS_MAX).contains(&text.chars().count()) => Ok(Some(text)),
        Some(Value::String(text)) => Err(invalid(format!(
            "field `{field}`: expected 1 to {NAME_CHARS_MAX} characters, found {}",
            text.chars().count()
        ))),
        Some(other) => Err(wrong_kind(field, "a string", &other)),
    }
}

fn object(fields: &mut Map<String, Value>, field: &str) -> Result<Map<String, Value>, Problem> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map),
        Some(other) => Err(wrong_kind(field, "an object", &other)),
    }
}

fn args(fields: &mut Map<String, Value>) -> Result<Args, Problem> {
    let read = |(name, value): (String, Value)| {
        let refuse = |found: &str| {
            let detail = format!("argument `{name}`: expected a string, a number or a bool, found {found}");
            Err(Problem::new(ProblemKind::BadArgument, detail))
        };
        let value = match value {
            Value::String(text) => ArgValue::Text(text),
            Value::Bool(flag) => ArgValue::Flag(flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => ArgValue::Integer(integer),
                (None, Some(float)) if number.is_f64() => ArgValue::Float(float),
                _ => return refuse("a number that is out of range"),
            },
            other => return refuse(kind_of(&other)),
        };
        Ok((name, value))
    };
    object(fields, "args")?.into_iter().map(read).collect()
}

fn options(fields: &mut Map<String, Value>, defaults: &JobOptions) -> Result<JobOptions, Problem> {
    let mut given = BTreeMap::new();
    for (key, value) in object(fields, "options")? {
        let text = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            other => {
                let detail = format!(
                    "option `{key}`: expected a string, a number or a bool, found {}",
                    kind_of(&other)
                );
                return Err(Problem::new(ProblemKind::BadOption, detail));
            }
        };
        given.insert(key, text);
    }
    for (field, key) in [
        ("parallelism", "parallelism.default"),
        ("checkpoint_interval_ms", "execution.checkpointing.interval"),
    ] {
        let number = match fields.remove(field) {
            None | Some(Value::Null) => continue,
            Some(value) => whole_number(&value)
                .ok_or_else(|| wrong_kind(field, "a whole number of at least 0", &value))?,
        };
        if given.insert(key.to_owned(), number.to_string()).is_some() {
            return Err(invalid(format!(
                "`{field}` and option `{key}` are the same: expected only one of them"
            )));
        }
    }
    let mut options = defaults.clone();
    options.set_all(&given)?;
    Ok(options)
}

/// A number without a fraction, however it is written: to JSON Schema, `2.0` is one, too.
pub(crate) fn whole_number(value: &Value) -> Option<u64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let of_float = |number: f64| {
        let is_whole = number.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&number);
        is_whole.then_some(number as u64)
    };
    value.as_u64().or_else(|| value.as_f64().and_then(of_float))
}

fn wrong_kind(field: &str, expected: &str, found: &Value) -> Problem {
    let found = match found {
        Value::Number(number) => number.to_string(),
        other => kind_of(other).to_owned(),
    };
    invalid(format!("field `{field}`: expected {expected}, found {found}"))
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::options::StateBackend;

    use super::*;

    fn parse(body: &[u8]) -> Result<JobSpec, Problem> {
        super::parse(body, &JobOptions::default())
    }

    fn refused(body: &str) -> (ProblemKind, String) {
        let problem = parse(body.as_bytes()).unwrap_err();
        (problem.kind(), problem.to_string())
    }

    #[test]
    fn every_field_reaches_the_spec() {
        let spec = parse(
            br#"{"program": "word-count", "args": {"text": "a", "n": 3, "rate": 0.5, "loop": true}, "name": "Words",
                "parallelism": 2, "checkpoint_interval_ms": 0, "options": {"state.backend.type": "hashmap"}}"#,
        )
        .unwrap();
        let args = [
            ("text", ArgValue::Text("a".to_owned())),
            ("n", ArgValue::Integer(3)),
            ("rate", ArgValue::Float(0.5)),
            ("loop", ArgValue::Flag(true)),
        ];
        assert_eq!((spec.name.as_str(), spec.program.as_str()), ("Words", "word-count"));
        assert_eq!(spec.args, Args::from(args.map(|(name, value)| (name.to_owned(), value))));
        assert_eq!((spec.options.parallelism, spec.options.checkpointing.interval_ms), (2, None));
        assert_eq!(spec.options.state_backend, StateBackend::HashMap);
    }

    #[test]
    fn what_is_null_is_not_given_and_a_whole_number_may_have_a_point() {
        let spec = parse(br#"{"program": "x", "sql": null, "args": null, "name": null, "parallelism": 2.0}"#)
            .unwrap();
        assert_eq!((spec.name.as_str(), spec.options.parallelism), ("", 2));
        assert_eq!(parse(br#"{"sql": "SELECT 1", "program": null}"#).unwrap().program, "sql");
    }

    #[test]
    fn a_job_without_a_name_has_its_program_s() {
        assert_eq!(parse(br#"{"program": "word-count"}"#).unwrap().name, "", "the program names it");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases = [
            ("{\"program\":\n  oops}", ProblemKind::MalformedJson, "line 2 column 3"),
            ("[]", ProblemKind::InvalidRequest, "expected a JSON object, found an array"),
            ("{}", ProblemKind::InvalidRequest, "missing field `program`"),
            (r#"{"program": ""}"#, ProblemKind::InvalidRequest, "expected 1 to 256 characters, found 0"),
            (r#"{"progam": "x"}"#, ProblemKind::InvalidRequest, "did you mean `program`?"),
            (
                r#"{"program": "x", "args": {"at": [1]}}"#,
                ProblemKind::BadArgument,
                "argument `at`: expected a string",
            ),
            (
                r#"{"program": "x", "args": {"n": 18446744073709551615}}"#,
                ProblemKind::BadArgument,
                "out of range",
            ),
            (r#"{"program": "x", "parallelism": "2"}"#, ProblemKind::InvalidRequest, "field `parallelism`"),
            (r#"{"program": "x", "parallelism": 1.5}"#, ProblemKind::InvalidRequest, "whole number"),
            (r#"{"program": "x", "parallelism": 0}"#, ProblemKind::BadOption, "`parallelism.default`"),
            (
                r#"{"program": "x", "options": {"state.backend": "hashmap"}}"#,
                ProblemKind::BadOption,
                "unknown option",
            ),
            (
                r#"{"program": "x", "parallelism": 1, "options": {"parallelism.default": 1}}"#,
                ProblemKind::InvalidRequest,
                "expected only one of them",
            ),
        ];
        for (body, kind, part) in cases {
            let (found, detail) = refused(body);
            assert_eq!(found, kind, "{body}: {detail}");
            assert!(detail.contains(part), "{body}: {detail}");
        }
    }
}
