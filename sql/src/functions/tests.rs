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
fn functions_of_strings_are_as_in_flink() {
    check(&[
        ("SPLIT_INDEX('a/b/c', '/', 1)", "b"),
        ("SPLIT_INDEX('a/b/c', '/', 3)", "NULL"),
        ("SPLIT_INDEX('a/b/c', '/', -1)", "NULL"),
        ("SPLIT_INDEX('a, b, c', ', ', 2)", "c"),
        ("SPLIT_INDEX('a/b', 47, 1)", "b"),
        ("SPLIT_INDEX(CAST(NULL AS STRING), '/', 1)", "NULL"),
        ("SPLIT_INDEX('a/b', '', 0)", "NULL"),
        ("CHAR_LENGTH('aé𝄞')", "3"),
        ("count_char('abcabc', 'c')", "2"),
        ("count_char('', 'c')", "0"),
        ("CONCAT('a', 'b', 'c')", "abc"),
        ("CONCAT('a', CAST(NULL AS STRING))", "NULL"),
        ("CONCAT_WS('~', 'a', CAST(NULL AS STRING), '', 'b')", "a~~b"),
        ("CONCAT_WS(CAST(NULL AS STRING), 'a')", "NULL"),
        ("SUBSTRING('abcdef', 2, 3)", "bcd"),
        ("SUBSTRING('abcdef' FROM -2)", "ef"),
        ("SUBSTRING('abcdef', 0, 2)", "ab"),
        ("SUBSTRING('abcdef', 9)", ""),
        ("SUBSTRING('abc', 1, -1)", "NULL"),
        ("SUBSTRING('äöü', 2, 1)", "ö"),
        ("LEFT('abc', 2)", "ab"),
        ("RIGHT('abc', 2)", "bc"),
        ("RIGHT('abc', -1)", ""),
        ("POSITION('c' IN 'äbc')", "3"),
        ("LOCATE('a', 'banana', 3)", "4"),
        ("LOCATE('x', 'banana')", "0"),
        ("INSTR('Corporate Floor', 'or', 3, 2)", "14"),
        ("LPAD('hi', 4, '??')", "??hi"),
        ("LPAD('hi', 1, '??')", "h"),
        ("RPAD('hi', 4, '?')", "hi??"),
        ("RPAD('hi', -1, '?')", "NULL"),
        ("REPEAT('This is a test String.', 2)", "This is a test String.This is a test String."),
        ("REVERSE('aé')", "éa"),
        ("INITCAP('hello world-FOO')", "Hello World-Foo"),
        ("OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6)", "xxxxxxxxx"),
        ("OVERLAY('xxxxxtest' PLACING 'xxxx' FROM 6 FOR 2)", "xxxxxxxxxst"),
        ("REPLACE('hello world', 'world', 'flink')", "hello flink"),
        ("TRANSLATE('www.apache.org', 'wapcheorg', ' ')", "   .."),
        ("TRIM(BOTH 'x' FROM 'xxaxx')", "a"),
        ("TRIM('  a ')", "a"),
        ("TRIM(LEADING FROM '  a ')", "a "),
        ("RTRIM('a  ')", "a"),
        ("ASCII('abc')", "97"),
        ("CHR(353)", "a"),
        ("UPPER('aß')", "ASS"),
        ("LOWER('ABC')", "abc"),
        ("IS_ALPHA('abc')", "true"),
        ("IS_DIGIT('12a')", "false"),
        ("IS_DECIMAL('-1.5')", "true"),
        ("IS_DECIMAL('1.5.')", "false"),
        ("STARTSWITH('abc', 'ab')", "true"),
        ("'a' || 'b'", "ab"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2)", "bar"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)')", "foothebar"),
        ("REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 3)", "NULL"),
        ("REGEXP_EXTRACT('a&channel_id=7&b', '(&|^)channel_id=([^&]*)', 2)", "7"),
        ("REGEXP_REPLACE('foobar', 'oo|ar', '')", "fb"),
        ("REGEXP_REPLACE('2020-01', '(\\d+)-(\\d+)', '$2.$1')", "01.2020"),
        ("REGEXP('abc', 'b.')", "true"),
        ("REGEXP('abc', '^b')", "false"),
        ("'abc' LIKE 'a%'", "true"),
        ("'abc' SIMILAR TO 'a.c'", "true"),
    ]);
    check_columns(&[
        ("SPLIT_INDEX(s, '/', 1)", &["b", "NULL", "NULL", "é"]),
        ("SPLIT_INDEX(s, '/', n)", &["b", "NULL", "NULL", "NULL"]),
        ("CHAR_LENGTH(s)", &["5", "NULL", "0", "3"]),
        ("count_char(s, '/')", &["2", "NULL", "0", "1"]),
        ("CONCAT(s, '!')", &["a/b/c!", "NULL", "!", "ü/é!"]),
        ("SUBSTRING(s, n)", &["a/b/c", "NULL", "NULL", "é"]),
        ("REGEXP_EXTRACT(s, '(.)/(.)', 2)", &["b", "NULL", "NULL", "é"]),
        (
            "REGEXP_EXTRACT('x1', CASE WHEN n = 1 THEN '(x)(.)' ELSE '(.)' END, n)",
            &["x", "NULL", "NULL", "NULL"],
        ),
    ]);
    check_errors(&[
        ("SPLIT_INDEX(1, '/', 1)", "argument 1 of SPLIT_INDEX has to be a STRING, found BIGINT"),
        ("SPLIT_INDEX('a', '/')", "SPLIT_INDEX takes 3 arguments, found 2"),
        ("SUBSTRING('a')", "SUBSTRING takes 2 to 3 arguments, found 1"),
        ("REGEXP_EXTRACT(s, '(')", "wrong regular expression `(`"),
        ("REPEAT('aaaaaaaaaa', 1000000000)", "expected REPEAT to give at most"),
    ]);
}

