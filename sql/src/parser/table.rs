//! `CREATE TABLE`.

use datafusion::sql::sqlparser::{ast::Ident, parser::Parser, tokenizer::Token};

use super::{
    ast::{
        ColumnDefinition, ColumnKind, Like, LikeFeature, LikeStrategy, TableDefinition, WatermarkDefinition,
    },
    cursor::{
        Parsed, comment, error, expect, expected, here, name, names, next_is, nth_word, options, string, take,
    },
    insert::query,
    script::not_supported,
    statements::{if_not_exists, place_of},
};
use crate::types;

/// What follows `CREATE [TEMPORARY] TABLE`.
pub(super) fn create(p: &mut Parser<'_>, temporary: bool) -> Parsed<TableDefinition> {
    let if_not_exists = if_not_exists(p)?;
    let (name, location) = name(p)?;
    let mut table = TableDefinition {
        name,
        location,
        temporary,
        if_not_exists,
        columns: Vec::new(),
        watermark: None,
        primary_key: Vec::new(),
        comment: None,
        partitioned_by: Vec::new(),
        options: Vec::new(),
        like: None,
        query: None,
        order: Vec::new(),
    };
    if names_follow(p) {
        table.order = names(p)?;
    } else if p.consume_token(&Token::LParen) {
        while !p.consume_token(&Token::RParen) {
            element(p, &mut table)?;
            if !p.consume_token(&Token::Comma) {
                p.expect_token(&Token::RParen)?;
                break;
            }
            if p.peek_token_ref().token == Token::RParen {
                return expected(p, "a column");
            }
        }
    }
    table.comment = comment(p)?;
    if next_is(p, &["DISTRIBUTED"]) {
        return not_supported("DISTRIBUTED BY", p);
    }
    if take(p, &["PARTITIONED", "BY"]) {
        table.partitioned_by = names(p)?;
    }
    if take(p, &["WITH"]) {
        table.options = options(p)?;
    }
    if take(p, &["LIKE"]) {
        table.like = Some(like(p)?);
    } else if take(p, &["AS"]) {
        table.query = Some(query(p)?);
    }
    if next_is(p, &["WITH"]) {
        return error("expected WITH before LIKE or AS", here(p));
    }
    if let (Some(column), None) = (table.order.first(), &table.query) {
        return error(format!("expected a type behind the column `{}`", column.value), place_of(column));
    }
    check(&table)?;
    key_is_not_null(&mut table);
    Ok(table)
}

/// Whether a list of nothing but names follows, which only `CREATE TABLE … AS` has.
fn names_follow(p: &Parser<'_>) -> bool {
    p.peek_token_ref().token == Token::LParen
        && matches!(p.peek_nth_token_ref(1).token, Token::Word(_))
        && matches!(p.peek_nth_token_ref(2).token, Token::Comma | Token::RParen)
}

fn element(p: &mut Parser<'_>, table: &mut TableDefinition) -> Parsed<()> {
    if take(p, &["WATERMARK", "FOR"]) {
        return watermark(p, table);
    }
    let at = here(p);
    // `CONSTRAINT name PRIMARY KEY (…)`; the name means nothing.
    if next_is(p, &["CONSTRAINT"])
        && nth_word(p, 2).as_deref().is_some_and(|word| word == "PRIMARY" || word == "UNIQUE")
    {
        p.advance_token();
        p.advance_token();
    }
    if next_is(p, &["UNIQUE"]) && p.peek_nth_token_ref(1).token == Token::LParen {
        return not_supported("UNIQUE", p);
    }
    if next_is(p, &["PRIMARY", "KEY"]) && p.peek_nth_token_ref(2).token == Token::LParen {
        take(p, &["PRIMARY", "KEY"]);
        let columns = names(p)?;
        not_enforced(p)?;
        return primary_key(table, columns, at);
    }
    column(p, table)
}

fn watermark(p: &mut Parser<'_>, table: &mut TableDefinition) -> Parsed<()> {
    let location = here(p);
    let mut column = vec![p.parse_identifier()?];
    while p.consume_token(&Token::Period) {
        column.push(p.parse_identifier()?);
    }
    expect(p, &["AS"])?;
    let expr = p.parse_expr()?;
    if table.watermark.is_some() {
        return error("expected one WATERMARK in a table", location);
    }
    table.watermark = Some(WatermarkDefinition { column, expr, location });
    Ok(())
}

fn not_enforced(p: &mut Parser<'_>) -> Parsed<()> {
    if take(p, &["NOT", "ENFORCED"]) {
        return Ok(());
    }
    error("a primary key is not checked: expected NOT ENFORCED behind it", here(p))
}

fn primary_key(table: &mut TableDefinition, columns: Vec<Ident>, at: crate::error::Location) -> Parsed<()> {
    if !table.primary_key.is_empty() {
        return error("expected one PRIMARY KEY in a table", at);
    }
    table.primary_key = columns;
    Ok(())
}

