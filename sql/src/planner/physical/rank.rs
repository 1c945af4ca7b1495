//! ROW_NUMBER, LIMIT and ORDER BY.

use std::ops::RangeInclusive;

use arrow::{compute::SortOptions, datatypes::DataType};
use datafusion::{
    common::{Column, ScalarValue},
    logical_expr::{
        Expr, Filter, Limit, LogicalPlan, Operator, Projection, Sort, SortExpr, Window,
        WindowFunctionDefinition,
        expr::WindowFunction,
        utils::{conjunction, split_conjunction},
    },
};

use super::{Attribute, PhysicalPlanner, Planned, Rel, calc::unaliased, names, not_supported};
use crate::{
    error::SqlError,
    operators::{
        deduplicate::{DeduplicateFactory, Keep},
        rank::RankFactory,
        sort::{SortFactory, SortTime},
        window::WindowTime,
        window_rank::WindowRankFactory,
    },
    planner::sql_error,
    runtime::Distribution,
};

/// A filter over ROW_NUMBER.
pub(super) struct Ranking<'a> {
    window: &'a Window,
    function: &'a WindowFunction,
    /// What is between the filter and the window function, outermost first.
    steps: Vec<&'a LogicalPlan>,
    range: RangeInclusive<usize>,
    /// What else the filter asks for.
    rest: Option<Expr>,
    filter: &'a Filter,
}

