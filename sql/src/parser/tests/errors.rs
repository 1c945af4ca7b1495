use super::refused;

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
