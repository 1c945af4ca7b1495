//! What is asked of each row: a function, its arguments, and the frame of rows that it is computed from.

use std::{fmt, sync::Arc};

use arrow::datatypes::FieldRef;
use datafusion::{
    common::ScalarValue,
    logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits},
    physical_expr::{
        PhysicalExpr,
        aggregate::AggregateFunctionExpr,
        expressions::Literal,
        window::{PlainAggregateWindowExpr, SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr},
    },
    physical_plan::windows::WindowUDFExpr,
};

use crate::error::SqlError;

/// A call as the planner hands it over.
#[derive(Debug, Clone)]
pub struct OverCall {
    /// What DataFusion makes of it: the function, its arguments and its frame.
    pub expr: Arc<dyn WindowExpr>,
    /// `FILTER (WHERE ..)`, which cannot be read out of the former.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// `IGNORE NULLS`, which cannot be read out of it either.
    pub ignores_nulls: bool,
}

/// A call of a window function.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub function: Function,
    pub args: Vec<Arc<dyn PhysicalExpr>>,
    /// `FILTER (WHERE ..)`
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub frame: Frame,
    /// The result.
    pub field: FieldRef,
}

/// What is computed.
#[derive(Clone)]
pub(super) enum Function {
    Aggregate(Arc<AggregateFunctionExpr>),
    RowNumber,
    Rank,
    DenseRank,
    Lag { offset: usize, default: ScalarValue },
    FirstValue,
    LastValue,
}

/// The rows up to the current one, or, if it has `peers`, up to the last one with the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub start: Start,
    pub has_peers: bool,
}

/// The first row of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// That of the partition.
    Unbounded,
    /// So many rows before the current one.
    Rows(usize),
    /// That which is no more than so much older.
    Range { ms: i64 },
}

impl Call {
    pub fn try_new(call: &OverCall) -> Result<Self, SqlError> {
        let OverCall { expr: call, filter, ignores_nulls } = call;
        let frame = Frame::try_new(call.get_window_frame(), call.name())?;
        let field = call.field().map_err(|error| SqlError::new(error.to_string()))?;
        let any = call.as_any();
        let plain = any.downcast_ref::<PlainAggregateWindowExpr>().map(|plain| plain.get_aggregate_expr());
        let sliding =
            || any.downcast_ref::<SlidingAggregateWindowExpr>().map(|sliding| sliding.get_aggregate_expr());
        if let Some(aggregate) = plain.or_else(sliding) {
            let (function, args) =
                (Function::Aggregate(Arc::new(aggregate.clone())), aggregate.expressions());
            return Ok(Self { function, args, filter: filter.clone(), frame, field });
        }
        if *ignores_nulls {
            return Err(SqlError::new(format!(
                "{}: IGNORE NULLS is not supported over a stream",
                call.name()
            )));
        }
        let unsupported =
            || SqlError::new(format!("the function {} is not supported over a stream", call.name()));
        let standard = any.downcast_ref::<StandardWindowExpr>().ok_or_else(unsupported)?;
        let function = standard.get_standard_func_expr();
        let function = function.as_any().downcast_ref::<WindowUDFExpr>().ok_or_else(unsupported)?;
        let args = function.args();
        let literal = |index: usize| -> Result<Option<ScalarValue>, SqlError> {
            let Some(arg) = args.get(index) else { return Ok(None) };
            let value = arg.downcast_ref::<Literal>().map(|literal| literal.value().clone());
            value.map(Some).ok_or_else(|| {
                SqlError::new(format!("argument {} of {} must be a literal", index + 1, call.name()))
            })
        };
        let function = match function.fun().name() {
            "row_number" => Function::RowNumber,
            "rank" => Function::Rank,
            "dense_rank" => Function::DenseRank,
            "first_value" => Function::FirstValue,
            "last_value" => Function::LastValue,
            "lag" => {
                let offset = literal(1)?.map_or(Ok(1), |value| row_count(&value, call.name()))?;
                let null = ScalarValue::try_from(field.data_type());
                let null = null.map_err(|error| SqlError::new(error.to_string()))?;
                let default = literal(2)?.map_or(Ok(null), |value| value.cast_to(field.data_type()));
                let default = default.map_err(|error| SqlError::new(error.to_string()))?;
                Function::Lag { offset, default }
            }
            _ => return Err(unsupported()),
        };
        let args = match function {
            Function::Lag { .. } | Function::FirstValue | Function::LastValue => args[..1].to_vec(),
            _ => Vec::new(),
        };
        Ok(Self { function, args, filter: None, frame, field })
    }

