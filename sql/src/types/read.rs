//! Reads types from their tokens.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, IntervalUnit};
use datafusion::sql::sqlparser::{
    parser::{Parser, ParserError},
    tokenizer::{Token, Tokenizer},
};

use super::{map, time, timestamp};
use crate::{
    error::{Location, SqlError},
    parser::{
        FlinkDialect,
        cursor::{self, Parsed, error, expected, here, nth_word, take},
    },
};

/// How deep types may nest.
const DEPTH_MAX: usize = 32;

const LENGTH_MAX: u64 = i32::MAX as u64;

/// A type as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    /// Of a string or of bytes.
    pub(crate) length: Option<Length>,
}

/// The length of a `CHAR`, `VARCHAR`, `BINARY` or `VARBINARY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// What is shorter is filled up.
    Exactly(u64),
    /// What is longer is cut off.
    AtMost(u64),
}

/// Reads a type, like `ROW<a INT, b ARRAY<STRING>>`; the flag says whether it takes nulls.
pub fn parse(text: &str) -> Result<(DataType, bool), SqlError> {
    let dialect = FlinkDialect::default();
    let tokens = Tokenizer::new(&dialect, text).tokenize_with_location().map_err(ParserError::from);
    let declared = tokens.and_then(|tokens| {
        let mut p = Parser::new(&dialect).with_tokens_with_locations(tokens);
        let declared = parse_declared(&mut p)?;
        if p.peek_token_ref().token == Token::EOF {
            Ok(declared)
        } else {
            expected(&p, "the end of the type")
        }
    });
    declared.map(|declared| (declared.data_type, declared.nullable)).map_err(cursor::sql_error)
}

/// Reads a type.
pub(crate) fn parse_declared(p: &mut Parser<'_>) -> Parsed<Declared> {
    let mut reader = Reader { closers: 0, depth: 0 };
    let at = here(p);
    let declared = reader.declared(p)?;
    if reader.closers > 0 {
        return error("expected as many `<` as `>` in a type", at);
    }
    Ok(declared)
}

/// `>` closes one type, and `>>`, which is one token, two.
struct Reader {
    closers: usize,
    depth: usize,
}

