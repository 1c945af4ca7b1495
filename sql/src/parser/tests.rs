use std::time::{Duration, Instant};

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, SetExpr, TableFactor,
};
use proptest::prelude::*;

use super::*;
use crate::error::Location;

fn one(text: &str) -> StatementKind {
    let mut script = parse_script(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(script.len(), 1, "{text}");
    script.remove(0).kind
}

fn refused(text: &str) -> String {
    match parse_script(text) {
        Ok(script) => panic!("{text}: {script:?}"),
        Err(error) => error.to_string(),
    }
}

fn table(text: &str) -> TableDefinition {
    match one(text) {
        StatementKind::CreateTable(table) => *table,
        other => panic!("{other:?}"),
    }
}

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

#[test]
fn a_table_has_all_its_parts() {
    let table = table(
        "CREATE TEMPORARY TABLE IF NOT EXISTS cat.db.`my table` (
           id BIGINT NOT NULL COMMENT 'the key',
           name STRING,
           address ROW<street STRING, `no` INT> NOT NULL,
           tags ARRAY<MAP<STRING, ARRAY<INT>>>,
           price DECIMAL(10, 2) METADATA FROM 'meta.price' VIRTUAL,
           `timestamp` TIMESTAMP_LTZ(3) METADATA,
           total AS price * 2 COMMENT 'twice',
           ts TIMESTAMP(3),
           WATERMARK FOR ts AS ts - INTERVAL '5' SECOND,
           CONSTRAINT pk PRIMARY KEY (id, name) NOT ENFORCED
         ) COMMENT 'a table' PARTITIONED BY (name) WITH (
           'connector' = 'filesystem', -- a comment; with a semicolon
           'path' = 'it''s;here' /* and another; */
         )",
    );
    assert_eq!(table.name.to_string(), "cat.db.`my table`");
    assert!(table.temporary && table.if_not_exists);
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "address", "tags", "price", "timestamp", "total", "ts"]);
    assert_eq!(table.columns[0].kind, ColumnKind::Physical { data_type: DataType::Int64, nullable: false });
    assert_eq!(table.columns[0].comment.as_deref(), Some("the key"));
    assert_eq!(
        table.columns[1].kind,
        ColumnKind::Physical { data_type: DataType::Utf8, nullable: false },
        "of the key"
    );
    assert!(
        matches!(&table.columns[4].kind, ColumnKind::Metadata { key, is_virtual: true, .. } if key == "meta.price")
    );
    assert!(
        matches!(&table.columns[5].kind, ColumnKind::Metadata { key, is_virtual: false, .. } if key == "timestamp")
    );
    assert!(matches!(&table.columns[6].kind, ColumnKind::Computed(expr) if expr.to_string() == "price * 2"));
    let watermark = table.watermark.expect("there is one");
    assert_eq!(watermark.column[0].value, "ts");
    assert_eq!(watermark.expr.to_string(), "ts - INTERVAL '5' SECOND");
    let key: Vec<String> = table.primary_key.iter().map(ToString::to_string).collect();
    assert_eq!(key, ["id", "name"]);
    assert_eq!(table.partitioned_by[0].value, "name");
    assert_eq!(table.comment.as_deref(), Some("a table"));
    assert_eq!(
        table.options[0],
        ("connector".to_owned(), "filesystem".to_owned(), Location { line: 13, column: 12 })
    );
    assert_eq!(table.options[1].1, "it's;here");
}

#[test]
fn a_table_is_like_another() {
    let like = table("CREATE TABLE a (x INT) WITH ('k' = 'v') LIKE b (EXCLUDING ALL INCLUDING OPTIONS)")
        .like
        .expect("LIKE");
    assert_eq!(like.table.to_string(), "b");
    assert_eq!(like.strategy(LikeFeature::Options), LikeStrategy::Including);
    assert_eq!(like.strategy(LikeFeature::Watermarks), LikeStrategy::Excluding);
    let usual = table("CREATE TABLE a LIKE b").like.expect("LIKE");
    assert_eq!(usual.strategy(LikeFeature::Options), LikeStrategy::Overwriting);
    assert_eq!(usual.strategy(LikeFeature::Constraints), LikeStrategy::Including);
    assert!(table("CREATE TABLE a WITH ('k' = 'v') AS SELECT 1 AS x").query.is_some());
    let inline = table("CREATE TABLE a (x INT PRIMARY KEY NOT ENFORCED, y INT)");
    assert_eq!(inline.columns[0].kind, ColumnKind::Physical { data_type: DataType::Int32, nullable: false });
}

