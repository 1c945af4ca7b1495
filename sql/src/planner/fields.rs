//! Fields of rows: `bid.price` is a column called `price`, as in Flink.

use arrow::datatypes::Field;
use datafusion::{
    common::{Column, Result, ScalarValue, TableReference},
    functions::core::get_field,
    logical_expr::{
        Expr,
        expr::ScalarFunction,
        planner::{ExprPlanner, PlannerResult},
    },
};

/// Plans them.
#[derive(Debug)]
pub struct RowFields;

impl ExprPlanner for RowFields {
    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested_names: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        let column = Expr::Column(Column::from((qualifier, field)));
        let expr = nested_names.iter().fold(column, |row, name| {
            let name = Expr::Literal(ScalarValue::from(name.clone()), None);
            Expr::ScalarFunction(ScalarFunction::new_udf(get_field(), vec![row, name]))
        });
        Ok(PlannerResult::Planned(match nested_names.last() {
            Some(name) => expr.alias(name),
            None => expr,
        }))
    }
}
