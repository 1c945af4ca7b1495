//! Expressions that sqlparser doesn't read as Flink means them. Most become calls of functions.

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::{
    ast::{
        Array, CastKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList,
        FunctionArguments, Ident, Interval, ObjectName, OrderByExpr, Query, TypedString, Value, WindowSpec,
        WindowType,
    },
    keywords::Keyword,
    parser::Parser,
    tokenizer::Token,
};

use super::{
    cursor::{Parsed, error, expected, here, name, nth_word, string, take},
    dialect::time_unit,
    literal::{self, IntervalField},
};
use crate::types::{self, Declared, Length};

/// `name(arguments…)`.
pub(super) fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let args = arguments.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

/// `CAST(x AS type)`, for the planner.
pub(super) fn cast(kind: CastKind, expr: Expr, to: &DataType) -> Expr {
    Expr::Cast { kind, expr: Box::new(expr), data_type: types::to_sqlparser(to), array: false, format: None }
}

pub(super) fn text(text: impl Into<String>) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.into()).with_empty_span())
}

pub(super) fn number(number: impl ToString) -> Expr {
    Expr::Value(Value::Number(number.to_string(), false).with_empty_span())
}

/// Makes the result of a cast as long as its type says.
pub(super) fn fit_length(cast: Expr, declared: &Declared) -> Expr {
    match declared.length {
        _ if declared.data_type != DataType::Utf8 => cast,
        None => cast,
        Some(Length::AtMost(length)) => call("SUBSTRING", vec![cast, number(1), number(length)]),
        Some(Length::Exactly(length)) => call("RPAD", vec![cast, number(length), text(" ")]),
    }
}

/// `MAP['k', v, …]`.
pub(super) fn map(p: &mut Parser<'_>) -> Parsed<Expr> {
    let at = here(p);
    let entries = bracketed(p)?;
    if entries.is_empty() || entries.len() % 2 != 0 {
        return error(
            format!("expected pairs of key and value in MAP[…], found {} expressions", entries.len()),
            at,
        );
    }
    Ok(call("MAP", entries))
}

/// `ARRAY[a, b, …]`.
pub(super) fn array(p: &mut Parser<'_>) -> Parsed<Expr> {
    let at = here(p);
    let elem = bracketed(p)?;
    if elem.is_empty() {
        return error("expected at least one element in ARRAY[…]", at);
    }
    Ok(Expr::Array(Array { elem, named: true }))
}

fn bracketed(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    p.advance_token();
    p.expect_token(&Token::LBracket)?;
    let elements = p.parse_comma_separated0(Parser::parse_expr, Token::RBracket)?;
    p.expect_token(&Token::RBracket)?;
    Ok(elements)
}

