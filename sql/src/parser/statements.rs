//! Every statement but CREATE TABLE.

use datafusion::sql::sqlparser::{ast::Ident, parser::Parser, tokenizer::Token};

use super::{
    ast::{
        AlterTable, Drop, Explain, ExplainDetail, FunctionDefinition, ObjectKind, Show, StatementKind,
        TableChange, ViewDefinition,
    },
    cursor::{
        Parsed, comment, error, expect, expected, here, name, names, next_is, nth_word, options, string, take,
    },
    insert::{executed, explainable, insert, inserts, query, query_follows},
    script::not_supported,
    table,
};
use crate::error::Location;

/// The words that statements begin with.
const BEGINNINGS: [&str; 20] = [
    "CREATE",
    "DROP",
    "ALTER",
    "INSERT",
    "SELECT",
    "WITH",
    "VALUES",
    "EXECUTE",
    "BEGIN",
    "SET",
    "RESET",
    "SHOW",
    "DESCRIBE",
    "DESC",
    "EXPLAIN",
    "USE",
    "STATEMENT",
    "DELETE",
    "UPDATE",
    "TABLE",
];

/// Flink's statements that aren't ours.
const UNSUPPORTED: [&[&str]; 24] = [
    &["COMPILE", "PLAN"],
    &["COMPILE", "AND", "EXECUTE", "PLAN"],
    &["EXECUTE", "PLAN"],
    &["ANALYZE", "TABLE"],
    &["TRUNCATE", "TABLE"],
    &["LOAD", "MODULE"],
    &["UNLOAD", "MODULE"],
    &["USE", "MODULES"],
    &["ADD", "JAR"],
    &["REMOVE", "JAR"],
    &["STOP", "JOB"],
    &["MERGE", "INTO"],
    &["DELETE"],
    &["UPDATE"],
    &["CALL"],
    &["QUIT"],
    &["EXIT"],
    &["CLEAR"],
    &["HELP"],
    &["SOURCE"],
    &["CLEAN"],
    &["DESCRIBE", "JOB"],
    &["DESCRIBE", "CATALOG"],
    &["DESCRIBE", "FUNCTION"],
];

pub(super) fn statement(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    if let Some(words) = UNSUPPORTED.into_iter().find(|words| next_is(p, words)) {
        return not_supported(&words.join(" "), p);
    }
    if query_follows(p) {
        return p.parse_query().map(StatementKind::Query);
    }
    match nth_word(p, 0).as_deref() {
        Some("CREATE") => create(p),
        Some("DROP") => drop(p),
        Some("ALTER") => alter(p),
        Some("INSERT") => insert(p).map(|insert| StatementKind::Insert(Box::new(insert))),
        Some("EXECUTE" | "STATEMENT") => {
            take(p, &["EXECUTE"]);
            executed(p)
        }
        Some("BEGIN") => {
            expect(p, &["BEGIN", "STATEMENT", "SET"])?;
            p.expect_token(&Token::SemiColon)?;
            inserts(p)
        }
        Some("SET") => set(p),
        Some("RESET") => {
            p.advance_token();
            let all = matches!(p.peek_token_ref().token, Token::SemiColon | Token::EOF);
            let key = if all { None } else { Some(string(p, "a key")?.0) };
            Ok(StatementKind::Reset(key))
        }
        Some("SHOW") => show(p).map(StatementKind::Show),
        Some("DESCRIBE" | "DESC") => {
            p.advance_token();
            take(p, &["TABLE"]);
            take(p, &["EXTENDED"]);
            name(p).map(|(name, _)| StatementKind::Describe(name))
        }
        Some("EXPLAIN") => explain(p),
        Some("USE") => {
            p.advance_token();
            if take(p, &["CATALOG"]) {
                return p.parse_identifier().map(StatementKind::UseCatalog);
            }
            name(p).map(|(name, _)| StatementKind::Use(name))
        }
        Some(word) => {
            let hint = headwater_core::options::nearest(word, BEGINNINGS);
            let hint = hint.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            error(format!("expected a statement, found `{}`{hint}", p.peek_token_ref().token), here(p))
        }
        None => expected(p, "a statement"),
    }
}

