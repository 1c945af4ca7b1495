//! Flink's dialect for sqlparser: how identifiers and strings look, and the expressions that only Flink has.

use std::cell::{Cell, RefCell};

use datafusion::sql::sqlparser::{
    ast::{BinaryOperator, CastKind, Expr, UnaryOperator},
    dialect::{Dialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

use arrow::datatypes::DataType;

use super::{
    constructs,
    cursor::{Parsed, error, here, next_is, nth_word, take},
    hints::Hints,
    json,
};
use crate::types;

/// How many operators may follow each other in one expression, parentheses included: the tree leans to the left, and is as deep.
const CHAIN_MAX: usize = 1_000;

/// The function that casts to strings; not one of Flink's, but what `CAST(x AS STRING)` becomes.
pub(crate) const CAST_AS_STRING: &str = "CAST_AS_STRING";

/// The dialect of one script.
#[derive(Debug, Default)]
pub(crate) struct FlinkDialect {
    /// The hints that no table has taken yet.
    pub(super) hints: RefCell<Hints>,
    /// How many expressions may still be begun in this statement. sqlparser tries one way after another where it can't
    /// tell, which can take time exponential in the depth.
    steps: Cell<usize>,
}

impl FlinkDialect {
    pub(super) fn with_hints(self, hints: Hints) -> Self {
        Self { hints: RefCell::new(hints), ..self }
    }

    /// A statement begins, and may take this many steps.
    pub(super) fn allow(&self, steps: usize) {
        self.steps.set(steps);
    }

    fn step(&self) -> Parsed<()> {
        let left = self.steps.get().checked_sub(1).ok_or(ParserError::RecursionLimitExceeded)?;
        self.steps.set(left);
        Ok(())
    }

    fn prefix(&self, p: &mut Parser<'_>) -> Parsed<Option<Expr>> {
        let Some(word) = nth_word(p, 0) else { return Ok(None) };
        let follows = &p.peek_nth_token_ref(1).token;
        let call = *follows == Token::LParen;
        Ok(Some(match word.as_str() {
            "CAST" if call => cast(p, CastKind::Cast)?,
            "TRY_CAST" if call => cast(p, CastKind::TryCast)?,
            "MAP" if *follows == Token::LBracket => constructs::map(p)?,
            "ARRAY" if *follows == Token::LBracket => constructs::array(p)?,
            "INTERVAL" => constructs::interval(p)?,
            "TIMESTAMP" | "DATE" | "TIME" if matches!(follows, Token::SingleQuotedString(_)) => {
                constructs::typed_literal(p)?
            }
            "TABLE" => constructs::table_argument(p)?,
            "TIMESTAMPADD" | "TIMESTAMPDIFF" if call => constructs::timestamp_function(p)?,
            "TRIM" if call && constructs::trims_spaces(p) => constructs::trim(p)?,
            "JSON_OBJECT" if call => json::object(p)?,
            "JSON_ARRAY" if call => json::array(p)?,
            "JSON_VALUE" if call => json::value(p)?,
            "JSON_QUERY" if call => json::query(p)?,
            "JSON_EXISTS" if call => json::exists(p)?,
            _ => return Ok(None),
        }))
    }

    fn infix(&self, p: &mut Parser<'_>, left: &Expr) -> Parsed<Option<Expr>> {
        if std::iter::successors(Some(left), |expr| left_operand(expr)).nth(CHAIN_MAX).is_some() {
            return error(format!("expected at most {CHAIN_MAX} operators in a row"), here(p));
        }
        if p.peek_token_ref().token == Token::DoubleColon {
            return error("`::` is not part of Flink's SQL: expected `CAST(… AS …)`", here(p));
        }
        let is_json = next_is(p, &["IS", "JSON"]) || next_is(p, &["IS", "NOT", "JSON"]);
        if is_json && !json::is_text(left) {
            return error("expected a string before IS JSON", here(p));
        }
        if is_json {
            return json::is_json(p, left).map(Some);
        }
        let negated = next_is(p, &["NOT", "BETWEEN"]);
        let after = usize::from(negated) + 1;
        let symmetry = (negated || next_is(p, &["BETWEEN"])).then(|| nth_word(p, after)).flatten();
        let Some(symmetric) = symmetry.filter(|word| word == "SYMMETRIC" || word == "ASYMMETRIC") else {
            return Ok(None);
        };
        if matches!(left, Expr::Between { .. }) {
            return error("expected parentheses around BETWEEN before another", here(p));
        }
        (0..=after).for_each(|_| p.advance_token());
        let low = p.parse_subexpr(self.prec_value(Precedence::Between))?;
        p.expect_keyword_is(Keyword::AND)?;
        let high = p.parse_subexpr(self.prec_value(Precedence::Between))?;
        let (low, high) = if symmetric == "SYMMETRIC" {
            let both = vec![low, high];
            (constructs::call("LEAST", both.clone()), constructs::call("GREATEST", both))
        } else {
            (low, high)
        };
        Ok(Some(Expr::Between {
            expr: Box::new(left.clone()),
            negated,
            low: Box::new(low),
            high: Box::new(high),
        }))
    }
}

/// `CAST(x AS type)`: with our types, of which many are unknown to sqlparser; it keeps them by their spelling.
fn cast(p: &mut Parser<'_>, kind: CastKind) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let expr = p.parse_expr()?;
        p.expect_keyword_is(Keyword::AS)?;
        let declared = types::parse_declared(p)?;
        let cast = match declared.data_type {
            // Not as Arrow writes it.
            DataType::Utf8 => constructs::call(CAST_AS_STRING, vec![expr]),
            _ => constructs::cast(kind.clone(), expr, &declared.data_type),
        };
        Ok(constructs::fit_length(cast, &declared))
    })
}

