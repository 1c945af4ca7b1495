//! Joins: which kind of join a query means.

use std::sync::Arc;

use datafusion::{
    common::{Column, DFSchema, JoinType, NullEquality},
    logical_expr::{Expr, Join, LogicalPlan, LogicalPlanBuilder, Operator, utils::split_conjunction},
};

use super::{
    Attribute, PhysicalPlanner, Planned, Rel, by_columns, calc::unaliased, lookup::lookup_of, names,
    not_supported, nullable,
};
use crate::{
    error::SqlError,
    operators::{
        calc::CalcFactory,
        join::{IntervalJoinFactory, JoinFactory, JoinKind, JoinSpec, WindowJoinFactory},
        window::WindowTime,
    },
    planner::{relation::millis_of, sql_error},
    runtime::Distribution,
};

/// One input of a join, with the columns that must be equal.
pub(super) struct Side {
    pub rel: Rel,
    /// How many of its columns are the query's; keys that had to be calculated come behind them.
    pub width: usize,
    pub keys: Vec<usize>,
}

/// Time attributes that may be `lower_ms` to `upper_ms` apart, right minus left.
struct Interval {
    times: Option<(usize, usize)>,
    lower_ms: i64,
    upper_ms: i64,
}

impl PhysicalPlanner {
    pub(super) fn join(&mut self, join: &Join) -> Planned {
        if join.null_aware {
            return self.query(&with_nulls(join)?);
        }
        let kind = kind_of(join)?;
        if let Some(lookup) = lookup_of(&join.right) {
            return self.lookup_join(join, kind, lookup);
        }
        let left = self.side(&join.left, join.on.iter().map(|(left, _)| left))?;
        let right = self.side(&join.right, join.on.iter().map(|(_, right)| right))?;
        let interval = self.interval_of(join, &left, &right);
        let windows = window_keys(&left, &right);
        let has_window = |side: &Side| {
            side.keys.iter().any(|key| matches!(side.rel.attributes[*key], Attribute::WindowEnd(_)))
        };
        if windows.is_none()
            && (has_window(&left) && has_window(&right))
            && !left.rel.is_updating
            && !right.rel.is_updating
        {
            return Err(SqlError::new(
                "a window join needs both window_start and window_end to be equal on both sides",
            ));
        }
        let is_append_only = !left.rel.is_updating && !right.rel.is_updating;
        let (mut spec, output) = self.spec(join, kind, &left, &right)?;
        spec.null_equals_null = join.null_equality == NullEquality::NullEqualsNull;
        let title = format!(
            "(joinType=[{}], on=[{} = {}])",
            join.join_type,
            names(&left.rel.schema, &left.keys),
            names(&right.rel.schema, &right.keys)
        );
        let inputs = vec![(left.rel.node, by_columns(&left.keys)), (right.rel.node, by_columns(&right.keys))];
        let mut attributes: Vec<Attribute> = left.rel.attributes.clone();
        if !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
            attributes.extend(&right.rel.attributes);
        }
        let mut result = Rel {
            node: 0,
            schema: spec.output.clone(),
            attributes,
            is_updating: false,
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: left.rel.is_bounded && right.rel.is_bounded,
        };
        let mut joined = match (windows, interval) {
            (Some((ends, WindowTime::Event)), _) if is_append_only => {
                let state = "the rows of windows that have not ended, of both inputs".to_owned();
                let factory = Arc::new(WindowJoinFactory { spec, window_ends: ends });
                self.operator_of(format!("WindowJoin{title}"), factory, inputs, state, result)
            }
            (Some((_, WindowTime::Processing)), _) => {
                return Err(not_supported("a window join in processing time"));
            }
            (None, Some(interval)) if is_append_only => {
                let state = "the rows that may still find a match, of both inputs".to_owned();
                let Interval { times, lower_ms, upper_ms } = interval;
                let factory = Arc::new(IntervalJoinFactory { spec, times, lower_ms, upper_ms });
                self.operator_of(format!("IntervalJoin{title}"), factory, inputs, state, result)
            }
            _ => {
                // Rows of a regular join come whenever their partners do: no watermark holds for their times.
                result.attributes.iter_mut().for_each(|attribute| *attribute = Attribute::Plain);
                result.is_updating = !is_append_only || !matches!(kind, JoinKind::Inner | JoinKind::LeftSemi);
                let is_append_only = [!left.rel.is_updating, !right.rel.is_updating];
                let ttl_ms = [self.options.ttl_ms; 2];
                let factory = Arc::new(JoinFactory { spec, is_append_only, ttl_ms });
                self.operator_of(
                    format!("Join{title}"),
                    factory,
                    inputs,
                    "all rows of both inputs".to_owned(),
                    result,
                )
            }
        };
        let left_width = left.rel.schema.fields().len();
        let right_keys = || right.keys.iter().map(|key| left_width + key).collect();
        // Rows that are padded with nulls are where the key that they have says.
        joined.hashed_by = match kind {
            JoinKind::Inner => vec![left.keys.clone(), right_keys()],
            JoinKind::Left | JoinKind::LeftSemi | JoinKind::LeftAnti => vec![left.keys.clone()],
            JoinKind::Right => vec![right_keys()],
            JoinKind::Full => Vec::new(),
        };
        self.trim(joined, output, &join.schema)
    }

    /// Plans an input, and calculates keys that are no columns.
    pub(super) fn side<'a>(
        &mut self,
        plan: &LogicalPlan,
        on: impl Iterator<Item = &'a Expr>,
    ) -> Planned<Side> {
        let rel = self.query(plan)?;
        let schema = plan.schema();
        let width = rel.schema.fields().len();
        let mut exprs: Vec<Expr> = schema.columns().into_iter().map(Expr::Column).collect();
        let mut fields: Vec<_> =
            schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
        let mut keys = Vec::new();
        for expr in on {
            match unaliased(expr) {
                Expr::Column(column) => keys.push(schema.index_of_column(column).map_err(sql_error)?),
                other => {
                    use datafusion::logical_expr::ExprSchemable;
                    let data_type = other.get_type(schema).map_err(sql_error)?;
                    keys.push(exprs.len());
                    fields.push((
                        None,
                        Arc::new(arrow::datatypes::Field::new(
                            format!("$key{}", exprs.len()),
                            data_type,
                            true,
                        )),
                    ));
                    exprs.push(other.clone());
                }
            }
        }
        if exprs.len() == width {
            return Ok(Side { rel, width, keys });
        }
        let output = DFSchema::new_with_metadata(fields, Default::default()).map_err(sql_error)?;
        let rel = self.calc(&rel, schema, None, Some(&exprs), &output)?;
        Ok(Side { rel, width, keys })
    }

    /// The join's specification, and which of its output columns are the query's.
    pub(super) fn spec(
        &self,
        join: &Join,
        kind: JoinKind,
        left: &Side,
        right: &Side,
    ) -> Planned<(JoinSpec, Vec<usize>)> {
        let on = left.keys.iter().copied().zip(right.keys.iter().copied()).collect();
        let spec = JoinSpec::new(kind, left.rel.schema.clone(), right.rel.schema.clone(), on);
        let filter =
            join.filter.as_ref().map(|filter| self.joint_filter(filter, join, left, right)).transpose()?;
        let mut output: Vec<usize> = (0..left.width).collect();
        if !matches!(kind, JoinKind::LeftSemi | JoinKind::LeftAnti) {
            let first = left.rel.schema.fields().len();
            output.extend(first..first + right.width);
        }
        Ok((spec.filter(filter), output))
    }

    /// A condition over the columns of both inputs, calculated keys included.
    fn joint_filter(
        &self,
        filter: &Expr,
        join: &Join,
        left: &Side,
        right: &Side,
    ) -> Planned<Arc<dyn datafusion::physical_expr::PhysicalExpr>> {
        let mut fields = Vec::new();
        for (side, plan) in [(left, &join.left), (right, &join.right)] {
            fields.extend(plan.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())));
            for key in side.width..side.rel.schema.fields().len() {
                let field =
                    side.rel.schema.field(key).clone().with_name(format!("$side{}-{key}", fields.len()));
                fields.push((None, Arc::new(field)));
            }
        }
        let schema = DFSchema::new_with_metadata(fields, Default::default()).map_err(sql_error)?;
        self.expr(filter, &schema)
    }

    /// Drops the calculated keys.
    pub(super) fn trim(&mut self, joined: Rel, columns: Vec<usize>, schema: &DFSchema) -> Planned {
        if columns.len() == joined.schema.fields().len() {
            return Ok(joined);
        }
        let projection = columns
            .iter()
            .map(|column| {
                let name = joined.schema.field(*column).name();
                Arc::new(datafusion::physical_expr::expressions::Column::new(name, *column)) as _
            })
            .collect();
        let output = nullable(schema);
        let attributes = columns.iter().map(|column| joined.attributes[*column]).collect();
        let place_of = |column: &usize| columns.iter().position(|kept| kept == column);
        let hashed_by = joined.hashed_by.iter();
        let hashed_by = hashed_by.filter_map(|keys| keys.iter().map(place_of).collect()).collect();
        let result = Rel { schema: output.clone(), attributes, hashed_by, ..joined.clone() };
        let factory = CalcFactory::new(None, Some(projection), output);
        Ok(self.operator("Calc(trim)".to_owned(), factory, &joined, Distribution::Any, result))
    }

    /// The bounds that the condition sets on the time attributes of both inputs, if it sets both.
    fn interval_of(&self, join: &Join, left: &Side, right: &Side) -> Option<Interval> {
        let time_of = |column: &Column| {
            let at = |plan: &LogicalPlan, side: &Side| {
                let index = plan.schema().maybe_index_of_column(column)?;
                let attribute = side.rel.attributes[index];
                matches!(attribute, Attribute::Rowtime | Attribute::Proctime).then_some((index, attribute))
            };
            let of_left = at(&join.left, left).map(|time| (true, time));
            of_left.or_else(|| at(&join.right, right).map(|time| (false, time)))
        };
        let (mut lower, mut upper, mut times) = (None::<i64>, None::<i64>, None);
        let mut note =
            |a: (bool, (usize, Attribute)), op: Operator, b: (bool, (usize, Attribute)), difference: i64| {
                // `a op b + difference`, of which one is the left input's time.
                let ((left, right), op, difference) = match (a.0, b.0) {
                    (true, false) => ((a.1, b.1), op, difference),
                    (false, true) => ((b.1, a.1), op.swap()?, -difference),
                    _ => return None,
                };
                if left.1 != right.1 {
                    return None;
                }
                // left op right + difference, so right - left is on the other side of -difference.
                let (from, to) = match op {
                    Operator::Eq => (Some(-difference), Some(-difference)),
                    Operator::LtEq => (Some(-difference), None),
                    Operator::Lt => (Some(-difference + 1), None),
                    Operator::GtEq => (None, Some(-difference)),
                    Operator::Gt => (None, Some(-difference - 1)),
                    _ => return None,
                };
                if let Some(from) = from {
                    lower = Some(lower.map_or(from, |known| known.max(from)));
                }
                if let Some(to) = to {
                    upper = Some(upper.map_or(to, |known| known.min(to)));
                }
                times = Some((left.0, right.0, left.1));
                Some(())
            };
        for conjunct in join.filter.iter().flat_map(split_conjunction) {
            let Expr::BinaryExpr(binary) = conjunct else { continue };
            let (Some((a, of_a)), Some((b, of_b))) = (linear(&binary.left), linear(&binary.right)) else {
                continue;
            };
            if let (Some(a), Some(b)) = (time_of(a), time_of(b)) {
                note(a, binary.op, b, of_b - of_a);
            }
        }
        for (a, b) in &join.on {
            let (Some((a, of_a)), Some((b, of_b))) = (linear(a), linear(b)) else { continue };
            if let (Some(a), Some(b)) = (time_of(a), time_of(b)) {
                note(a, Operator::Eq, b, of_b - of_a);
            }
        }
        let (left, right, attribute) = times?;
        let times = (attribute == Attribute::Rowtime).then_some((left, right));
        Some(Interval { times, lower_ms: lower?, upper_ms: upper? })
    }
}