#[test]
fn a_script_has_its_statements_with_their_places() {
    let text = "-- head; of the script\nSET 'a' = 'b;c';\n\n /* é; */ RESET; ;SELECT 'x;' FROM t -- end\n";
    let script = parse_script(text).expect("it is right");
    let texts: Vec<&str> = script.iter().map(|statement| statement.text.as_str()).collect();
    assert_eq!(texts, ["SET 'a' = 'b;c'", "RESET", "SELECT 'x;' FROM t"]);
    assert_eq!(script[1].location, Location { line: 4, column: 11 });
    assert!(script.iter().all(|statement| text[statement.span.clone()] == statement.text));
    assert_eq!(parse_script(" ;; -- nothing").expect("nothing is fine"), []);
}

#[test]
fn statements_are_told_apart() {
    use StatementKind as Kind;
    assert!(matches!(one("CREATE VIEW v (a, b) COMMENT 'c' AS SELECT 1, 2"), Kind::CreateView(view)
        if view.columns.len() == 2 && view.query_text == "SELECT 1, 2"));
    assert!(
        matches!(one("CREATE TEMPORARY SYSTEM FUNCTION f AS 'a.B' LANGUAGE JAVA"), Kind::CreateFunction(f)
        if f.class == "a.B" && f.language.as_deref() == Some("JAVA") && f.system)
    );
    assert!(matches!(
        one("DROP TEMPORARY VIEW IF EXISTS v"),
        Kind::Drop(Drop { kind: ObjectKind::View, if_exists: true, .. })
    ));
    assert!(matches!(
        one("ALTER TABLE t SET ('a' = 'b')"),
        Kind::AlterTable(AlterTable { change: TableChange::Set(_), .. })
    ));
    assert!(matches!(
        one("ALTER TABLE t RENAME TO u"),
        Kind::AlterTable(AlterTable { change: TableChange::Rename(_), .. })
    ));
    assert!(matches!(one("INSERT INTO t SELECT * FROM s"), Kind::Insert(insert) if !insert.overwrite));
    assert!(
        matches!(one("INSERT OVERWRITE t PARTITION (d = '1') (a, b) (SELECT 1, 2)"), Kind::Insert(insert)
        if insert.overwrite && insert.columns.len() == 2 && insert.partition.len() == 1)
    );
    assert!(matches!(one("INSERT INTO t (SELECT 1)"), Kind::Insert(insert) if insert.columns.is_empty()));
    assert!(matches!(one("EXECUTE INSERT INTO t VALUES (1, 'a'), (2, 'b')"), Kind::Insert(_)));
    let set = "STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END";
    assert!(matches!(one(&format!("EXECUTE {set}")), Kind::StatementSet(inserts) if inserts.len() == 2));
    assert!(matches!(one("BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;"), Kind::StatementSet(_)));
    assert!(matches!(one("SET"), Kind::Set(None)));
    assert!(matches!(one("RESET 'a'"), Kind::Reset(Some(_))));
    assert!(matches!(one("SHOW CREATE TABLE a.b"), Kind::Show(Show::CreateTable(_))));
    assert!(matches!(one("SHOW USER FUNCTIONS"), Kind::Show(Show::Functions { user: true })));
    assert!(matches!(one("SHOW COLUMNS FROM t"), Kind::Show(Show::Columns(_))));
    assert!(matches!(one("DESC t"), Kind::Describe(_)));
    assert!(matches!(one("USE CATALOG c"), Kind::UseCatalog(_)));
    assert!(matches!(one("USE c.d"), Kind::Use(_)));
    assert!(matches!(one("EXPLAIN PLAN FOR SELECT 1"), Kind::Explain(explain) if explain.details.is_empty()));
    assert!(
        matches!(one("EXPLAIN ESTIMATED_COST, CHANGELOG_MODE INSERT INTO t SELECT 1"), Kind::Explain(explain)
        if explain.details.len() == 2 && matches!(explain.statement, Kind::Insert(_)))
    );
    assert!(matches!(one(&format!("EXPLAIN {set}")), Kind::Explain(explain)
        if matches!(explain.statement, Kind::StatementSet(_))));
    assert!(matches!(one("(SELECT 1) UNION ALL (SELECT 2)"), Kind::Query(_)));
    assert!(matches!(one("WITH a AS (SELECT 1) SELECT * FROM a"), Kind::Query(_)));
}

