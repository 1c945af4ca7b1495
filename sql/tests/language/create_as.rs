use anyhow::{Context, Result};
use headwater_core::options::JobOptions;
use headwater_sql::session::{Outcome, Session, compile_job};

use super::check_refused;

const SOURCE: &str = "
    CREATE TABLE s (id BIGINT, price INT, name STRING, ts TIMESTAMP(3)) WITH ('connector' = 'datagen', 'number-of-rows' = '5');
    ";

/// What `SHOW CREATE TABLE` says after a statement, on one line.
fn created(statement: &str, table: &str) -> Result<String> {
    let mut session = Session::new(JobOptions::default());
    let script = format!("{SOURCE}{statement}; SHOW CREATE TABLE {table};");
    let outcomes = session.execute_script(&script).context(statement.to_owned())?;
    let [.., Outcome::Job(job), Outcome::Text(text)] = outcomes.as_slice() else {
        anyhow::bail!("expected a job and a text: {outcomes:?}")
    };
    // The job is planned again from what is stored of it.
    assert_eq!(compile_job(&job.script, &job.options)?.name, format!("insert-into_{table}"));
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_table_has_the_columns_of_its_query() -> Result<()> {
    for (statement, expected) in [
        (
            "CREATE TABLE t WITH ('connector' = 'print', 'print-identifier' = 'it''s') AS SELECT id, price * 2 AS p, 'x' FROM s",
            "CREATE TABLE `t` ( `id` BIGINT, `p` INT, `EXPR$2` STRING ) WITH ( 'connector' = 'print', 'print-identifier' = 'it''s' )",
        ),
        (
            "CREATE TABLE t (PRIMARY KEY (id) NOT ENFORCED) COMMENT 'c' WITH ('connector' = 'blackhole') \
             AS SELECT id, COUNT(*) AS n FROM s GROUP BY id",
            "CREATE TABLE `t` ( `id` BIGINT NOT NULL, `n` BIGINT, PRIMARY KEY (`id`) NOT ENFORCED ) COMMENT 'c' WITH ( 'connector' = 'blackhole' )",
        ),
        (
            "CREATE TABLE t (note VARCHAR(9), price BIGINT, cost AS price * 2, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
             WITH ('connector' = 'blackhole') AS SELECT id, price, ts FROM s",
            "CREATE TABLE `t` ( `note` VARCHAR(9), `cost` AS price * 2, `id` BIGINT, `price` BIGINT, `ts` TIMESTAMP(3), \
             WATERMARK FOR `ts` AS ts - INTERVAL '5' SECOND ) WITH ( 'connector' = 'blackhole' )",
        ),
        (
            "CREATE TABLE t (name, id) WITH ('connector' = 'blackhole') AS SELECT id, name FROM s",
            "CREATE TABLE `t` ( `name` STRING, `id` BIGINT ) WITH ( 'connector' = 'blackhole' )",
        ),
    ] {
        assert_eq!(created(statement, "t")?, expected, "{statement}");
    }
    Ok(())
}

#[test]
fn it_is_there_for_the_statements_behind_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let script = format!(
        "{SOURCE} CREATE TABLE t WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json') AS SELECT id FROM s;
         CREATE TABLE IF NOT EXISTS t WITH ('connector' = 'print') AS SELECT name FROM s;
         CREATE TABLE u WITH ('connector' = 'blackhole') AS SELECT id FROM t;",
        folder.path().display()
    );
    let outcomes = Session::new(JobOptions::default()).execute_script(&script)?;
    let jobs =
        outcomes.iter().filter_map(|outcome| if let Outcome::Job(job) = outcome { Some(job) } else { None });
    let jobs: Vec<_> = jobs.collect();
    assert_eq!(jobs.len(), 2, "the table that is there is left alone");
    assert_eq!(compile_job(&jobs[1].script, &jobs[1].options)?.name, "insert-into_u");
    // Two jobs are not one.
    assert!(compile_job(&script, &JobOptions::default()).is_err());
    Ok(())
}

#[test]
fn what_makes_no_table_is_refused() -> Result<()> {
    check_refused(
        SOURCE,
        &[
            (
                "CREATE TEMPORARY TABLE t WITH ('connector' = 'print') AS SELECT id FROM s",
                "CREATE TEMPORARY TABLE … AS",
            ),
            ("CREATE TABLE s WITH ('connector' = 'print') AS SELECT id FROM s", "`s` exists already"),
            ("CREATE TABLE t WITH ('connector' = 'print') AS SELECT idd FROM s", "unknown column `idd`"),
            (
                "CREATE TABLE t WITH ('connector' = 'print') AS SELECT NULL AS x",
                "the column `x` of the query has no type",
            ),
            (
                "CREATE TABLE t (id, x) WITH ('connector' = 'print') AS SELECT id FROM s",
                "the query has no column `x`",
            ),
            (
                "CREATE TABLE t (id) WITH ('connector' = 'print') AS SELECT id, name FROM s",
                "each of the query's columns once",
            ),
            ("CREATE TABLE t (id) WITH ('connector' = 'print')", "expected a type behind the column `id`"),
            (
                "CREATE TABLE t (id AS 1) WITH ('connector' = 'print') AS SELECT id FROM s",
                "the column `id` is calculated",
            ),
            (
                "CREATE TABLE t (id INT) WITH ('connector' = 'print') AS SELECT id FROM s",
                "say CAST(… AS INT)",
            ),
            (
                "CREATE TABLE t (PRIMARY KEY (x) NOT ENFORCED) WITH ('connector' = 'print') AS SELECT id FROM s",
                "unknown column `x` in the primary key",
            ),
            (
                "CREATE TABLE t WITH ('connector' = 'filesystem', 'path' = '/tmp/t', 'format' = 'csv') AS SELECT id, COUNT(*) AS n FROM s GROUP BY id",
                "takes new rows only",
            ),
            ("CREATE TABLE t AS SELECT id FROM s", "connector"),
        ],
    )
}

#[test]
fn columns_that_an_insert_does_not_name_are_null() -> Result<()> {
    let tables = format!(
        "{SOURCE} CREATE TABLE p (a BIGINT, b STRING, c INT NOT NULL) WITH ('connector' = 'blackhole');"
    );
    check_refused(
        &tables,
        &[
            (
                "INSERT INTO p (a, b) SELECT id, name FROM s",
                "the column `c` of `p` is NOT NULL: it must be given",
            ),
            ("INSERT INTO p (c, d) SELECT price, id FROM s", "has no column `d`"),
            ("INSERT INTO p (c, a) SELECT price FROM s", "takes 2 columns here: the query has 1"),
        ],
    )?;
    let outcomes = Session::new(JobOptions::default())
        .execute_script(&format!("{tables} EXPLAIN INSERT INTO p (c, b) SELECT price, name FROM s;"))?;
    let Some(Outcome::Text(plan)) = outcomes.last() else { anyhow::bail!("expected a plan") };
    assert!(plan.contains("select=[NULL, name, price]"), "{plan}");
    Ok(())
}
