//! Calls for tests, as the planner makes them.

use std::sync::Arc;

use arrow::{
    compute::SortOptions,
    datatypes::{DataType, IntervalMonthDayNano},
};
use datafusion::{
    common::ScalarValue,
    logical_expr::{Operator, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition},
    physical_expr::{
        PhysicalExpr, PhysicalSortExpr,
        expressions::{BinaryExpr, CastExpr, Column, Literal},
    },
    physical_plan::windows::create_window_expr,
};

use super::OverCall;
use crate::operators::ordered::test_rows::schema;

pub(super) const TIME: usize = 1;
pub(super) const VALUE: usize = 2;

pub(super) fn column(index: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(Column::new(schema().field(index).name(), index))
}

pub(super) fn literal(value: impl Into<ScalarValue>) -> Arc<dyn PhysicalExpr> {
    Arc::new(Literal::new(value.into()))
}

pub(super) fn frame(units: WindowFrameUnits, start: ScalarValue) -> WindowFrame {
    WindowFrame::new_bounds(units, WindowFrameBound::Preceding(start), WindowFrameBound::CurrentRow)
}

pub(super) fn last_ms(ms: i64) -> WindowFrame {
    let interval = IntervalMonthDayNano::new(0, 0, ms * 1_000_000);
    frame(WindowFrameUnits::Range, ScalarValue::IntervalMonthDayNano(Some(interval)))
}

pub(super) fn last_rows(rows: u64) -> WindowFrame {
    frame(WindowFrameUnits::Rows, ScalarValue::UInt64(Some(rows)))
}

pub(super) fn all_rows() -> WindowFrame {
    frame(WindowFrameUnits::Rows, ScalarValue::UInt64(None))
}

pub(super) fn all_peers() -> WindowFrame {
    frame(WindowFrameUnits::Range, ScalarValue::Null)
}

/// A call, with the order that a window is to have.
pub(super) fn call(
    function: WindowFunctionDefinition,
    args: &[Arc<dyn PhysicalExpr>],
    frame: WindowFrame,
    (column_index, options): (usize, SortOptions),
    is_filtered: bool,
) -> OverCall {
    let order = [PhysicalSortExpr::new(column(column_index), options)];
    // As the planner does.
    let needs_float =
        matches!(&function, WindowFunctionDefinition::AggregateUDF(udaf) if udaf.name() == "avg");
    let to_float = |arg: &Arc<dyn PhysicalExpr>| {
        Arc::new(CastExpr::new(arg.clone(), DataType::Float64, None)) as Arc<dyn PhysicalExpr>
    };
    let args: Vec<_> = if needs_float { args.iter().map(to_float).collect() } else { args.to_vec() };
    // value <> 3
    let filter: Option<Arc<dyn PhysicalExpr>> = is_filtered.then(|| {
        Arc::new(BinaryExpr::new(column(VALUE), Operator::NotEq, literal(3i64))) as Arc<dyn PhysicalExpr>
    });
    let name = format!("{function} with {frame}");
    let expr = create_window_expr(
        &function,
        name,
        &args,
        &[column(0)],
        &order,
        Arc::new(frame),
        schema(),
        false,
        false,
        filter.clone(),
    );
    OverCall { expr: expr.unwrap(), filter, ignores_nulls: false }
}
