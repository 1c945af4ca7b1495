use anyhow::Result;
use headwater_core::options::JobOptions;
use headwater_sql::session::{Outcome, Session};

use super::{check, check_refused, columns_of};

const VIEWS: &str = "
    CREATE VIEW t AS SELECT * FROM (VALUES
        (1, ARRAY['a', 'b']), (2, ARRAY_REMOVE(ARRAY['a'], 'a')), (3, CAST(NULL AS ARRAY<STRING>)), (4, ARRAY['a'])
    ) AS v (id, tags);
    CREATE VIEW orders AS SELECT * FROM (VALUES
        (1, ARRAY[ROW('x', 5), ROW('y', 6)], MAP['k', 1, 'l', 2]), (2, ARRAY[ROW('z', 7)], MAP['k', 3])
    ) AS v (id, items, counts);
    CREATE VIEW names AS SELECT * FROM (VALUES ('a', 'Anna'), ('b', 'Bert')) AS v (tag, name);
    ";

#[test]
fn elements_of_arrays_and_maps_become_rows() -> Result<()> {
    check(
        VIEWS,
        &[
            ("SELECT id, tag FROM t CROSS JOIN UNNEST(tags) AS u (tag)", "1, a; 1, b; 4, a;"),
            (
                "SELECT id, tag FROM t CROSS JOIN UNNEST(t.tags) AS u (tag) WHERE tag = 'a' AND id > 1",
                "4, a;",
            ),
            ("SELECT id, tag FROM t, UNNEST(t.tags) AS u (tag)", "1, a; 1, b; 4, a;"),
            ("SELECT id, u FROM t, UNNEST(tags) AS u", "1, a; 1, b; 4, a;"),
            (
                "SELECT id, tag FROM t LEFT JOIN UNNEST(tags) AS u (tag) ON TRUE",
                "1, a; 1, b; 2, null; 3, null; 4, a;",
            ),
            (
                "SELECT id, tag, n FROM t CROSS JOIN UNNEST(tags) WITH ORDINALITY AS u (tag, n)",
                "1, a, 1; 1, b, 2; 4, a, 1;",
            ),
            (
                "SELECT id, tag, n FROM t LEFT JOIN UNNEST(tags) WITH ORDINALITY AS u (tag, n) ON TRUE WHERE id < 3",
                "1, a, 1; 1, b, 2; 2, null, null;",
            ),
            ("SELECT id, tag FROM t JOIN UNNEST(tags) AS u (tag) ON tag <> 'a'", "1, b;"),
            (
                "SELECT id, name, number FROM orders CROSS JOIN UNNEST(items) AS i (name, number)",
                "1, x, 5; 1, y, 6; 2, z, 7;",
            ),
            (
                "SELECT id, k, v FROM orders CROSS JOIN UNNEST(counts) AS c (k, v)",
                "1, k, 1; 1, l, 2; 2, k, 3;",
            ),
            (
                "SELECT id, name, k FROM orders, UNNEST(items) AS i (name, number), UNNEST(counts) AS c (k, v) WHERE v = 1",
                "1, x, k; 1, y, k;",
            ),
            ("SELECT x FROM UNNEST(ARRAY[3, 1, 2]) AS u (x)", "1; 2; 3;"),
            ("SELECT y, x FROM (VALUES ('o')) AS v (y), UNNEST(ARRAY['s', 'p']) AS u (x)", "o, p; o, s;"),
        ],
    )
}

#[test]
fn it_stands_between_other_operators() -> Result<()> {
    check(
        VIEWS,
        &[
            ("SELECT tag, COUNT(*) FROM t, UNNEST(tags) AS u (tag) GROUP BY tag", "a, 2; b, 1;"),
            // Behind the comma it is joined before JOIN, which would bind more otherwise.
            (
                "SELECT id, name FROM t, UNNEST(t.tags) AS u (tag) JOIN names ON names.tag = u.tag",
                "1, Anna; 1, Bert; 4, Anna;",
            ),
            (
                "SELECT t.id, o.id, name FROM t, orders AS o, UNNEST(t.tags) AS u (tag) JOIN names ON names.tag = u.tag WHERE o.id = 2",
                "1, 2, Anna; 1, 2, Bert; 4, 2, Anna;",
            ),
            (
                "SELECT name FROM names WHERE tag IN (SELECT x FROM t, UNNEST(tags) AS u (x) WHERE id = 4)",
                "Anna;",
            ),
            // Over a changelog.
            (
                "SELECT tag, COUNT(*) FROM (SELECT id / 2 AS half, ARRAY_AGG(id) AS ids FROM t GROUP BY id / 2) AS g \
                 CROSS JOIN UNNEST(ids) AS u (tag) GROUP BY tag",
                "1, 1; 2, 1; 3, 1; 4, 1;",
            ),
            // A field of a row.
            ("SELECT x FROM (SELECT ROW(1, ARRAY[7, 8]) AS r) AS v, UNNEST(v.r.EXPR$1) AS u (x)", "7; 8;"),
        ],
    )
}