fn kind_of(join: &Join) -> Planned<JoinKind> {
    Ok(match join.join_type {
        JoinType::Inner => JoinKind::Inner,
        JoinType::Left => JoinKind::Left,
        JoinType::Right => JoinKind::Right,
        JoinType::Full => JoinKind::Full,
        JoinType::LeftSemi => JoinKind::LeftSemi,
        JoinType::LeftAnti => JoinKind::LeftAnti,
        _ => return Err(not_supported("IN or EXISTS within OR, or in SELECT,")),
    })
}

/// NOT IN where either side may be NULL: a row is kept if nothing equals it and, unless the sub-query has no row, neither it nor
/// anything there is NULL. The second condition is a join of its own with at most two rows: whether there are NULLs, and others.
fn with_nulls(join: &Join) -> Planned<LogicalPlan> {
    const IS_NULL: &str = "$is_null";
    let ([(value, other)], None) = (join.on.as_slice(), &join.filter) else {
        return Err(not_supported(
            "NOT IN with a sub-query that may give NULL and asks for columns of the outer query",
        )
        .hint("expected NOT EXISTS"));
    };
    let unequal = LogicalPlan::Join(Join { null_aware: false, ..join.clone() });
    let is_null = Expr::Column(Column::new_unqualified(IS_NULL));
    let kinds = LogicalPlanBuilder::new_from_arc(join.right.clone())
        .project([other.clone().is_null().alias(IS_NULL)])
        .and_then(|nulls| nulls.aggregate([is_null.clone()], Vec::<Expr>::new()))
        .and_then(LogicalPlanBuilder::build);
    let undecided = is_null.or(value.clone().is_null());
    LogicalPlanBuilder::from(unequal)
        .join_on(kinds.map_err(sql_error)?, JoinType::LeftAnti, [undecided])
        .and_then(LogicalPlanBuilder::build)
        .map_err(sql_error)
}