impl PhysicalPlanner {
    /// Whether a filter asks for the first rows of each partition.
    pub(super) fn as_rank<'a>(&self, filter: &'a Filter) -> Option<Ranking<'a>> {
        let mut steps = Vec::new();
        let mut plan = filter.input.as_ref();
        let window = loop {
            match plan {
                LogicalPlan::SubqueryAlias(alias) => plan = &alias.input,
                LogicalPlan::Projection(projection) => {
                    steps.push(plan);
                    plan = &projection.input;
                }
                LogicalPlan::Window(window) => break window,
                _ => return None,
            }
        };
        let [expr] = window.window_expr.as_slice() else { return None };
        let Expr::WindowFunction(function) = unaliased(expr) else { return None };
        let WindowFunctionDefinition::WindowUDF(udf) = &function.fun else { return None };
        if udf.name() != "row_number" {
            return None;
        }
        let mut bounds = (1, usize::MAX);
        let mut rest = Vec::new();
        for conjunct in split_conjunction(&filter.predicate) {
            match bound_of(conjunct) {
                Some((column, from, to)) if is_rank(&filter.input, column) => {
                    bounds = (bounds.0.max(from), bounds.1.min(to));
                }
                _ => rest.push(conjunct.clone()),
            }
        }
        if bounds.1 == usize::MAX {
            return None;
        }
        Some(Ranking { window, function, steps, range: bounds.0..=bounds.1, rest: conjunction(rest), filter })
    }

    pub(super) fn rank(&mut self, ranking: Ranking<'_>) -> Planned {
        self.rank_for(ranking, true)
    }

    /// The projection of a filter over ROW_NUMBER: if it has no use for the number, nobody needs to know it.
    pub(super) fn rank_projection(&mut self, ranking: Ranking<'_>, projection: &Projection) -> Planned {
        let input = ranking.filter.input.as_ref();
        let columns = projection.expr.iter().flat_map(|expr| expr.column_refs()).collect::<Vec<_>>();
        let in_rest = ranking.rest.iter().flat_map(|expr| expr.column_refs());
        let needs_rank = columns.into_iter().chain(in_rest).any(|column| is_rank(input, column));
        let schema = ranking.filter.input.schema().clone();
        let ranked = self.rank_for(ranking, needs_rank)?;
        self.calc(&ranked, &schema, None, Some(&projection.expr), &projection.schema)
    }

    fn rank_for(&mut self, ranking: Ranking<'_>, needs_rank: bool) -> Planned {
        let Ranking { window, function, steps, range, rest, filter } = ranking;
        let input = self.query(&window.input)?;
        let schema = window.input.schema();
        let column = |expr: &Expr| match unaliased(expr) {
            Expr::Column(column) => schema.index_of_column(column).map_err(sql_error),
            other => Err(not_supported(format_args!("ROW_NUMBER by `{other}`, which is no column,"))
                .hint("calculate it in a sub-query")),
        };
        let params = &function.params;
        let partition = params.partition_by.iter().map(column).collect::<Planned<Vec<_>>>()?;
        let order = order_of(&params.order_by, column)?;
        let rank_name = needs_rank.then(|| window.schema.field(input.schema.fields().len()).name().clone());
        let mut ranked = self.ranked(&input, partition, order, range, rank_name)?;
        if !needs_rank {
            // Its place is kept, so that the columns of the query are where they are.
            ranked = self.with_null_rank(ranked, window)?;
        }
        for step in steps.iter().rev() {
            if let LogicalPlan::Projection(projection) = step {
                ranked = self.calc(
                    &ranked,
                    projection.input.schema(),
                    None,
                    Some(&projection.expr),
                    &projection.schema,
                )?;
            }
        }
        match rest {
            Some(rest) => self.calc(&ranked, filter.input.schema(), Some(&rest), None, filter.input.schema()),
            None => Ok(ranked),
        }
    }

    fn with_null_rank(&mut self, ranked: Rel, window: &Window) -> Planned {
        let schema = window.input.schema();
        let mut exprs: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
        exprs.push(Expr::Literal(ScalarValue::Int64(None), None));
        self.calc(&ranked, schema, None, Some(&exprs), &window.schema)
    }

    /// The operator for the first rows of each partition.
    fn ranked(
        &mut self,
        input: &Rel,
        partition: Vec<usize>,
        order: Vec<(usize, SortOptions)>,
        range: RangeInclusive<usize>,
        rank_name: Option<String>,
    ) -> Planned {
        let title = format!(
            "(partitionBy=[{}], orderBy=[{}], range=[{}..{}])",
            names(&input.schema, &partition),
            names(&input.schema, &order.iter().map(|(column, _)| *column).collect::<Vec<_>>()),
            range.start(),
            range.end()
        );
        let has = |wanted: fn(&Attribute) -> bool| {
            partition.iter().copied().find(|column| wanted(&input.attributes[*column]))
        };
        let end = has(|attribute| matches!(attribute, Attribute::WindowEnd(WindowTime::Event)));
        let start = has(|attribute| matches!(attribute, Attribute::WindowStart(WindowTime::Event)));
        let mut attributes = input.attributes.clone();
        attributes.extend(rank_name.as_ref().map(|_| Attribute::Plain));
        let inputs = vec![input.by_columns(&partition)];
        let ttl_ms = self.options.ttl_ms.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX));
        if let (Some(_), Some(window_end)) = (start, end)
            && !input.is_updating
        {
            let factory = WindowRankFactory {
                input: input.schema.clone(),
                partition,
                window_end,
                order,
                range,
                rank_name,
            };
            let schema = factory.output();
            let output = Rel { schema, attributes, ..input.clone() };
            let state = "the first rows of windows that have not ended".to_owned();
            return Ok(self.operator_of(
                format!("WindowRank{title}"),
                std::sync::Arc::new(factory),
                inputs,
                state,
                output,
            ));
        }
        let attributes: Vec<Attribute> = attributes
            .iter()
            .map(|attribute| match attribute {
                Attribute::Rowtime => Attribute::Plain,
                other => *other,
            })
            .collect();
        if range == (1..=1)
            && rank_name.is_none()
            && !input.is_updating
            && let [(column, options)] = order.as_slice()
            && let Some(time) = match input.attributes[*column] {
                Attribute::Rowtime => Some(Some(*column)),
                Attribute::Proctime => Some(None),
                _ => None,
            }
        {
            let keep = if options.descending { Keep::Last } else { Keep::First };
            let factory = DeduplicateFactory {
                input: input.schema.clone(),
                partition: partition.clone(),
                time,
                keep,
                update_before: true,
                ttl_ms,
            };
            let output = Rel {
                attributes,
                is_updating: !factory.output_is_append_only(),
                unique: Some(partition),
                ..input.clone()
            };
            let name = format!("Deduplicate{title}");
            return Ok(self.operator_of(
                name,
                std::sync::Arc::new(factory),
                inputs,
                "one row per key".to_owned(),
                output,
            ));
        }
        let factory = RankFactory {
            input: input.schema.clone(),
            partition: partition.clone(),
            order,
            range: range.clone(),
            rank_name,
            input_is_append_only: !input.is_updating,
            update_before: true,
            ttl_ms,
        };
        let output = Rel {
            schema: factory.output(),
            attributes,
            is_updating: !factory.output_is_append_only(),
            unique: (range == (1..=1)).then_some(partition),
            ..input.clone()
        };
        let state =
            if input.is_updating { "all rows of the input" } else { "the first rows of each partition" };
        Ok(self.operator_of(
            format!("Rank{title}"),
            std::sync::Arc::new(factory),
            inputs,
            state.to_owned(),
            output,
        ))
    }

    pub(super) fn limit(&mut self, limit: &Limit) -> Planned {
        let constant = |expr: &Option<Box<Expr>>| match expr.as_deref() {
            None => Ok(None),
            Some(Expr::Literal(value, _)) => match value.cast_to(&DataType::UInt64) {
                Ok(ScalarValue::UInt64(Some(number))) => {
                    Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
                }
                _ => Err(SqlError::new(format!("LIMIT and OFFSET take a number: found `{value}`"))),
            },
            Some(other) => Err(SqlError::new(format!("LIMIT and OFFSET take a constant: found `{other}`"))),
        };
        let skip = constant(&limit.skip)?.unwrap_or(0);
        let Some(fetch) = constant(&limit.fetch)? else {
            return Err(not_supported("OFFSET without LIMIT"));
        };
        let (plan, order) = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => (sort.input.as_ref(), sort.expr.as_slice()),
            other => (other, [].as_slice()),
        };
        let input = self.query(plan)?;
        let schema = plan.schema();
        let order = order_of(order, |expr| column_of(expr, schema))?;
        if fetch == 0 {
            return Err(SqlError::new("LIMIT 0 gives no rows: expected at least 1"));
        }
        self.ranked(&input, Vec::new(), order, skip + 1..=skip.saturating_add(fetch), None)
    }

    pub(super) fn sort(&mut self, sort: &Sort) -> Planned {
        let input = self.query(&sort.input)?;
        let schema = sort.input.schema();
        let order = order_of(&sort.expr, |expr| column_of(expr, schema))?;
        let first =
            order.first().map(|(column, options)| (input.attributes[*column], *column, options.descending));
        let when = match first {
            Some((Attribute::Rowtime, column, false)) if !input.is_updating => SortTime::Watermark(column),
            _ if input.is_bounded => SortTime::End(None),
            _ => {
                return Err(SqlError::new(
                    "ORDER BY of rows that never end must begin with a time attribute, ascending",
                )
                .hint("add LIMIT n for the first n rows, which are updated as rows come"));
            }
        };
        let is_at_end = matches!(when, SortTime::End(_));
        let factory = SortFactory { input: input.schema.clone(), order: order.clone(), when };
        let columns: Vec<usize> = order.iter().map(|(column, _)| *column).collect();
        let name = format!("Sort(orderBy=[{}])", names(&input.schema, &columns));
        let output = Rel { is_updating: input.is_updating && !is_at_end, ..input.clone() };
        Ok(self.operator(name, factory, &input, Distribution::Single, output))
    }
}

