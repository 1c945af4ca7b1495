//! The JSON functions, whose arguments have clauses: these become strings, behind or before the other arguments.

use datafusion::sql::sqlparser::{
    ast::{CastKind, Expr, UnaryOperator, Value},
    parser::Parser,
    tokenizer::Token,
};

use super::{
    constructs::{call, cast, expressions, on_null, returning, text},
    cursor::{self, Parsed, error, here, nth_word, take},
    dialect::{CAST_AS_STRING, negate_if},
};
use crate::types;

/// `JSON_OBJECT([KEY] k VALUE v, … [NULL | ABSENT ON NULL])`: `JSON_OBJECT(clauses, k, v, …)`.
pub(super) fn object(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let mut entries = Vec::new();
        let mut raw = String::new();
        while p.peek_token_ref().token != Token::RParen && on_null_follows(p).is_none() {
            // A column may be called `key` as well.
            let keyed = nth_word(p, 0).as_deref() == Some("KEY")
                && !matches!(nth_word(p, 1).as_deref(), Some("VALUE"))
                && !matches!(p.peek_nth_token_ref(1).token, Token::Colon | Token::Period | Token::LParen);
            if keyed {
                p.advance_token();
            }
            entries.push(p.parse_expr()?);
            if !take(p, &["VALUE"]) {
                p.expect_token(&Token::Colon)?;
            }
            let value = p.parse_expr()?;
            raw.push(raw_flag(&value));
            entries.push(value);
            if !p.consume_token(&Token::Comma) {
                break;
            }
        }
        let nulls = on_null(p).unwrap_or("NULL");
        entries.insert(0, text(format!("{nulls}:{raw}")));
        Ok(call("JSON_OBJECT", entries))
    })
}

/// `JSON_ARRAY(v, … [NULL | ABSENT ON NULL])`: `JSON_ARRAY(clauses, v, …)`.
pub(super) fn array(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let none = p.peek_token_ref().token == Token::RParen || on_null_follows(p).is_some();
        let mut values = if none { Vec::new() } else { expressions(p)? };
        let raw: String = values.iter().map(raw_flag).collect();
        let nulls = on_null(p).unwrap_or("ABSENT");
        values.insert(0, text(format!("{nulls}:{raw}")));
        Ok(call("JSON_ARRAY", values))
    })
}

fn on_null_follows(p: &Parser<'_>) -> Option<()> {
    let word = nth_word(p, 0)?;
    let on = nth_word(p, 1)? == "ON";
    ((word == "NULL" || word == "ABSENT") && on).then_some(())
}

/// Whether a value is JSON already, and not a string to be quoted.
fn raw_flag(value: &Expr) -> char {
    match value {
        Expr::Function(function)
            if ["JSON_OBJECT", "JSON_ARRAY", "JSON"]
                .iter()
                .any(|name| function.name.to_string().eq_ignore_ascii_case(name)) =>
        {
            'r'
        }
        _ => 'v',
    }
}

/// `JSON_VALUE(json, path [RETURNING type] [… ON EMPTY] [… ON ERROR])`:
/// `JSON_VALUE(json, path, on empty, default, on error, default)`, as a string, cast.
pub(super) fn value(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let mut arguments = json_and_path(p)?;
        let at = here(p);
        let returned = returning(p)?;
        let mut behaviours = [("NULL", null()), ("NULL", null())];
        for (behaviour, event) in behaviours.iter_mut().zip(["EMPTY", "ERROR"]) {
            let mode = ["NULL", "ERROR"].into_iter().find(|mode| take(p, &[mode, "ON", event]));
            if let Some(mode) = mode {
                behaviour.0 = mode;
            } else if let Some(default) = p.maybe_parse(|p| default_on(p, event))? {
                *behaviour = ("DEFAULT", as_string(default));
            }
        }
        for (mode, default) in behaviours {
            arguments.extend([text(mode), default]);
        }
        let value = call("JSON_VALUE", arguments);
        match returned {
            None => Ok(value),
            Some(declared) if declared.data_type == arrow::datatypes::DataType::Utf8 => Ok(value),
            Some(declared) if types::may_be_json_value(&declared.data_type) => {
                Ok(cast(CastKind::Cast, value, &declared.data_type))
            }
            Some(declared) => error(
                format!(
                    "JSON_VALUE cannot return {}: expected STRING, BOOLEAN, INTEGER or DOUBLE",
                    types::spelling(&declared.data_type)
                ),
                at,
            ),
        }
    })
}