#[test]
fn its_columns_have_names_and_types() -> Result<()> {
    for (query, columns) in [
        (
            "SELECT * FROM t CROSS JOIN UNNEST(tags) WITH ORDINALITY AS u (tag, n)",
            "id INT, tags ARRAY<STRING>, tag STRING, n INT",
        ),
        ("SELECT u.* FROM orders, UNNEST(counts) AS u", "KEY STRING, VALUE INT"),
        ("SELECT * FROM UNNEST(ARRAY[1.5]) AS x", "x DECIMAL(2, 1)"),
    ] {
        assert_eq!(columns_of(VIEWS, query)?, columns, "{query}");
    }
    Ok(())
}

#[test]
fn what_it_does_not_take_is_refused() -> Result<()> {
    check_refused(
        VIEWS,
        &[
            ("SELECT * FROM t, UNNEST(id) AS u (x)", "UNNEST takes an array or a map: `id` is INT"),
            ("SELECT * FROM t, UNNEST(tags) AS u (x, y)", "UNNEST gives 1 column here, and 2 are named"),
            ("SELECT * FROM t, UNNEST(tags, tags) AS u (x, y)", "UNNEST takes one array or map"),
            ("SELECT * FROM t, UNNEST(tag) AS u (x)", "a column of what stands to its left: `tag` is none"),
            (
                "SELECT * FROM t LEFT JOIN UNNEST(tags) AS u (x) ON x = 'a'",
                "LEFT JOIN UNNEST takes ON TRUE only",
            ),
            ("SELECT * FROM t RIGHT JOIN UNNEST(tags) AS u (x) ON TRUE", "LATERAL"),
            (
                "SELECT * FROM t WHERE EXISTS (SELECT * FROM UNNEST(t.tags) AS u (x))",
                "UNNEST takes a column of a table to its left, in the same FROM: `t.tags`",
            ),
            ("SELECT * FROM t, LATERAL TABLE(split(tags)) AS u (x)", "there is no table function `split`"),
            (
                "SELECT * FROM t CROSS JOIN LATERAL TABLE(f(1)) AS u (x)",
                "LATERAL TABLE(f(…)) is not supported",
            ),
        ],
    )
}

#[test]
fn event_time_passes_and_constants_need_no_join() -> Result<()> {
    let table = "CREATE TABLE e (ts TIMESTAMP(3), tags ARRAY<STRING>, WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen');";
    for query in [
        "SELECT window_end, tag, COUNT(*) FROM TUMBLE(TABLE (SELECT ts, tag FROM e, UNNEST(tags) AS u (tag)), \
         DESCRIPTOR(ts), INTERVAL '1' SECOND) GROUP BY window_start, window_end, tag",
        "SELECT TUMBLE_END(ts, INTERVAL '1' SECOND), x FROM (SELECT ts, x FROM e, UNNEST(ARRAY['a', 'b']) AS u (x)) \
         GROUP BY TUMBLE(ts, INTERVAL '1' SECOND), x",
    ] {
        let script = format!("{table} EXPLAIN {query};");
        let outcomes = Session::new(JobOptions::default()).execute_script(&script)?;
        let Some(Outcome::Text(plan)) = outcomes.last() else { anyhow::bail!("expected a plan") };
        assert!(plan.contains("Correlate(unnest=[") && plan.contains("WindowAggregate("), "{plan}");
        assert!(!plan.contains("Join("), "{plan}");
    }
    Ok(())
}
