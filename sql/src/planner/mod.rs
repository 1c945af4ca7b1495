//! From a query to streaming operators: DataFusion plans and optimizes, and what comes out is translated node by node.

pub mod aggregates;
mod coercion;
mod context;
mod errors;
mod expand;
mod fields;
mod literals;
mod names;
pub mod nodes;
mod optimize;
mod outer;
mod physical;
mod ranks;
mod relation;
mod sub_queries;
mod unnest;
mod versions;

pub use context::{Context, query_location};
pub use errors::sql_error;
pub use physical::{LateTable, PhysicalPlanner, PlanOptions, Rel, SinkTarget};

use datafusion::{logical_expr::LogicalPlan, sql::sqlparser::ast::Query};

use crate::{catalog::Catalog, error::SqlError, parser::ViewDefinition};

/// The logical plan of a query, checked and with all types, before and after it is optimized.
pub struct LogicalPlans {
    /// As it is written.
    pub initial: LogicalPlan,
    /// What is run.
    pub optimized: LogicalPlan,
}

impl LogicalPlans {
    /// Refuses a view that does not name all columns of its query, if it names any.
    pub fn check_names(&self, name: &str, view: &ViewDefinition) -> Result<(), SqlError> {
        let found = self.initial.schema().fields().len();
        if view.columns.is_empty() || view.columns.len() == found {
            return Ok(());
        }
        let named = view.columns.len();
        Err(SqlError::new(format!("the view `{name}` names {named} columns: its query has {found}"))
            .at(view.location))
    }
}

/// Plans a query.
pub fn plan_query(catalog: &Catalog, query: &Query) -> Result<LogicalPlans, SqlError> {
    plan_query_with_late_rows(catalog, query, &[])
}

/// Plans a query whose late rows are written with these columns.
pub fn plan_query_with_late_rows(
    catalog: &Catalog,
    query: &Query,
    columns: &[String],
) -> Result<LogicalPlans, SqlError> {
    let mut context = Context::new(catalog);
    context.keep_for_late_rows(columns);
    context.take_hints(query);
    let initial = context.plan(query).map_err(|error| errors::in_query(error, query))?;
    versions::check(&initial)
        .and_then(|()| sub_queries::check(&initial))
        .map_err(|error| error.at(query_location(query)))?;
    let optimized = optimize::optimize(initial.clone(), context.config())
        .map_err(|error| errors::in_query(error, query))?;
    Ok(LogicalPlans { initial, optimized })
}
