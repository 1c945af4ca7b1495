SELECT
--> line 2, column 1: expected an expression, found the end of the script

SELECT a FORM t;
--> line 1, column 15: expected the end of the statement, found `t`

SELECT * FROM t WHERE;
--> line 1, column 22: expected an expression, found `;`

SELEC 1;
--> line 1, column 1: expected a statement, found `SELEC`; did you mean `SELECT`?

FOO;
--> line 1, column 1: expected a statement, found `FOO`

SELECT 'no end;
--> line 1, column 8: unterminated string literal

SELECT `no end;
--> line 1, column 8: expected close delimiter '`' before EOF

SELECT 1 /* no end
--> line 2, column 1: unexpected EOF while in a multi-line comment

SELECT "a" FROM t;
--> line 1, column 8: double quotes are not part of Flink's SQL: expected a string in single quotes, or a name in backticks

SELECT a::STRING FROM t;
--> line 1, column 9: `::` is not part of Flink's SQL: expected `CAST(… AS …)`

SELECT 1 IS JSON IS JSON;
--> line 1, column 18: expected a string before IS JSON

SELECT + IS JSON;
--> line 1, column 1: unknown column `IS`

SELECT 1 BETWEEN 2 BETWEEN 3 AND 4 AND 5;
--> line 1, column 20: expected AND, found `BETWEEN`

SELECT ARRAY[];
--> line 1, column 8: expected at least one element in ARRAY[…]

SELECT MAP['a'];
--> line 1, column 8: expected pairs of key and value in MAP[…], found 1 expressions

SELECT INTERVAL 'x' DAY;
--> line 1, column 17: `x` is not an interval of DAY

SELECT INTERVAL '1' PARSEC;
--> line 1, column 21: expected a unit of time like DAY or SECOND behind an interval's value, found `PARSEC`

SELECT INTERVAL '100' DAY;
--> line 1, column 17: the interval's 100 is longer than DAY(2) allows: expected DAY(3)

SELECT INTERVAL '1:2' YEAR TO DAY;
--> line 1, column 17: an interval cannot be of YEAR TO DAY: expected YEAR TO MONTH or within DAY TO SECOND

SELECT INTERVAL '1:99' MINUTE TO SECOND;
--> line 1, column 17: `1:99` is not an interval of MINUTE TO SECOND

SELECT INTERVAL 1 DAY;
--> line 1, column 17: expected an interval's value in single quotes, found `1`

SELECT DATE '2020-02-30';
--> line 1, column 13: `2020-02-30` is not a DATE: expected yyyy-MM-dd

SELECT TIMESTAMP '2020-01-01';
--> line 1, column 18: `2020-01-01` is not a TIMESTAMP: expected yyyy-MM-dd HH:mm:ss[.fff]

SELECT TIME '25:00:00';
--> line 1, column 13: `25:00:00` is not a TIME: expected HH:mm:ss[.fff]

SELECT a FROM t /*+ BROADCAST(t) */;
--> line 1, column 17: the hint BROADCAST is not supported behind a table: expected OPTIONS

SELECT a FROM t /*+ OPTIONS('a') */;
--> line 1, column 17: expected =, found `)`

SELECT a FROM t /*+ OPTIONS('a' = 'b */;
--> line 1, column 16: unterminated string literal

SELECT 1 + /*+ OPTIONS('a' = 'b') */ 2;
--> line 1, column 12: expected a hint behind SELECT or a table's name

SELECT 1 FROM (SELECT 1) /*+ OPTIONS('a' = 'b') */;
--> line 1, column 26: expected a hint behind SELECT or a table's name

SELECT a /*+ OPTIONS('a' = 'b') */ FROM t;
--> line 1, column 8: expected the hint OPTIONS behind the name of a table that is read or written

SELECT JSON_VALUE(s, '$.a' RETURNING DATE) FROM t;
--> line 1, column 28: JSON_VALUE cannot return DATE: expected STRING, BOOLEAN, INTEGER or DOUBLE

SELECT JSON_QUERY(s, '$.a' RETURNING INT) FROM t;
--> line 1, column 28: JSON_QUERY with RETURNING INT is not supported: expected STRING

SELECT EXTRACT(PARSEC FROM ts) FROM t;
--> line 1, column 16: expected date/time field, found `PARSEC`

SELECT FLOOR(ts TO PARSEC) FROM t;
--> line 1, column 20: expected date/time field, found `PARSEC`

SELECT TRIM('a', 'b', 'c');
--> line 1, column 16: expected ), found `,`

