//! What stands behind FROM and is not in DataFusion: windowing table functions, and tables as of a time.

use datafusion::{
    common::{DataFusionError, Result, ScalarValue},
    logical_expr::{
        Expr, Extension, LogicalPlan,
        planner::{PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning},
    },
    sql::sqlparser::ast::{
        self, Expr as SqlExpr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Spanned,
        TableFactor, TableVersion,
    },
};
use std::sync::Arc;

use super::{
    nodes::{LookupNode, Tvf, WindowTvfNode, index_of},
    unnest,
};
use crate::{
    error::{Location, SqlError},
    operators::window::WindowKind,
    parser::{TableArgument, TableRelation},
};

/// Plans them.
#[derive(Debug, Default)]
pub struct FlinkRelations {
    /// Names of columns that late rows are written with.
    pub late_columns: Vec<String>,
}

/// An error of ours in the form that DataFusion hands on.
pub fn refused(error: SqlError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// Where something begins.
pub fn location_of(spanned: &impl Spanned) -> Location {
    let start = spanned.span().start;
    Location { line: start.line.max(1), column: start.column.max(1) }
}

impl RelationPlanner for FlinkRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        match relation {
            TableFactor::TableFunction { expr: SqlExpr::Function(function), alias } => {
                let plan = table_function(&function, &self.late_columns, context)?;
                Ok(planned(plan, alias))
            }
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version: Some(version),
                partitions,
                with_ordinality,
                json_path,
                sample,
                index_hints,
            } => {
                let plain = TableFactor::Table {
                    name,
                    alias: None,
                    args,
                    with_hints,
                    version: None,
                    partitions,
                    with_ordinality,
                    json_path,
                    sample,
                    index_hints,
                };
                let input = context.plan(plain)?;
                let node = LogicalPlan::Extension(Extension {
                    node: Arc::new(LookupNode { input, time: parts_of(&version) }),
                });
                Ok(planned(node, alias))
            }
            TableFactor::UNNEST { ref array_exprs, with_ordinality, ref alias, .. } => {
                let at = location_of(&relation);
                let plan = unnest::plan(array_exprs.clone(), with_ordinality, alias.clone(), at, context)?;
                Ok(planned(plan, None))
            }
            TableFactor::Function { ref name, .. } => {
                let message =
                    format!("LATERAL TABLE({name}(…)) is not supported: there is no table function `{name}`");
                let error = SqlError::new(message).hint("expected UNNEST, TUMBLE, HOP, CUMULATE or SESSION");
                Err(refused(error.at(location_of(&relation))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

/// The parts of the column's name in `FOR SYSTEM_TIME AS OF column`.
fn parts_of(version: &TableVersion) -> Vec<String> {
    match version {
        TableVersion::ForSystemTimeAsOf(SqlExpr::Identifier(name)) => vec![name.value.clone()],
        TableVersion::ForSystemTimeAsOf(SqlExpr::CompoundIdentifier(names)) => {
            names.iter().map(|name| name.value.clone()).collect()
        }
        other => vec![other.to_string()],
    }
}

fn planned(plan: LogicalPlan, alias: Option<ast::TableAlias>) -> RelationPlanning {
    RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias)))
}

/// The arguments of a windowing table function, by name or place.
struct Arguments<'a> {
    function: &'a str,
    location: Location,
    given: Vec<(Option<String>, &'a SqlExpr)>,
}

impl<'a> Arguments<'a> {
    fn of(function: &'a Function, name: &'a str) -> Result<Self> {
        let location = location_of(function);
        let FunctionArguments::List(list) = &function.args else {
            return Err(refused(SqlError::new(format!("{name} needs arguments")).at(location)));
        };
        let mut given = Vec::new();
        for argument in &list.args {
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => given.push((None, expr)),
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
                    given.push((Some(name.value.to_uppercase()), expr));
                }
                other => {
                    let message = format!("{name} does not take `{other}` as an argument");
                    return Err(refused(SqlError::new(message).at(location)));
                }
            }
        }
        Ok(Self { function: name, location, given })
    }

    /// Takes the argument with one of these names, or the first without a name.
    fn take(&mut self, names: &[&str]) -> Option<&'a SqlExpr> {
        let named =
            self.given.iter().position(|(name, _)| name.as_deref().is_some_and(|name| names.contains(&name)));
        let place = named.or_else(|| self.given.iter().position(|(name, _)| name.is_none()))?;
        Some(self.given.remove(place).1)
    }

    fn required(&mut self, names: &[&str], what: &str) -> Result<&'a SqlExpr> {
        let (function, location) = (self.function, self.location);
        self.take(names)
            .ok_or_else(|| refused(SqlError::new(format!("{function} needs {what}")).at(location)))
    }

    fn finish(self) -> Result<()> {
        let Some((name, expr)) = self.given.first() else { return Ok(()) };
        let name = name.as_ref().map_or_else(String::new, |name| format!("{name} => "));
        let message = format!("{} takes no further argument: found `{name}{expr}`", self.function);
        Err(refused(SqlError::new(message).at(self.location)))
    }
}

