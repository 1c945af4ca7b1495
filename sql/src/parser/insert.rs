//! `INSERT`, statement sets, and where a query follows.

use datafusion::sql::sqlparser::{
    ast::{Expr, Ident, Query},
    parser::Parser,
    tokenizer::Token,
};

use super::{
    ast::{Insert, StatementKind},
    cursor::{Parsed, error, expect, expected, here, name, names, next_is, nth_word, take},
};

pub(super) fn insert(p: &mut Parser<'_>) -> Parsed<Insert> {
    expect(p, &["INSERT"])?;
    let overwrite = take(p, &["OVERWRITE"]);
    if !overwrite && !take(p, &["INTO"]) {
        return expected(p, "INTO or OVERWRITE");
    }
    let (table, location) = name(p)?;
    let mut partition = Vec::new();
    if take(p, &["PARTITION"]) {
        partition = p.parse_parenthesized(|p| p.parse_comma_separated(partition_value))?;
    }
    // Columns, or a query in parentheses.
    let query_follows = matches!(p.peek_nth_token_ref(1).token, Token::LParen)
        || matches!(nth_word(p, 1).as_deref(), Some("SELECT" | "WITH" | "VALUES"));
    let columns =
        if p.peek_token_ref().token == Token::LParen && !query_follows { names(p)? } else { Vec::new() };
    let query = query(p)?;
    Ok(Insert { table, location, hints: Vec::new(), overwrite, partition, columns, query })
}

fn partition_value(p: &mut Parser<'_>) -> Parsed<(Ident, Expr)> {
    let column = p.parse_identifier()?;
    p.expect_token(&Token::Eq)?;
    Ok((column, p.parse_expr()?))
}

pub(super) fn query(p: &mut Parser<'_>) -> Parsed<Box<Query>> {
    if query_follows(p) { p.parse_query() } else { expected(p, "a query") }
}

pub(super) fn query_follows(p: &Parser<'_>) -> bool {
    p.peek_token_ref().token == Token::LParen
        || matches!(nth_word(p, 0).as_deref(), Some("SELECT" | "WITH" | "VALUES" | "TABLE"))
}

/// What follows `EXECUTE`.
pub(super) fn executed(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    if take(p, &["STATEMENT", "SET"]) {
        expect(p, &["BEGIN"])?;
        return inserts(p);
    }
    explainable(p, "STATEMENT SET, INSERT or a query")
}

pub(super) fn explainable(p: &mut Parser<'_>, wanted: &str) -> Parsed<StatementKind> {
    if next_is(p, &["INSERT"]) {
        return insert(p).map(|insert| StatementKind::Insert(Box::new(insert)));
    }
    if query_follows(p) { p.parse_query().map(StatementKind::Query) } else { expected(p, wanted) }
}

/// `INSERT …; INSERT …; END`.
pub(super) fn inserts(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    let at = here(p);
    let mut inserts = Vec::new();
    while !take(p, &["END"]) {
        if !next_is(p, &["INSERT"]) {
            return expected(p, "INSERT or END");
        }
        inserts.push(insert(p)?);
        p.expect_token(&Token::SemiColon)?;
    }
    if inserts.is_empty() {
        return error("expected at least one INSERT in a statement set", at);
    }
    Ok(StatementKind::StatementSet(inserts))
}