/// What is to the left of an operator.
fn left_operand(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::BinaryOp { left, .. } => Some(left),
        Expr::IsDistinctFrom(left, _) | Expr::IsNotDistinctFrom(left, _) => Some(left),
        Expr::IsNull(expr)
        | Expr::IsNotNull(expr)
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr) => Some(expr),
        Expr::InList { expr, .. }
        | Expr::InSubquery { expr, .. }
        | Expr::InUnnest { expr, .. }
        | Expr::Between { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::ILike { expr, .. }
        | Expr::SimilarTo { expr, .. }
        | Expr::RLike { expr, .. }
        | Expr::IsNormalized { expr, .. }
        | Expr::Collate { expr, .. }
        | Expr::UnaryOp { expr, .. }
        | Expr::Nested(expr)
        | Expr::Cast { expr, .. } => Some(expr),
        Expr::AtTimeZone { timestamp, .. } => Some(timestamp),
        Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } => Some(left),
        _ => None,
    }
}

impl Dialect for FlinkDialect {
    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        ch == '`'
    }

    fn identifier_quote_style(&self, _identifier: &str) -> Option<char> {
        Some('`')
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        ch.is_alphabetic() || ch == '_'
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        ch.is_alphanumeric() || ch == '_' || ch == '$'
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    // To be refused by its name.
    fn supports_match_recognize(&self) -> bool {
        true
    }

    // FOR SYSTEM_TIME AS OF
    fn supports_table_versioning(&self) -> bool {
        true
    }

    fn supports_comment_optimizer_hint(&self) -> bool {
        true
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Parsed<Expr>> {
        self.step().and_then(|()| self.prefix(parser)).transpose()
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, expr: &Expr, _precedence: u8) -> Option<Parsed<Expr>> {
        self.infix(parser, expr).transpose()
    }
}

/// `NOT x`, if so.
pub(super) fn negate_if(negated: bool, expr: Expr) -> Expr {
    if negated { Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) } } else { expr }
}

/// `a = b`.
pub(super) fn equals(a: Expr, b: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(a), op: BinaryOperator::Eq, right: Box::new(b) }
}

/// Takes the words of a unit of time, as in `EXTRACT`, `FLOOR(… TO …)` and `TIMESTAMPADD`.
pub(super) fn time_unit(p: &mut Parser<'_>) -> Parsed<String> {
    const UNITS: [&str; 12] = [
        "MICROSECOND",
        "MILLISECOND",
        "SECOND",
        "MINUTE",
        "HOUR",
        "DAY",
        "WEEK",
        "MONTH",
        "QUARTER",
        "YEAR",
        "DECADE",
        "CENTURY",
    ];
    let at = here(p);
    let written = nth_word(p, 0).unwrap_or_default();
    let unit = written.strip_prefix("SQL_TSI_").unwrap_or(&written);
    match UNITS.iter().find(|known| **known == unit) {
        Some(known) => {
            take(p, &[&written]);
            Ok((*known).to_owned())
        }
        None => {
            error(format!("expected a unit of time like DAY or HOUR, found `{}`", p.peek_token_ref()), at)
        }
    }
}
