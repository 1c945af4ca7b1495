//! GROUP BY over a windowing table function: the aggregation takes over the assignment of windows, so that overlapping
//! ones cost no more than one row each.

use std::{collections::BTreeSet, sync::Arc};

use datafusion::{
    common::Column,
    logical_expr::{Aggregate, Expr, Extension, Filter, LogicalPlan, Projection, SubqueryAlias},
};

use super::{
    PhysicalPlanner, Planned,
    calc::unaliased,
    late::{Late, late_of},
    shown,
};
use crate::{
    error::SqlError,
    operators::{
        aggregate::WindowProperty,
        window::{WindowKind, WindowTime},
    },
    planner::{
        expand::ExpandNode,
        nodes::{Tvf, WindowTvfNode},
        sql_error,
    },
};

/// What is aggregated by.
pub(super) struct Windows {
    pub tvf: Tvf,
    pub of: WindowTime,
    /// The time, over the plan without the table function.
    pub time: Expr,
    /// The query's keys that are of the window.
    pub properties: Vec<(usize, WindowProperty)>,
}

/// A plan without the windowing table function that was in it.
struct Stripped<'a> {
    plan: LogicalPlan,
    node: &'a WindowTvfNode,
    /// Where the time is in it.
    time: Column,
    /// Where the window's start, end and time were in the plan before, if they were.
    window: [Option<Column>; 3],
}

impl PhysicalPlanner {
    /// Plans an aggregation right behind a windowing table function; `None` if it is not one.
    pub(super) fn sliced_aggregate(
        &mut self,
        aggregate: &Aggregate,
        late: Option<&Planned<Late>>,
    ) -> Planned<Option<super::Rel>> {
        let Some(stripped) = strip(&aggregate.input) else { return Ok(None) };
        let is_session = matches!(stripped.node.tvf, Tvf::Session { .. });
        let mut properties = Vec::new();
        for (key, expr) in aggregate.group_expr.iter().enumerate() {
            let Expr::Column(column) = unaliased(expr) else { continue };
            let place = stripped.window.iter().position(|window| window.as_ref() == Some(column));
            let property =
                place.map(|place| [WindowProperty::Start, WindowProperty::End, WindowProperty::Time][place]);
            properties.extend(property.map(|property| (key, property)));
        }
        let has = |wanted| properties.iter().any(|(_, property)| *property == wanted);
        if !has(WindowProperty::Start) || !has(WindowProperty::End) {
            return Ok(None);
        }
        // Only the keys may use the window; what was seen of distinct values cannot be merged over slices.
        let uses_window = |expr: &Expr| {
            expr.column_refs()
                .into_iter()
                .any(|column| stripped.window.iter().flatten().any(|window| window == column))
        };
        let is_plain_key = |key: usize| properties.iter().any(|(of, _)| *of == key);
        let keys_use = aggregate
            .group_expr
            .iter()
            .enumerate()
            .any(|(key, expr)| !is_plain_key(key) && uses_window(expr));
        let is_tumble = matches!(stripped.node.tvf, Tvf::Aligned(WindowKind::Tumble { .. }));
        let has_distinct = aggregate.aggr_expr.iter().any(
            |expr| matches!(unaliased(expr), Expr::AggregateFunction(function) if function.params.distinct),
        );
        if keys_use
            || aggregate.aggr_expr.iter().any(uses_window)
            || (has_distinct && !is_tumble && !is_session)
        {
            return Ok(None);
        }
        if is_session {
            check_session_keys(aggregate, &stripped, is_plain_key)?;
        }
        let input = self.query(&stripped.plan)?;
        // The time column is found where the plan without the function has it.
        let place = stripped.plan.schema().index_of_column(&stripped.time).map_err(sql_error)?;
        let node = WindowTvfNode {
            input: stripped.plan.clone(),
            time: Expr::Column(stripped.time.clone()),
            ..stripped.node.clone()
        };
        let (column, of) = self.window_time(&input, &node)?;
        debug_assert_eq!(place, column);
        let windows = Windows { tvf: stripped.node.tvf, of, time: Expr::Column(stripped.time), properties };
        self.windowed(input, stripped.plan.schema(), aggregate, &windows, late_of(of, late)?).map(Some)
    }
}