impl Reader {
    fn declared(&mut self, p: &mut Parser<'_>) -> Parsed<Declared> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return error(format!("expected a type that nests at most {DEPTH_MAX} deep"), here(p));
        }
        let (data_type, length) = self.base(p)?;
        let mut declared = Declared { data_type, nullable: nullable(p), length };
        let mut collections = 0;
        while let Some(collection @ ("ARRAY" | "MULTISET")) = nth_word(p, 0).as_deref() {
            collections += 1;
            if collection == "MULTISET" {
                return unsupported("MULTISET", p);
            }
            if self.depth + collections > DEPTH_MAX {
                return error(format!("expected a type that nests at most {DEPTH_MAX} deep"), here(p));
            }
            p.advance_token();
            let item = Field::new_list_field(declared.data_type, declared.nullable);
            declared =
                Declared { data_type: DataType::List(Arc::new(item)), nullable: nullable(p), length: None };
        }
        self.depth -= 1;
        Ok(declared)
    }

    fn base(&mut self, p: &mut Parser<'_>) -> Parsed<(DataType, Option<Length>)> {
        let at = here(p);
        let Some(word) = nth_word(p, 0) else { return expected(p, "a type") };
        if matches!(word.as_str(), "MULTISET" | "RAW" | "VARIANT" | "BITMAP") {
            return unsupported(&word, p);
        }
        p.advance_token();
        let data_type = match word.as_str() {
            "BOOLEAN" => DataType::Boolean,
            "TINYINT" => DataType::Int8,
            "SMALLINT" => DataType::Int16,
            "INT" | "INTEGER" => DataType::Int32,
            "BIGINT" => DataType::Int64,
            "FLOAT" => DataType::Float32,
            "DOUBLE" => {
                take(p, &["PRECISION"]);
                DataType::Float64
            }
            "DECIMAL" | "DEC" | "NUMERIC" => decimal(p)?,
            "STRING" => DataType::Utf8,
            "VARCHAR" | "CHAR" | "CHARACTER" => {
                let varying = word == "VARCHAR" || (word == "CHARACTER" && take(p, &["VARYING"]));
                return Ok((DataType::Utf8, length(p, varying)?));
            }
            "BYTES" => DataType::Binary,
            "VARBINARY" | "BINARY" => {
                return Ok((DataType::Binary, length(p, word == "VARBINARY")?));
            }
            "DATE" => DataType::Date32,
            "TIME" => {
                let precision = precision(p)?.unwrap_or(0);
                take(p, &["WITHOUT", "TIME", "ZONE"]);
                time(precision)
            }
            "TIMESTAMP" => {
                let precision = precision(p)?.unwrap_or(6);
                let local = take(p, &["WITH", "LOCAL", "TIME", "ZONE"]);
                if !local && take(p, &["WITH", "TIME", "ZONE"]) {
                    return error(
                        "the type TIMESTAMP WITH TIME ZONE is not supported: expected TIMESTAMP_LTZ",
                        at,
                    );
                }
                take(p, &["WITHOUT", "TIME", "ZONE"]);
                timestamp(precision, local)
            }
            "TIMESTAMP_LTZ" => timestamp(precision(p)?.unwrap_or(6), true),
            "INTERVAL" => DataType::Interval(interval(p)?),
            "NULL" => DataType::Null,
            "ROW" => self.row(p)?,
            "ARRAY" => {
                p.expect_token(&Token::Lt)?;
                let item = self.declared(p)?;
                self.close(p)?;
                DataType::List(Arc::new(Field::new_list_field(item.data_type, item.nullable)))
            }
            "MAP" => {
                p.expect_token(&Token::Lt)?;
                let key = self.declared(p)?;
                p.expect_token(&Token::Comma)?;
                let value = self.declared(p)?;
                self.close(p)?;
                map(key.data_type, value.data_type, value.nullable)
            }
            _ => return unknown(&word, at),
        };
        Ok((data_type, None))
    }

    fn row(&mut self, p: &mut Parser<'_>) -> Parsed<DataType> {
        // `ROW<>` has the operator's token.
        if p.consume_token(&Token::Neq) {
            return Ok(DataType::Struct(Vec::<Field>::new().into()));
        }
        let parentheses = p.consume_token(&Token::LParen);
        if !parentheses {
            p.expect_token(&Token::Lt)?;
        }
        let mut fields: Vec<Field> = Vec::new();
        loop {
            let at = here(p);
            let name = p.parse_identifier()?.value;
            if fields.iter().any(|field| *field.name() == name) {
                return error(format!("the field `{name}` is there twice"), at);
            }
            let declared = self.declared(p)?;
            if matches!(p.peek_token_ref().token, Token::SingleQuotedString(_)) {
                p.advance_token();
            }
            fields.push(Field::new(name, declared.data_type, declared.nullable));
            if self.closers > 0 || !p.consume_token(&Token::Comma) {
                break;
            }
        }
        if parentheses {
            p.expect_token(&Token::RParen)?;
        } else {
            self.close(p)?;
        }
        Ok(DataType::Struct(fields.into()))
    }

    fn close(&mut self, p: &mut Parser<'_>) -> Parsed<()> {
        if self.closers > 0 {
            self.closers -= 1;
        } else if p.consume_token(&Token::ShiftRight) {
            self.closers = 1;
        } else {
            p.expect_token(&Token::Gt)?;
        }
        Ok(())
    }
}

/// `NOT NULL`, or `NULL`, which changes nothing.
fn nullable(p: &mut Parser<'_>) -> bool {
    let not_null = take(p, &["NOT", "NULL"]);
    if !not_null {
        take(p, &["NULL"]);
    }
    !not_null
}

