mod json;
mod others;
mod strings;
mod times;

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray},
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{
    common::{DataFusionError, Result, TableReference, config::ConfigOptions, plan_datafusion_err},
    datasource::{MemTable, provider_as_source},
    execution::context::SessionContext,
    logical_expr::{
        AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, TypePlanner},
    },
    sql::{
        planner::{ParserOptions, SqlToRel},
        sqlparser::ast,
    },
};

use super::lookup;
use crate::{
    parser::{StatementKind, parse_script},
    types::FlinkTypes,
};

/// Functions and one table, `t`.
struct Provider {
    context: SessionContext,
    planners: Vec<Arc<dyn ExprPlanner>>,
    table: Arc<dyn TableSource>,
    config: ConfigOptions,
}

impl ContextProvider for Provider {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if name.table() == "t" {
            Ok(Arc::clone(&self.table))
        } else {
            Err(plan_datafusion_err!("no table {name}"))
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        lookup(name)
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, _: &str) -> Option<Arc<AggregateUDF>> {
        None
    }

    fn get_window_meta(&self, _: &str) -> Option<Arc<WindowUDF>> {
        None
    }

    fn get_variable_type(&self, _: &[String]) -> Option<arrow::datatypes::DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udwf_names(&self) -> Vec<String> {
        Vec::new()
    }
}

/// `t`: s is `a/b/c`, null, ``, `ü/é`; n is 1, 2, null, -1; ts is 2020-02-29 23:59:59.123, null, 1969-12-31 00:00:00, 1970-01-01.
fn provider() -> Provider {
    let context = SessionContext::new();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("s", Arc::new(StringArray::from(vec![Some("a/b/c"), None, Some(""), Some("ü/é")]))),
        ("n", Arc::new(Int64Array::from(vec![Some(1), Some(2), None, Some(-1)]))),
        (
            "ts",
            Arc::new(TimestampMillisecondArray::from(vec![
                Some(1_583_020_799_123),
                None,
                Some(-86_400_000),
                Some(0),
            ])),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.expect("the columns have the same length");
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]]).expect("the schema is its own");
    let planners = context.state().expr_planners().to_vec();
    Provider { context, planners, table: provider_as_source(Arc::new(table)), config: ConfigOptions::new() }
}

fn rows(provider: &Provider, select: &str) -> Result<Vec<String>> {
    let mut script = parse_script(select).map_err(|error| DataFusionError::Plan(error.to_string()))?;
    let StatementKind::Query(query) = script.remove(0).kind else { panic!("{select} is no query") };
    let options = ParserOptions {
        enable_ident_normalization: false,
        parse_float_as_decimal: true,
        ..Default::default()
    };
    let planner = SqlToRel::new_with_options(provider, options);
    let plan = planner.sql_statement_to_plan(ast::Statement::Query(query))?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let batches =
        runtime.block_on(async { provider.context.execute_logical_plan(plan).await?.collect().await })?;
    let format = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let formatter = ArrayFormatter::try_new(batch.column(0), &format)?;
        rows.extend((0..batch.num_rows()).map(|row| formatter.value(row).to_string()));
    }
    Ok(rows)
}

fn check(table: &[(&str, &str)]) {
    let provider = provider();
    let mut wrong = Vec::new();
    for (expr, expected) in table {
        match rows(&provider, &format!("SELECT {expr}")) {
            Ok(rows) if rows == [*expected] => {}
            Ok(rows) => wrong.push(format!("{expr}: expected {expected}, got {}", rows.join(" | "))),
            Err(error) => wrong.push(format!("{expr}: expected {expected}, got {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check_columns(table: &[(&str, &[&str])]) {
    let provider = provider();
    for (expr, expected) in table {
        let rows = rows(&provider, &format!("SELECT {expr} FROM t"))
            .unwrap_or_else(|error| panic!("{expr}: {error}"));
        assert_eq!(rows, *expected, "{expr}");
    }
}

fn check_errors(table: &[(&str, &str)]) {
    let provider = provider();
    for (expr, expected) in table {
        match rows(&provider, &format!("SELECT {expr} FROM t")) {
            Ok(rows) => panic!("{expr}: {rows:?}"),
            Err(error) => assert!(error.to_string().contains(expected), "{expr}: {error}"),
        }
    }
}

#[test]
fn functions_are_found_by_any_case_and_class() {
    assert!(
        lookup("date_format").is_some() && lookup("Array_Contains").is_some() && lookup("lower").is_some()
    );
    assert!(lookup("no_such_function").is_none() && lookup("arrow_cast").is_none());
    assert!(super::lookup_class("com.github.nexmark.flink.udf.CountChar").is_some());
    assert!(
        super::unsupported("current_watermark").is_some_and(|message| message.contains("CURRENT_WATERMARK"))
    );
    assert!(super::names().windows(2).all(|pair| pair[0] < pair[1]));
}
