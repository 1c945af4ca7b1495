//! The types of numbers that are written out. DataFusion takes whole ones for BIGINT; in Flink they are INT if they fit, and decimals have
//! a digit before the point.

use std::sync::Arc;

use datafusion::{
    common::{
        Result, ScalarValue,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{
        Expr, GroupingSet, LogicalPlan, LogicalPlanBuilder, Union, WindowFunctionDefinition,
        expr::ScalarFunction, expr_rewriter::NamePreserver,
    },
    optimizer::analyzer::type_coercion::coerce_union_schema,
};

use super::outer;

/// The functions whose result has the type of their arguments. Others take numbers as places, lengths and the like, of one type.
const OF_ITS_ARGUMENTS: [&str; 15] = [
    "abs",
    "array",
    "coalesce",
    "greatest",
    "ifnull",
    "least",
    "make_array",
    "make_map",
    "map",
    "mod",
    "named_struct",
    "nullif",
    "row",
    "sign",
    "struct",
];

/// Gives all numbers of a plan, as SQL was read, their types.
pub fn of_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(|plan| {
        let typed = match plan {
            LogicalPlan::Limit(_) => plan,
            LogicalPlan::Values(values) => {
                let row = |row: Vec<Expr>| row.into_iter().map(of_expr).collect::<Result<Vec<_>>>();
                let rows = values.values.into_iter().map(row).collect::<Result<_>>()?;
                LogicalPlanBuilder::values(rows)?.build()?
            }
            LogicalPlan::Union(union) => {
                let schema = Arc::new(coerce_union_schema(&union.inputs)?);
                LogicalPlan::Union(Union { schema, ..union })
            }
            plan => {
                let names = NamePreserver::new(&plan);
                let named = |expr: Expr| {
                    let name = names.save(&expr);
                    Ok(name.restore(of_expr(expr)?))
                };
                let typed = plan.map_expressions(|expr| {
                    Ok(Transformed::yes(match expr {
                        // Its parts have names, and it has none.
                        Expr::GroupingSet(set) => Expr::GroupingSet(of_grouping(set, &named)?),
                        expr => named(expr)?,
                    }))
                });
                typed.data()?.recompute_schema()?
            }
        };
        outer::retyped(typed).map(Transformed::yes)
    })
    .data()
}

fn of_grouping(set: GroupingSet, named: &impl Fn(Expr) -> Result<Expr>) -> Result<GroupingSet> {
    let all = |exprs: Vec<Expr>| exprs.into_iter().map(named).collect::<Result<Vec<_>>>();
    Ok(match set {
        GroupingSet::Rollup(exprs) => GroupingSet::Rollup(all(exprs)?),
        GroupingSet::Cube(exprs) => GroupingSet::Cube(all(exprs)?),
        GroupingSet::GroupingSets(sets) => {
            GroupingSet::GroupingSets(sets.into_iter().map(all).collect::<Result<_>>()?)
        }
    })
}

/// The same for one expression.
pub fn of_expr(expr: Expr) -> Result<Expr> {
    let typed = expr.transform_down(|expr| match expr {
        Expr::Literal(value, metadata) => Ok(Transformed::yes(Expr::Literal(typed(value), metadata))),
        Expr::Cast(ref cast) if is_literal(&cast.expr) => Ok(jump(expr)),
        Expr::TryCast(ref cast) if is_literal(&cast.expr) => Ok(jump(expr)),
        Expr::WindowFunction(mut call) => {
            // Others take numbers as places, too.
            if matches!(call.fun, WindowFunctionDefinition::AggregateUDF(_)) {
                call.params.args = call.params.args.into_iter().map(of_expr).collect::<Result<_>>()?;
            }
            Ok(jump(Expr::WindowFunction(call)))
        }
        Expr::ScalarFunction(call)
            if !OF_ITS_ARGUMENTS.contains(&call.func.name().to_lowercase().as_str()) =>
        {
            let argument = |expr: Expr| if is_literal(&expr) { Ok(expr) } else { of_expr(expr) };
            let args = call.args.into_iter().map(argument).collect::<Result<_>>()?;
            Ok(jump(Expr::ScalarFunction(ScalarFunction { func: Arc::clone(&call.func), args })))
        }
        other => Ok(Transformed::no(other)),
    });
    typed.data()
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(..))
}

fn jump(expr: Expr) -> Transformed<Expr> {
    Transformed::new(expr, true, TreeNodeRecursion::Jump)
}

fn typed(value: ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Int64(Some(number)) => match i32::try_from(number) {
            Ok(number) => ScalarValue::Int32(Some(number)),
            Err(_) => value,
        },
        ScalarValue::UInt64(Some(number)) => {
            let digits = number.checked_ilog10().map_or(1, |log| log as u8 + 1);
            ScalarValue::Decimal128(Some(i128::from(number)), digits, 0)
        }
        ScalarValue::Decimal128(number, precision, scale) if scale > 0 => {
            ScalarValue::Decimal128(number, precision.max(scale.unsigned_abs() + 1).min(38), scale)
        }
        other => other,
    }
}
