//! Tables that are written.

use std::collections::BTreeSet;

use arrow::datatypes::DataType;
use datafusion::{
    common::{Column, DFSchema, ScalarValue},
    logical_expr::{Expr, LogicalPlan, cast},
};

use super::{PhysicalPlanner, Planned, Rel, by_columns, calc::unaliased, nullable};
use crate::{
    connectors::{Accepts, TableDescriptor, sink_of},
    error::SqlError,
    operators::constraints::{ConstraintFactory, LengthEnforcer},
    planner::coercion::is_insertable,
    runtime::{Distribution, Node, NodeKind},
    types::spelling,
};

/// What an INSERT writes to.
pub struct SinkTarget<'a> {
    /// The table: what its connector sees.
    pub table: &'a TableDescriptor,
    /// The columns that can be written, as indices into the table's schema, in the order of their declaration.
    pub writable: Vec<usize>,
    /// The columns that the query's columns go to; all that can be written, if none are given.
    pub columns: Option<Vec<usize>>,
}

impl PhysicalPlanner {
    /// Ends a query in a table.
    pub fn sink(&mut self, input: Rel, query: &LogicalPlan, target: &SinkTarget<'_>) -> Planned<()> {
        let schema = query.schema();
        // The next query may read tables of the same names with other options.
        self.aggregations.clear();
        let table = target.table;
        let columns = target.columns.as_ref().unwrap_or(&target.writable);
        let given = schema.fields().len();
        if columns.len() != given {
            let message =
                format!("`{}` takes {} columns here: the query has {given}", table.name, columns.len());
            let shown = |names: Vec<String>| names.join(", ");
            let wanted =
                shown(columns.iter().map(|column| table.schema.field(*column).name().clone()).collect());
            let found = shown(schema.fields().iter().map(|field| field.name().clone()).collect());
            return Err(SqlError::new(message).hint(format!("expected ({wanted}), found ({found})")));
        }
        let exprs: Vec<Expr> = target
            .writable
            .iter()
            .map(|column| self.value_for(*column, columns, query, table))
            .collect::<Result<_, _>>()?;
        let fields = target.writable.iter().map(|column| {
            (None, std::sync::Arc::new(table.schema.field(*column).clone().with_nullable(true)))
        });
        let output = DFSchema::new_with_metadata(fields.collect(), Default::default())
            .map_err(crate::planner::sql_error)?;
        let rows = self.calc(&input, schema, None, Some(&exprs), &output)?;
        let rows = self.constrained(rows, target);
        let sink = sink_of(table)?;
        if rows.is_updating && sink.accepts() == Accepts::InsertOnly {
            let updating = self.updating_operator(rows.node);
            return Err(SqlError::new(format!(
                "table `{}` takes new rows only, and this query updates results that it has given: {updating}",
                table.name
            ))
            .hint("aggregate by window, so that each result is final, or write to a table that takes changes, such as one of connector `print`, or of `filesystem` with format `debezium-json`"));
        }
        let is_keyed = |key: &[usize]| {
            let unique = rows.unique.as_ref();
            unique.is_some_and(|unique| BTreeSet::from_iter(unique) == BTreeSet::from_iter(key))
        };
        // A row whose key in the table changes has to be found under the old one.
        let update_before = rows.is_updating
            && (sink.accepts() == Accepts::Changelog
                || !(table.primary_key.is_empty() || is_keyed(&table.primary_key)));
        let is_fixed = sink.parallelism().is_some_and(|parallelism| parallelism > 1);
        let distribution = match &rows.unique {
            _ if !rows.is_updating => Distribution::Any,
            _ if !table.primary_key.is_empty() => by_columns(&table.primary_key),
            Some(unique) if is_fixed => by_columns(unique),
            None if is_fixed => {
                let message = format!("`{}` has its own parallelism, and its rows are updated", table.name);
                return Err(SqlError::new(message)
                    .hint("declare PRIMARY KEY (…) NOT ENFORCED, so that changes of a row stay in order"));
            }
            _ => Distribution::Any,
        };
        self.plan.add(Node {
            name: format!("Sink(table=[{}])", table.name),
            parallelism: sink.parallelism(),
            kind: NodeKind::Sink(sink),
            inputs: vec![(rows.node, distribution)],
            // By the names that the table gives them, whatever the query called them.
            schema: nullable(&output),
            is_updating: rows.is_updating,
            update_before,
            state: String::new(),
            idle_timeout_ms: None,
        });
        Ok(())
    }