/// `JSON_QUERY(json, path [RETURNING STRING] [wrapper] [… ON EMPTY] [… ON ERROR])`:
/// `JSON_QUERY(json, path, wrapper, on empty, on error)`.
pub(super) fn query(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let mut arguments = json_and_path(p)?;
        let at = here(p);
        if let Some(declared) = returning(p)?
            && declared.data_type != arrow::datatypes::DataType::Utf8
        {
            let found = types::spelling(&declared.data_type);
            return error(format!("JSON_QUERY with RETURNING {found} is not supported: expected STRING"), at);
        }
        const WRAPPERS: [(&[&str], &str); 8] = [
            (&["WITHOUT", "ARRAY", "WRAPPER"], "WITHOUT"),
            (&["WITHOUT", "WRAPPER"], "WITHOUT"),
            (&["WITH", "CONDITIONAL", "ARRAY", "WRAPPER"], "CONDITIONAL"),
            (&["WITH", "CONDITIONAL", "WRAPPER"], "CONDITIONAL"),
            (&["WITH", "UNCONDITIONAL", "ARRAY", "WRAPPER"], "UNCONDITIONAL"),
            (&["WITH", "UNCONDITIONAL", "WRAPPER"], "UNCONDITIONAL"),
            (&["WITH", "ARRAY", "WRAPPER"], "UNCONDITIONAL"),
            (&["WITH", "WRAPPER"], "UNCONDITIONAL"),
        ];
        let wrapper =
            WRAPPERS.into_iter().find(|(words, _)| take(p, words)).map_or("WITHOUT", |(_, wrapper)| wrapper);
        arguments.push(text(wrapper));
        for event in ["EMPTY", "ERROR"] {
            const MODES: [(&[&str], &str); 4] = [
                (&["NULL"], "NULL"),
                (&["ERROR"], "ERROR"),
                (&["EMPTY", "ARRAY"], "EMPTY ARRAY"),
                (&["EMPTY", "OBJECT"], "EMPTY OBJECT"),
            ];
            let mode =
                MODES.into_iter().find(|(words, _)| take(p, &[words, ["ON", event].as_slice()].concat()));
            arguments.push(text(mode.map_or("NULL", |(_, mode)| mode)));
        }
        Ok(call("JSON_QUERY", arguments))
    })
}

/// `JSON_EXISTS(json, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])`: `JSON_EXISTS(json, path, on error)`.
pub(super) fn exists(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let mut arguments = json_and_path(p)?;
        let modes = ["TRUE", "FALSE", "UNKNOWN", "ERROR"];
        let mode = modes.into_iter().find(|mode| take(p, &[mode, "ON", "ERROR"])).unwrap_or("FALSE");
        arguments.push(text(mode));
        Ok(call("JSON_EXISTS", arguments))
    })
}

/// `DEFAULT x ON event`.
fn default_on(p: &mut Parser<'_>, event: &str) -> Parsed<Expr> {
    cursor::expect(p, &["DEFAULT"])?;
    let default = p.parse_expr()?;
    cursor::expect(p, &["ON", event])?;
    Ok(default)
}

fn json_and_path(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    let json = p.parse_expr()?;
    p.expect_token(&Token::Comma)?;
    Ok(vec![json, p.parse_expr()?])
}

/// Whether an expression may be a string, so far as that can be seen: not the result of another `IS JSON`.
pub(super) fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => false,
        Expr::Function(function) => function.name.to_string() != "IS_JSON",
        _ => true,
    }
}

/// `x IS [NOT] JSON [VALUE | SCALAR | ARRAY | OBJECT]`: `IS_JSON(x, kind)`.
pub(super) fn is_json(p: &mut Parser<'_>, left: &Expr) -> Parsed<Expr> {
    let negated = take(p, &["IS", "NOT", "JSON"]);
    if !negated {
        take(p, &["IS", "JSON"]);
    }
    let kind =
        ["VALUE", "SCALAR", "ARRAY", "OBJECT"].into_iter().find(|kind| take(p, &[kind])).unwrap_or("VALUE");
    Ok(negate_if(negated, call("IS_JSON", vec![left.clone(), text(kind)])))
}

fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

fn as_string(expr: Expr) -> Expr {
    call(CAST_AS_STRING, vec![expr])
}
