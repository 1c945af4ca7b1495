use anyhow::Result;

use super::{check, check_refused, columns_of};

const SALES: &str = "
    CREATE VIEW sales AS SELECT * FROM (VALUES
        ('north', 'pen', 1), ('north', 'ink', 2), ('south', 'pen', 4), (CAST(NULL AS STRING), 'pen', 8)
    ) AS v (region, item, amount);
    ";

#[test]
fn each_set_is_an_aggregation_of_its_own() -> Result<()> {
    check(
        SALES,
        &[
            (
                "SELECT region, item, SUM(amount) FROM sales GROUP BY GROUPING SETS ((region), (item), ())",
                "north, null, 3; null, ink, 2; null, null, 15; null, null, 8; null, pen, 13; south, null, 4;",
            ),
            (
                "SELECT item, region, SUM(amount) FROM sales GROUP BY ROLLUP (item, region)",
                "ink, north, 2; ink, null, 2; null, null, 15; pen, north, 1; pen, null, 13; pen, null, 8; pen, south, 4;",
            ),
            (
                "SELECT item, amount > 3, COUNT(*) FROM sales GROUP BY CUBE (item, amount > 3)",
                "ink, false, 1; ink, null, 1; null, false, 2; null, null, 4; null, true, 2; pen, false, 1; pen, null, 3; pen, true, 2;",
            ),
            // The columns that are grouped by in every set, and a set that is there twice.
            (
                "SELECT item, region, COUNT(*) FROM sales GROUP BY item, GROUPING SETS ((region), (), ()) HAVING item = 'ink'",
                "ink, north, 1; ink, null, 1; ink, null, 1;",
            ),
            (
                "SELECT SUM(amount), COUNT(DISTINCT item) FROM sales GROUP BY GROUPING SETS ((), (region))",
                "15, 2; 3, 2; 4, 1; 8, 1;",
            ),
        ],
    )
}

#[test]
fn grouping_tells_the_set() -> Result<()> {
    check(
        SALES,
        &[
            (
                "SELECT region, GROUPING(region), SUM(amount) FROM sales GROUP BY ROLLUP (region)",
                "north, 0, 3; null, 0, 8; null, 1, 15; south, 0, 4;",
            ),
            (
                "SELECT GROUPING_ID(region, item) AS g, GROUPING(item, region) AS h, COUNT(*) FROM sales \
                 GROUP BY GROUPING SETS ((region), (item), ()) HAVING GROUPING(region) = 1",
                "2, 1, 1; 2, 1, 3; 3, 3, 4;",
            ),
            ("SELECT item, GROUPING(item) FROM sales GROUP BY item", "ink, 0; pen, 0;"),
        ],
    )?;
    let query = "SELECT GROUPING(item) AS g, COUNT(*) AS n FROM sales GROUP BY CUBE (item)";
    assert_eq!(columns_of(SALES, query)?, "g BIGINT, n BIGINT");
    check_refused(
        SALES,
        &[("SELECT GROUPING(amount) FROM sales GROUP BY CUBE (item)", "not in grouping columns")],
    )
}

#[test]
fn changes_of_the_input_reach_every_set() -> Result<()> {
    check(
        SALES,
        &[(
            "SELECT n, m, COUNT(*) FROM (SELECT region, COUNT(*) AS n, MAX(amount) AS m FROM sales GROUP BY region) \
             GROUP BY GROUPING SETS ((n), (m))",
            "1, null, 2; 2, null, 1; null, 2, 1; null, 4, 1; null, 8, 1;",
        )],
    )
}

#[test]
fn windows_have_grouping_sets() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lines = "2024-01-01 00:00:01,a,1\n2024-01-01 00:00:02,b,2\n2024-01-01 00:00:07,a,4\n2024-01-01 00:00:12,c,8\n";
    std::fs::write(folder.path().join("bids.csv"), lines)?;
    let before = format!(
        "CREATE TABLE bids (ts TIMESTAMP(3), item STRING, price INT, WATERMARK FOR ts AS ts) \
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');",
        folder.path().display()
    );
    check(
        &before,
        &[
            (
                "SELECT DATE_FORMAT(window_start, 'ss') AS s, item, SUM(price), GROUPING(item) \
                 FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, GROUPING SETS ((item), ())",
                "00, a, 5, 0; 00, b, 2, 0; 00, null, 7, 1; 10, c, 8, 0; 10, null, 8, 1;",
            ),
            (
                "SELECT DATE_FORMAT(window_start, 'mm:ss') AS s, item, SUM(price) \
                 FROM TABLE(HOP(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, ROLLUP (item)",
                "00:00, a, 5; 00:00, b, 2; 00:00, null, 7; 00:05, a, 4; 00:05, c, 8; 00:05, null, 12; 00:10, c, 8; 00:10, null, 8; 59:55, a, 1; 59:55, b, 2; 59:55, null, 3;",
            ),
            // What is distinct cannot be merged over slices.
            (
                "SELECT DATE_FORMAT(window_start, 'mm:ss') AS s, COUNT(DISTINCT item) \
                 FROM TABLE(CUMULATE(TABLE bids, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '10' SECOND)) \
                 GROUP BY window_start, window_end, GROUPING SETS ((price), ()) HAVING GROUPING(price) = 1",
                "00:00, 2; 00:00, 2; 00:10, 1; 00:10, 1;",
            ),
        ],
    )
}
