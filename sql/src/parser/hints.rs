//! `/*+ OPTIONS('key' = 'value') */` behind a table's name. To sqlparser these are comments, so they are read beforehand and
//! kept by the place of the word that they follow.

use std::collections::BTreeMap;

use datafusion::sql::sqlparser::{
    ast::{Expr, ObjectName, Spanned, Value},
    dialect::Dialect,
    parser::Parser,
    tokenizer::{self, Token, TokenWithSpan, Tokenizer, Whitespace},
};

use super::{
    cursor::{self, Parsed, error, here, nth_word, place},
    dialect::equals,
};
use crate::error::{Location, SqlError};

/// An option, and where the hint with it is.
pub(super) type Hint = Vec<(String, String, Location)>;

/// The hints by the places of the words before them.
#[derive(Debug, Default)]
pub(super) struct Hints(BTreeMap<tokenizer::Location, Hint>);

impl Hints {
    /// Reads the hints behind names; those behind `SELECT` are left for sqlparser.
    pub(super) fn read(tokens: &[TokenWithSpan], dialect: &dyn Dialect) -> Result<Self, SqlError> {
        let mut hints = Self::default();
        let mut before: Option<&TokenWithSpan> = None;
        for token in tokens {
            match &token.token {
                Token::Whitespace(Whitespace::MultiLineComment(text)) => {
                    let Some(text) = text.strip_prefix('+') else { continue };
                    let at = place(token.span.start);
                    match before {
                        Some(TokenWithSpan { token: Token::Word(word), .. })
                            if word.value.eq_ignore_ascii_case("SELECT") => {}
                        Some(TokenWithSpan { token: Token::Word(_), span }) => {
                            hints.0.insert(span.start, read(text, at, dialect).map_err(|e| e.at(at))?);
                        }
                        _ => {
                            return Err(
                                SqlError::new("expected a hint behind SELECT or a table's name").at(at)
                            );
                        }
                    }
                }
                Token::Whitespace(_) => {}
                _ => before = Some(token),
            }
        }
        Ok(hints)
    }

    /// The hint behind a name; it is taken out.
    pub(super) fn take(&mut self, name: &ObjectName) -> Hint {
        self.0.remove(&name.span_of_last()).unwrap_or_default()
    }

    /// The same as expressions, `'key' = 'value'`.
    pub(super) fn take_exprs(&mut self, name: &ObjectName) -> Vec<Expr> {
        let literal = |text: String| Expr::Value(Value::SingleQuotedString(text).with_empty_span());
        self.take(name).into_iter().map(|(key, value, _)| equals(literal(key), literal(value))).collect()
    }

    /// Where a hint is that nothing took, before a place.
    pub(super) fn left_before(&self, end: tokenizer::Location) -> Option<Location> {
        self.0.range(..end).next().map(|(at, _)| place(*at))
    }
}

trait LastSpan {
    fn span_of_last(&self) -> tokenizer::Location;
}

impl LastSpan for ObjectName {
    fn span_of_last(&self) -> tokenizer::Location {
        self.0.last().map_or(tokenizer::Location { line: 0, column: 0 }, |part| part.span().start)
    }
}

fn read(text: &str, at: Location, dialect: &dyn Dialect) -> Result<Hint, SqlError> {
    let tokens = Tokenizer::new(dialect, text).tokenize().map_err(|error| cursor::sql_error(error.into()))?;
    let mut p = Parser::new(dialect).with_tokens(tokens);
    let read =
        options(&mut p).map_err(|error| SqlError { location: Some(at), ..cursor::sql_error(error) })?;
    Ok(read.into_iter().map(|(key, value, _)| (key, value, at)).collect())
}

fn options(p: &mut Parser<'_>) -> Parsed<Hint> {
    let at = here(p);
    match nth_word(p, 0).as_deref() {
        Some("OPTIONS") => p.advance_token(),
        Some(other) => {
            return error(format!("the hint {other} is not supported behind a table: expected OPTIONS"), at);
        }
        None => return cursor::expected(p, "the hint OPTIONS"),
    }
    let options = cursor::options(p)?;
    if p.peek_token_ref().token != Token::EOF {
        return cursor::expected(p, "the end of the hint");
    }
    Ok(options)
}