#[test]
fn functions_of_time_are_as_in_flink() {
    check(&[
        ("DATE_FORMAT(TIMESTAMP '2020-02-29 23:05:09.123', 'yyyy-MM-dd')", "2020-02-29"),
        ("DATE_FORMAT(TIMESTAMP '2020-02-29 23:05:09.123', 'yy/M/d H:m:s.SS')", "20/2/29 23:5:9.12"),
        (
            "DATE_FORMAT(TIMESTAMP '2020-02-29 00:05:09', 'EEEE, dd MMMM yyyy hh:mm a')",
            "Saturday, 29 February 2020 12:05 AM",
        ),
        ("DATE_FORMAT(TIMESTAMP '2020-02-29 00:05:09', 'yyyy''year''D''''')", "2020year60'"),
        ("DATE_FORMAT('2020-02-29 00:05:09', 'HH:mm')", "00:05"),
        ("DATE_FORMAT(DATE '2020-02-29', 'MMM')", "Feb"),
        ("YEAR(TIMESTAMP '1994-09-27 13:14:15')", "1994"),
        ("QUARTER(DATE '1994-09-27')", "3"),
        ("MONTH(DATE '1994-09-27')", "9"),
        ("WEEK(DATE '1994-09-27')", "39"),
        ("DAYOFYEAR(DATE '1994-09-27')", "270"),
        ("DAYOFMONTH(DATE '1994-09-27')", "27"),
        ("DAYOFWEEK(DATE '1994-09-27')", "3"),
        ("HOUR(TIMESTAMP '1994-09-27 13:14:15')", "13"),
        ("MINUTE(TIMESTAMP '1994-09-27 13:14:15')", "14"),
        ("SECOND(TIMESTAMP '1994-09-27 13:14:15')", "15"),
        ("HOUR(TIMESTAMP '1969-12-31 23:00:00.5')", "23"),
        ("EXTRACT(DAY FROM DATE '2006-06-05')", "5"),
        ("EXTRACT(DOW FROM DATE '2006-06-05')", "2"),
        ("EXTRACT(CENTURY FROM DATE '2000-01-01')", "20"),
        ("EXTRACT(HOUR FROM TIME '10:11:12')", "10"),
        ("EXTRACT(EPOCH FROM TIMESTAMP '1970-01-01 00:01:00')", "60"),
        ("TO_TIMESTAMP('2020-01-01 12:13:14.5')", "2020-01-01T12:13:14.500"),
        ("TO_TIMESTAMP('2020-1-1')", "2020-01-01T00:00:00"),
        ("TO_TIMESTAMP('nonsense')", "NULL"),
        ("TO_TIMESTAMP('01/02/2020 3PM', 'dd/MM/yyyy ha')", "2020-02-01T15:00:00"),
        ("TO_TIMESTAMP('20200102', 'yyyyMMdd')", "2020-01-02T00:00:00"),
        ("TO_TIMESTAMP('2020-02-30', 'yyyy-MM-dd')", "NULL"),
        ("TO_TIMESTAMP('10/Oct/2000:13:55:36 +0000', 'dd/MMM/yyyy:HH:mm:ss Z')", "2000-10-10T13:55:36"),
        ("TO_TIMESTAMP_LTZ(4001, 3)", "1970-01-01T00:00:04.001Z"),
        ("TO_TIMESTAMP_LTZ(100, 0)", "1970-01-01T00:01:40Z"),
        ("TO_TIMESTAMP_LTZ(-1)", "1969-12-31T23:59:59.999Z"),
        ("TO_TIMESTAMP_LTZ('2020-01-01 00:00:00')", "2020-01-01T00:00:00Z"),
        ("TO_TIMESTAMP_LTZ('2020-01-01 00', 'yyyy-MM-dd HH', 'Asia/Shanghai')", "2019-12-31T16:00:00Z"),
        ("TO_DATE('2020-02-29')", "2020-02-29"),
        ("TO_DATE('29.2.2020', 'd.M.yyyy')", "2020-02-29"),
        ("FROM_UNIXTIME(44)", "1970-01-01 00:00:44"),
        ("FROM_UNIXTIME(44, 'HH:mm')", "00:00"),
        ("UNIX_TIMESTAMP('1970-01-01 00:01:00')", "60"),
        ("UNIX_TIMESTAMP('00:01', 'HH:mm')", "60"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'UTC', 'America/Los_Angeles')", "1969-12-31 16:00:00"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'GMT+01:00', 'UTC')", "1969-12-31 23:00:00"),
        ("TIMESTAMPADD(WEEK, 1, DATE '2003-01-02')", "2003-01-09"),
        ("TIMESTAMPADD(MONTH, -1, TIMESTAMP '2020-03-31 01:02:03')", "2020-02-29T01:02:03"),
        ("TIMESTAMPADD(HOUR, 1, DATE '2003-01-02')", "2003-01-02T01:00:00"),
        ("TIMESTAMPDIFF(DAY, TIMESTAMP '2003-01-02 10:00:00', TIMESTAMP '2003-01-03 10:00:00')", "1"),
        ("TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-29')", "0"),
        ("TIMESTAMPDIFF(YEAR, DATE '2020-02-29', DATE '2019-02-28')", "-1"),
        ("FLOOR(TIMESTAMP '2020-02-29 23:05:09.123' TO HOUR)", "2020-02-29T23:00:00"),
        ("CEIL(TIMESTAMP '2020-02-29 23:05:09.123' TO MINUTE)", "2020-02-29T23:06:00"),
        ("FLOOR(DATE '2020-02-29' TO QUARTER)", "2020-01-01"),
        ("CEIL(DATE '2020-02-29' TO MONTH)", "2020-03-01"),
        ("FLOOR(DATE '2020-02-29' TO WEEK)", "2020-02-23"),
        ("TIMESTAMP '2020-01-01 00:00:00' + INTERVAL '1-1' YEAR TO MONTH", "2021-02-01T00:00:00"),
        ("CAST(TIMESTAMP '2020-01-01 00:00:00.12' AS STRING)", "2020-01-01 00:00:00.120"),
        ("CAST('2020-01-01 01:02:03' AS TIMESTAMP(3))", "2020-01-01T01:02:03"),
        ("PROCTIME() > TIMESTAMP '2020-01-01 00:00:00'", "true"),
        ("CURRENT_DATE > DATE '2020-01-01'", "true"),
        ("UNIX_TIMESTAMP() > 1600000000", "true"),
    ]);
    check_columns(&[
        ("DATE_FORMAT(ts, 'yyyy-MM-dd')", &["2020-02-29", "NULL", "1969-12-31", "1970-01-01"]),
        ("DATE_FORMAT(ts, s)", &["AM/b/c", "NULL", "", "ü/é"]),
        ("HOUR(ts)", &["23", "NULL", "0", "0"]),
        ("YEAR(ts)", &["2020", "NULL", "1969", "1970"]),
        (
            "TO_TIMESTAMP_LTZ(n, 3)",
            &["1970-01-01T00:00:00.001Z", "1970-01-01T00:00:00.002Z", "NULL", "1969-12-31T23:59:59.999Z"],
        ),
        ("TIMESTAMPADD(DAY, n, ts)", &["2020-03-01T23:59:59.123", "NULL", "NULL", "1969-12-31T00:00:00"]),
    ]);
    check_errors(&[
        ("DATE_FORMAT(ts, 'YYYY')", "`Y` in the pattern `YYYY` is not supported"),
        ("TO_TIMESTAMP_LTZ(n, 4)", "the precision of TO_TIMESTAMP_LTZ has to be 0, 3, 6 or 9"),
        ("HOUR(s)", "argument 1 of HOUR has to be a TIMESTAMP, DATE or TIME, found STRING"),
        ("TIMESTAMPADD(YEAR, 9223372036854775807, ts)", "goes beyond the calendar"),
        ("CONVERT_TZ('1970-01-01 00:00:00', 'Mars', 'UTC')", "unknown time zone `Mars`"),
    ]);
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