SELECT CONVERT(a, STRING) FROM t;
--> line 1, column 16: CONVERT is not part of Flink's SQL: expected CAST

SELECT ts AT TIME ZONE 'UTC' FROM t;
--> line 1, column 8: AT TIME ZONE is not part of Flink's SQL: expected CONVERT_TZ

SELECT s COLLATE de FROM t;
--> line 1, column 8: COLLATE is not supported

SELECT IF(a, 1) FROM t;
--> line 1, column 8: expected IF(condition, value, value)

SELECT * FROM LATERAL TABLE(1);
--> line 1, column 23: expected a function in LATERAL TABLE(…)

SELECT * FROM a.b.c.d;
--> line 1, column 1: unsupported compound identifier 'a.b.c.d'. Expected 1, 2 or 3 parts, got 4

SELECT * FROM t WITH (NOLOCK);
--> line 1, column 15: WITH behind a table is not supported

EXECUTE STATEMENT SET BEGIN END;
--> line 1, column 29: expected at least one INSERT in a statement set

EXECUTE STATEMENT SET BEGIN SELECT 1; END;
--> line 1, column 29: expected INSERT or END, found `SELECT`

INSERT sink SELECT 1, 2;
--> line 1, column 8: expected INTO or OVERWRITE, found `sink`

INSERT INTO sink;
--> line 1, column 17: expected a query, found `;`

DROP t;
--> line 1, column 6: expected TABLE, VIEW or FUNCTION, found `t`

DROP INDEX t;
--> line 1, column 6: expected TABLE, VIEW or FUNCTION, found `INDEX`

ALTER TABLE t ADD x INT;
--> line 1, column 15: ALTER TABLE … ADD is not supported

ALTER TABLE t FOO;
--> line 1, column 15: expected SET, RESET or RENAME TO, found `FOO`

SHOW THINGS;
--> line 1, column 6: expected TABLES, VIEWS, FUNCTIONS, CREATE TABLE or COLUMNS, found `THINGS`

SHOW COLUMNS t;
--> line 1, column 14: expected FROM or IN, found `t`

SHOW JOBS;
--> line 1, column 6: SHOW JOBS is not supported

SHOW TABLES LIKE 'a%';
--> line 1, column 13: SHOW … LIKE is not supported

CREATE OR REPLACE TABLE x (a INT);
--> line 1, column 8: CREATE OR REPLACE is not supported

CREATE DATABASE d;
--> line 1, column 8: CREATE DATABASE is not supported

CREATE FUNCTION f AS 'a.B' LANGUAGE COBOL;
--> line 1, column 37: expected JAVA, SCALA or PYTHON, found `COBOL`

CREATE FUNCTION f AS 'a.B' USING JAR 'x.jar';
--> line 1, column 28: CREATE FUNCTION … USING JAR is not supported

CREATE SYSTEM TABLE x;
--> line 1, column 15: expected FUNCTION, found `TABLE`

DELETE FROM sink;
--> line 1, column 1: DELETE is not supported

STOP JOB 'x';
--> line 1, column 1: STOP JOB is not supported

SET 'a';
--> line 1, column 8: expected =, found `;`

SET a = b;
--> line 1, column 5: expected a key in single quotes, found `a`

EXPLAIN SET 'a' = 'b';
--> line 1, column 9: expected a query, INSERT or STATEMENT SET, found `SET`

SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))));
--> line 1, column 1: the statement nests too deeply, or can be read in too many ways

SELECT * FROM ((((((((((((t))))))))))));
--> line 1, column 24: the statement has too many parentheses within each other

SELECT 1 BETWEEN 2 AND 3 BETWEEN 4 AND 5;
--> line 1, column 1: cannot be planned: Failed to coerce types BOOLEAN and INT in BETWEEN expression

SELECT TIMESTAMPDIFF(PARSEC, ts, ts) FROM t;
--> line 1, column 22: expected a unit of time like DAY or HOUR, found `PARSEC`

SELECT * FROM UNNEST(x => tags);
--> line 1, column 1: expected an array in UNNEST, found `x => tags`

SELECT 1 BETWEEN 2 AND 3 BETWEEN SYMMETRIC 4 AND 5;
--> line 1, column 26: expected parentheses around BETWEEN before another

' two
lines';
--> line 1, column 1: expected a statement, found `' two lines'`

CREATE TABLE x (a) WITH ('connector' = 'print');
--> line 1, column 17: expected a type behind the column `a`