fn column(p: &mut Parser<'_>, table: &mut TableDefinition) -> Parsed<()> {
    let location = here(p);
    let ident = p.parse_identifier()?;
    if take(p, &["AS"]) {
        let expr = Box::new(p.parse_expr()?);
        let comment = comment(p)?;
        table.columns.push(ColumnDefinition {
            name: ident.value,
            kind: ColumnKind::Computed(expr),
            comment,
            location,
        });
        return Ok(());
    }
    let declared = types::parse_declared(p)?;
    let (data_type, mut nullable) = (declared.data_type, declared.nullable);
    let kind = if take(p, &["METADATA"]) {
        let key =
            if take(p, &["FROM"]) { string(p, "the key of the metadata")?.0 } else { ident.value.clone() };
        let is_virtual = take(p, &["VIRTUAL"]);
        ColumnKind::Metadata { data_type, nullable, key, is_virtual }
    } else {
        let named = next_is(p, &["CONSTRAINT"]);
        if named {
            p.advance_token();
            p.parse_identifier()?;
        }
        if next_is(p, &["PRIMARY", "KEY"]) {
            let at = here(p);
            take(p, &["PRIMARY", "KEY"]);
            not_enforced(p)?;
            primary_key(table, vec![ident.clone()], at)?;
            nullable = false;
        } else if next_is(p, &["UNIQUE"]) {
            return not_supported("UNIQUE", p);
        } else if named {
            return expected(p, "PRIMARY KEY");
        }
        ColumnKind::Physical { data_type, nullable, length: declared.length }
    };
    if next_is(p, &["DEFAULT"]) || next_is(p, &["REFERENCES"]) || next_is(p, &["CHECK"]) {
        return error("expected METADATA, PRIMARY KEY, COMMENT, or the end of the column", here(p));
    }
    let comment = comment(p)?;
    table.columns.push(ColumnDefinition { name: ident.value, kind, comment, location });
    Ok(())
}

fn like(p: &mut Parser<'_>) -> Parsed<Like> {
    let (table, location) = name(p)?;
    let mut said: Vec<(LikeStrategy, LikeFeature)> = Vec::new();
    if p.consume_token(&Token::LParen) {
        while !p.consume_token(&Token::RParen) {
            let at = here(p);
            let strategy = one_of(p, &STRATEGIES, "INCLUDING, EXCLUDING or OVERWRITING")?;
            let features = "ALL, CONSTRAINTS, GENERATED, METADATA, OPTIONS, PARTITIONS or WATERMARKS";
            let feature = one_of(p, &FEATURES, features)?;
            let overwritable = [
                LikeFeature::Generated,
                LikeFeature::Metadata,
                LikeFeature::Options,
                LikeFeature::Watermarks,
            ];
            if strategy == LikeStrategy::Overwriting && !overwritable.contains(&feature) {
                return error("only GENERATED, METADATA, OPTIONS and WATERMARKS can be OVERWRITING", at);
            }
            if said.iter().any(|(_, other)| *other == feature) {
                return error("expected each feature once", at);
            }
            said.push((strategy, feature));
        }
    }
    Ok(Like { table, location, options: said })
}

const STRATEGIES: [(&str, LikeStrategy); 3] = [
    ("INCLUDING", LikeStrategy::Including),
    ("EXCLUDING", LikeStrategy::Excluding),
    ("OVERWRITING", LikeStrategy::Overwriting),
];

const FEATURES: [(&str, LikeFeature); 8] = [
    ("ALL", LikeFeature::All),
    ("CONSTRAINTS", LikeFeature::Constraints),
    ("DISTRIBUTION", LikeFeature::Distribution),
    ("GENERATED", LikeFeature::Generated),
    ("METADATA", LikeFeature::Metadata),
    ("OPTIONS", LikeFeature::Options),
    ("PARTITIONS", LikeFeature::Partitions),
    ("WATERMARKS", LikeFeature::Watermarks),
];

fn one_of<T: Copy>(p: &mut Parser<'_>, words: &[(&str, T)], wanted: &str) -> Parsed<T> {
    match words.iter().find(|(word, _)| take(p, &[word])) {
        Some((_, value)) => Ok(*value),
        None => expected(p, wanted),
    }
}

/// What can be checked without knowing other tables.
fn check(table: &TableDefinition) -> Parsed<()> {
    for (n, column) in table.columns.iter().enumerate() {
        if table.columns[..n].iter().any(|other| other.name == column.name) {
            return error(format!("the column `{}` is there twice", column.name), column.location);
        }
    }
    if table.like.is_some() || table.query.is_some() {
        return Ok(());
    }
    if table.columns.is_empty() {
        return error(format!("the table `{}` has no columns", table.name), table.location);
    }
    let known = || table.columns.iter().map(|column| column.name.as_str());
    for (what, columns) in [("primary key", &table.primary_key), ("partition", &table.partitioned_by)] {
        for column in columns {
            let Some(found) = table.columns.iter().find(|known| known.name == column.value) else {
                let near = headwater_core::options::nearest(&column.value, known());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return error(
                    format!("unknown column `{}` in the {what}{hint}", column.value),
                    place_of(column),
                );
            };
            if what == "primary key" && !matches!(found.kind, ColumnKind::Physical { .. }) {
                return error(
                    format!("the {what} column `{}` is not a physical one", column.value),
                    place_of(column),
                );
            }
        }
    }
    Ok(())
}

/// Columns of a primary key take no nulls, whatever their types say.
fn key_is_not_null(table: &mut TableDefinition) {
    for column in &mut table.columns {
        if let ColumnKind::Physical { nullable, .. } = &mut column.kind
            && table.primary_key.iter().any(|key| key.value == column.name)
        {
            *nullable = false;
        }
    }
}