/// Takes the windowing table function out of a plan, if there are only projections, filters and names above it that let the rows as
/// they are and ask for nothing about the window.
fn strip(plan: &LogicalPlan) -> Option<Stripped<'_>> {
    match plan {
        LogicalPlan::Extension(extension) => {
            if let Some(expand) = extension.node.as_any().downcast_ref::<ExpandNode>() {
                return strip_below(expand);
            }
            let node = extension.node.as_any().downcast_ref::<WindowTvfNode>()?;
            let width = node.input.schema().fields().len();
            let window =
                [0, 1, 2].map(|offset| Some(Column::from(node.schema.qualified_field(width + offset))));
            let Expr::Column(time) = &node.time else { return None };
            Some(Stripped { plan: node.input.clone(), node, time: time.clone(), window })
        }
        LogicalPlan::SubqueryAlias(alias) => {
            let below = strip(&alias.input)?;
            let renamed = |column: &Column| Column::new(Some(alias.alias.clone()), column.name.clone());
            let plan = SubqueryAlias::try_new(Arc::new(below.plan), alias.alias.clone()).ok()?;
            Some(Stripped {
                plan: LogicalPlan::SubqueryAlias(plan),
                node: below.node,
                time: renamed(&below.time),
                window: below.window.map(|column| column.map(|column| renamed(&column))),
            })
        }
        LogicalPlan::Filter(filter) => {
            let below = strip(&filter.input)?;
            if matches!(below.node.tvf, Tvf::Session { .. }) {
                // Sessions are made of all rows, also of those that are left out later.
                return None;
            }
            let is_about_window = filter
                .predicate
                .column_refs()
                .into_iter()
                .any(|column| below.window.iter().flatten().any(|window| window == column));
            if is_about_window {
                return None;
            }
            let plan = Filter::try_new(filter.predicate.clone(), Arc::new(below.plan)).ok()?;
            Some(Stripped { plan: LogicalPlan::Filter(plan), ..below })
        }
        LogicalPlan::Projection(projection) => {
            let below = strip(&projection.input)?;
            let mut window = [None, None, None];
            let mut exprs = Vec::new();
            let mut time = None;
            for (index, expr) in projection.expr.iter().enumerate() {
                let output = Column::from(projection.schema.qualified_field(index));
                if let Expr::Column(column) = unaliased(expr)
                    && let Some(place) =
                        below.window.iter().position(|window| window.as_ref() == Some(column))
                {
                    window[place] = Some(output);
                    continue;
                }
                let is_about_window = expr
                    .column_refs()
                    .into_iter()
                    .any(|column| below.window.iter().flatten().any(|w| w == column));
                if is_about_window {
                    return None;
                }
                if matches!(unaliased(expr), Expr::Column(column) if *column == below.time) {
                    time = Some(output);
                }
                exprs.push(expr.clone());
            }
            let time = match time {
                Some(time) => time,
                None => {
                    exprs.push(Expr::Column(below.time.clone()));
                    below.time.clone()
                }
            };
            let plan = Projection::try_new(exprs, Arc::new(below.plan)).ok()?;
            Some(Stripped { plan: LogicalPlan::Projection(plan), node: below.node, time, window })
        }
        _ => None,
    }
}

/// The same below grouping sets, none of which may be about the window.
fn strip_below(expand: &ExpandNode) -> Option<Stripped<'_>> {
    let below = strip(&expand.input)?;
    let is_about_window = |column: &&Column| below.window.iter().flatten().any(|window| window == *column);
    let is_session = matches!(below.node.tvf, Tvf::Session { .. });
    if is_session || expand.keys.iter().flat_map(Expr::column_refs).any(|column| is_about_window(&column)) {
        return None;
    }
    let node = expand.over(below.plan, expand.keys.clone()).ok()?;
    Some(Stripped { plan: LogicalPlan::Extension(Extension { node: Arc::new(node) }), ..below })
}

/// Sessions are found per key of the aggregation: refuses those that are divided by other columns.
fn check_session_keys(
    aggregate: &Aggregate,
    stripped: &Stripped<'_>,
    is_of_window: impl Fn(usize) -> bool,
) -> Planned<()> {
    let keys = aggregate.group_expr.iter().enumerate().filter(|(key, _)| !is_of_window(*key));
    let keys: Option<BTreeSet<usize>> = keys.map(|(_, expr)| origin(&aggregate.input, expr)).collect();
    let input = stripped.node.input.schema();
    let partition: Option<BTreeSet<usize>> = stripped
        .node
        .partition
        .iter()
        .map(|expr| if let Expr::Column(column) = expr { input.maybe_index_of_column(column) } else { None })
        .collect();
    if keys.is_some() && keys == partition {
        return Ok(());
    }
    let partition = shown(&stripped.node.partition);
    Err(SqlError::new(format!("sessions are divided by [{partition}]: the aggregation has other keys"))
        .hint("expected GROUP BY of the columns behind PARTITION BY in SESSION, window_start and window_end"))
}

/// The column of a windowing table function's input that an expression over its output is.
fn origin(plan: &LogicalPlan, expr: &Expr) -> Option<usize> {
    let Expr::Column(column) = unaliased(expr) else { return None };
    let index = plan.schema().maybe_index_of_column(column)?;
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let column = Column::from(alias.input.schema().qualified_field(index));
            origin(&alias.input, &Expr::Column(column))
        }
        LogicalPlan::Projection(projection) => origin(&projection.input, &projection.expr[index]),
        LogicalPlan::Extension(extension) => {
            extension.node.as_any().downcast_ref::<WindowTvfNode>().map(|_| index)
        }
        _ => None,
    }
}