fn decimal(p: &mut Parser<'_>) -> Parsed<DataType> {
    let at = here(p);
    let (mut precision, mut scale) = (10, 0);
    if p.consume_token(&Token::LParen) {
        precision = p.parse_literal_uint()?;
        if p.consume_token(&Token::Comma) {
            scale = p.parse_literal_uint()?;
        }
        p.expect_token(&Token::RParen)?;
    }
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p), Ok(s)) if (1..=38).contains(&p) && scale <= precision => Ok(DataType::Decimal128(p, s)),
        _ => {
            let wanted = "expected a precision of 1 to 38 and a scale of 0 to the precision";
            error(format!("{wanted}, found DECIMAL({precision}, {scale})"), at)
        }
    }
}

fn precision(p: &mut Parser<'_>) -> Parsed<Option<u64>> {
    number_in(p, "a precision", 0, 9)
}

/// `(n)`, if there is one.
/// `(n)`, or 1; the length that STRING and BYTES have is none.
fn length(p: &mut Parser<'_>, varying: bool) -> Parsed<Option<Length>> {
    let length = number_in(p, "a length", 1, LENGTH_MAX)?.unwrap_or(1);
    Ok(match (varying, length) {
        (true, LENGTH_MAX) => None,
        (true, length) => Some(Length::AtMost(length)),
        (false, length) => Some(Length::Exactly(length)),
    })
}

fn number_in(p: &mut Parser<'_>, what: &str, min: u64, max: u64) -> Parsed<Option<u64>> {
    let at = here(p);
    match p.parse_optional_precision()? {
        Some(number) if !(min..=max).contains(&number) => {
            error(format!("expected {what} of {min} to {max}, found {number}"), at)
        }
        number => Ok(number),
    }
}

fn interval(p: &mut Parser<'_>) -> Parsed<IntervalUnit> {
    let first = interval_unit(p)?;
    let at = here(p);
    if take(p, &["TO"]) && interval_unit(p)? != first {
        return error("an interval has units of YEAR TO MONTH or of DAY TO SECOND, not of both", at);
    }
    Ok(first)
}

fn interval_unit(p: &mut Parser<'_>) -> Parsed<IntervalUnit> {
    let unit = match nth_word(p, 0).as_deref() {
        Some("YEAR" | "MONTH") => IntervalUnit::YearMonth,
        Some("DAY" | "HOUR" | "MINUTE" | "SECOND") => IntervalUnit::MonthDayNano,
        _ => return expected(p, "a unit of time like MONTH or SECOND"),
    };
    p.advance_token();
    if p.consume_token(&Token::LParen) {
        p.parse_comma_separated(Parser::parse_literal_uint)?;
        p.expect_token(&Token::RParen)?;
    }
    Ok(unit)
}

fn unsupported<T>(name: &str, p: &Parser<'_>) -> Parsed<T> {
    error(format!("the type {name} is not supported"), here(p))
}

fn unknown<T>(word: &str, at: Location) -> Parsed<T> {
    const NAMES: [&str; 24] = [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "INTEGER",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL",
        "NUMERIC",
        "STRING",
        "VARCHAR",
        "CHAR",
        "BYTES",
        "VARBINARY",
        "BINARY",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMP_LTZ",
        "INTERVAL",
        "ROW",
        "ARRAY",
        "MAP",
    ];
    let elsewhere = match word {
        "TEXT" => "STRING",
        "LONG" | "INT8" => "BIGINT",
        "REAL" | "FLOAT4" => "FLOAT",
        "FLOAT8" => "DOUBLE",
        "DATETIME" => "TIMESTAMP",
        "TIMESTAMPTZ" => "TIMESTAMP_LTZ",
        "BOOL" => "BOOLEAN",
        "BLOB" | "BYTEA" => "BYTES",
        "STRUCT" => "ROW",
        _ => "",
    };
    let meant = if elsewhere.is_empty() {
        headwater_core::options::nearest(word, NAMES)
    } else {
        Some(elsewhere.to_owned())
    };
    let hint = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    error(format!("unknown type `{word}`{hint}"), at)
}
