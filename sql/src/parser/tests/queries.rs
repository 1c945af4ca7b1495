use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr, TableFactor,
};

use super::{super::*, one};

/// The only table in FROM.
fn factor(text: &str) -> TableFactor {
    let StatementKind::Query(query) = one(text) else { panic!("{text} is no query") };
    let SetExpr::Select(select) = *query.body else { panic!("{text} is no SELECT") };
    let from = &select.from[0];
    from.joins.last().map_or(&from.relation, |join| &join.relation).clone()
}

/// A projected expression, as it is for the planner.
fn expr(text: &str) -> String {
    let StatementKind::Query(query) = one(&format!("SELECT {text}")) else { panic!("{text}") };
    query.to_string().trim_start_matches("SELECT ").to_owned()
}

fn arguments(expr: &Expr) -> Vec<&Expr> {
    let Expr::Function(function) = expr else { panic!("{expr} is no function") };
    let FunctionArguments::List(list) = &function.args else { panic!("{expr} has no arguments") };
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
            | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => expr,
            other => panic!("{other}"),
        })
        .collect()
}

#[test]
fn window_functions_have_one_form() {
    for text in [
        "SELECT * FROM TABLE(TUMBLE(TABLE a.t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS w",
        "SELECT * FROM TUMBLE(TABLE a.t, DESCRIPTOR(ts), INTERVAL '1' MINUTES) w",
        "SELECT * FROM TABLE(TUMBLE(DATA => TABLE a.t, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '1' MINUTE)) w",
    ] {
        let TableFactor::TableFunction { expr, alias } = factor(text) else { panic!("{text}") };
        assert_eq!(alias.expect("it has one").name.value, "w", "{text}");
        let arguments = arguments(&expr);
        let table = TableArgument::of(arguments[0]).expect("it is a table");
        assert!(matches!(&table.relation, TableRelation::Name(name) if name.to_string() == "a.t"), "{text}");
        assert_eq!(arguments[1].to_string(), "DESCRIPTOR(ts)", "{text}");
        assert_eq!(arguments[2].to_string(), "INTERVAL '1' MINUTE", "{text}");
    }
}

#[test]
fn tables_as_arguments_have_partitions_hints_and_queries() {
    let session = "SELECT * FROM SESSION(TABLE t /*+ OPTIONS('a' = 'b') */ PARTITION BY x, t.y, DESCRIPTOR(ts), INTERVAL '5' SECOND)";
    let TableFactor::TableFunction { expr, .. } = factor(session) else { panic!("it is a window") };
    let arguments_of_session = arguments(&expr);
    let table = TableArgument::of(arguments_of_session[0]).expect("it is a table");
    let partition: Vec<String> = table.partition_by.iter().map(ToString::to_string).collect();
    assert_eq!(partition, ["x", "t.y"]);
    assert_eq!(table.hints, [("a".to_owned(), "b".to_owned())]);
    assert_eq!(arguments_of_session.len(), 3);
    for query in ["(SELECT * FROM t)", "TABLE (SELECT * FROM t)"] {
        let text = format!(
            "SELECT * FROM TABLE(HOP({query}, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '2' SECOND))"
        );
        let TableFactor::TableFunction { expr, .. } = factor(&text) else { panic!("{text}") };
        let table = TableArgument::of(arguments(&expr)[0]).expect("it is a table");
        assert!(matches!(table.relation, TableRelation::Query(_)), "{text}");
    }
}

#[test]
fn tables_in_from_have_one_form() {
    assert!(matches!(factor("SELECT * FROM t CROSS JOIN UNNEST(t.a) WITH ORDINALITY AS u (x, n)"),
        TableFactor::UNNEST { with_ordinality: true, array_exprs, .. } if array_exprs.len() == 1));
    assert!(matches!(factor("SELECT * FROM t LEFT JOIN LATERAL TABLE(split(t.a, ',')) AS u (x) ON TRUE"),
        TableFactor::Function { name, args, lateral: true, .. } if name.to_string() == "split" && args.len() == 2));
    assert!(matches!(
        factor("SELECT * FROM o JOIN d FOR SYSTEM_TIME AS OF o.proctime AS d ON o.k = d.k"),
        TableFactor::Table { version: Some(_), alias: Some(_), .. }
    ));
    let TableFactor::Table { with_hints, alias, .. } =
        factor("SELECT * FROM a.t /*+ OPTIONS('k' = 'v', 'l' = 'w') */ AS x")
    else {
        panic!("it is a table")
    };
    assert_eq!(
        hint_options(&with_hints),
        [("k".to_owned(), "v".to_owned()), ("l".to_owned(), "w".to_owned())]
    );
    assert!(alias.is_some());
    assert!(matches!(one("INSERT INTO t /*+ OPTIONS('k' = 'v') */ SELECT 1"), StatementKind::Insert(insert)
        if insert.hints[0].0 == "k"));
}

