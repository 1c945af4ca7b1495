//! Sub-queries that stand for one value.

use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{Expr, LogicalPlan},
};

use super::errors::plain;
use crate::error::SqlError;

/// Refuses those that may give several rows: a join would repeat the row that asks, once for each of them.
pub fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut wrong = None;
    let _ = plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::ScalarSubquery(query) = expr
                    && query.outer_ref_columns.is_empty()
                    && query.subquery.max_rows().is_none_or(|rows| rows > 1)
                {
                    wrong.get_or_insert_with(|| several_rows(query.subquery.schema().field(0).name()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    wrong.map_or(Ok(()), Err)
}

fn several_rows(column: &str) -> SqlError {
    SqlError::new(format!("the sub-query for one value of `{}` may give several rows", plain(column)))
        .hint("expected an aggregate such as MAX without GROUP BY, or IN")
}
