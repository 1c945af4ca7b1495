//! The scripts in `examples/sql`, each with the result that is expected of it.
//!
//! A script must make one job. What it inserts is then run here and now, and the rows that are left when all changes are applied are
//! compared with `expected/NN_name.txt`: their values as `print` writes them, in alphabetical order.

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use headwater_core::options::JobOptions;
use headwater_sql::{
    parser::{Statement, StatementKind, parse_script},
    session::{Outcome, Session, compile_job},
};

use common::result_of;

/// The queries of INSERTs, with the tables that they go to: as they are written.
fn queries_of(job: &Statement) -> Result<Vec<(String, String)>> {
    let inserts = match &job.kind {
        StatementKind::StatementSet(_) => {
            let body = job.text.split_once("BEGIN").and_then(|(_, rest)| rest.rsplit_once("END"));
            parse_script(body.context("BEGIN and END")?.0)?
        }
        _ => vec![job.clone()],
    };
    let query_of = |insert: Statement| {
        let rest = insert.text.strip_prefix("INSERT INTO ").context("INSERT INTO")?;
        let (table, query) = rest.split_once(char::is_whitespace).context("a table and a query")?;
        Ok((table.to_owned(), query.to_owned()))
    };
    inserts.into_iter().map(query_of).collect()
}

/// Runs a script. Of a job with several INSERTs, each result has a line with its table above it.
fn run(script: &str) -> Result<String> {
    let outcomes = Session::new(JobOptions::default()).execute_script(script)?;
    let jobs = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Job(_))).count();
    ensure!(jobs == 1, "expected one job, found {jobs}");
    compile_job(script, &JobOptions { parallelism: 2, ..JobOptions::default() })?;
    let statements = parse_script(script)?;
    let job = statements.last().context("a script with statements")?;
    let before = &script[..job.span.start];
    let queries = queries_of(job)?;
    let mut text = String::new();
    for (table, query) in &queries {
        if queries.len() > 1 {
            text.push_str(&format!("{table}:\n"));
        }
        text.push_str(&result_of(before, query)?);
    }
    Ok(text)
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    Ok(files)
}

