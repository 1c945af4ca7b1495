mod errors;
mod limits;
mod queries;

use arrow::datatypes::DataType;

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
    assert_eq!(
        table.columns[0].kind,
        ColumnKind::Physical { data_type: DataType::Int64, nullable: false, length: None }
    );
    assert_eq!(table.columns[0].comment.as_deref(), Some("the key"));
    assert_eq!(
        table.columns[1].kind,
        ColumnKind::Physical { data_type: DataType::Utf8, nullable: false, length: None },
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
    assert_eq!(
        inline.columns[0].kind,
        ColumnKind::Physical { data_type: DataType::Int32, nullable: false, length: None }
    );
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
