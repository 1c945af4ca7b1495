//! Projections, filters, unions, literal rows, watermarks and windows.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::{
    common::{DFSchema, ScalarValue},
    logical_expr::{EmptyRelation, Expr, Filter, LogicalPlan, Projection, Union, Values},
};

use super::{Attribute, PhysicalPlanner, Planned, Rel, join::linear, nullable, shown};
use crate::{
    connectors::values::ValuesSource,
    error::SqlError,
    operators::{
        calc::CalcFactory,
        window::{WindowTime, WindowTvfFactory},
    },
    planner::{
        errors::sql_error,
        nodes::{Tvf, WatermarkNode, WindowTvfNode, index_of},
    },
    runtime::{Distribution, WatermarkSpec},
};

impl PhysicalPlanner {
    /// The columns that expressions make of a node's rows, with what is known of them.
    pub(super) fn attributes_of(&self, input: &Rel, schema: &DFSchema, exprs: &[Expr]) -> Vec<Attribute> {
        exprs
            .iter()
            .map(|expr| match unaliased(expr) {
                Expr::Column(column) => schema
                    .maybe_index_of_column(column)
                    .map_or(Attribute::Plain, |index| input.attributes[index]),
                Expr::ScalarFunction(call) if call.func.name().eq_ignore_ascii_case("proctime") => {
                    Attribute::Proctime
                }
                _ => Attribute::Plain,
            })
            .collect()
    }

    /// Adds a calculation. `output` names and types the expressions.
    pub(super) fn calc(
        &mut self,
        input: &Rel,
        schema: &DFSchema,
        filter: Option<&Expr>,
        exprs: Option<&[Expr]>,
        output: &DFSchema,
    ) -> Planned {
        let physical_filter = filter.map(|filter| self.expr(filter, schema)).transpose()?;
        let projection = exprs
            .map(|exprs| {
                exprs.iter().map(|expr| self.expr(unaliased(expr), schema)).collect::<Result<Vec<_>, _>>()
            })
            .transpose()?;
        let is_identity = filter.is_none()
            && exprs.is_none_or(|exprs| {
                exprs.len() == input.schema.fields().len()
                    && exprs.iter().enumerate().all(|(place, expr)| {
                        matches!(unaliased(expr), Expr::Column(column) if schema.maybe_index_of_column(column) == Some(place))
                    })
            });
        let output_schema = nullable(output);
        if is_identity {
            return Ok(input.clone());
        }
        let (attributes, unique, hashed_by) = match exprs {
            None => (input.attributes.clone(), input.unique.clone(), input.hashed_by.clone()),
            Some(exprs) => {
                let place_of = |column: &usize| {
                    exprs.iter().position(|expr| {
                        matches!(unaliased(expr), Expr::Column(c) if schema.maybe_index_of_column(c) == Some(*column))
                    })
                };
                let places = |columns: &Vec<usize>| columns.iter().map(place_of).collect::<Option<Vec<_>>>();
                let unique = input.unique.as_ref().and_then(places);
                let hashed_by = input.hashed_by.iter().filter_map(places).collect();
                (self.attributes_of(input, schema, exprs), unique, hashed_by)
            }
        };
        let mut parts = Vec::new();
        parts.extend(exprs.map(|exprs| format!("select=[{}]", shown(exprs))));
        parts.extend(filter.map(|filter| format!("where=[{}]", shown([filter]))));
        let factory = CalcFactory::new(physical_filter, projection, output_schema.clone());
        let output = Rel { schema: output_schema, attributes, unique, hashed_by, ..input.clone() };
        Ok(self.operator(format!("Calc({})", parts.join(", ")), factory, input, Distribution::Any, output))
    }

    pub(super) fn projection(&mut self, projection: &Projection) -> Planned {
        if let LogicalPlan::Filter(filter) = projection.input.as_ref() {
            if let Some(ranking) = self.as_rank(filter) {
                return self.rank_projection(ranking, projection);
            }
            self.note_equalities(filter);
            let used = projection.expr.iter().chain([&filter.predicate]);
            let input = self.query_for(&filter.input, used)?;
            let schema = filter.input.schema();
            return self.calc(
                &input,
                schema,
                Some(&filter.predicate),
                Some(&projection.expr),
                &projection.schema,
            );
        }
        if let LogicalPlan::TableScan(scan) = projection.input.as_ref() {
            let input = self.scan(scan, &projection.expr)?;
            return self.calc(
                &input,
                projection.input.schema(),
                None,
                Some(&projection.expr),
                &projection.schema,
            );
        }
        let input = self.query_for(&projection.input, projection.expr.iter())?;
        self.calc(&input, projection.input.schema(), None, Some(&projection.expr), &projection.schema)
    }

    pub(super) fn filter(&mut self, filter: &Filter) -> Planned {
        if let Some(rank) = self.as_rank(filter) {
            return self.rank(rank);
        }
        // Its source may leave out what the filter drops.
        self.note_equalities(filter);
        let input = self.query(&filter.input)?;
        self.calc(&input, filter.input.schema(), Some(&filter.predicate), None, filter.input.schema())
    }

    pub(super) fn union(&mut self, union: &Union) -> Planned {
        let inputs: Vec<Rel> =
            union.inputs.iter().map(|input| self.query(input)).collect::<Result<_, _>>()?;
        let schema = nullable(&union.schema);
        let attributes = (0..schema.fields().len())
            .map(|column| {
                let first = inputs[0].attributes[column];
                let is_same = inputs.iter().all(|input| input.attributes[column] == first);
                if is_same { first } else { Attribute::Plain }
            })
            .collect();
        let output = Rel {
            node: 0,
            attributes,
            is_updating: inputs.iter().any(|input| input.is_updating),
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: inputs.iter().all(|input| input.is_bounded),
            schema: schema.clone(),
        };
        let factory = Arc::new(CalcFactory::new(None, None, schema));
        let inputs = inputs.iter().map(|input| (input.node, Distribution::Any)).collect();
        Ok(self.operator_of("Union".to_owned(), factory, inputs, String::new(), output))
    }

