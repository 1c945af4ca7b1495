//! What sqlparser reads becomes what the planner expects; what Flink doesn't have is refused by its name.

use std::ops::ControlFlow;

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    CaseWhen, CastKind, CeilFloorKind, DateTimeField, Distinct, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, GroupByExpr, ObjectName, Query, Select, SelectFlavor, SetExpr,
    Spanned, TableFactor, TableVersion, TrimWhereField, Value, ValueWithSpan, VisitMut, VisitorMut,
    helpers::attached_token::AttachedToken,
};

use super::{
    ast::{ColumnKind, StatementKind},
    constructs::{call, cast, number, text},
    cursor::place,
    dialect::FlinkDialect,
    group_windows, unnest,
};
use crate::error::{Location, SqlError};

/// The table functions that are windows.
const WINDOWS: [&str; 4] = ["TUMBLE", "HOP", "CUMULATE", "SESSION"];

/// Normalizes all queries and expressions of a statement.
pub(super) fn statement(kind: &mut StatementKind, dialect: &FlinkDialect) -> Result<(), SqlError> {
    let mut normalizer = Normalizer { dialect };
    match kind {
        StatementKind::CreateTable(table) => {
            for column in &mut table.columns {
                if let ColumnKind::Computed(expr) = &mut column.kind {
                    normalizer.apply(&mut **expr)?;
                }
            }
            if let Some(watermark) = &mut table.watermark {
                normalizer.apply(&mut watermark.expr)?;
            }
            table.query.as_mut().map_or(Ok(()), |query| normalizer.apply(&mut **query))
        }
        StatementKind::CreateView(view) => normalizer.apply(&mut *view.query),
        StatementKind::Insert(insert) => normalizer.insert(insert),
        StatementKind::StatementSet(inserts) => {
            inserts.iter_mut().try_for_each(|insert| normalizer.insert(insert))
        }
        StatementKind::Explain(explain) => statement(&mut explain.statement, dialect),
        StatementKind::Query(query) => normalizer.apply(&mut **query),
        _ => Ok(()),
    }
}

struct Normalizer<'a> {
    dialect: &'a FlinkDialect,
}

