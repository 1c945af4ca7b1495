//! DataFusion's errors in our words.

use std::sync::LazyLock;

use datafusion::{
    common::{DataFusionError, SchemaError},
    sql::sqlparser::ast::Query,
};

use regex::{Captures, Regex};

use super::{aggregates, context::query_location};
use crate::{
    error::{Location, SqlError},
    functions,
};

/// What went wrong, with its place if DataFusion knows it.
pub fn sql_error(error: DataFusionError) -> SqlError {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    let located = |found: SqlError| match span {
        Some(span) => found.at(Location { line: span.start.line.max(1), column: span.start.column.max(1) }),
        None => found,
    };
    if let DataFusionError::External(inner) = error.find_root()
        && let Some(own) = inner.downcast_ref::<SqlError>()
    {
        return located(own.clone());
    }
    let message = match error.find_root() {
        DataFusionError::SchemaError(schema, _) => return located(schema_error(schema)),
        DataFusionError::Plan(message)
        | DataFusionError::NotImplemented(message)
        | DataFusionError::Execution(message)
        | DataFusionError::Configuration(message) => message.clone(),
        DataFusionError::Internal(message) => format!("cannot be planned: {message}"),
        other => other.to_string(),
    };
    let function = message.strip_prefix("Invalid function '").and_then(|rest| rest.split('\'').next());
    located(match function {
        Some(name) => unknown_function(name),
        None => SqlError::new(in_our_style(&message)),
    })
}

fn unknown_function(name: &str) -> SqlError {
    match functions::unsupported(name) {
        Some(reason) => SqlError::new(reason),
        None => {
            let aggregates = aggregates::names().into_iter().map(|name| name.to_uppercase());
            let known: Vec<String> = functions::names().into_iter().chain(aggregates).collect();
            let error = SqlError::new(format!("unknown function `{name}`"));
            error.did_you_mean(&name.to_uppercase(), known.iter().map(String::as_str))
        }
    }
}

/// The same, with the query's place if nothing better is known.
pub fn in_query(error: DataFusionError, query: &Query) -> SqlError {
    sql_error(error).at(query_location(query))
}

fn schema_error(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let known: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
            let shown = valid_fields
                .iter()
                .take(20)
                .map(|column| format!("`{}`", column.flat_name()))
                .collect::<Vec<_>>();
            let error = SqlError::new(format!("unknown column `{}`", field.flat_name()));
            let with_hint = error.clone().did_you_mean(&field.name, known);
            if with_hint.hint.is_some() || shown.is_empty() {
                with_hint
            } else {
                error.hint(format!("expected one of {}", shown.join(", ")))
            }
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new(format!("the column `{}` is in several tables", field.name))
                .hint("say which: table.column")
        }
        other => SqlError::new(in_our_style(&other.to_string())),
    }
}

/// What stands before or behind what is said, for developers of DataFusion or as advice that is none here.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    let prefix = "^(?s:.*coercion failed with: )?(?:(?:Error during planning|Execution error): )*";
    Regex::new(prefix).expect("it is one")
});

/// A literal as DataFusion shows it, with its type.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"\b(?:U?Int(?:8|16|32|64)|Float(?:32|64)|Boolean|Utf8)\(("[^"]*"|[^()"]*)\)"#)
        .expect("it is one")
});

/// Arrow's types, and what they are called in SQL.
const TYPES: [(&str, &str); 9] = [
    ("Int8", "TINYINT"),
    ("Int16", "SMALLINT"),
    ("Int32", "INT"),
    ("Int64", "BIGINT"),
    ("Float32", "FLOAT"),
    ("Float64", "DOUBLE"),
    ("Utf8", "STRING"),
    ("Boolean", "BOOLEAN"),
    ("Date32", "DATE"),
];

static TYPE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b(?:Int(?:8|16|32|64)|Float(?:32|64)|Utf8|Boolean|Date32)\b").expect("it is one")
});

/// A text of DataFusion's with literals and types as they are written in SQL.
pub fn plain(text: &str) -> String {
    let text = LITERAL.replace_all(text, |found: &Captures<'_>| found[1].replace('"', "'"));
    let spelling = |found: &Captures<'_>| {
        TYPES.iter().find(|(arrow, _)| *arrow == &found[0]).map_or("", |(_, sql)| *sql)
    };
    TYPE.replace_all(&text, spelling).into_owned()
}

/// Lower case, one line, no final period.
fn in_our_style(message: &str) -> String {
    let message = message.split("\n\nbacktrace").next().unwrap_or(message).trim();
    let message = PREFIX.replace(message, "");
    let message = message.split(" No function matches the given name").next().unwrap_or_default();
    let line = plain(message.trim().trim_end_matches('.')).replace('\n', " ");
    let mut chars = line.chars();
    match (chars.next(), chars.next()) {
        (Some(first), Some(second)) if first.is_uppercase() && !second.is_uppercase() => {
            first.to_lowercase().chain(line.chars().skip(1)).collect()
        }
        _ => line,
    }
}