#[test]
fn each_example_gives_what_is_expected() -> Result<()> {
    // The scripts name their files from here.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate is in a workspace")?;
    env::set_current_dir(root)?;
    let folder = Path::new("examples/sql");
    let scripts = files(folder, "sql")?;
    assert_eq!(
        scripts.len(),
        files(&folder.join("expected"), "txt")?.len(),
        "each script has an expected result"
    );
    let mut wrong = String::new();
    for path in scripts {
        let name = path.file_stem().context("a name")?.to_string_lossy();
        let expected =
            fs::read_to_string(folder.join(format!("expected/{name}.txt"))).context(name.to_string())?;
        match run(&fs::read_to_string(&path)?) {
            Ok(found) if found == expected => {}
            Ok(found) => wrong.push_str(&format!("{name}: expected\n{expected}found\n{found}\n")),
            Err(error) => wrong.push_str(&format!("{name}: {error:#}\n\n")),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    Ok(())
}

/// Tables for statements that are tried.
const TABLES: &str = "
    CREATE TABLE t (a INT, b BIGINT, tags ARRAY<STRING>, ts TIMESTAMP(3), pt AS PROCTIME(),
        WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'datagen');
    CREATE TABLE u (a INT, b BIGINT) WITH ('connector' = 'filesystem', 'path' = '/tmp/u', 'format' = 'csv');
    CREATE TABLE v (a INT, b BIGINT) WITH ('connector' = 'blackhole');
    ";

#[test]
fn what_is_not_there_is_refused_by_name() {
    for (statement, message) in [
        (
            "WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM r) SELECT * FROM r",
            "WITH RECURSIVE is not supported",
        ),
        ("INSERT OVERWRITE v SELECT a, b FROM t", "INSERT OVERWRITE"),
        ("INSERT INTO v PARTITION (a = 1) SELECT b FROM t", "PARTITION (…) in INSERT is not supported"),
        ("DELETE FROM v", "DELETE is not supported"),
        ("USE CATALOG other", "`other` does not exist"),
        ("CREATE FUNCTION f AS 'org.example.F'", "there is no JVM"),
        (
            "SELECT t.a FROM t RIGHT JOIN u FOR SYSTEM_TIME AS OF t.pt AS c ON t.a = c.a",
            "lookup join of type RIGHT",
        ),
        (
            "SELECT * FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            "SESSION needs an aggregation",
        ),
        (
            "SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE (SELECT a, MAX(ts) AS ts FROM t GROUP BY a), \
             DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end",
            "TUMBLE takes rows that are not updated",
        ),
        ("SELECT * FROM t WHERE b = 1 OR a IN (SELECT a FROM u)", "IN or EXISTS within OR"),
        ("SELECT COUNTT(a) FROM t", "unknown function `countt`; did you mean `COUNT`?"),
        (
            "SELECT t.a FROM t JOIN u FOR SYSTEM_TIME AS OF t.ts AS c ON t.a = c.a",
            "FOR SYSTEM_TIME AS OF takes a processing time",
        ),
        ("SELECT CURRENT_WATERMARK(ts) FROM t", "CURRENT_WATERMARK is not supported"),
        ("SELECT a FROM t ORDER BY b", "must begin with a time attribute"),
        ("INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a", "takes new rows only"),
        ("INSERT INTO v SELECT b, b FROM t", "say CAST"),
        (
            "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(a), INTERVAL '1' DAY)) GROUP BY window_start, window_end",
            "needs a time attribute",
        ),
        ("SET 'table.local-time-zone' = 'Europe/Oslo'", "expected utc"),
        ("CREATE TABLE w (a MULTISET<INT>) WITH ('connector' = 'print')", "MULTISET is not supported"),
    ] {
        let found = Session::new(JobOptions::default()).execute_script(&format!("{TABLES}{statement};"));
        match found {
            Ok(_) => panic!("{statement}: expected an error with `{message}`"),
            Err(error) => assert!(error.to_string().contains(message), "{statement}: {error}"),
        }
    }
}

#[test]
fn the_documentation_shows_what_explain_says() -> Result<()> {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/SQL.md"))?;
    let shown = docs
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .context("a plan in SQL.md")?;
    let orders = "CREATE TABLE orders (id BIGINT, customer STRING) WITH ('connector' = 'datagen');";
    let script =
        format!("{orders}EXPLAIN SELECT customer, COUNT(*) AS orders FROM orders GROUP BY customer;");
    let outcomes = Session::new(JobOptions::default()).execute_script(&script)?;
    let Some(Outcome::Text(plans)) = outcomes.last() else { panic!("a text") };
    assert!(plans.ends_with(shown), "expected\n{shown}\nfound\n{plans}");
    Ok(())
}

#[test]
fn small_queries_give_what_flink_gives() -> Result<()> {
    for (query, expected) in [
        ("SELECT x, x FROM (VALUES (1), (2)) AS t (x)", "1, 1\n2, 2\n"),
        ("SELECT x0 FROM (SELECT x, x FROM (VALUES (1)) AS t (x))", "1\n"),
        (
            "SELECT x FROM (VALUES (1), (5)) AS t (x) WHERE x > (SELECT AVG(y) FROM (VALUES (2), (4)) AS u (y))",
            "5\n",
        ),
        (
            "SELECT x FROM (VALUES (1), (5)) AS t (x) INTERSECT SELECT y FROM (VALUES (5), (6)) AS u (y)",
            "5\n",
        ),
        ("SELECT COUNT(DISTINCT 7), COUNT(7), COUNT(NULL) FROM (VALUES (1), (5)) AS t (x)", "1, 2, 0\n"),
        ("SELECT COUNT(*) FROM (SELECT x FROM (VALUES (1), (5), (6)) AS t (x) LIMIT 2)", "2\n"),
        ("SELECT x FROM (VALUES (1), (5)) AS t (x) EXCEPT SELECT y FROM (VALUES (5), (6)) AS u (y)", "1\n"),
    ] {
        assert_eq!(result_of("", query).context(query)?, expected, "{query}");
    }
    Ok(())
}