#[test]
fn expressions_that_only_flink_has_become_calls() {
    for (text, normalized) in [
        ("SUBSTRING(x FROM 2 FOR 3)", "SUBSTRING(x, 2, 3)"),
        ("SUBSTR(x, 2)", "SUBSTRING(x, 2)"),
        ("POSITION('a' IN x)", "POSITION('a', x)"),
        ("TRIM(LEADING 'a' FROM x)", "LTRIM(x, 'a')"),
        ("TRIM(x)", "BTRIM(x)"),
        ("TRIM(TRAILING FROM x)", "RTRIM(x)"),
        ("IF(a > 1, b, c)", "CASE WHEN a > 1 THEN b ELSE c END"),
        ("OVERLAY(x PLACING 'y' FROM 2 FOR 1)", "OVERLAY(x, 'y', 2, 1)"),
        ("EXTRACT(day FROM ts)", "EXTRACT('DAY', ts)"),
        ("FLOOR(ts TO HOUR)", "FLOOR(ts, 'HOUR')"),
        ("CEIL(x)", "CEIL(x)"),
        ("TIMESTAMPADD(SQL_TSI_DAY, 1, ts)", "TIMESTAMPADD('DAY', 1, ts)"),
        ("TIMESTAMPDIFF(HOUR, a, b)", "TIMESTAMPDIFF('HOUR', a, b)"),
        ("MAP['a', 1, 'b', 2]", "MAP('a', 1, 'b', 2)"),
        ("ARRAY[1, 2][1]", "ARRAY[1, 2][1]"),
        ("ROW(a, 'b')", "ROW(a, 'b')"),
        (
            "CAST(x AS ROW<a INT, b ARRAY<ARRAY<STRING>>>)",
            "CAST(x AS ROW<`a` INT, `b` ARRAY<ARRAY<STRING>>>)",
        ),
        ("TRY_CAST(x AS VARCHAR(3))", "SUBSTRING(CAST_AS_STRING(x), 1, 3)"),
        (
            "CAST(CAST(x AS CHAR(3)) AS TIMESTAMP_LTZ(3))",
            "CAST(RPAD(CAST_AS_STRING(x), 3, ' ') AS TIMESTAMP_LTZ(3))",
        ),
        ("TIMESTAMP '2020-01-01 00:00:00.1234'", "TIMESTAMP(6) '2020-01-01 00:00:00.1234'"),
        ("DATE '2020-01-01'", "DATE '2020-01-01'"),
        ("INTERVAL '1-6' YEAR TO MONTH", "INTERVAL '18' MONTH"),
        ("INTERVAL -'1 02:03:04.5' DAY TO SECOND", "INTERVAL '-93784.500000000' SECOND"),
        ("INTERVAL '-2' HOUR", "INTERVAL '-2' HOUR"),
        ("INTERVAL '100' SECOND(3)", "INTERVAL '100' SECOND"),
        ("INTERVAL '1.5' SECOND", "INTERVAL '1.5' SECOND"),
        ("x BETWEEN SYMMETRIC 2 AND 1", "x BETWEEN LEAST(2, 1) AND GREATEST(2, 1)"),
        ("a AND x NOT BETWEEN ASYMMETRIC 1 AND 2 AND b", "a AND x NOT BETWEEN 1 AND 2 AND b"),
        ("x IS JSON", "IS_JSON(x, 'VALUE')"),
        ("x IS NOT JSON OBJECT OR y", "NOT IS_JSON(x, 'OBJECT') OR y"),
        ("JSON_VALUE(j, '$.a')", "JSON_VALUE(j, '$.a', 'NULL', NULL, 'NULL', NULL)"),
        (
            "JSON_VALUE(j, '$.a' RETURNING INT DEFAULT 1 ON EMPTY ERROR ON ERROR)",
            "CAST(JSON_VALUE(j, '$.a', 'DEFAULT', CAST_AS_STRING(1), 'ERROR', NULL) AS INT)",
        ),
        (
            "JSON_VALUE(j, '$.a' DEFAULT 1 ON ERROR)",
            "JSON_VALUE(j, '$.a', 'NULL', NULL, 'DEFAULT', CAST_AS_STRING(1))",
        ),
        (
            "JSON_QUERY(j, '$.a' WITH ARRAY WRAPPER EMPTY ARRAY ON EMPTY)",
            "JSON_QUERY(j, '$.a', 'UNCONDITIONAL', 'EMPTY ARRAY', 'NULL')",
        ),
        ("JSON_EXISTS(j, '$.a' ERROR ON ERROR)", "JSON_EXISTS(j, '$.a', 'ERROR')"),
        (
            "JSON_OBJECT(KEY 'a' VALUE 1, 'b' VALUE JSON_ARRAY(x) ABSENT ON NULL)",
            "JSON_OBJECT('ABSENT:vr', 'a', 1, 'b', JSON_ARRAY('ABSENT:v', x))",
        ),
        ("JSON_OBJECT()", "JSON_OBJECT('NULL:')"),
        ("COUNT(*) FILTER (WHERE x > 1)", "COUNT(*) FILTER (WHERE x > 1)"),
        ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
    ] {
        assert_eq!(expr(text), normalized, "{text}");
    }
}