fn create(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    p.advance_token();
    if next_is(p, &["OR"]) {
        let what = nth_word(p, 1).unwrap_or_default();
        return not_supported(&format!("CREATE OR {what}"), p);
    }
    let temporary = take(p, &["TEMPORARY"]);
    let system = take(p, &["SYSTEM"]);
    if system && !next_is(p, &["FUNCTION"]) {
        return expected(p, "FUNCTION");
    }
    if take(p, &["TABLE"]) {
        return table::create(p, temporary).map(|table| StatementKind::CreateTable(Box::new(table)));
    }
    if take(p, &["VIEW"]) {
        return view(p, temporary);
    }
    if take(p, &["FUNCTION"]) {
        return function(p, temporary, system);
    }
    refuse_kind(p, "CREATE", "TABLE, VIEW or FUNCTION")
}

/// Refuses what Flink creates, drops and alters beyond tables, views and functions.
fn refuse_kind<T>(p: &Parser<'_>, verb: &str, wanted: &str) -> Parsed<T> {
    match nth_word(p, 0).as_deref() {
        Some(
            kind @ ("CATALOG" | "DATABASE" | "MODEL" | "MATERIALIZED" | "CONNECTION" | "VIEW" | "FUNCTION"
            | "AGENT"),
        ) => {
            not_supported(&format!("{verb} {kind}{}", if kind == "MATERIALIZED" { " TABLE" } else { "" }), p)
        }
        _ => expected(p, wanted),
    }
}

pub(super) fn if_not_exists(p: &mut Parser<'_>) -> Parsed<bool> {
    if take(p, &["IF"]) {
        expect(p, &["NOT", "EXISTS"])?;
        return Ok(true);
    }
    Ok(false)
}

fn if_exists(p: &mut Parser<'_>) -> Parsed<bool> {
    if take(p, &["IF"]) {
        expect(p, &["EXISTS"])?;
        return Ok(true);
    }
    Ok(false)
}

fn view(p: &mut Parser<'_>, temporary: bool) -> Parsed<StatementKind> {
    let if_not_exists = if_not_exists(p)?;
    let (name, location) = name(p)?;
    let columns = if p.peek_token_ref().token == Token::LParen { names(p)? } else { Vec::new() };
    let comment = comment(p)?;
    expect(p, &["AS"])?;
    let query_location = here(p);
    let query = query(p)?;
    Ok(StatementKind::CreateView(Box::new(ViewDefinition {
        name,
        location,
        temporary,
        if_not_exists,
        columns,
        comment,
        query,
        query_text: String::new(),
        query_location,
    })))
}

fn function(p: &mut Parser<'_>, temporary: bool, system: bool) -> Parsed<StatementKind> {
    let if_not_exists = if_not_exists(p)?;
    let (name, location) = name(p)?;
    expect(p, &["AS"])?;
    let (class, _) = string(p, "the name of a class")?;
    let mut language = None;
    if take(p, &["LANGUAGE"]) {
        language = match nth_word(p, 0) {
            Some(word) if ["JAVA", "SCALA", "PYTHON"].contains(&word.as_str()) => Some(word),
            _ => return expected(p, "JAVA, SCALA or PYTHON"),
        };
        p.advance_token();
    }
    if next_is(p, &["USING"]) {
        return not_supported("CREATE FUNCTION … USING JAR", p);
    }
    Ok(StatementKind::CreateFunction(FunctionDefinition {
        name,
        location,
        temporary,
        system,
        if_not_exists,
        class,
        language,
    }))
}

fn drop(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    p.advance_token();
    let temporary = take(p, &["TEMPORARY"]);
    let system = take(p, &["SYSTEM"]);
    let kind = [("TABLE", ObjectKind::Table), ("VIEW", ObjectKind::View), ("FUNCTION", ObjectKind::Function)]
        .into_iter()
        .find(|(word, kind)| (!system || *kind == ObjectKind::Function) && take(p, &[word]));
    let Some((_, kind)) = kind else { return refuse_kind(p, "DROP", "TABLE, VIEW or FUNCTION") };
    let if_exists = if_exists(p)?;
    let (name, location) = name(p)?;
    Ok(StatementKind::Drop(Drop { kind, name, location, temporary, if_exists }))
}

