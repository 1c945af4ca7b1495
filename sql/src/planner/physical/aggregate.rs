//! GROUP BY: by window, or for ever.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use datafusion::{
    common::{DFSchema, ScalarValue},
    logical_expr::{Aggregate, Expr, ExprSchemable},
};

use super::{
    Attribute, PhysicalPlanner, Planned, Rel, by_columns,
    calc::unaliased,
    late::{Late, LatePlaces, late_of},
    names, nullable_fields,
};
use crate::{
    error::SqlError,
    operators::{
        aggregate::{
            AggregateCall, GroupAggregateFactory, LateRows, LocalAggregateFactory, WindowAggregateFactory,
            WindowProperty, Windowing,
        },
        calc::CalcFactory,
        window::WindowTime,
    },
    planner::{aggregates::function_of, expand::expanded, sql_error},
    runtime::Distribution,
};

/// The input of an aggregation: keys first, then what the aggregates need.
struct Prepared {
    input: Rel,
    /// The key columns of the query, of which there are as many as group expressions.
    keys: usize,
    calls: Vec<AggregateCall>,
    /// What late rows need.
    late: LatePlaces,
    /// The columns after aggregation.
    output: SchemaRef,
}

impl PhysicalPlanner {
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate) -> Planned {
        if let [Expr::GroupingSet(grouping)] = aggregate.group_expr.as_slice() {
            return self.aggregate(&expanded(aggregate, grouping).map_err(sql_error)?);
        }
        let with_late_rows = self.with_late_rows(aggregate);
        let (aggregate, late) = match &with_late_rows {
            Some((aggregate, late)) => (aggregate, Some(late)),
            None => (aggregate, None),
        };
        if let Some(sliced) = self.sliced_aggregate(aggregate, late)? {
            return Ok(sliced);
        }
        let input = self.query(&aggregate.input)?;
        let attributes = self.attributes_of(&input, aggregate.input.schema(), &aggregate.group_expr);
        let window = |wanted: fn(&Attribute) -> Option<WindowTime>| {
            attributes.iter().enumerate().find_map(|(key, attribute)| Some((key, wanted(attribute)?)))
        };
        let start =
            window(|attribute| if let Attribute::WindowStart(time) = attribute { Some(*time) } else { None });
        let end =
            window(|attribute| if let Attribute::WindowEnd(time) = attribute { Some(*time) } else { None });
        match (start, end) {
            (Some(_), Some((end, time))) if !input.is_updating => {
                let late = late_of(time, late)?;
                let prepared = self.prepare(&input, aggregate, late)?;
                self.attached(prepared, end, time, late)
            }
            _ => {
                let prepared = self.prepare(&input, aggregate, None)?;
                self.grouped(prepared)
            }
        }
    }

    fn prepare(&mut self, input: &Rel, aggregate: &Aggregate, late: Option<&Late>) -> Planned<Prepared> {
        let keys = aggregate.group_expr.len();
        let (exprs, schema) = (aggregate.group_expr.clone(), aggregate.input.schema());
        let (input, calls, late) = self.arguments(input, schema, aggregate, exprs, late)?;
        Ok(Prepared { input, keys, calls, late, output: super::nullable(&aggregate.schema) })
    }

    /// Calculates these expressions, and behind them what the aggregates and late rows need; then the aggregates over that, and the
    /// places of what late rows need.
    pub(super) fn arguments(
        &mut self,
        input: &Rel,
        schema: &DFSchema,
        aggregate: &Aggregate,
        mut exprs: Vec<Expr>,
        late: Option<&Late>,
    ) -> Planned<(Rel, Vec<AggregateCall>, LatePlaces)> {
        let results = aggregate.schema.fields().iter().skip(aggregate.group_expr.len());
        let mut calls = aggregate
            .aggr_expr
            .iter()
            .zip(results)
            .map(|(expr, result)| call_of(expr, result.data_type().clone(), &mut exprs))
            .collect::<Planned<Vec<_>>>()?;
        let late = late.map(|late| late.places(&mut exprs)).unwrap_or_default();
        let fields: Vec<_> = exprs
            .iter()
            .enumerate()
            .map(|(index, expr)| {
                let data_type = expr.get_type(schema).map_err(sql_error)?;
                Ok((None, Arc::new(Field::new(format!("${index}"), data_type, true))))
            })
            .collect::<Planned<_>>()?;
        for call in &mut calls {
            if let Some(argument) = call.argument {
                call.argument_type = fields[argument].1.data_type().clone();
            }
        }
        let output = DFSchema::new_with_metadata(fields, Default::default()).map_err(sql_error)?;
        Ok((self.calc(input, schema, None, Some(&exprs), &output)?, calls, late))
    }

    fn grouped(&mut self, prepared: Prepared) -> Planned {
        let Prepared { input, keys, calls, output, .. } = prepared;
        if self.options.ttl_ms.is_some() && calls.iter().any(|call| call.is_distinct) {
            return Err(SqlError::new("DISTINCT aggregates with `table.exec.state.ttl` are not supported: what was seen would outlive its key")
                .hint("de-duplicate the rows first, or keep the state for ever"));
        }
        let key_columns: Vec<usize> = (0..keys).collect();
        let title = format!("groupBy=[{}]", names(&output, &key_columns));
        let result = Rel {
            node: 0,
            attributes: input.attributes[..keys]
                .iter()
                .map(|attribute| demoted(*attribute))
                .collect::<Vec<_>>(),
            is_updating: !calls.is_empty() || input.is_updating,
            unique: Some(key_columns.clone()),
            hashed_by: Vec::new(),
            is_bounded: input.is_bounded,
            schema: output.clone(),
        };
        let mut result = result;
        result.attributes.resize(output.fields().len(), Attribute::Plain);
        let is_split = self.options.is_two_phase
            && !input.is_updating
            && !input.is_hashed_by(&key_columns)
            && !calls.is_empty()
            && calls.iter().all(AggregateCall::is_splittable);
        let state = format!(
            "one row per key{}",
            if calls.iter().any(|call| call.is_distinct) { ", distinct values" } else { "" }
        );
        let mut factory = GroupAggregateFactory {
            input: input.schema.clone(),
            keys: key_columns.clone(),
            calls: calls.clone(),
            output,
            update_before: true,
            is_retracting: input.is_updating,
            first_partial: None,
            ttl_ms: self.options.ttl_ms,
        };
        if !is_split {
            let inputs = vec![input.by_columns(&key_columns)];
            return Ok(self.operator_of(
                format!("GroupAggregate({title})"),
                Arc::new(factory),
                inputs,
                state,
                result,
            ));
        }
        let local = LocalAggregateFactory {
            input: input.schema.clone(),
            keys: key_columns.clone(),
            calls,
            window: None,
        };
        factory.input = local.output();
        factory.first_partial = Some(local.first_partial());
        let local = self.local(format!("LocalGroupAggregate({title})"), local, &input);
        let inputs = vec![(local.node, by_columns(&key_columns))];
        Ok(self.operator_of(
            format!("GlobalGroupAggregate({title})"),
            Arc::new(factory),
            inputs,
            state,
            result,
        ))
    }

    pub(super) fn local(&mut self, name: String, factory: LocalAggregateFactory, input: &Rel) -> Rel {
        let schema = factory.output();
        let attributes = vec![Attribute::Plain; schema.fields().len()];
        let output = Rel { schema, attributes, unique: None, hashed_by: Vec::new(), ..input.clone() };
        self.operator(name, factory, input, Distribution::Any, output)
    }

    /// Rows that come with their windows: the end is one of the keys.
    fn attached(&mut self, prepared: Prepared, end: usize, time: WindowTime, late: Option<&Late>) -> Planned {
        let Prepared { input, keys, calls, late: late_places, output } = prepared;
        // A window's time, if it is a key, follows from its end.
        let is_time = |key: usize| matches!(input.attributes[key], Attribute::Rowtime | Attribute::Proctime);
        let others: Vec<usize> = (0..keys).filter(|key| *key != end && !is_time(*key)).collect();
        let mut properties = vec![(end, WindowProperty::End)];
        properties.extend((0..keys).filter(|key| is_time(*key)).map(|key| (key, WindowProperty::Time)));
        let arranged = Arranged { keys: others.clone(), calls: calls.len(), properties, total: keys };
        let raw = arranged.schema(&output);
        let factory = WindowAggregateFactory {
            input: input.schema.clone(),
            keys: others.clone(),
            calls,
            windowing: Windowing::Attached { column: end },
            time,
            properties: arranged.properties.iter().map(|(_, property)| *property).collect(),
            output: raw.clone(),
            first_partial: None,
            early_fire_ms: self.early_fire()?,
            late_rows: late.map_or(LateRows::Dropped, |late| late.of_windows(&late_places)),
        };
        let title = format!("WindowAggregate(groupBy=[{}])", names(&output, &(0..keys).collect::<Vec<_>>()));
        let attributes = vec![Attribute::Plain; raw.fields().len()];
        let result = Rel {
            node: 0,
            schema: raw,
            attributes,
            is_updating: factory.early_fire_ms.is_some(),
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: input.is_bounded,
        };
        let inputs = vec![(input.node, by_columns(&others))];
        let result = self.operator_of(
            title,
            Arc::new(factory),
            inputs,
            "one row per key and window".to_owned(),
            result,
        );
        if late.is_some() {
            self.take_late_rows(&result, &input, &late_places);
        }
        let kept = input.attributes[..keys].to_vec();
        self.arrange(result, &arranged, output, kept)
    }

    /// After how long windows give out what they have so far, if they do.
    pub(super) fn early_fire(&self) -> Planned<Option<u64>> {
        match self.options.early_fire {
            None => Ok(None),
            Some(Some(delay_ms)) => Ok(Some(delay_ms)),
            Some(None) => Err(SqlError::new(
                "`table.exec.emit.early-fire.enabled` needs `table.exec.emit.early-fire.delay`",
            )
            .hint("say SET 'table.exec.emit.early-fire.delay' = '10 s'")),
        }
    }

    /// Puts the columns of a windowed aggregation into the query's order.
    pub(super) fn arrange(
        &mut self,
        input: Rel,
        arranged: &Arranged,
        output: SchemaRef,
        keys: Vec<Attribute>,
    ) -> Planned {
        let places = arranged.places();
        let projection = places
            .iter()
            .map(|place| {
                let name = input.schema.field(*place).name();
                Arc::new(datafusion::physical_expr::expressions::Column::new(name, *place)) as _
            })
            .collect();
        let mut attributes = keys;
        attributes.resize(output.fields().len(), Attribute::Plain);
        let factory = CalcFactory::new(None, Some(projection), output.clone());
        let result = Rel { schema: output, attributes, hashed_by: Vec::new(), ..input.clone() };
        Ok(self.operator("Calc(arrange)".to_owned(), factory, &input, Distribution::Any, result))
    }
}

