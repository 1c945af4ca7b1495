//! OVER: a value for each row.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::{
    logical_expr::{
        Expr, Window,
        expr::{NullTreatment, WindowFunction},
    },
    physical_planner::create_window_expr,
};

use super::{
    Attribute, PhysicalPlanner, Planned, Rel,
    calc::unaliased,
    names, not_supported,
    rank::{column_of, order_of},
};
use crate::{
    error::SqlError,
    operators::over::{OverCall, OverFactory, OverRecomputeFactory},
    planner::sql_error,
};

impl PhysicalPlanner {
    pub(super) fn window(&mut self, window: &Window) -> Planned {
        let input = self.query(&window.input)?;
        let schema = window.input.schema();
        let functions: Vec<&WindowFunction> = window
            .window_expr
            .iter()
            .map(|expr| match unaliased(expr) {
                Expr::WindowFunction(function) => Ok(function.as_ref()),
                other => Err(SqlError::new(format!("expected a window function, found `{other}`"))),
            })
            .collect::<Planned<_>>()?;
        let Some(first) = functions.first() else { return Ok(input) };
        let is_same = |function: &&WindowFunction| {
            function.params.partition_by == first.params.partition_by
                && function.params.order_by == first.params.order_by
        };
        if !functions.iter().all(is_same) {
            return Err(not_supported("several OVER windows of one query with other partitions or orders"));
        }
        let column = |expr: &Expr| column_of(expr, schema);
        let partition = first.params.partition_by.iter().map(column).collect::<Planned<Vec<_>>>()?;
        let order = order_of(&first.params.order_by, column)?;
        let calls = window
            .window_expr
            .iter()
            .zip(&functions)
            .map(|(expr, function)| {
                let context =
                    datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default();
                let filter =
                    function.params.filter.as_deref().map(|filter| self.expr(filter, schema)).transpose()?;
                Ok(OverCall {
                    expr: create_window_expr(expr, schema, &self.props, &context).map_err(sql_error)?,
                    filter,
                    ignores_nulls: function.params.null_treatment == Some(NullTreatment::IgnoreNulls),
                })
            })
            .collect::<Planned<Vec<_>>>()?;
        let title = format!(
            "OverAggregate(partitionBy=[{}], orderBy=[{}])",
            names(&input.schema, &partition),
            names(&input.schema, &order.iter().map(|(column, _)| *column).collect::<Vec<_>>())
        );
        let inputs = vec![input.by_columns(&partition)];
        let mut attributes = input.attributes.clone();
        attributes.resize(attributes.len() + calls.len(), Attribute::Plain);
        let ttl_ms = self.options.ttl_ms.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX));
        if let Some(time) = time_of(&input, &order)
            && let Ok(factory) =
                OverFactory::try_new(input.schema.clone(), partition.clone(), time, &calls, ttl_ms)
        {
            let output = Rel { schema: factory.output(), attributes, ..input.clone() };
            let state = "the rows that later rows need".to_owned();
            return Ok(self.operator_of(title, Arc::new(factory), inputs, state, output));
        }
        if functions.iter().any(|function| function.params.filter.is_some()) {
            return Err(not_supported("FILTER with OVER in this order"));
        }
        let calls = calls.into_iter().map(|call| call.expr).collect();
        let factory =
            OverRecomputeFactory::try_new(input.schema.clone(), partition, order, calls, true, ttl_ms)?;
        attributes.iter_mut().for_each(|attribute| {
            if *attribute == Attribute::Rowtime {
                *attribute = Attribute::Plain;
            }
        });
        let output =
            Rel { schema: factory.output(), attributes, is_updating: true, unique: None, ..input.clone() };
        let state = "all rows of each partition".to_owned();
        Ok(self.operator_of(title, Arc::new(factory), inputs, state, output))
    }
}

/// The time attribute by which rows that only come are ordered: its column, or `None` within for processing time.
fn time_of(input: &Rel, order: &[(usize, SortOptions)]) -> Option<Option<usize>> {
    let [(column, options)] = order else { return None };
    match input.attributes[*column] {
        _ if input.is_updating || options.descending => None,
        Attribute::Rowtime => Some(Some(*column)),
        Attribute::Proctime => Some(None),
        _ => None,
    }
}