fn alter(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    p.advance_token();
    if !take(p, &["TABLE"]) {
        return refuse_kind(p, "ALTER", "TABLE");
    }
    let if_exists = if_exists(p)?;
    let (table, location) = name(p)?;
    let change = if take(p, &["RENAME", "TO"]) {
        TableChange::Rename(name(p)?.0)
    } else if take(p, &["SET"]) {
        TableChange::Set(options(p)?)
    } else if take(p, &["RESET"]) {
        TableChange::Reset(
            p.parse_parenthesized(|p| p.parse_comma_separated(|p| string(p, "an option's key")))?,
        )
    } else {
        return match nth_word(p, 0).as_deref() {
            Some(change @ ("ADD" | "MODIFY" | "DROP" | "RENAME")) => {
                not_supported(&format!("ALTER TABLE … {change}"), p)
            }
            _ => expected(p, "SET, RESET or RENAME TO"),
        };
    };
    Ok(StatementKind::AlterTable(AlterTable { name: table, location, if_exists, change }))
}

fn set(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    p.advance_token();
    if matches!(p.peek_token_ref().token, Token::SemiColon | Token::EOF) {
        return Ok(StatementKind::Set(None));
    }
    let (key, _) = string(p, "a key")?;
    p.expect_token(&Token::Eq)?;
    let (value, _) = string(p, "the key's value")?;
    Ok(StatementKind::Set(Some((key, value))))
}

fn show(p: &mut Parser<'_>) -> Parsed<Show> {
    p.advance_token();
    const PLAIN: [(&[&str], Show); 8] = [
        (&["TABLES"], Show::Tables),
        (&["VIEWS"], Show::Views),
        (&["FUNCTIONS"], Show::Functions { user: false }),
        (&["USER", "FUNCTIONS"], Show::Functions { user: true }),
        (&["CATALOGS"], Show::Catalogs),
        (&["DATABASES"], Show::Databases),
        (&["CURRENT", "CATALOG"], Show::CurrentCatalog),
        (&["CURRENT", "DATABASE"], Show::CurrentDatabase),
    ];
    let shown = if let Some((_, show)) = PLAIN.into_iter().find(|(words, _)| take(p, words)) {
        show
    } else if take(p, &["CREATE", "TABLE"]) {
        Show::CreateTable(name(p)?.0)
    } else if take(p, &["CREATE", "VIEW"]) {
        Show::CreateView(name(p)?.0)
    } else if take(p, &["COLUMNS"]) {
        if !(take(p, &["FROM"]) || take(p, &["IN"])) {
            return expected(p, "FROM or IN");
        }
        Show::Columns(name(p)?.0)
    } else {
        return match nth_word(p, 0).as_deref() {
            Some(
                what @ ("JARS" | "JOBS" | "MODULES" | "FULL" | "PARTITIONS" | "PROCEDURES" | "MODELS"
                | "CREATE" | "MATERIALIZED"),
            ) => not_supported(&format!("SHOW {what}"), p),
            _ => expected(p, "TABLES, VIEWS, FUNCTIONS, CREATE TABLE or COLUMNS"),
        };
    };
    match nth_word(p, 0).as_deref() {
        Some(clause @ ("LIKE" | "ILIKE" | "NOT" | "FROM" | "IN")) => {
            not_supported(&format!("SHOW … {clause}"), p)
        }
        _ => Ok(shown),
    }
}

fn explain(p: &mut Parser<'_>) -> Parsed<StatementKind> {
    p.advance_token();
    const DETAILS: [(&str, ExplainDetail); 4] = [
        ("ESTIMATED_COST", ExplainDetail::EstimatedCost),
        ("CHANGELOG_MODE", ExplainDetail::ChangelogMode),
        ("JSON_EXECUTION_PLAN", ExplainDetail::JsonExecutionPlan),
        ("PLAN_ADVICE", ExplainDetail::PlanAdvice),
    ];
    let mut details = Vec::new();
    if !take(p, &["PLAN", "FOR"]) {
        while let Some((_, detail)) = DETAILS.into_iter().find(|(word, _)| take(p, &[word])) {
            details.push(detail);
            if !p.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    take(p, &["EXECUTE"]);
    let statement = if take(p, &["STATEMENT", "SET"]) {
        expect(p, &["BEGIN"])?;
        inserts(p)?
    } else {
        explainable(p, "a query, INSERT or STATEMENT SET")?
    };
    Ok(StatementKind::Explain(Box::new(Explain { details, statement })))
}

/// Where a name is, for what has no better place.
pub(super) fn place_of(ident: &Ident) -> Location {
    super::cursor::place(ident.span.start)
}