impl Normalizer<'_> {
    fn apply(&mut self, tree: &mut impl VisitMut) -> Result<(), SqlError> {
        match tree.visit(self) {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn insert(&mut self, insert: &mut super::Insert) -> Result<(), SqlError> {
        insert.hints = self.dialect.hints.borrow_mut().take(&insert.table);
        insert.partition.iter_mut().try_for_each(|(_, value)| self.apply(value))?;
        self.apply(&mut *insert.query)
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        let refused = match factor {
            TableFactor::Pivot { .. } => Some("PIVOT"),
            TableFactor::Unpivot { .. } => Some("UNPIVOT"),
            TableFactor::MatchRecognize { .. } => Some("MATCH_RECOGNIZE"),
            TableFactor::JsonTable { .. } => Some("JSON_TABLE"),
            TableFactor::OpenJsonTable { .. } => Some("OPENJSON"),
            TableFactor::XmlTable { .. } => Some("XMLTABLE"),
            TableFactor::SemanticView { .. } => Some("SEMANTIC_VIEW"),
            TableFactor::Table { sample: Some(_), .. } | TableFactor::Derived { sample: Some(_), .. } => {
                Some("TABLESAMPLE")
            }
            TableFactor::Table { version: Some(version), .. }
                if !matches!(version, TableVersion::ForSystemTimeAsOf(_)) =>
            {
                Some("a version of a table other than FOR SYSTEM_TIME AS OF")
            }
            _ => None,
        };
        if let Some(name) = refused {
            return Err(not_supported(name, factor));
        }
        match factor {
            TableFactor::Table { name, alias, args: Some(args), with_ordinality, .. } => {
                let function = name.to_string().to_uppercase();
                let args = std::mem::take(&mut args.args);
                if function == "UNNEST" {
                    let array_exprs = args.into_iter().map(positional).collect::<Result<_, _>>()?;
                    *factor = TableFactor::UNNEST {
                        alias: alias.take(),
                        array_exprs,
                        with_offset: false,
                        with_offset_alias: None,
                        with_ordinality: *with_ordinality,
                    };
                } else if WINDOWS.contains(&function.as_str()) {
                    let expr = with_args(name.clone(), args);
                    *factor = TableFactor::TableFunction { expr, alias: alias.take() };
                } else {
                    *factor = TableFactor::Function {
                        lateral: false,
                        name: name.clone(),
                        args,
                        with_ordinality: *with_ordinality,
                        alias: alias.take(),
                    };
                }
            }
            TableFactor::Table { name, with_hints, .. } => {
                if !with_hints.is_empty() {
                    return Err(not_supported("WITH behind a table", factor));
                }
                *with_hints = self.dialect.hints.borrow_mut().take_exprs(name);
            }
            TableFactor::Function { name, args, .. } if name.to_string().eq_ignore_ascii_case("TABLE") => {
                // LATERAL TABLE(f(x))
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Function(inner)))] =
                    args.as_mut_slice()
                else {
                    return Err(SqlError::new("expected a function in LATERAL TABLE(…)").at(begin(name)));
                };
                let inner_name = inner.name.clone();
                let inner_args = match &mut inner.args {
                    FunctionArguments::List(list) => std::mem::take(&mut list.args),
                    _ => Vec::new(),
                };
                (*name, *args) = (inner_name, inner_args);
            }
            _ => {}
        }
        Ok(())
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), SqlError> {
        let at = begin(expr);
        let taken = std::mem::replace(expr, number(0));
        *expr = match taken {
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                // `SUBSTRING(x FOR n)` begins with the first.
                let from = substring_from.or_else(|| substring_for.is_some().then(|| Box::new(number(1))));
                call(
                    "SUBSTRING",
                    [Some(expr), from, substring_for]
                        .into_iter()
                        .flatten()
                        .map(|argument| *argument)
                        .collect(),
                )
            }
            Expr::Position { expr, r#in } => call("POSITION", vec![*expr, *r#in]),
            // Numbers are DECIMAL, but for those with an exponent.
            Expr::Value(ValueWithSpan { value: Value::Number(digits, _), .. })
                if digits.contains(['e', 'E']) =>
            {
                cast(CastKind::Cast, text(digits), &DataType::Float64)
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                let arguments = [*expr, *overlay_what, *overlay_from];
                call("OVERLAY", arguments.into_iter().chain(overlay_for.map(|length| *length)).collect())
            }
            Expr::Trim { trim_where, trim_what, expr, trim_characters: None } => {
                let function = match trim_where {
                    Some(TrimWhereField::Leading) => "LTRIM",
                    Some(TrimWhereField::Trailing) => "RTRIM",
                    Some(TrimWhereField::Both) | None => "BTRIM",
                };
                call(function, std::iter::once(*expr).chain(trim_what.map(|what| *what)).collect())
            }
            Expr::Trim { .. } => {
                return Err(SqlError::new("expected TRIM([BOTH | LEADING | TRAILING] [x] FROM y)").at(at));
            }
            Expr::Extract { field, expr, .. } => {
                call("EXTRACT", vec![text(field.to_string().to_uppercase()), *expr])
            }
            Expr::Ceil { expr, field } => rounded("CEIL", *expr, field),
            Expr::Floor { expr, field } => rounded("FLOOR", *expr, field),
            Expr::Function(mut function) if function.name.to_string() == "TABLE" => {
                let exprs = self.table_hints(&function);
                if !exprs.is_empty() {
                    function.parameters = list(exprs);
                }
                Expr::Function(function)
            }
            // DataFusion's is an INT.
            Expr::Function(function)
                if ["GROUPING", "GROUPING_ID"]
                    .contains(&function.name.to_string().to_uppercase().as_str()) =>
            {
                cast(CastKind::Cast, Expr::Function(function), &DataType::Int64)
            }
            // A case evaluates only what is wanted.
            Expr::Function(function) if function.name.to_string().eq_ignore_ascii_case("IF") => {
                conditional(function)?
            }
            Expr::Convert { .. } => {
                return Err(SqlError::new("CONVERT is not part of Flink's SQL: expected CAST").at(at));
            }
            Expr::AtTimeZone { .. } => {
                return Err(
                    SqlError::new("AT TIME ZONE is not part of Flink's SQL: expected CONVERT_TZ").at(at)
                );
            }
            Expr::Collate { .. } => return Err(SqlError::new("COLLATE is not supported").at(at)),
            other => other,
        };
        Ok(())
    }

    fn table_hints(&self, function: &Function) -> Vec<Expr> {
        let FunctionArguments::List(arguments) = &function.args else { return Vec::new() };
        match arguments.args.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::CompoundIdentifier(parts)))] => {
                self.dialect.hints.borrow_mut().take_exprs(&ObjectName::from(parts.clone()))
            }
            _ => Vec::new(),
        }
    }
}

/// `IF(condition, a, b)`.
fn conditional(function: Function) -> Result<Expr, SqlError> {
    let at = begin(&function.name);
    let arguments = match function.args {
        FunctionArguments::List(list) => list.args,
        _ => Vec::new(),
    };
    let exprs: Option<Vec<Expr>> = arguments
        .into_iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
            _ => None,
        })
        .collect();
    let Some(Ok([condition, result, other])) = exprs.map(<[Expr; 3]>::try_from) else {
        return Err(SqlError::new("expected IF(condition, value, value)").at(at));
    };
    Ok(Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: Some(Box::new(other)),
    })
}