/// How the columns of a windowed aggregation's operator relate to the query's.
pub(super) struct Arranged {
    /// The query's keys that the operator has as keys.
    pub keys: Vec<usize>,
    pub calls: usize,
    /// The query's keys that are properties of the window.
    pub properties: Vec<(usize, WindowProperty)>,
    /// How many keys the query has.
    pub total: usize,
}

impl Arranged {
    /// The operator's columns: keys, results, properties.
    pub fn schema(&self, output: &SchemaRef) -> SchemaRef {
        let calls = self.total..self.total + self.calls;
        let columns =
            self.keys.iter().copied().chain(calls).chain(self.properties.iter().map(|(key, _)| *key));
        nullable_fields(columns.map(|column| {
            let field = output.field(column);
            (field.name().clone(), field.data_type().clone())
        }))
    }

    /// Where each of the query's columns is among the operator's.
    fn places(&self) -> Vec<usize> {
        let key = |key: usize| {
            let own = self.keys.iter().position(|own| *own == key);
            own.or_else(|| {
                let place = self.properties.iter().position(|(of, _)| *of == key)?;
                Some(self.keys.len() + self.calls + place)
            })
        };
        let keys = (0..self.total).map(|index| key(index).expect("every key is a key or a property"));
        keys.chain(self.keys.len()..self.keys.len() + self.calls).collect()
    }
}