/// The columns of the windows' ends if both windows are equal on both sides.
fn window_keys(left: &Side, right: &Side) -> Option<((usize, usize), WindowTime)> {
    let pairs = || left.keys.iter().copied().zip(right.keys.iter().copied());
    let of = |(a, b): (usize, usize)| (left.rel.attributes[a], right.rel.attributes[b]);
    let (ends, time) = pairs().find_map(|pair| match of(pair) {
        (Attribute::WindowEnd(a), Attribute::WindowEnd(b)) if a == b => Some((pair, a)),
        _ => None,
    })?;
    pairs()
        .any(|pair| matches!(of(pair), (Attribute::WindowStart(a), Attribute::WindowStart(b)) if a == b))
        .then_some((ends, time))
}

/// A column, and what is added to it in milliseconds.
pub(super) fn linear(expr: &Expr) -> Option<(&Column, i64)> {
    match expr {
        Expr::Column(column) => Some((column, 0)),
        Expr::Cast(cast) => linear(&cast.expr),
        Expr::BinaryExpr(binary) => match binary.op {
            Operator::Plus => match (linear(&binary.left), millis_of(&binary.right)) {
                (Some((column, offset)), Some(millis)) => Some((column, offset + millis)),
                _ => {
                    let (column, offset) = linear(&binary.right)?;
                    Some((column, offset + millis_of(&binary.left)?))
                }
            },
            Operator::Minus => {
                let (column, offset) = linear(&binary.left)?;
                Some((column, offset - millis_of(&binary.right)?))
            }
            _ => None,
        },
        _ => None,
    }
}