/// `INTERVAL '1-6' YEAR TO MONTH`. DataFusion reads single units only, so of several one is made.
pub(super) fn interval(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    let mut negative = false;
    while let Token::Minus | Token::Plus = p.peek_token_ref().token {
        negative ^= p.next_token().token == Token::Minus;
    }
    let (value, at) = string(p, "an interval's value")?;
    let first = interval_field(p)?;
    let digits = p.parse_optional_precision()?;
    let last = if take(p, &["TO"]) {
        let last = interval_field(p)?;
        p.parse_optional_precision()?;
        Some(last)
    } else {
        None
    };
    let (amount, unit) = match literal::interval(&value, first, digits.unwrap_or(2), last) {
        Ok(read) => read,
        Err(message) => return error(message, at),
    };
    let amount = match (negative, amount.strip_prefix('-')) {
        (true, Some(positive)) => positive.to_owned(),
        (true, None) => format!("-{amount}"),
        (false, _) => amount,
    };
    let unit = match unit {
        IntervalField::Year => DateTimeField::Year,
        IntervalField::Month | IntervalField::Quarter => DateTimeField::Month,
        IntervalField::Week | IntervalField::Day => DateTimeField::Day,
        IntervalField::Hour => DateTimeField::Hour,
        IntervalField::Minute => DateTimeField::Minute,
        IntervalField::Second => DateTimeField::Second,
    };
    Ok(Expr::Interval(Interval {
        value: Box::new(text(amount)),
        leading_field: Some(unit),
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

fn interval_field(p: &mut Parser<'_>) -> Parsed<IntervalField> {
    match nth_word(p, 0).as_deref().and_then(IntervalField::named) {
        Some(field) => {
            p.advance_token();
            Ok(field)
        }
        None => expected(p, "a unit of time like DAY or SECOND behind an interval's value"),
    }
}

/// `TIMESTAMP '…'`, `DATE '…'`, `TIME '…'`: as precise as they are written.
pub(super) fn typed_literal(p: &mut Parser<'_>) -> Parsed<Expr> {
    let kind = nth_word(p, 0).unwrap_or_default();
    p.advance_token();
    let at = here(p);
    let value = p.parse_value()?;
    let written = value.value.clone().into_string().unwrap_or_default();
    match literal::typed(&kind, &written) {
        Ok(data_type) => Ok(Expr::TypedString(TypedString {
            data_type: types::to_sqlparser(&data_type),
            value,
            uses_odbc_syntax: false,
        })),
        Err(message) => error(message, at),
    }
}

/// `TIMESTAMPADD(unit, n, t)`, `TIMESTAMPDIFF(unit, t1, t2)`: the unit becomes a string.
pub(super) fn timestamp_function(p: &mut Parser<'_>) -> Parsed<Expr> {
    let function = nth_word(p, 0).unwrap_or_default();
    p.advance_token();
    p.parse_parenthesized(|p| {
        let mut arguments = vec![text(time_unit(p)?)];
        for _ in 0..2 {
            p.expect_token(&Token::Comma)?;
            arguments.push(p.parse_expr()?);
        }
        Ok(call(&function, arguments))
    })
}

/// Whether `TRIM(side FROM x)` follows, which sqlparser doesn't read.
pub(super) fn trims_spaces(p: &Parser<'_>) -> bool {
    let side = nth_word(p, 2);
    matches!(side.as_deref(), Some("BOTH" | "LEADING" | "TRAILING"))
        && nth_word(p, 3).as_deref() == Some("FROM")
}

pub(super) fn trim(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    p.parse_parenthesized(|p| {
        let function = match nth_word(p, 0).as_deref() {
            Some("LEADING") => "LTRIM",
            Some("TRAILING") => "RTRIM",
            _ => "BTRIM",
        };
        p.advance_token();
        p.advance_token();
        Ok(call(function, vec![p.parse_expr()?]))
    })
}

/// A table as an argument of a table function: `TABLE name`, `TABLE (query)`, with `PARTITION BY` and `ORDER BY`. It becomes a
/// call of `TABLE`, over a window; [`TableArgument::of`] reads that.
pub(super) fn table_argument(p: &mut Parser<'_>) -> Parsed<Expr> {
    p.advance_token();
    let relation = if p.consume_token(&Token::LParen) {
        let query = p.parse_query()?;
        p.expect_token(&Token::RParen)?;
        Expr::Subquery(query)
    } else {
        let (name, _) = name(p)?;
        let parts = name.0.into_iter().filter_map(|part| part.as_ident().cloned());
        Expr::CompoundIdentifier(parts.collect())
    };
    let mut spec =
        WindowSpec { window_name: None, partition_by: Vec::new(), order_by: Vec::new(), window_frame: None };
    if take(p, &["PARTITION", "BY"]) {
        spec.partition_by = partition_columns(p)?;
    }
    if take(p, &["ORDER", "BY"]) {
        spec.order_by = if p.consume_token(&Token::LParen) {
            let columns = p.parse_comma_separated(Parser::parse_order_by_expr)?;
            p.expect_token(&Token::RParen)?;
            columns
        } else {
            vec![p.parse_order_by_expr()?]
        };
    }
    let mut table = call("TABLE", vec![relation]);
    if let Expr::Function(function) = &mut table
        && !(spec.partition_by.is_empty() && spec.order_by.is_empty())
    {
        function.over = Some(WindowType::WindowSpec(spec));
    }
    Ok(table)
}

/// The columns behind `PARTITION BY`; what is behind them are more arguments, which are calls, or have names.
fn partition_columns(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    if p.consume_token(&Token::LParen) {
        let columns = p.parse_comma_separated(Parser::parse_expr)?;
        p.expect_token(&Token::RParen)?;
        return Ok(columns);
    }
    let mut columns = vec![p.parse_expr()?];
    while p.peek_token_ref().token == Token::Comma
        && matches!(p.peek_nth_token_ref(1).token, Token::Word(_))
        && matches!(p.peek_nth_token_ref(2).token, Token::Comma | Token::Period | Token::RParen)
    {
        p.advance_token();
        columns.push(p.parse_expr()?);
    }
    Ok(columns)
}

/// A table given to a table function.
#[derive(Debug, Clone, PartialEq)]
pub struct TableArgument<'a> {
    /// What is read.
    pub relation: TableRelation<'a>,
    /// `PARTITION BY`.
    pub partition_by: &'a [Expr],
    /// `ORDER BY`.
    pub order_by: &'a [OrderByExpr],
    /// The `OPTIONS` hint on it.
    pub hints: Vec<(String, String)>,
}

/// What a [`TableArgument`] reads.
#[derive(Debug, Clone, PartialEq)]
pub enum TableRelation<'a> {
    /// A table or view, a CTE included.
    Name(ObjectName),
    /// A query in parentheses.
    Query(&'a Query),
}

impl<'a> TableArgument<'a> {
    /// Reads an argument of a table function; `None` if it isn't a table.
    pub fn of(expr: &'a Expr) -> Option<Self> {
        let function = match expr {
            Expr::Subquery(query) => {
                return Some(Self {
                    relation: TableRelation::Query(query),
                    partition_by: &[],
                    order_by: &[],
                    hints: Vec::new(),
                });
            }
            Expr::Function(function) if function.name.to_string() == "TABLE" => function,
            _ => return None,
        };
        let FunctionArguments::List(list) = &function.args else { return None };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(relation))] = list.args.as_slice() else {
            return None;
        };
        let relation = match relation {
            Expr::CompoundIdentifier(parts) => TableRelation::Name(ObjectName::from(parts.clone())),
            Expr::Subquery(query) => TableRelation::Query(query),
            _ => return None,
        };
        let (partition_by, order_by) = match &function.over {
            Some(WindowType::WindowSpec(spec)) => (spec.partition_by.as_slice(), spec.order_by.as_slice()),
            _ => (Default::default(), Default::default()),
        };
        let hints = match &function.parameters {
            FunctionArguments::List(list) => list.args.iter().filter_map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => option_of(expr),
                _ => None,
            }),
            _ => return Some(Self { relation, partition_by, order_by, hints: Vec::new() }),
        };
        Some(Self { relation, partition_by, order_by, hints: hints.collect() })
    }
}

