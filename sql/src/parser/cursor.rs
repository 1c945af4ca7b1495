//! Small steps over the tokens: words by their spelling, strings, names, with errors that say where.

use datafusion::sql::sqlparser::{
    ast::{Ident, ObjectName},
    parser::{Parser, ParserError},
    tokenizer::{self, Token},
};

use crate::error::{Location, SqlError};

/// How errors call it.
pub(super) const END_OF_SCRIPT: &str = "the end of the script";

pub(crate) type Parsed<T> = Result<T, ParserError>;

pub(crate) fn place(at: tokenizer::Location) -> Location {
    Location { line: at.line, column: at.column }
}

/// Where the next token is.
pub(crate) fn here(p: &Parser<'_>) -> Location {
    place(p.peek_token_ref().span.start)
}

/// An error at a place, in the form that sqlparser's own have.
pub(crate) fn error<T>(message: impl std::fmt::Display, at: Location) -> Parsed<T> {
    Err(ParserError::ParserError(format!("{message} at Line: {}, Column: {}", at.line, at.column)))
}

/// The next token is not what it should be.
pub(crate) fn expected<T>(p: &Parser<'_>, what: &str) -> Parsed<T> {
    p.expected_ref(what, p.peek_token_ref())
}

/// The spelling of the token `n` ahead, in upper case, if it is a word without quotes.
pub(crate) fn nth_word(p: &Parser<'_>, n: usize) -> Option<String> {
    match &p.peek_nth_token_ref(n).token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_ascii_uppercase()),
        _ => None,
    }
}

pub(crate) fn next_is(p: &Parser<'_>, words: &[&str]) -> bool {
    words.iter().enumerate().all(|(n, wanted)| match &p.peek_nth_token_ref(n).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    })
}

/// Takes these words, if they are next.
pub(crate) fn take(p: &mut Parser<'_>, words: &[&str]) -> bool {
    let there = next_is(p, words);
    if there {
        words.iter().for_each(|_| p.advance_token());
    }
    there
}

pub(crate) fn expect(p: &mut Parser<'_>, words: &[&str]) -> Parsed<()> {
    words.iter().try_for_each(|word| if take(p, &[word]) { Ok(()) } else { expected(p, word) })
}

/// A string in single quotes.
pub(crate) fn string(p: &mut Parser<'_>, what: &str) -> Parsed<(String, Location)> {
    let at = here(p);
    let text = match &p.peek_token_ref().token {
        Token::SingleQuotedString(text) | Token::UnicodeStringLiteral(text) => text.clone(),
        _ => return expected(p, &format!("{what} in single quotes")),
    };
    p.advance_token();
    Ok((text, at))
}

/// An optional `COMMENT '…'`.
pub(crate) fn comment(p: &mut Parser<'_>) -> Parsed<Option<String>> {
    if take(p, &["COMMENT"]) { Ok(Some(string(p, "a comment")?.0)) } else { Ok(None) }
}

/// `[[catalog.]database.]name`.
pub(crate) fn name(p: &mut Parser<'_>) -> Parsed<(ObjectName, Location)> {
    let at = here(p);
    let name = p.parse_object_name(false)?;
    if name.0.len() > 3 || name.0.iter().any(|part| part.as_ident().is_none()) {
        return error(format!("expected at most `catalog.database.name`, found `{name}`"), at);
    }
    Ok((name, at))
}

/// `(a, b, …)`.
pub(crate) fn names(p: &mut Parser<'_>) -> Parsed<Vec<Ident>> {
    p.parse_parenthesized(|p| p.parse_comma_separated(Parser::parse_identifier))
}

/// `('key' = 'value', …)`; the same key twice is refused.
pub(crate) fn options(p: &mut Parser<'_>) -> Parsed<Vec<(String, String, Location)>> {
    p.expect_token(&Token::LParen)?;
    let mut options: Vec<(String, String, Location)> = Vec::new();
    while p.peek_token_ref().token != Token::RParen {
        let (key, at) = string(p, "an option's key")?;
        p.expect_token(&Token::Eq)?;
        let (value, _) = string(p, "the option's value")?;
        if options.iter().any(|(other, ..)| *other == key) {
            return error(format!("the option '{key}' is there twice"), at);
        }
        options.push((key, value, at));
        if !p.consume_token(&Token::Comma) {
            break;
        }
        if p.peek_token_ref().token == Token::RParen {
            return expected(p, "an option's key in single quotes");
        }
    }
    p.expect_token(&Token::RParen)?;
    Ok(options)
}

/// sqlparser's error in our form: it has the place at the end of its text.
pub(crate) fn sql_error(error: ParserError) -> SqlError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return SqlError::new("the statement nests too deeply, or can be read in too many ways");
        }
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
    };
    let (message, location) = split_location(&text);
    let message = &shortened(message);
    let message = match message.split_once(", found: ") {
        Some((wanted, found)) => {
            let wanted = wanted.strip_prefix("Expected: ").unwrap_or(wanted);
            let found = if found == "EOF" { END_OF_SCRIPT.to_owned() } else { format!("`{found}`") };
            format!("expected {wanted}, found {found}")
        }
        None => lower_first(message),
    };
    SqlError { location, ..SqlError::new(message) }
}

fn split_location(text: &str) -> (&str, Option<Location>) {
    let parsed = text.rfind(" at Line: ").and_then(|at| {
        let (line, column) = text[at + " at Line: ".len()..].split_once(", Column: ")?;
        Some((&text[..at], Location { line: line.parse().ok()?, column: column.parse().ok()? }))
    });
    parsed.map_or((text, None), |(message, location)| (message, Some(location)))
}

/// What was found may be a string of any length.
fn shortened(text: &str) -> String {
    const LENGTH_MAX: usize = 200;
    let mut line = text.to_owned();
    if let Some((end, _)) = line.char_indices().nth(LENGTH_MAX) {
        line.truncate(end);
        line.push('…');
    }
    line.trim_end_matches('.').to_owned()
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if first.is_uppercase() && second.is_lowercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
