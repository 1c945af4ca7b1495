//! A script: its tokens, and the statements between its semicolons.

use std::ops::Range;

use datafusion::sql::sqlparser::{
    parser::{Parser, ParserError},
    tokenizer::{self, Token, TokenWithSpan, Tokenizer},
};

use super::{
    ast::{Statement, StatementKind},
    cursor::{self, Parsed, here, place},
    dialect::FlinkDialect,
    hints::Hints,
    statements,
};
use crate::error::{Location, SqlError};

/// How deep queries and expressions may nest.
const DEPTH_MAX: usize = 128;
/// How often parentheses may be doubled where a table is expected, each open within the other: sqlparser tries both meanings.
const DOUBLED_MAX: usize = 8;
/// How many UNION, INTERSECT and EXCEPT a statement may have: the tree leans to the left, and is as deep.
const SET_OPERATIONS_MAX: usize = 500;

/// Reads a script: statements separated by semicolons.
pub fn parse_script(text: &str) -> Result<Vec<Statement>, SqlError> {
    let dialect = FlinkDialect::default();
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(|error| SqlError {
        location: Some(place(error.location)),
        ..cursor::sql_error(error.into())
    })?;
    check(&tokens)?;
    let dialect = FlinkDialect::default().with_hints(Hints::read(&tokens, &dialect)?);
    let steps = 10_000 + 100 * tokens.len();
    let lines = Lines::of(text);
    let end_of_script =
        tokens.last().map_or(tokenizer::Location { line: 1, column: 1 }, |token| token.span.end);
    let mut p = Parser::new(&dialect).with_recursion_limit(DEPTH_MAX).with_tokens_with_locations(tokens);
    let mut script = Vec::new();
    loop {
        while p.consume_token(&Token::SemiColon) {}
        if p.peek_token_ref().token == Token::EOF {
            return Ok(script);
        }
        dialect.allow(steps);
        let start = p.peek_token_ref().span.start;
        let parsed = statement(&mut p, &dialect);
        let mut kind = parsed.map_err(|error| {
            // A missing token has no place; the others have theirs.
            let missing = error.message.ends_with(cursor::END_OF_SCRIPT);
            error.at(place(if missing { end_of_script } else { start }))
        })?;
        let end = end_of_last(&p);
        if let Some(at) = dialect.hints.borrow().left_before(end) {
            return Err(SqlError::new(
                "expected the hint OPTIONS behind the name of a table that is read or written",
            )
            .at(at));
        }
        let span = lines.bytes(start, end);
        if let StatementKind::CreateView(view) = &mut kind {
            let Location { line, column } = view.query_location;
            view.query_text = text[lines.byte(tokenizer::Location { line, column })..span.end].to_owned();
        }
        script.push(Statement { kind, text: text[span.clone()].to_owned(), span, location: place(start) });
    }
}

/// The end of the last token that was taken.
fn end_of_last(p: &Parser<'_>) -> tokenizer::Location {
    let mut index = p.get_current_index();
    while index > 0 && matches!(p.token_at(index).token, Token::Whitespace(_) | Token::EOF) {
        index -= 1;
    }
    p.token_at(index).span.end
}

fn statement(p: &mut Parser<'_>, dialect: &FlinkDialect) -> Result<StatementKind, SqlError> {
    let mut kind = statements::statement(p).map_err(cursor::sql_error)?;
    end_of_statement(p).map_err(cursor::sql_error)?;
    super::normalize::statement(&mut kind, dialect)?;
    Ok(kind)
}

fn end_of_statement(p: &Parser<'_>) -> Parsed<()> {
    match p.peek_token_ref().token {
        Token::SemiColon | Token::EOF => Ok(()),
        _ => cursor::expected(p, "the end of the statement"),
    }
}

/// Refuses what can't be read in reasonable time or depth, and what isn't a token of Flink's.
fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlError> {
    let words = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
    // Of each open parenthesis: whether a table may be in it, and whether it is the second of two.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut operations = 0;
    let mut before: Option<&Token> = None;
    for token in words {
        let refuse = |message: &str| Err(SqlError::new(message).at(place(token.span.start)));
        match &token.token {
            Token::DoubleQuotedString(_) => {
                return refuse(
                    "double quotes are not part of Flink's SQL: expected a string in single quotes, or a name in backticks",
                );
            }
            Token::LParen => {
                let entry = match before {
                    Some(Token::LParen) => open.last().map_or((false, false), |(table, _)| (*table, *table)),
                    Some(Token::Comma) => (true, false),
                    Some(Token::Word(word)) => {
                        (["FROM", "JOIN"].iter().any(|w| word.value.eq_ignore_ascii_case(w)), false)
                    }
                    _ => (false, false),
                };
                open.push(entry);
                if open.iter().filter(|(_, doubled)| *doubled).count() > DOUBLED_MAX {
                    return refuse("the statement has too many parentheses within each other");
                }
            }
            Token::RParen => {
                open.pop();
            }
            Token::SemiColon => {
                open.clear();
                operations = 0;
            }
            Token::Word(word) => {
                let set = ["UNION", "INTERSECT", "EXCEPT", "MINUS"];
                operations += usize::from(set.iter().any(|set| word.value.eq_ignore_ascii_case(set)));
                if operations > SET_OPERATIONS_MAX {
                    return refuse(&format!(
                        "expected at most {SET_OPERATIONS_MAX} set operations in a statement"
                    ));
                }
            }
            _ => {}
        }
        before = Some(&token.token);
    }
    Ok(())
}

/// Where the lines of a text begin, to find the byte of a line and column.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let starts =
            std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Self { text, starts }
    }

    fn byte(&self, at: tokenizer::Location) -> usize {
        let index = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        let start = self.starts.get(index(at.line)).copied().unwrap_or(self.text.len());
        let column = self.text[start..].char_indices().nth(index(at.column));
        column.map_or(self.text.len(), |(offset, _)| start + offset)
    }

    fn bytes(&self, start: tokenizer::Location, end: tokenizer::Location) -> Range<usize> {
        let start = self.byte(start);
        start..self.byte(end).max(start)
    }
}

/// A parser's error for a feature that Flink has and we don't.
pub(super) fn not_supported<T>(what: &str, p: &Parser<'_>) -> Result<T, ParserError> {
    cursor::error(format!("{what} is not supported"), here(p))
}