/// The options of the hint on a table in FROM, from `TableFactor::Table`'s `with_hints`.
pub fn hint_options(with_hints: &[Expr]) -> Vec<(String, String)> {
    with_hints.iter().filter_map(option_of).collect()
}

/// `'key' = 'value'`.
fn option_of(expr: &Expr) -> Option<(String, String)> {
    let Expr::BinaryOp { left, right, .. } = expr else { return None };
    let text = |expr: &Expr| match expr {
        Expr::Value(value) => value.value.clone().into_string(),
        _ => None,
    };
    Some((text(left)?, text(right)?))
}

/// `expr (, expr)*`.
pub(super) fn expressions(p: &mut Parser<'_>) -> Parsed<Vec<Expr>> {
    p.parse_comma_separated(Parser::parse_expr)
}

/// `NULL ON NULL`, `ABSENT ON NULL`.
pub(super) fn on_null(p: &mut Parser<'_>) -> Option<&'static str> {
    ["NULL", "ABSENT"].into_iter().find(|mode| take(p, &[mode, "ON", "NULL"]))
}

/// `RETURNING type`.
pub(super) fn returning(p: &mut Parser<'_>) -> Parsed<Option<Declared>> {
    if p.parse_keyword(Keyword::RETURNING) { types::parse_declared(p).map(Some) } else { Ok(None) }
}