pub(super) fn column_of(expr: &Expr, schema: &datafusion::common::DFSchema) -> Planned<usize> {
    match unaliased(expr) {
        Expr::Column(column) => schema.index_of_column(column).map_err(sql_error),
        other => Err(not_supported(format_args!("ORDER BY `{other}`, which is no column,"))
            .hint("calculate it in a sub-query")),
    }
}

pub(super) fn order_of(
    order: &[SortExpr],
    column: impl Fn(&Expr) -> Planned<usize>,
) -> Planned<Vec<(usize, SortOptions)>> {
    order
        .iter()
        .map(|sort| {
            let options = SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
            Ok((column(&sort.expr)?, options))
        })
        .collect()
}

/// A comparison of a column with a number: the column, and the range that is left.
fn bound_of(expr: &Expr) -> Option<(&Column, usize, usize)> {
    let Expr::BinaryExpr(binary) = expr else { return None };
    let (column, op, number) = match (unaliased(&binary.left), binary.op, unaliased(&binary.right)) {
        (Expr::Column(column), op, Expr::Literal(value, _)) => (column, op, value),
        (Expr::Literal(value, _), op, Expr::Column(column)) => (column, op.swap()?, value),
        _ => return None,
    };
    let ScalarValue::Int64(Some(number)) = number.cast_to(&DataType::Int64).ok()? else { return None };
    let number = usize::try_from(number).ok()?;
    Some(match op {
        Operator::Eq => (column, number, number),
        Operator::LtEq => (column, 1, number),
        Operator::Lt => (column, 1, number.checked_sub(1)?),
        Operator::GtEq => (column, number, usize::MAX),
        Operator::Gt => (column, number + 1, usize::MAX),
        _ => return None,
    })
}

/// Whether a column of a plan is the only window function's result.
fn is_rank(plan: &LogicalPlan, column: &Column) -> bool {
    let Some(index) = plan.schema().maybe_index_of_column(column) else { return false };
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            is_rank(&alias.input, &Column::from(alias.input.schema().qualified_field(index)))
        }
        LogicalPlan::Projection(projection) => match unaliased(&projection.expr[index]) {
            Expr::Column(column) => is_rank(&projection.input, column),
            _ => false,
        },
        LogicalPlan::Window(window) => index >= window.input.schema().fields().len(),
        _ => false,
    }
}
