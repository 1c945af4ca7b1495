use anyhow::Result;

use super::{check, columns_of};

const TABLE: &str = "
    CREATE VIEW t AS SELECT CAST(7 AS INT) AS i, CAST(7 AS BIGINT) AS l, CAST(7 AS SMALLINT) AS s,
        CAST(1.5 AS DOUBLE) AS d, CAST(2.50 AS DECIMAL(5, 2)) AS c;
    ";

#[test]
fn numbers_have_flinks_types() -> Result<()> {
    for (query, columns) in [
        ("SELECT 1", "EXPR$0 INT"),
        ("SELECT 1, 'a', 2147483647, 2147483648", "EXPR$0 INT, EXPR$1 STRING, EXPR$2 INT, EXPR$3 BIGINT"),
        (
            "SELECT 1.5, 0.05, 10.50, 1e3",
            "EXPR$0 DECIMAL(2, 1), EXPR$1 DECIMAL(3, 2), EXPR$2 DECIMAL(4, 2), EXPR$3 DOUBLE",
        ),
        ("SELECT 12345678901234567890 AS x", "x DECIMAL(20, 0)"),
        ("SELECT 1 + i, i * 2 AS j, s + 1 AS k, l + 1 AS m FROM t", "EXPR$0 INT, j INT, k INT, m BIGINT"),
        (
            "SELECT i, SUM(2) AS x, MAX(i + 1), COUNT(*) FROM t GROUP BY i",
            "i INT, x INT, EXPR$2 INT, EXPR$3 BIGINT",
        ),
        ("SELECT CASE WHEN i > 1 THEN 1 ELSE 0 END AS x, COALESCE(i, 0) AS y FROM t", "x INT, y INT"),
        ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, s)", "n INT, s STRING"),
        ("SELECT * FROM (VALUES (1), (3000000000)) AS v (n)", "n BIGINT"),
        ("SELECT ARRAY[1, 2] AS a, MAP['k', 1] AS m", "a ARRAY<INT>, m MAP<STRING, INT>"),
        ("SELECT n FROM (SELECT 1 AS n UNION ALL SELECT l FROM t)", "n BIGINT"),
        ("SELECT (SELECT 1) AS x, i IN (1, 2) AS y FROM t", "x INT, y BOOLEAN"),
        ("SELECT x + 1 AS y FROM (SELECT 1 AS x)", "y INT"),
        (
            "SELECT SUM(i * 2) OVER (ORDER BY i) AS s, COUNT(1) OVER (ORDER BY i) AS n FROM t",
            "s INT, n BIGINT",
        ),
        ("SELECT ABS(-1) AS a, MOD(i, 2) AS m, -5 AS n FROM t", "a INT, m INT, n INT"),
    ] {
        assert_eq!(columns_of(TABLE, query)?, columns, "{query}");
    }
    Ok(())
}

#[test]
fn they_are_what_functions_and_comparisons_want() -> Result<()> {
    check(
        TABLE,
        &[
            ("SELECT 7 / 2, i / 2, l / 2, MOD(i, 4), s + 1 FROM t", "3, 3, 3, 3, 8;"),
            (
                "SELECT SUBSTRING('abc', 2, 1), LPAD('a', 3, 'x'), ROUND(c, 1), POWER(2, 3) FROM t",
                "b, xxa, 2.5, 8.0;",
            ),
            ("SELECT i FROM t WHERE i = 7 AND l IN (6, 7) AND s BETWEEN 1 AND 9 AND d < 2 AND c = 2.5", "7;"),
            ("SELECT ARRAY[5, 6][2], MAP['k', 9]['k'], CARDINALITY(ARRAY[1, 2])", "6, 9, 2;"),
            (
                "SELECT x, COUNT(*) FROM (VALUES (1), (2), (1)) AS v (x) GROUP BY x HAVING COUNT(*) > 1",
                "1, 2;",
            ),
            ("SELECT x % 2, SUM(x) FROM (VALUES (1), (2), (3)) AS v (x) GROUP BY x % 2", "0, 2; 1, 4;"),
            ("SELECT 'a', COUNT(*) FROM t GROUP BY 'a'", "a, 1;"),
            (
                "SELECT x FROM (SELECT x, ROW_NUMBER() OVER (ORDER BY x DESC) AS n FROM (VALUES (1), (2), (3)) AS v (x)) WHERE n <= 2",
                "2; 3;",
            ),
            ("SELECT x FROM (VALUES (3), (1), (2)) AS v (x) ORDER BY x LIMIT 2", "1; 2;"),
            (
                "SELECT TIMESTAMPADD(DAY, 1, TIMESTAMP '2024-01-01 00:00:00'), FROM_UNIXTIME(0)",
                "2024-01-02T00:00, 1970-01-01 00:00:00;",
            ),
        ],
    )
}

#[test]
fn columns_without_names_are_called_by_their_place() -> Result<()> {
    let view = "CREATE VIEW v AS SELECT * FROM (VALUES ('a', 1), ('b', 2), ('a', 4)) AS v (k, x);";
    check(
        view,
        &[
            ("SELECT `EXPR$1` FROM (SELECT k, SUM(x) FROM v GROUP BY k)", "2; 5;"),
            ("SELECT k, SUM(x) FROM v GROUP BY k ORDER BY SUM(x) LIMIT 1", "b, 2;"),
            ("SELECT UPPER(k), SUM(x) FROM v GROUP BY UPPER(k) HAVING SUM(x) > 2", "A, 5;"),
            ("SELECT UPPER(k), SUM(x) FROM v GROUP BY 1 ORDER BY 2 DESC LIMIT 1", "A, 5;"),
            ("SELECT DISTINCT x > 1, 7 FROM v", "false, 7; true, 7;"),
            ("SELECT x + 1 FROM v UNION SELECT 2", "2; 3; 5;"),
            ("SELECT x * 2 FROM v INTERSECT SELECT 8", "8;"),
            ("WITH w AS (SELECT k, COUNT(*) FROM v GROUP BY k) SELECT MAX(`EXPR$1`) FROM w", "2;"),
            ("SELECT x FROM v WHERE x > (SELECT AVG(x) FROM v)", "4;"),
            ("SELECT x FROM v WHERE x IN (SELECT MAX(x) FROM v) AND EXISTS (SELECT 1 FROM v)", "4;"),
            (
                "SELECT m FROM (SELECT MAX(1) AS m, x FROM v GROUP BY x) AS w \
                 WHERE EXISTS (SELECT 1 FROM (SELECT CAST(x AS BIGINT) AS y FROM v) WHERE y = m)",
                "1; 1; 1;",
            ),
            (
                "SELECT m, (SELECT MAX(y) FROM (SELECT CAST(x AS BIGINT) AS y FROM v) WHERE y = m) \
                 FROM (SELECT MAX(1) AS m, x FROM v GROUP BY x) AS w",
                "1, 1; 1, 1; 1, 1;",
            ),
            ("SELECT a.x + b.x FROM v AS a JOIN v AS b ON a.k = b.k AND a.x < b.x", "5;"),
        ],
    )
}