    pub(super) fn values(&mut self, values: &Values) -> Planned {
        let empty = DFSchema::empty();
        let row = one_row();
        let mut columns: Vec<Vec<ScalarValue>> = vec![Vec::new(); values.schema.fields().len()];
        for exprs in &values.values {
            for ((column, expr), field) in columns.iter_mut().zip(exprs).zip(values.schema.fields()) {
                let value = self.expr(expr, &empty)?.evaluate(&row).and_then(|value| value.into_array(1));
                let value =
                    value.and_then(|value| ScalarValue::try_from_array(&value, 0)).map_err(sql_error)?;
                column.push(value.cast_to(field.data_type()).map_err(sql_error)?);
            }
        }
        let schema = nullable(&values.schema);
        let columns: Vec<_> = columns
            .into_iter()
            .map(ScalarValue::iter_to_array)
            .collect::<Result<_, _>>()
            .map_err(sql_error)?;
        let rows = RecordBatch::try_new(schema, columns).map_err(|error| SqlError::new(error.to_string()))?;
        Ok(self.source_of_values(rows))
    }

    pub(super) fn empty(&mut self, empty: &EmptyRelation) -> Planned {
        let rows =
            if empty.produce_one_row { one_row() } else { RecordBatch::new_empty(nullable(&empty.schema)) };
        Ok(self.source_of_values(rows))
    }

    fn source_of_values(&mut self, rows: RecordBatch) -> Rel {
        self.source(
            "Values".to_owned(),
            Arc::new(ValuesSource::new(rows.clone())),
            Default::default(),
            rows.schema(),
        )
    }

    pub(super) fn watermark(&mut self, node: &WatermarkNode) -> Planned {
        let input = self.query(&node.input)?;
        let schema = node.input.schema();
        let rowtime = index_of(schema, &node.rowtime).map_err(sql_error)?;
        let spec = WatermarkSpec {
            expr: self.expr(&node.watermark, schema)?,
            is_ascending: linear(unaliased(&node.watermark))
                .is_some_and(|(column, _)| schema.maybe_index_of_column(column) == Some(rowtime)),
            rowtime,
            rowtime_name: input.schema.field(rowtime).name().clone(),
        };
        let mut attributes = input.attributes.clone();
        attributes[rowtime] = Attribute::Rowtime;
        let name = format!(
            "WatermarkAssigner(rowtime=[{}], watermark=[{}])",
            shown([&node.rowtime]),
            shown([&node.watermark])
        );
        let output = Rel { attributes, ..input.clone() };
        Ok(self.operator(name, spec, &input, Distribution::Any, output))
    }

    pub(super) fn window_tvf(&mut self, node: &WindowTvfNode) -> Planned {
        let input = self.query(&node.input)?;
        let (column, time) = self.window_time(&input, node)?;
        let Tvf::Aligned(kind) = node.tvf else {
            return Err(SqlError::new(
                "SESSION needs an aggregation by window_start and window_end right behind it",
            ));
        };
        let schema = nullable(&node.schema);
        let mut attributes = input.attributes.clone();
        attributes[column] = Attribute::Plain;
        // The windows' own time takes over.
        attributes.iter_mut().for_each(|attribute| {
            if matches!(attribute, Attribute::WindowStart(_) | Attribute::WindowEnd(_)) {
                *attribute = Attribute::Plain;
            }
        });
        attributes.extend([
            Attribute::WindowStart(time),
            Attribute::WindowEnd(time),
            if time == WindowTime::Event { Attribute::Rowtime } else { Attribute::Proctime },
        ]);
        let factory = WindowTvfFactory { kind, time, column, output: schema.clone() };
        let name = format!("WindowTableFunction(window=[{}({})])", node.tvf.name(), shown([&node.time]));
        let output = Rel { schema, attributes, ..input.clone() };
        Ok(self.operator(name, factory, &input, Distribution::Any, output))
    }

    /// The time column of a windowing table function, and which time it is.
    pub(super) fn window_time(&self, input: &Rel, node: &WindowTvfNode) -> Planned<(usize, WindowTime)> {
        let column = index_of(node.input.schema(), &node.time).map_err(sql_error)?;
        if input.is_updating {
            return Err(SqlError::new(format!(
                "{} takes rows that are not updated: its input is a changelog",
                node.tvf.name()
            ))
            .hint("window the rows before they are aggregated or joined"));
        }
        match input.attributes[column] {
            Attribute::Rowtime => Ok((column, WindowTime::Event)),
            Attribute::Proctime => Ok((column, WindowTime::Processing)),
            _ => {
                let name = input.schema.field(column).name();
                Err(SqlError::new(format!(
                    "{} needs a time attribute: `{name}` is none here",
                    node.tvf.name()
                ))
                .hint(format!("declare WATERMARK FOR `{name}` AS … in its table, or a column AS PROCTIME()")))
            }
        }
    }
}

fn one_row() -> RecordBatch {
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::new(arrow::datatypes::Schema::empty()), Vec::new(), &options)
        .expect("a row without columns")
}

/// An expression without the names that it was given.
pub(super) fn unaliased(expr: &Expr) -> &Expr {
    match expr {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
