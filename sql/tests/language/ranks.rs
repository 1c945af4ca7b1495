use anyhow::Result;

use super::{check, columns_of};

const SCORES: &str = "
    CREATE VIEW scores AS SELECT * FROM (VALUES
        ('a', 1, 9), ('a', 2, 9), ('a', 3, 7), ('a', 4, 5), ('b', 5, 1), ('b', 6, 2)
    ) AS v (team, id, score);
    ";

#[test]
fn the_first_ranks_have_as_many_rows_as_share_them() -> Result<()> {
    check(
        SCORES,
        &[
            (
                "SELECT team, id, r FROM (SELECT *, RANK() OVER (PARTITION BY team ORDER BY score DESC) AS r FROM scores) WHERE r <= 2",
                "a, 1, 1; a, 2, 1; b, 5, 2; b, 6, 1;",
            ),
            (
                "SELECT team, id, r FROM (SELECT *, DENSE_RANK() OVER (PARTITION BY team ORDER BY score DESC) AS r FROM scores) WHERE r <= 2",
                "a, 1, 1; a, 2, 1; a, 3, 2; b, 5, 2; b, 6, 1;",
            ),
        ],
    )?;
    let query = "SELECT RANK() OVER (ORDER BY id) AS r, DENSE_RANK() OVER (ORDER BY id) AS d, ROW_NUMBER() OVER (ORDER BY id) AS n FROM scores";
    assert_eq!(columns_of(SCORES, query)?, "r BIGINT, d BIGINT, n BIGINT");
    Ok(())
}

#[test]
fn every_windowing_function_gives_the_windows_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("t.csv"), "2024-01-01 00:00:01,a\n2024-01-01 00:00:02,a\n")?;
    let before = format!(
        "CREATE TABLE t (ts TIMESTAMP(3), k STRING, WATERMARK FOR ts AS ts) \
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');",
        folder.path().display()
    );
    let query = |window: &str, table: &str| {
        format!(
            "SELECT DATE_FORMAT(window_time, 'ss.SSS'), COUNT(*) FROM {window}(TABLE {table}, DESCRIPTOR(ts), INTERVAL '4' SECOND{}) \
             GROUP BY window_start, window_end, window_time{}",
            if ["HOP", "CUMULATE"].contains(&window) { ", INTERVAL '4' SECOND" } else { "" },
            if window == "SESSION" { ", k" } else { "" }
        )
    };
    for window in ["TUMBLE", "HOP", "CUMULATE"] {
        check(&before, &[(&query(window, "t"), "03.999, 2;")])?;
    }
    check(&before, &[(&query("SESSION", "t PARTITION BY k"), "05.999, 2;")])?;
    // It is a time attribute: windows of windows.
    let cascaded = "SELECT DATE_FORMAT(window_time, 'ss.SSS'), SUM(n) FROM TUMBLE(TABLE ( \
        SELECT window_time AS t1, COUNT(*) AS n FROM TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' SECOND) \
        GROUP BY window_start, window_end, window_time), DESCRIPTOR(t1), INTERVAL '10' SECOND) \
        GROUP BY window_start, window_end, window_time";
    let ranks = "SELECT DATE_FORMAT(ts, 'ss'), ROW_NUMBER() OVER w, RANK() OVER w, DENSE_RANK() OVER w FROM t \
        WINDOW w AS (PARTITION BY k ORDER BY ts)";
    check(&before, &[(cascaded, "09.999, 2;"), (ranks, "01, 1, 1, 1; 02, 2, 2, 2;")])
}
