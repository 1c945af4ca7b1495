//! `FOR SYSTEM_TIME AS OF`: a table is looked up as it is now, so the time must be a processing time.

use datafusion::{
    common::{Column, TableReference, tree_node::TreeNodeRecursion},
    logical_expr::{Expr, Join, LogicalPlan},
};

use super::nodes::{LookupNode, WatermarkNode};
use crate::error::SqlError;

/// Refuses lookups as of another time than now: their results would not be what was asked for.
pub fn check(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut wrong = None;
    let _ = plan.apply_with_subqueries(|plan| {
        if let LogicalPlan::Join(join) = plan
            && let Some(time) = time_of(&join.right)
            && let Err(error) = check_time(join, time)
        {
            wrong.get_or_insert(error);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    wrong.map_or(Ok(()), Err)
}

/// The parts of the time's name, if this is a table that is looked up.
fn time_of(plan: &LogicalPlan) -> Option<&[String]> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => time_of(&alias.input),
        LogicalPlan::Extension(extension) => {
            Some(&extension.node.as_any().downcast_ref::<LookupNode>()?.time)
        }
        _ => None,
    }
}

fn check_time(join: &Join, time: &[String]) -> Result<(), SqlError> {
    let schema = join.left.schema();
    let index = match time {
        [name] => schema.index_of_column_by_name(None, name),
        [table, name] => {
            schema.maybe_index_of_column(&Column::new(Some(TableReference::bare(table.as_str())), name))
        }
        _ => None,
    };
    if index.is_some_and(|index| is_now(&join.left, index)) {
        return Ok(());
    }
    let message = format!(
        "FOR SYSTEM_TIME AS OF takes a processing time of the stream: `{}` is none, and tables do not keep versions",
        time.join(".")
    );
    Err(SqlError::new(message).hint("expected a column that is declared AS PROCTIME()"))
}

/// Whether a column is, or may be, a processing time.
fn is_now(plan: &LogicalPlan, index: usize) -> bool {
    let of = |input: &LogicalPlan, column: &Column| {
        input.schema().maybe_index_of_column(column).is_some_and(|index| is_now(input, index))
    };
    match plan {
        LogicalPlan::TableScan(_) => false,
        LogicalPlan::SubqueryAlias(alias) => is_now(&alias.input, index),
        LogicalPlan::Filter(filter) => is_now(&filter.input, index),
        LogicalPlan::Projection(projection) => {
            is_now_expr(&projection.expr[index], |column| of(&projection.input, column))
        }
        LogicalPlan::Extension(extension) => match extension.node.as_any().downcast_ref::<WatermarkNode>() {
            Some(watermark) => is_now(&watermark.input, index),
            None => true,
        },
        LogicalPlan::Join(join) => {
            let left = join.left.schema().fields().len();
            if index < left { is_now(&join.left, index) } else { is_now(&join.right, index - left) }
        }
        _ => true,
    }
}

fn is_now_expr(expr: &Expr, of_column: impl Fn(&Column) -> bool) -> bool {
    match expr {
        Expr::Alias(alias) => is_now_expr(&alias.expr, of_column),
        Expr::Column(column) => of_column(column),
        Expr::ScalarFunction(call) => call.func.name().eq_ignore_ascii_case("PROCTIME"),
        _ => false,
    }
}
