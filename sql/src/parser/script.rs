//! A script: its tokens, and the statements between its semicolons.

use std::ops::Range;

use datafusion::sql::sqlparser::{
    parser::{Parser, ParserError},
    tokenizer::{self, Token, TokenWithSpan, Tokenizer},
};

use super::{
    ast::Statement,
    cursor::{self, Parsed, here, place},
    dialect::FlinkDialect,
    hints::Hints,
    statements,
};
use crate::error::SqlError;

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
        let end = p.get_current_token().span.end;
        let kind = parsed.map_err(|error| error.at(place(start)))?;
        if let Some(at) = dialect.hints.borrow().left_before(end) {
            return Err(SqlError::new(
                "expected the hint OPTIONS behind the name of a table that is read or written",
            )
            .at(at));
        }
        let span = lines.bytes(start, end);
        script.push(Statement { kind, text: text[span.clone()].to_owned(), span, location: place(start) });
    }
}

fn statement(p: &mut Parser<'_>, dialect: &FlinkDialect) -> Result<super::StatementKind, SqlError> {
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
    let mut open: Vec<bool> = Vec::new();
    let mut operations = 0;
    let mut before: [Option<&Token>; 2] = [None, None];
    for token in words {
        let refuse = |message: &str| Err(SqlError::new(message).at(place(token.span.start)));
        match &token.token {
            Token::DoubleQuotedString(_) => {
                return refuse(
                    "double quotes are not part of Flink's SQL: expected a string in single quotes, or a name in backticks",
                );
            }
            Token::LParen => {
                let table = |token: &Token| match token {
                    Token::LParen | Token::Comma => true,
                    Token::Word(word) => {
                        ["FROM", "JOIN"].iter().any(|table| word.value.eq_ignore_ascii_case(table))
                    }
                    _ => false,
                };
                let doubled = before[0] == Some(&Token::LParen) && before[1].is_some_and(table);
                open.push(doubled);
                if open.iter().filter(|doubled| **doubled).count() > DOUBLED_MAX {
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
        before = [Some(&token.token), before[0]];
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

/// The text of a query that has been read, from its first token to the last that was taken.
pub(super) fn text_since(p: &Parser<'_>, first: usize) -> String {
    let mut text = String::new();
    for index in first..=p.get_current_index() {
        text.push_str(&p.token_at(index).token.to_string());
    }
    text.trim().to_owned()
}

/// The index of the next token that is not white space.
pub(super) fn next_index(p: &mut Parser<'_>) -> usize {
    p.advance_token();
    let index = p.get_current_index();
    p.prev_token();
    index
}

/// A parser's error for a feature that Flink has and we don't.
pub(super) fn not_supported<T>(what: &str, p: &Parser<'_>) -> Result<T, ParserError> {
    cursor::error(format!("{what} is not supported"), here(p))
}