    /// Whether later rows need what has become of all earlier ones, which accumulators hold.
    pub fn accumulates(&self) -> bool {
        self.frame.start == Start::Unbounded
            && matches!(self.function, Function::Aggregate(_) | Function::FirstValue)
    }

    /// How far back later rows look at this one's arguments, if they do.
    pub fn looks_back(&self) -> Option<Start> {
        match &self.function {
            Function::Lag { offset, .. } => Some(Start::Rows(*offset)),
            Function::Aggregate(_) | Function::FirstValue if self.frame.start != Start::Unbounded => {
                Some(self.frame.start)
            }
            _ => None,
        }
    }
}

impl Frame {
    fn try_new(frame: &WindowFrame, name: &str) -> Result<Self, SqlError> {
        let refuse = |what: &str| {
            SqlError::new(format!(
                "{name}: {what} is not supported in an OVER window of a stream, expected \
                 [ROWS | RANGE] BETWEEN [UNBOUNDED | <n>] PRECEDING AND CURRENT ROW"
            ))
        };
        if frame.end_bound != WindowFrameBound::CurrentRow {
            return Err(refuse("a frame that does not end at the current row"));
        }
        let start = match (&frame.units, &frame.start_bound) {
            (WindowFrameUnits::Groups, _) => return Err(refuse("GROUPS")),
            (_, WindowFrameBound::Following(_)) => return Err(refuse("FOLLOWING")),
            (_, WindowFrameBound::Preceding(bound)) if bound.is_null() => Start::Unbounded,
            (WindowFrameUnits::Rows, WindowFrameBound::CurrentRow) => Start::Rows(0),
            (WindowFrameUnits::Range, WindowFrameBound::CurrentRow) => Start::Range { ms: 0 },
            (WindowFrameUnits::Rows, WindowFrameBound::Preceding(rows)) => {
                Start::Rows(row_count(rows, name)?)
            }
            (WindowFrameUnits::Range, WindowFrameBound::Preceding(bound)) => {
                let ms = interval_ms(bound);
                Start::Range { ms: ms.ok_or_else(|| refuse(&format!("a range of {bound}")))? }
            }
        };
        Ok(Self { start, has_peers: frame.units == WindowFrameUnits::Range })
    }
}

fn row_count(value: &ScalarValue, name: &str) -> Result<usize, SqlError> {
    let count = match value.cast_to(&arrow::datatypes::DataType::Int64) {
        Ok(ScalarValue::Int64(Some(count))) => usize::try_from(count).ok(),
        _ => None,
    };
    count.ok_or_else(|| SqlError::new(format!("{name}: expected a number of rows, found {value}")))
}

/// The length of an interval that does not depend on the calendar.
fn interval_ms(bound: &ScalarValue) -> Option<i64> {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    let ms = match bound {
        ScalarValue::IntervalDayTime(Some(interval)) => {
            i64::from(interval.days) * DAY_MS + i64::from(interval.milliseconds)
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            i64::from(interval.days) * DAY_MS + interval.nanoseconds / 1_000_000
        }
        ScalarValue::DurationSecond(Some(seconds)) => seconds.checked_mul(1_000)?,
        ScalarValue::DurationMillisecond(Some(ms)) => *ms,
        ScalarValue::DurationMicrosecond(Some(us)) => us / 1_000,
        ScalarValue::DurationNanosecond(Some(ns)) => ns / 1_000_000,
        _ => return None,
    };
    (ms >= 0).then_some(ms)
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aggregate(aggregate) => f.write_str(aggregate.name()),
            Self::RowNumber => f.write_str("row_number"),
            Self::Rank => f.write_str("rank"),
            Self::DenseRank => f.write_str("dense_rank"),
            Self::Lag { offset, .. } => write!(f, "lag {offset}"),
            Self::FirstValue => f.write_str("first_value"),
            Self::LastValue => f.write_str("last_value"),
        }
    }
}
