//! Late rows: what is kept of the rows that a window function is given, so that those that come too late for the aggregation can be
//! written to a table. Flink's SQL has no such thing; its DataStream API calls it a side output.

use std::sync::Arc;

use datafusion::{
    common::{Column, DFSchema},
    logical_expr::{
        Aggregate, EmptyRelation, Expr, Extension, Filter, LogicalPlan, Projection, SubqueryAlias,
    },
    physical_expr::expressions,
};

use super::{Attribute, PhysicalPlanner, Planned, Rel, SinkTarget, aggregate::place_of, nullable_fields};
use crate::{
    connectors::TableDescriptor,
    error::SqlError,
    operators::{
        aggregate::LateRows,
        calc::CalcFactory,
        window::{WindowKind, WindowTime},
    },
    planner::{
        coercion::is_insertable,
        errors::sql_error,
        expand::ExpandNode,
        nodes::{LookupNode, Tvf, WindowTvfNode, index_of},
    },
    runtime::{Distribution, Node, NodeKind},
    types::spelling,
};

/// How names of columns begin that are handed past a projection.
const CARRIED: &str = "late$";

/// The table that late rows are written to.
#[derive(Debug, Clone)]
pub struct LateTable {
    /// The table: what its connector sees.
    pub table: TableDescriptor,
    /// The columns that can be written, as indices into the table's schema.
    pub writable: Vec<usize>,
}

impl LateTable {
    /// The names of the columns that are written.
    pub fn columns(&self) -> Vec<String> {
        let name = |column: &usize| self.table.schema.field(*column).name().clone();
        self.writable.iter().map(name).collect()
    }
}

/// What late rows need, in the input of an aggregation by windows.
pub(super) struct Late {
    tvf: Tvf,
    /// The time by which windows are assigned.
    time: Column,
    /// One for each column that is written.
    columns: Vec<Column>,
}

/// The same in the input of the operator.
#[derive(Default)]
pub(super) struct LatePlaces {
    time: usize,
    columns: Vec<usize>,
}

impl Late {
    /// Adds what is needed to expressions.
    pub fn places(&self, exprs: &mut Vec<Expr>) -> LatePlaces {
        let mut place = |column: &Column| place_of(&Expr::Column(column.clone()), exprs);
        LatePlaces { time: place(&self.time), columns: self.columns.iter().map(place).collect() }
    }

    /// What an operator does whose rows come with their windows.
    pub fn of_windows(&self, places: &LatePlaces) -> LateRows {
        match self.tvf {
            Tvf::Aligned(kind @ (WindowKind::Hop { .. } | WindowKind::Cumulate { .. })) => {
                LateRows::EmittedOnce { kind, column: places.time }
            }
            _ => LateRows::Emitted,
        }
    }

    fn map(self, mut column: impl FnMut(Column) -> Planned<Column>) -> Planned<Self> {
        let columns = self.columns.into_iter().map(&mut column).collect::<Planned<_>>()?;
        Ok(Self { tvf: self.tvf, time: column(self.time)?, columns })
    }
}

/// What late rows need, if there can be any: none is late by the wall clock.
pub(super) fn late_of(time: WindowTime, late: Option<&Planned<Late>>) -> Planned<Option<&Late>> {
    late.filter(|_| time == WindowTime::Event).map(Result::as_ref).transpose().map_err(Clone::clone)
}

impl PhysicalPlanner {
    /// The aggregation with what late rows need in its input, and where. `None` if they are not wanted, or not possible.
    pub(super) fn with_late_rows(&self, aggregate: &Aggregate) -> Option<(Aggregate, Planned<Late>)> {
        let table = self.options.late_table.as_ref()?;
        let carried = carry(&aggregate.input, table).and_then(|carried| {
            let Some((input, late)) = carried else { return Ok(None) };
            let (keys, calls) = (aggregate.group_expr.clone(), aggregate.aggr_expr.clone());
            let schema = aggregate.schema.clone();
            let over = Aggregate::try_new_with_schema(Arc::new(input), keys, calls, schema);
            Ok(Some((over.map_err(sql_error)?, late)))
        });
        match carried {
            Ok(None) => None,
            Ok(Some((over, late))) => Some((over, Ok(late))),
            Err(error) => Some((aggregate.clone(), Err(error))),
        }
    }

    /// Takes the late rows of an aggregation, whose operator is `window` and has this input.
    pub(super) fn take_late_rows(&mut self, window: &Rel, input: &Rel, places: &LatePlaces) {
        let Some(table) = &self.options.late_table else { return };
        let columns = table.columns();
        let data_type = |place: &usize| input.schema.field(*place).data_type().clone();
        let schema = nullable_fields(columns.iter().cloned().zip(places.columns.iter().map(data_type)));
        let projection = places
            .columns
            .iter()
            .map(|place| Arc::new(expressions::Column::new(input.schema.field(*place).name(), *place)) as _);
        let factory = CalcFactory::new(None, Some(projection.collect()), schema.clone());
        let node = self.plan.add(Node {
            name: format!("LateRows(select=[{}])", columns.join(", ")),
            kind: NodeKind::Operator(Arc::new(factory)),
            inputs: vec![(window.node, Distribution::Late)],
            parallelism: None,
            schema: schema.clone(),
            is_updating: false,
            update_before: false,
            state: String::new(),
            idle_timeout_ms: None,
        });
        self.late_rows.push(Rel {
            node,
            attributes: vec![Attribute::Plain; columns.len()],
            is_updating: false,
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: input.is_bounded,
            schema,
        });
    }