#[test]
fn a_view_keeps_its_query_as_it_was_written() {
    let StatementKind::CreateView(view) =
        one("CREATE VIEW v AS\n  SELECT `a b`, 'it''s', -1.50e3\n  FROM t;")
    else {
        panic!("it is a view")
    };
    assert_eq!(view.query_text, "SELECT `a b`, 'it''s', -1.50e3\n  FROM t");
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
        ("TRY_CAST(x AS VARCHAR(3))", "SUBSTRING(TRY_CAST(x AS STRING), 1, 3)"),
        (
            "CAST(CAST(x AS CHAR(3)) AS TIMESTAMP_LTZ(3))",
            "CAST(RPAD(CAST(x AS STRING), 3, ' ') AS TIMESTAMP_LTZ(3))",
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
            "CAST(JSON_VALUE(j, '$.a', 'DEFAULT', CAST(1 AS STRING), 'ERROR', NULL) AS INT)",
        ),
        (
            "JSON_VALUE(j, '$.a' DEFAULT 1 ON ERROR)",
            "JSON_VALUE(j, '$.a', 'NULL', NULL, 'DEFAULT', CAST(1 AS STRING))",
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

#[test]
fn errors_say_where_and_what() {
    for (text, message) in [
        ("SELCT 1", "line 1, column 1: expected a statement, found `SELCT`; did you mean `SELECT`?"),
        ("SELECT 1;\n  DELETE FROM t", "line 2, column 3: DELETE is not supported"),
        ("SELECT a FORM t", "line 1, column 15: expected the end of the statement, found `t`"),
        ("SELECT (1", "line 1, column 10: expected ), found the end of the script"),
        ("SELECT 'abc", "line 1, column 8: unterminated string literal"),
        (
            "SELECT \"a\"",
            "line 1, column 8: double quotes are not part of Flink's SQL: expected a string in single quotes, or a name in backticks",
        ),
        ("SELECT a::INT", "line 1, column 9: `::` is not part of Flink's SQL: expected `CAST(… AS …)`"),
        ("CREATE TABLE t", "line 1, column 14: the table `t` has no columns"),
        ("CREATE TABLE t (a INT, a STRING)", "line 1, column 24: the column `a` is there twice"),
        ("CREATE TABLE t (a INT,)", "line 1, column 23: expected a column, found `)`"),
        ("CREATE TABLE t (a TEXT)", "line 1, column 19: unknown type `TEXT`; did you mean `STRING`?"),
        (
            "CREATE TABLE t (a INT, PRIMARY KEY (a))",
            "line 1, column 39: a primary key is not checked: expected NOT ENFORCED behind it",
        ),
        (
            "CREATE TABLE t (ab INT, PRIMARY KEY (ac) NOT ENFORCED)",
            "line 1, column 38: unknown column `ac` in the primary key; did you mean `ab`?",
        ),
        (
            "CREATE TABLE t (a INT) WITH (connector = 'x')",
            "line 1, column 30: expected an option's key in single quotes, found `connector`",
        ),
        (
            "CREATE TABLE t (a INT) WITH ('a' = '1', 'a' = '2')",
            "line 1, column 41: the option 'a' is there twice",
        ),
        ("CREATE TABLE t (a INT UNIQUE)", "line 1, column 23: UNIQUE is not supported"),
        ("CREATE CATALOG c", "line 1, column 8: CREATE CATALOG is not supported"),
        ("CREATE OR REPLACE TABLE t (a INT)", "line 1, column 8: CREATE OR REPLACE is not supported"),
        ("ALTER TABLE t ADD x INT", "line 1, column 15: ALTER TABLE … ADD is not supported"),
        ("SET a = 'b'", "line 1, column 5: expected a key in single quotes, found `a`"),
        ("SHOW JARS", "line 1, column 6: SHOW JARS is not supported"),
        (
            "EXECUTE STATEMENT SET BEGIN END",
            "line 1, column 29: expected at least one INSERT in a statement set",
        ),
        (
            "EXECUTE STATEMENT SET BEGIN SELECT 1; END",
            "line 1, column 29: expected INSERT or END, found `SELECT`",
        ),
        ("INSERT t SELECT 1", "line 1, column 8: expected INTO or OVERWRITE, found `t`"),
        (
            "SELECT INTERVAL '100' SECOND",
            "line 1, column 17: the interval's 100 is longer than SECOND(2) allows: expected SECOND(3)",
        ),
        (
            "SELECT INTERVAL '1' FORTNIGHT",
            "line 1, column 21: expected a unit of time like DAY or SECOND behind an interval's value, found `FORTNIGHT`",
        ),
        (
            "SELECT INTERVAL 1 DAY",
            "line 1, column 17: expected an interval's value in single quotes, found `1`",
        ),
        (
            "SELECT TIMESTAMP '2020-13-01 00:00:00'",
            "line 1, column 18: `2020-13-01 00:00:00` is not a TIMESTAMP: expected yyyy-MM-dd HH:mm:ss[.fff]",
        ),
        (
            "SELECT MAP['a']",
            "line 1, column 8: expected pairs of key and value in MAP[…], found 1 expressions",
        ),
        (
            "SELECT * FROM t /*+ LOOKUP('a'='b') */",
            "line 1, column 17: the hint LOOKUP is not supported behind a table: expected OPTIONS",
        ),
        (
            "SELECT a /*+ OPTIONS('a'='b') */ FROM t",
            "line 1, column 8: expected the hint OPTIONS behind the name of a table that is read or written",
        ),
        (
            "SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS TRUE)",
            "line 1, column 15: MATCH_RECOGNIZE is not supported",
        ),
        (
            "SELECT x AT TIME ZONE 'UTC' FROM t",
            "line 1, column 8: AT TIME ZONE is not part of Flink's SQL: expected CONVERT_TZ",
        ),
        ("CAST(1 AS INT)", "line 1, column 1: expected a statement, found `CAST`"),
        ("SELECT CAST(1 AS MULTISET<INT>)", "line 1, column 18: the type MULTISET is not supported"),
        ("SELECT 1 -", "line 1, column 11: expected an expression, found the end of the script"),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn what_nests_or_repeats_without_end_is_refused_in_time() {
    let nested = |open: &str, close: &str, n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
    let begin = Instant::now();
    for text in [
        nested("(", ")", 100_000),
        nested("CAST(", "", 3_000),
        nested("f(", "", 3_000),
        nested("NOT(", "", 3_000),
        nested("SUBSTRING(", "", 3_000),
        nested("CASE WHEN ", "", 3_000),
        nested("- ", "", 100_000),
        nested("ARRAY[", "", 3_000),
        nested("1 + ", "", 100_000),
        nested("1 IS NULL OR ", "", 100_000),
        format!("SELECT 1 {}", "IS NULL ".repeat(100_000)),
        format!("SELECT x {}", "IS JSON ".repeat(10_000)),
        format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(100_000)),
        format!("SELECT * FROM {}", "(".repeat(100_000)),
        format!("SELECT * FROM {}", "((SELECT * FROM ".repeat(1_000)),
        format!("SELECT * FROM {}", "(SELECT * FROM ((a), ".repeat(1_000)),
        format!("SELECT {}", "(SELECT ((".repeat(1_000)),
        format!("CREATE TABLE t (a {})", "ROW<a ".repeat(100_000)),
        format!("EXPLAIN {}", "EXPLAIN ".repeat(100_000)),
    ] {
        refused(&text);
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn long_but_flat_statements_are_read() {
    one(&format!("SELECT {}1", "1, ".repeat(20_000)));
    one(&format!("SELECT {}1", "a + ".repeat(900)));
    one(&format!("SELECT x IN ({}1)", "1, ".repeat(20_000)));
    one(&format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(400)));
    one(&format!("SELECT {}1{}", "(".repeat(50), ")".repeat(50)));
    one(&format!("INSERT INTO t VALUES {}(1, 'a')", "(1, 'a'), ".repeat(20_000)));
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "AS",
    "WITH",
    "UNION ALL",
    "VALUES",
    "INSERT INTO",
    "CREATE TABLE",
    "CREATE VIEW",
    "PRIMARY KEY",
    "NOT ENFORCED",
    "WATERMARK FOR",
    "METADATA",
    "LIKE",
    "PARTITIONED BY",
    "EXECUTE STATEMENT SET BEGIN",
    "END",
    "SET",
    "EXPLAIN",
    "TABLE",
    "TUMBLE",
    "DESCRIPTOR",
    "INTERVAL",
    "DAY",
    "TO",
    "CAST",
    "TRY_CAST",
    "ROW",
    "ARRAY",
    "MAP",
    "INT",
    "STRING",
    "DECIMAL(3, 1)",
    "TIMESTAMP(3)",
    "NULL",
    "NOT",
    "AND",
    "OR",
    "IS",
    "JSON",
    "JSON_VALUE",
    "JSON_OBJECT",
    "KEY",
    "VALUE",
    "BETWEEN",
    "SYMMETRIC",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "EXISTS",
    "IN",
    "OVER",
    "PARTITION BY",
    "FILTER",
    "SUBSTRING",
    "TRIM",
    "EXTRACT",
    "FLOOR",
    "LATERAL",
    "UNNEST",
    "MATCH_RECOGNIZE",
    "a",
    "b",
    "t",
    "`x y`",
    "'s'",
    "'1'",
    "1",
    "2.5",
    "1e3",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ">>",
    "<>",
    ",",
    ",",
    ";",
    ".",
    "*",
    "=",
    "=>",
    "+",
    "-",
    "/*+ OPTIONS('a'='b') */",
    "-- c\n",
    "/* c */",
    "\"",
    "'",
    "`",
    "::",
    "?",
    "é",
    "\n",
    "#",
    "@",
    "$",
    "\\",
];

const SCRIPT: &str = "CREATE TABLE t (a INT NOT NULL, b ROW<c STRING, d ARRAY<INT>>, e AS PROCTIME(), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'datagen');
INSERT INTO s SELECT a, COUNT(*) FILTER (WHERE b.c IS NOT NULL), JSON_VALUE(b.c, '$.x' RETURNING INT NULL ON EMPTY),
  CAST(b AS ROW<x STRING, y ARRAY<INT>>), CASE WHEN a > 1 THEN 'x' ELSE SUBSTRING(b.c FROM 1 FOR 2) END
FROM TABLE(TUMBLE(TABLE t /*+ OPTIONS('k'='v') */, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) w JOIN (SELECT * FROM u) ON w.a = u.a
WHERE a IN (SELECT x FROM v) AND a BETWEEN 1 AND 2 GROUP BY a, window_start HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 3;";

fn survives(text: &str) {
    let begin = Instant::now();
    let _ = parse_script(text);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}: {text}", begin.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        survives(&words.join(" "));
        survives(&format!("SELECT {}", words.join(" ")));
        survives(&format!("CREATE TABLE t (a INT, {}", words.join(" ")));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn a_mutated_script_is_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(WORDS)), 1..6),
    ) {
        let mut text: Vec<char> = SCRIPT.chars().collect();
        for (at, cut, word) in edits {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, word.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }
}
