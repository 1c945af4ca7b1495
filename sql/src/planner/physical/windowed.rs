//! Aggregation by windows that the operator assigns itself.

use std::sync::Arc;

use datafusion::{
    common::DFSchema,
    logical_expr::{Aggregate, Expr},
};

use super::{Attribute, PhysicalPlanner, Planned, Rel, aggregate::Arranged, by_columns, late::Late, shown};
use crate::{
    error::SqlError,
    operators::{
        aggregate::{
            AggregateCall, LateRows, LocalAggregateFactory, LocalWindowSpec, SessionAggregateFactory,
            WindowAggregateFactory, WindowProperty, Windowing,
        },
        window::WindowTime,
    },
    planner::nodes::Tvf,
};

impl PhysicalPlanner {
    /// Windows that the aggregation assigns itself, slice by slice. `input` has the rows before they had windows, `window_keys` says
    /// which of the query's keys are what of the window.
    pub(super) fn windowed(
        &mut self,
        input: Rel,
        schema: &DFSchema,
        aggregate: &Aggregate,
        windows: &super::sliced::Windows,
        late: Option<&Late>,
    ) -> Planned {
        let total = aggregate.group_expr.len();
        let property =
            |key: &usize| windows.properties.iter().find(|(of, _)| of == key).map(|(_, property)| *property);
        let keys: Vec<usize> = (0..total).filter(|key| property(key).is_none()).collect();
        let mut exprs: Vec<Expr> = keys.iter().map(|key| aggregate.group_expr[*key].clone()).collect();
        exprs.push(windows.time.clone());
        let time_column = exprs.len() - 1;
        let (input, calls, late_places) = self.arguments(&input, schema, aggregate, exprs, late)?;
        let key_columns: Vec<usize> = (0..keys.len()).collect();
        let output = super::nullable(&aggregate.schema);
        let arranged = Arranged { keys, calls: calls.len(), properties: windows.properties.clone(), total };
        let raw = arranged.schema(&output);
        let properties: Vec<WindowProperty> =
            arranged.properties.iter().map(|(_, property)| *property).collect();
        let title = format!("groupBy=[{}], window=[{}]", shown(&aggregate.group_expr), windows.tvf.name());
        let attributes = vec![Attribute::Plain; raw.fields().len()];
        let early_fire_ms = self.early_fire()?;
        let result = Rel {
            node: 0,
            schema: raw.clone(),
            attributes,
            is_updating: early_fire_ms.is_some(),
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: input.is_bounded,
        };
        let state = "one row per key and window".to_owned();
        let result = match windows.tvf {
            Tvf::Session { gap } => {
                if calls.iter().any(|call| call.is_distinct) {
                    return Err(SqlError::new("DISTINCT aggregates by SESSION are not supported")
                        .hint("de-duplicate the rows first"));
                }
                if early_fire_ms.is_some() {
                    return Err(SqlError::new("SESSION does not fire early")
                        .hint("RESET 'table.exec.emit.early-fire.enabled'"));
                }
                let factory = SessionAggregateFactory {
                    input: input.schema.clone(),
                    keys: key_columns.clone(),
                    calls,
                    column: time_column,
                    gap_ms: gap,
                    time: windows.of,
                    properties,
                    output: raw,
                    emits_late_rows: late.is_some(),
                };
                let inputs = vec![(input.node, by_columns(&key_columns))];
                self.operator_of(
                    format!("WindowAggregate({title})"),
                    Arc::new(factory),
                    inputs,
                    state,
                    result,
                )
            }
            Tvf::Aligned(kind) => {
                // Late rows have to be seen one by one.
                let is_split = self.options.is_two_phase
                    && late.is_none()
                    && windows.of == WindowTime::Event
                    && calls.iter().all(AggregateCall::is_splittable);
                let mut factory = WindowAggregateFactory {
                    input: input.schema.clone(),
                    keys: key_columns.clone(),
                    calls: calls.clone(),
                    windowing: Windowing::Sliced { kind, column: time_column },
                    time: windows.of,
                    properties,
                    output: raw,
                    first_partial: None,
                    early_fire_ms,
                    late_rows: if late.is_some() { LateRows::Emitted } else { LateRows::Dropped },
                };
                let (name, from) = if is_split {
                    let local = LocalAggregateFactory {
                        input: input.schema.clone(),
                        keys: key_columns.clone(),
                        calls,
                        window: Some(LocalWindowSpec { kind, column: time_column }),
                    };
                    factory.input = local.output();
                    factory.first_partial = Some(local.first_partial());
                    factory.windowing = Windowing::Presliced { kind, column: key_columns.len() };
                    let local = self.local(format!("LocalWindowAggregate({title})"), local, &input);
                    (format!("GlobalWindowAggregate({title})"), local.node)
                } else {
                    (format!("WindowAggregate({title})"), input.node)
                };
                let inputs = vec![(from, by_columns(&key_columns))];
                self.operator_of(name, Arc::new(factory), inputs, state, result)
            }
        };
        if late.is_some() {
            self.take_late_rows(&result, &input, &late_places);
        }
        let attributes = (0..total)
            .map(|key| match (property(&key), windows.of) {
                (Some(WindowProperty::Start), of) => Attribute::WindowStart(of),
                (Some(WindowProperty::End), of) => Attribute::WindowEnd(of),
                (Some(WindowProperty::Time), WindowTime::Event) => Attribute::Rowtime,
                (Some(WindowProperty::Time), WindowTime::Processing) => Attribute::Proctime,
                (None, _) => Attribute::Plain,
            })
            .collect();
        self.arrange(result, &arranged, output, attributes)
    }
}