fn table_function(
    function: &Function,
    late_columns: &[String],
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = function.name.to_string().to_uppercase();
    if !["TUMBLE", "HOP", "CUMULATE", "SESSION"].contains(&name.as_str()) {
        let error = SqlError::new(format!(
            "unknown table function {name}: expected TUMBLE, HOP, CUMULATE or SESSION"
        ));
        return Err(refused(error.at(location_of(function))));
    }
    let mut arguments = Arguments::of(function, &name)?;
    let location = arguments.location;
    let data = arguments.required(&["DATA"], "a table as its first argument: TABLE name")?;
    let Some(table) = TableArgument::of(data) else {
        let message = format!("the first argument of {name} is a table: expected TABLE name, found `{data}`");
        return Err(refused(SqlError::new(message).at(location)));
    };
    let factor = match &table.relation {
        TableRelation::Name(name) => TableFactor::Table {
            name: name.clone(),
            alias: None,
            args: None,
            with_hints: Vec::new(),
            version: None,
            with_ordinality: false,
            partitions: Vec::new(),
            json_path: None,
            sample: None,
            index_hints: Vec::new(),
        },
        TableRelation::Query(query) => TableFactor::Derived {
            lateral: false,
            subquery: Box::new((*query).clone()),
            alias: None,
            sample: None,
        },
    };
    let input = context.plan(factor)?;
    let schema = input.schema().clone();
    let descriptor = arguments.required(&["TIMECOL"], "DESCRIPTOR(time column) as its second argument")?;
    let time_column = descriptor_of(descriptor, &name).map_err(|error| refused(error.at(location)))?;
    let time = context.sql_to_expr(time_column.clone(), &schema)?;
    index_of(&schema, &time)?;
    let mut partition = Vec::new();
    for expr in table.partition_by {
        let column = context.sql_to_expr(expr.clone(), &schema)?;
        index_of(&schema, &column)?;
        partition.push(column);
    }
    let mut interval = |expr: &SqlExpr, what: &str| -> Result<i64> {
        let millis = millis_of(&context.sql_to_expr(expr.clone(), &schema)?);
        millis.ok_or_else(|| {
            let message =
                format!("{what} of {name} is a constant INTERVAL of days to milliseconds: found `{expr}`");
            refused(SqlError::new(message).at(location))
        })
    };
    let positive = |value: i64, what: &str| {
        if value > 0 {
            return Ok(value);
        }
        Err(refused(
            SqlError::new(format!("{what} of {name} must be greater than 0: found {value} ms")).at(location),
        ))
    };
    let tvf = match name.as_str() {
        "TUMBLE" => {
            let size = interval(arguments.required(&["SIZE"], "the windows' size")?, "the size")?;
            let offset = arguments.take(&["OFFSET"]).map(|expr| interval(expr, "the offset")).transpose()?;
            Tvf::Aligned(WindowKind::Tumble {
                size: positive(size, "the size")?,
                offset: offset.unwrap_or(0),
            })
        }
        "HOP" => {
            let slide = interval(arguments.required(&["SLIDE"], "the slide")?, "the slide")?;
            let size = interval(arguments.required(&["SIZE"], "the windows' size")?, "the size")?;
            let offset = arguments.take(&["OFFSET"]).map(|expr| interval(expr, "the offset")).transpose()?;
            let (size, slide) = (positive(size, "the size")?, positive(slide, "the slide")?);
            if size % slide != 0 {
                let message = format!(
                    "the size of HOP must be a multiple of its slide: found {size} ms and {slide} ms"
                );
                return Err(refused(SqlError::new(message).at(location)));
            }
            Tvf::Aligned(WindowKind::Hop { size, slide, offset: offset.unwrap_or(0) })
        }
        "CUMULATE" => {
            let step = interval(arguments.required(&["STEP"], "the step")?, "the step")?;
            let max = interval(arguments.required(&["SIZE"], "the longest window's size")?, "the size")?;
            let offset = arguments.take(&["OFFSET"]).map(|expr| interval(expr, "the offset")).transpose()?;
            let (max, step) = (positive(max, "the size")?, positive(step, "the step")?);
            if max % step != 0 {
                let message = format!(
                    "the size of CUMULATE must be a multiple of its step: found {max} ms and {step} ms"
                );
                return Err(refused(SqlError::new(message).at(location)));
            }
            Tvf::Aligned(WindowKind::Cumulate { max, step, offset: offset.unwrap_or(0) })
        }
        _ => {
            let gap = interval(arguments.required(&["GAP"], "the gap")?, "the gap")?;
            Tvf::Session { gap: positive(gap, "the gap")? }
        }
    };
    arguments.finish()?;
    let node = WindowTvfNode::try_new(input, tvf, time, partition, late_columns.to_vec())?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

/// The column in `DESCRIPTOR(column)`.
fn descriptor_of<'a>(expr: &'a SqlExpr, function: &str) -> std::result::Result<&'a SqlExpr, SqlError> {
    let wrong =
        || SqlError::new(format!("{function} needs its time column as DESCRIPTOR(column): found `{expr}`"));
    let SqlExpr::Function(descriptor) = expr else { return Err(wrong()) };
    let FunctionArguments::List(list) = &descriptor.args else { return Err(wrong()) };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(column))]
            if descriptor.name.to_string().eq_ignore_ascii_case("DESCRIPTOR") =>
        {
            Ok(column)
        }
        _ => Err(wrong()),
    }
}

/// A constant interval without months, in milliseconds.
pub fn millis_of(expr: &Expr) -> Option<i64> {
    const DAY: i64 = 86_400_000;
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(interval)), _) if interval.months == 0 => {
            Some(i64::from(interval.days) * DAY + interval.nanoseconds / 1_000_000)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(interval)), _) => {
            Some(i64::from(interval.days) * DAY + i64::from(interval.milliseconds))
        }
        Expr::Literal(ScalarValue::DurationMillisecond(Some(millis)), _) => Some(*millis),
        Expr::Alias(alias) => millis_of(&alias.expr),
        Expr::Negative(inner) => Some(-millis_of(inner)?),
        _ => None,
    }
}