/// A time attribute that has gone through an aggregation is a timestamp like any other.
fn demoted(attribute: Attribute) -> Attribute {
    match attribute {
        Attribute::Rowtime | Attribute::Proctime => Attribute::Plain,
        other => other,
    }
}

/// The place of an expression among these, to which it is added if it is not there yet.
pub(super) fn place_of(expr: &Expr, exprs: &mut Vec<Expr>) -> usize {
    exprs.iter().position(|known| known == expr).unwrap_or_else(|| {
        exprs.push(expr.clone());
        exprs.len() - 1
    })
}

/// One aggregate; its argument and filter are added to the expressions if they are not there yet.
fn call_of(expr: &Expr, result_type: DataType, exprs: &mut Vec<Expr>) -> Planned<AggregateCall> {
    let Expr::AggregateFunction(function) = unaliased(expr) else {
        return Err(SqlError::new(format!("expected an aggregate function, found `{expr}`")));
    };
    let params = &function.params;
    let name = function.func.name();
    let separator = match params.args.get(1) {
        Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => Some(text.clone()),
        Some(other) if name == "listagg" => {
            return Err(SqlError::new(format!(
                "the separator of LISTAGG is a constant text: found `{other}`"
            )));
        }
        _ => None,
    };
    let Some(kind) = function_of(name, separator) else {
        return Err(SqlError::new(format!(
            "the aggregate function {} is not supported in a streaming query",
            name.to_uppercase()
        ))
        .hint(format!("expected one of {}", crate::planner::aggregates::names().join(", ").to_uppercase())));
    };
    if !params.order_by.is_empty() {
        return Err(SqlError::new(format!("ORDER BY within {} is not supported", name.to_uppercase())));
    }
    let is_counted_row = name == "count"
        && !params.distinct
        && matches!(params.args.as_slice(), [Expr::Literal(value, _)] if !value.is_null());
    if params.args.len() > 1 && name != "listagg" {
        return Err(SqlError::new(format!(
            "{} takes one argument: found {}",
            name.to_uppercase(),
            params.args.len()
        )));
    }
    let mut place = |expr: &Expr| place_of(expr, exprs);
    let argument = params.args.first().filter(|_| !is_counted_row).map(&mut place);
    let filter = params.filter.as_deref().map(place);
    Ok(AggregateCall {
        function: kind,
        argument,
        argument_type: DataType::Int64,
        filter,
        is_distinct: params.distinct && argument.is_some(),
        result_type,
    })
}