fn select(select: &Select) -> Option<&'static str> {
    Some(match select {
        Select { top: Some(_), .. } => "TOP",
        Select { distinct: Some(Distinct::On(_)), .. } => "DISTINCT ON",
        Select { into: Some(_), .. } => "SELECT INTO",
        Select { prewhere: Some(_), .. } => "PREWHERE",
        Select { qualify: Some(_), .. } => "QUALIFY",
        Select { value_table_mode: Some(_), .. } => "SELECT AS VALUE",
        Select { exclude: Some(_), .. } => "EXCLUDE",
        Select { select_modifiers: Some(_), .. } => "a modifier behind SELECT",
        Select { lateral_views, .. } if !lateral_views.is_empty() => "LATERAL VIEW",
        Select { connect_by, .. } if !connect_by.is_empty() => "CONNECT BY",
        Select { cluster_by, .. } if !cluster_by.is_empty() => "CLUSTER BY",
        Select { distribute_by, .. } if !distribute_by.is_empty() => "DISTRIBUTE BY",
        Select { sort_by, .. } if !sort_by.is_empty() => "SORT BY",
        Select { flavor: SelectFlavor::FromFirst | SelectFlavor::FromFirstNoSelect, .. } => {
            "FROM before SELECT"
        }
        Select { group_by: GroupByExpr::All(_), .. } => "GROUP BY ALL",
        _ => return None,
    })
}

fn query(query: &Query) -> Option<&'static str> {
    Some(match query {
        Query { with: Some(with), .. } if with.recursive => "WITH RECURSIVE",
        Query { for_clause: Some(_), .. } => "FOR XML or JSON",
        Query { settings: Some(_), .. } => "SETTINGS",
        Query { format_clause: Some(_), .. } => "FORMAT",
        Query { locks, .. } if !locks.is_empty() => "FOR UPDATE",
        Query { pipe_operators, .. } if !pipe_operators.is_empty() => "|>",
        Query { body, .. } => match &**body {
            SetExpr::Insert(_) => "INSERT within a query",
            SetExpr::Update(_) => "UPDATE within a query",
            SetExpr::Delete(_) => "DELETE within a query",
            SetExpr::Merge(_) => "MERGE within a query",
            _ => return None,
        },
    })
}

impl VisitorMut for Normalizer<'_> {
    type Break = Box<SqlError>;

    fn pre_visit_query(&mut self, visited: &mut Query) -> ControlFlow<Self::Break> {
        done(query(visited).map_or(Ok(()), |name| Err(not_supported(name, visited))))
    }

    fn pre_visit_select(&mut self, visited: &mut Select) -> ControlFlow<Self::Break> {
        let refused = select(visited).map_or(Ok(()), |name| Err(not_supported(name, visited)));
        unnest::join_first(visited);
        done(refused.and_then(|()| group_windows::rewrite(visited)))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        done(self.table_factor(factor))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        done(self.expr(expr))
    }
}

fn done(result: Result<(), SqlError>) -> ControlFlow<Box<SqlError>> {
    result.map_or_else(|error| ControlFlow::Break(Box::new(error)), ControlFlow::Continue)
}

fn not_supported(name: &str, at: &impl Spanned) -> SqlError {
    SqlError::new(format!("{name} is not supported")).at(begin(at))
}

/// Where something begins; nowhere in particular is the script's begin.
pub(super) fn begin(spanned: &impl Spanned) -> Location {
    let Location { line, column } = place(spanned.span().start);
    Location { line: line.max(1), column: column.max(1) }
}

fn positional(argument: FunctionArg) -> Result<Expr, SqlError> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => Err(SqlError::new(format!("expected an array in UNNEST, found `{other}`"))),
    }
}

fn list(exprs: Vec<Expr>) -> FunctionArguments {
    let args = exprs.into_iter().map(|expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))).collect();
    FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() })
}

fn with_args(name: ObjectName, args: Vec<FunctionArg>) -> Expr {
    let mut function = call("", Vec::new());
    if let Expr::Function(function) = &mut function {
        function.name = name;
        function.args = FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        });
    }
    function
}

/// `FLOOR(x)`, `FLOOR(x TO unit)`.
fn rounded(function: &str, expr: Expr, field: CeilFloorKind) -> Expr {
    let unit = match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => return call(function, vec![expr]),
        CeilFloorKind::DateTimeField(unit) => text(unit.to_string().to_uppercase()),
        CeilFloorKind::Scale(scale) => Expr::Value(scale),
    };
    call(function, vec![expr, unit])
}