    /// Lets only rows pass that the table's columns take.
    fn constrained(&mut self, rows: Rel, target: &SinkTarget<'_>) -> Rel {
        let table = target.table;
        let places = || target.writable.iter().copied().enumerate();
        let required = places().filter(|(_, column)| !table.schema.field(*column).is_nullable());
        let required: Vec<usize> = required.map(|(place, _)| place).collect();
        let enforcer = self.options.length_enforcer;
        let lengths = places().filter_map(|(place, column)| Some((place, *table.lengths.get(&column)?)));
        let lengths: Vec<_> = lengths.filter(|_| enforcer != LengthEnforcer::Ignore).collect();
        if required.is_empty() && lengths.is_empty() {
            return rows;
        }
        let columns: Vec<String> =
            places().map(|(_, column)| table.schema.field(column).name().clone()).collect();
        let shown = required.iter().map(|place| format!("{} IS NOT NULL", columns[*place]));
        let shown = shown.chain(lengths.iter().map(|(place, _)| format!("length of {}", columns[*place])));
        let name = format!("ConstraintEnforcer({})", shown.collect::<Vec<_>>().join(", "));
        let factory = ConstraintFactory {
            table: table.name.clone(),
            columns,
            required,
            drops_nulls: self.options.drops_nulls,
            lengths,
            trims: enforcer == LengthEnforcer::TrimPad,
        };
        let output = rows.clone();
        self.operator(name, factory, &rows, Distribution::Any, output)
    }

    fn value_for(
        &self,
        column: usize,
        columns: &[usize],
        query: &LogicalPlan,
        table: &TableDescriptor,
    ) -> Planned<Expr> {
        let (field, schema) = (table.schema.field(column), query.schema());
        let Some(place) = columns.iter().position(|given| *given == column) else {
            if field.is_nullable() {
                let null = ScalarValue::Null;
                return Ok(cast(Expr::Literal(null, None), field.data_type().clone()));
            }
            return Err(SqlError::new(format!(
                "the column `{}` of `{}` is NOT NULL: it must be given",
                field.name(),
                table.name
            )));
        };
        let found = schema.field(place).data_type();
        if !is_insertable(found, field.data_type()) && !are_small_literals(query, place, field.data_type()) {
            return Err(SqlError::new(format!(
                "column `{}` of `{}` is {}: the query's column {} is {}",
                field.name(),
                table.name,
                spelling(field.data_type()),
                place + 1,
                spelling(found)
            ))
            .hint(format!("say CAST(… AS {})", spelling(field.data_type()))));
        }
        let column = Expr::Column(Column::from(schema.qualified_field(place)));
        Ok(if found == field.data_type() { column } else { cast(column, field.data_type().clone()) })
    }

    /// The first operator that updates what it has emitted.
    fn updating_operator(&self, mut node: usize) -> String {
        loop {
            let inputs = &self.plan.nodes[node].inputs;
            match inputs.iter().find(|(input, _)| self.plan.nodes[*input].is_updating) {
                Some((input, _)) => node = *input,
                None => return self.plan.nodes[node].name.clone(),
            }
        }
    }
}

/// Whether a column of a query is written out as numbers, which are INT or BIGINT, and all of them fit into a smaller type.
fn are_small_literals(query: &LogicalPlan, place: usize, data_type: &DataType) -> bool {
    let fits = |expr: &Expr| {
        let limit = match data_type {
            DataType::Int8 => i64::from(i8::MAX),
            DataType::Int16 => i64::from(i16::MAX),
            DataType::Int32 => i64::from(i32::MAX),
            _ => return false,
        };
        match unaliased(expr) {
            Expr::Literal(value, _) if value.is_null() => true,
            Expr::Literal(value @ (ScalarValue::Int32(_) | ScalarValue::Int64(_)), _) => {
                let value = value.cast_to(&DataType::Int64);
                matches!(value, Ok(ScalarValue::Int64(Some(value))) if (-limit - 1..=limit).contains(&value))
            }
            _ => false,
        }
    };
    match query {
        LogicalPlan::Projection(projection) => match unaliased(&projection.expr[place]) {
            Expr::Column(column) => projection
                .input
                .schema()
                .maybe_index_of_column(column)
                .is_some_and(|place| are_small_literals(&projection.input, place, data_type)),
            literal => fits(literal),
        },
        LogicalPlan::SubqueryAlias(alias) => are_small_literals(&alias.input, place, data_type),
        LogicalPlan::Values(values) => values.values.iter().all(|row| fits(&row[place])),
        _ => false,
    }
}