    /// Ends the late rows of all aggregations in the table for them, if there is one.
    pub fn sink_late_rows(&mut self) -> Planned<()> {
        let Some(LateTable { table, writable }) = self.options.late_table.clone() else { return Ok(()) };
        if self.late_rows.is_empty() {
            return Err(SqlError::new(
                "`table.exec.late-rows.table` is set, and no row of this job can be late for a window",
            )
            .hint("aggregate by TUMBLE, HOP, CUMULATE or SESSION of a time with a watermark, or RESET 'table.exec.late-rows.table'"));
        }
        for rows in std::mem::take(&mut self.late_rows) {
            let schema = Arc::new(DFSchema::try_from(rows.schema.clone()).map_err(sql_error)?);
            let query = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema });
            let target = SinkTarget { table: &table, writable: writable.clone(), columns: None };
            self.sink(rows, &query, &target)?;
        }
        Ok(())
    }
}

/// Hands what late rows need through a plan, from the window function to the top; `None` if there is no such function whose rows
/// may be late at the top.
fn carry(plan: &LogicalPlan, table: &LateTable) -> Planned<Option<(LogicalPlan, Late)>> {
    match plan {
        LogicalPlan::Extension(extension) if let Some(node) = extension.node.as_any().downcast_ref() => {
            Ok(Some((plan.clone(), late_columns(node, table)?)))
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let Some((input, late)) = carry(&alias.input, table)? else { return Ok(None) };
            let plan = SubqueryAlias::try_new(Arc::new(input), alias.alias.clone()).map_err(sql_error)?;
            let late = late.map(|column| Ok(Column::new(Some(alias.alias.clone()), column.name)))?;
            Ok(Some((LogicalPlan::SubqueryAlias(plan), late)))
        }
        LogicalPlan::Filter(filter) => {
            let Some((input, late)) = carry(&filter.input, table)? else { return Ok(None) };
            if !matches!(late.tvf, Tvf::Aligned(WindowKind::Tumble { .. }) | Tvf::Session { .. }) {
                // Which of a row's windows is its last that counts is not known then.
                return Err(not_told(late.tvf, table, "a condition on the window"));
            }
            let plan = Filter::try_new(filter.predicate.clone(), Arc::new(input)).map_err(sql_error)?;
            Ok(Some((LogicalPlan::Filter(plan), late)))
        }
        LogicalPlan::Projection(projection) => {
            let Some((input, late)) = carry(&projection.input, table)? else { return Ok(None) };
            let mut exprs = projection.expr.clone();
            let late = late.map(|column| {
                // A name that no column of a query has; the time may be one of the columns.
                let name = format!("{CARRIED}{}", column.name.trim_start_matches(CARRIED));
                place_of(&Expr::Column(column).alias(&name), &mut exprs);
                Ok(Column::new_unqualified(name))
            })?;
            let plan = Projection::try_new(exprs, Arc::new(input)).map_err(sql_error)?;
            Ok(Some((LogicalPlan::Projection(plan), late)))
        }
        // Their results are not late: they come before the watermark.
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) => Ok(None),
        LogicalPlan::Join(join) if !is_lookup(&join.right) => Ok(None),
        other => {
            for input in other.inputs() {
                if let Some((_, late)) = carry(input, table)? {
                    return Err(not_told(late.tvf, table, what_is(other)));
                }
            }
            Ok(None)
        }
    }
}

/// The columns of what a window function is given that are written.
fn late_columns(node: &WindowTvfNode, table: &LateTable) -> Planned<Late> {
    let (schema, function, name) = (node.input.schema(), node.tvf.name(), &table.table.name);
    let time = index_of(schema, &node.time).map_err(sql_error)?;
    let Some(places) = node.late_places() else {
        let found: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let is_missing = |column: &&String| found.iter().filter(|found| found == column).count() != 1;
        let columns = table.columns();
        let missing = columns.iter().find(is_missing).map_or("", String::as_str);
        return Err(SqlError::new(format!(
            "`{name}` takes late rows and has the column `{missing}`, which {function} is not given"
        ))
        .hint(format!("expected columns of ({})", found.join(", "))));
    };
    for (place, column) in places.iter().zip(&table.writable) {
        let (found, wanted) = (schema.field(*place), table.table.schema.field(*column));
        if !is_insertable(found.data_type(), wanted.data_type()) {
            return Err(SqlError::new(format!(
                "`{name}` takes late rows and its column `{}` is {}: what {function} is given has {}",
                wanted.name(),
                spelling(wanted.data_type()),
                spelling(found.data_type())
            )));
        }
    }
    let column = |place: usize| Column::from(schema.qualified_field(place));
    Ok(Late { tvf: node.tvf, time: column(time), columns: places.into_iter().map(column).collect() })
}

fn is_lookup(plan: &LogicalPlan) -> bool {
    let is_here =
        matches!(plan, LogicalPlan::Extension(Extension { node }) if node.as_any().is::<LookupNode>());
    is_here || plan.inputs().into_iter().any(is_lookup)
}

fn what_is(plan: &LogicalPlan) -> &'static str {
    match plan {
        LogicalPlan::Join(_) => "a lookup join",
        LogicalPlan::Union(_) => "UNION ALL",
        LogicalPlan::Extension(Extension { node }) if node.as_any().is::<ExpandNode>() => "GROUPING SETS",
        LogicalPlan::Extension(Extension { node }) if node.as_any().is::<WindowTvfNode>() => "another window",
        _ => "UNNEST",
    }
}

fn not_told(tvf: Tvf, table: &LateTable, what: &str) -> SqlError {
    let message = format!(
        "the late rows of {} cannot go to `{}`: between it and the aggregation there is {what}",
        tvf.name(),
        table.table.name
    );
    SqlError::new(message).hint("do that before the window, or RESET 'table.exec.late-rows.table'")
}
