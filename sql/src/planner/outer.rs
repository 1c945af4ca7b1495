//! What sub-queries take from the query around them.

use std::sync::Arc;

use arrow::datatypes::FieldRef;
use datafusion::{
    common::{
        Column, DFSchema, ExprSchema, Result,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, LogicalPlan, Subquery},
};

/// The plan with the types that its inputs' columns have now, wherever its sub-queries name them: DataFusion writes a type down where a
/// column is named, and compares by it.
pub fn retyped(plan: LogicalPlan) -> Result<LogicalPlan> {
    let mut has_sub_query = false;
    plan.apply_expressions(|expr| {
        has_sub_query |= expr.exists(|expr| Ok(is_sub_query(expr)))?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    if !has_sub_query {
        return Ok(plan);
    }
    let mut outer = DFSchema::empty();
    plan.inputs().into_iter().for_each(|input| outer.merge(input.schema()));
    let retyped = plan.map_expressions(|expr| {
        expr.transform(|expr| match expr {
            Expr::Exists(mut exists) => {
                exists.subquery = of_sub_query(exists.subquery, &outer)?;
                Ok(Transformed::yes(Expr::Exists(exists)))
            }
            Expr::InSubquery(mut is_in) => {
                is_in.subquery = of_sub_query(is_in.subquery, &outer)?;
                Ok(Transformed::yes(Expr::InSubquery(is_in)))
            }
            Expr::SetComparison(mut comparison) => {
                comparison.subquery = of_sub_query(comparison.subquery, &outer)?;
                Ok(Transformed::yes(Expr::SetComparison(comparison)))
            }
            Expr::ScalarSubquery(query) => {
                Ok(Transformed::yes(Expr::ScalarSubquery(of_sub_query(query, &outer)?)))
            }
            other => Ok(Transformed::no(other)),
        })
    })?;
    if retyped.transformed { retyped.data.recompute_schema() } else { Ok(retyped.data) }
}

fn is_sub_query(expr: &Expr) -> bool {
    matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) | Expr::ScalarSubquery(_))
}

fn of_sub_query(query: Subquery, outer: &DFSchema) -> Result<Subquery> {
    if query.outer_ref_columns.is_empty() {
        return Ok(query);
    }
    let outer_ref_columns =
        query.outer_ref_columns.into_iter().map(|expr| of_expr(expr, outer).data()).collect::<Result<_>>()?;
    let plan = Arc::unwrap_or_clone(query.subquery).transform_up_with_subqueries(|plan| {
        let retyped = plan.map_expressions(|expr| of_expr(expr, outer))?;
        Ok(if retyped.transformed { Transformed::yes(retyped.data.recompute_schema()?) } else { retyped })
    });
    Ok(Subquery { subquery: Arc::new(plan.data()?), outer_ref_columns, ..query })
}

fn of_expr(expr: Expr, outer: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform(|expr| match expr {
        Expr::OuterReferenceColumn(field, column) => Ok(match field_of(outer, &column) {
            Some(now) if now.data_type() != field.data_type() => {
                Transformed::yes(Expr::OuterReferenceColumn(now, column))
            }
            _ => Transformed::no(Expr::OuterReferenceColumn(field, column)),
        }),
        other => Ok(Transformed::no(other)),
    })
}

/// `None`: it is of a query further out.
fn field_of(outer: &DFSchema, column: &Column) -> Option<FieldRef> {
    outer.field_from_column(column).ok().cloned()
}
