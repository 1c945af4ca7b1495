SELECT c FROM t;
--> line 1, column 8: unknown column `c`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`

SELECT tt.a FROM t;
--> line 1, column 8: unknown column `tt.a`; did you mean `a`?

SELECT * FROM tt;
--> line 1, column 15: table `tt` does not exist; did you mean `t`?

SELECT * FROM default_catalog.other.t;
--> line 1, column 15: there is only the catalog `default_catalog` with the database `default_database`: found `default_catalog.other.t`

SELECT a FROM t JOIN u ON t.a = u.a;
--> line 1, column 8: the column `a` is in several tables; say which: table.column

SELECT nothing(a) FROM t;
--> line 1, column 8: unknown function `nothing`

SELECT COUNTT(a) FROM t;
--> line 1, column 8: unknown function `countt`; did you mean `COUNT`?

SELECT CURRENT_WATERMARK(ts) FROM t;
--> line 1, column 8: CURRENT_WATERMARK is not supported: event time is not visible to expressions

SELECT SOURCE_WATERMARK() FROM t;
--> line 1, column 8: SOURCE_WATERMARK is not supported: expected a watermark like ts - INTERVAL '5' SECOND

SELECT SUM(s) FROM t;
--> line 1, column 1: SUM takes numbers: expected a numeric argument, found STRING

SELECT SUM() FROM t;
--> line 1, column 1: 'sum' does not support zero arguments

SELECT SUM(a, b) FROM t;
--> line 1, column 1: the function 'sum' expected 1 arguments but received 2

SELECT COUNT(a, b) FROM t;
--> line 1, column 1: COUNT takes one argument: found 2

SELECT MEDIAN(a) FROM t;
--> line 1, column 1: the aggregate function MEDIAN is not supported in a streaming query; expected one of COUNT, SUM, AVG, MIN, MAX, FIRST_VALUE, LAST_VALUE, LISTAGG, ARRAY_AGG, COLLECT, VAR_POP, VAR_SAMP, VARIANCE, STDDEV, STDDEV_POP, STDDEV_SAMP

SELECT LISTAGG(s, s) FROM t;
--> line 1, column 1: the separator of LISTAGG is a constant text: found `t.s`

SELECT ARRAY_AGG(a ORDER BY b) FROM t;
--> line 1, column 1: ORDER BY within ARRAY_AGG is not supported

SELECT a, b FROM t GROUP BY a;
--> line 1, column 11: column in SELECT must be in GROUP BY or an aggregate function: While expanding wildcard, column "t.b" must appear in the GROUP BY clause or must be part of an aggregate function, currently only "t.a" appears in the SELECT clause satisfies this requirement

SELECT a FROM t HAVING a > 1;
--> line 1, column 1: HAVING clause references: t.a > 1 must appear in the GROUP BY clause or be used in an aggregate function

SELECT a FROM t WHERE COUNT(*) > 1;
--> line 1, column 1: aggregate functions are not allowed in the WHERE clause. Consider using HAVING instead

SELECT a + s FROM t;
--> line 1, column 8: cannot coerce arithmetic expression INT + STRING to valid types

SELECT a FROM t WHERE a;
--> line 1, column 1: cannot create filter with non-boolean predicate 't.a' returning INT

SELECT UPPER(a, a) FROM t;
--> line 1, column 1: function 'upper' expects 1 arguments but received 2

SELECT CHAR_LENGTH(tags) FROM t;
--> line 1, column 1: argument 1 of CHAR_LENGTH has to be a STRING, found ARRAY<STRING>

SELECT CAST(tags AS INT) FROM t;
--> line 1, column 1: unsupported CAST from List(STRING) to INT

SELECT a FROM t UNION ALL SELECT a, b FROM t;
--> line 1, column 1: UNION queries have different number of columns

SELECT a FROM t ORDER BY b;
--> line 1, column 1: ORDER BY of rows that never end must begin with a time attribute, ascending; add LIMIT n for the first n rows, which are updated as rows come

SELECT a FROM t ORDER BY ts DESC;
--> line 1, column 1: ORDER BY of rows that never end must begin with a time attribute, ascending; add LIMIT n for the first n rows, which are updated as rows come

SELECT a FROM t LIMIT 0;
--> line 1, column 1: LIMIT 0 gives no rows: expected at least 1

SELECT a FROM t LIMIT a;
--> line 1, column 23: unknown column `a`

SELECT a FROM t LIMIT 'x';
--> line 1, column 1: expected LIMIT to be an integer or null, but got STRING

SELECT a FROM t ORDER BY ts OFFSET 3;
--> line 1, column 1: OFFSET without LIMIT is not supported in a streaming query

SELECT a FROM u ORDER BY a + 1 LIMIT 3;
--> line 1, column 1: ORDER BY `u.a + 1`, which is no column, is not supported in a streaming query; calculate it in a sub-query

SELECT * FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY a + 1) AS n FROM t) WHERE n <= 3;
--> line 1, column 1: ROW_NUMBER by `CAST(t.a AS BIGINT) + 1`, which is no column, is not supported in a streaming query; calculate it in a sub-query

SELECT SUM(a) FILTER (WHERE a > 1) OVER (ORDER BY b) FROM t;
--> line 1, column 1: FILTER with OVER in this order is not supported in a streaming query

SELECT LAG(a, b) OVER (ORDER BY ts) FROM t;
--> line 1, column 1: there is only support Literal types for field at idx: 1 in Window Function

SELECT nothing(a) OVER (ORDER BY ts) FROM t;
--> line 1, column 8: unknown function `nothing`

SELECT * FROM t WHERE b = 1 OR a IN (SELECT a FROM u);
--> line 1, column 1: IN or EXISTS within OR, or in SELECT, is not supported in a streaming query

SELECT * FROM t WHERE a = (SELECT a FROM u);
--> line 1, column 1: the sub-query for one value of `a` may give several rows; expected an aggregate such as MAX without GROUP BY, or IN

SELECT (SELECT b FROM u WHERE u.a = t.a) FROM t;
--> line 1, column 1: correlated scalar subquery must be aggregated to return at most one row

WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x FROM r) SELECT * FROM r;
--> line 1, column 1: WITH RECURSIVE is not supported

SET 'table.exec.state.ttl' = '1 h'; SELECT a, COUNT(DISTINCT b) FROM t GROUP BY a;
--> line 1, column 37: DISTINCT aggregates with `table.exec.state.ttl` are not supported: what was seen would outlive its key; de-duplicate the rows first, or keep the state for ever

SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A) DEFINE A AS TRUE);
--> line 1, column 15: MATCH_RECOGNIZE is not supported

SELECT * FROM t TABLESAMPLE (10 PERCENT);
--> line 1, column 15: TABLESAMPLE is not supported

SELECT a FROM t FETCH FIRST 3 ROWS WITH TIES;
--> line 1, column 1: FETCH clause is not supported yet

SELECT TOP 3 a FROM t;
--> line 1, column 1: TOP is not supported

SELECT DISTINCT ON (a) a, b FROM t;
--> line 1, column 1: DISTINCT ON is not supported

SELECT a INTO x FROM t;
--> line 1, column 1: SELECT INTO is not supported

SELECT * FROM t QUALIFY 1 = 1;
--> line 1, column 1: QUALIFY is not supported

SELECT a FROM t FOR UPDATE;
--> line 1, column 1: FOR UPDATE is not supported

VALUES (1), (1, 2);
--> line 1, column 8: inconsistent data length across values list: got 2 values in row 1 but expected 1

SELECT LISTAGG(s) OVER (ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t;
--> line 1, column 1: the function listagg does not accept 1 function arguments

SELECT CAST(a AS INT) + s FROM t WHERE a > 'x' AND s;
--> line 1, column 25: cannot coerce arithmetic expression INT + STRING to valid types

SELECT * FROM t, LATERAL TABLE(split(s)) AS x (word);
--> line 1, column 32: LATERAL TABLE(split(…)) is not supported: there is no table function `split`; expected UNNEST, TUMBLE, HOP, CUMULATE or SESSION

SELECT tag FROM t CROSS JOIN UNNEST(tags, tags) AS x (tag);
--> line 1, column 37: UNNEST takes one array or map

SELECT e FROM t CROSS JOIN UNNEST(a) AS x (e);
--> line 1, column 35: UNNEST takes an array or a map: `a` is INT

SELECT e FROM t CROSS JOIN UNNEST(tags) AS x (e, f);
--> line 1, column 35: UNNEST gives 1 column here, and 2 are named: expected as many names

SELECT e FROM t CROSS JOIN UNNEST(tagz) AS x (e);
--> line 1, column 35: UNNEST takes a column of what stands to its left: `tagz` is none

SELECT * FROM t WHERE EXISTS (SELECT * FROM UNNEST(t.tags) AS x (e));
--> line 1, column 1: UNNEST takes a column of a table to its left, in the same FROM: `t.tags` is not of one

SELECT * FROM t NATURAL JOIN UNNEST(tags) AS x (s);
--> line 1, column 1: JOIN UNNEST takes ON: USING and NATURAL are not supported with it

SELECT e FROM t LEFT JOIN UNNEST(tags) AS x (e) ON e = s;
--> line 1, column 1: LEFT JOIN UNNEST takes ON TRUE only: put conditions into WHERE

SELECT e FROM t FULL JOIN UNNEST(tags) AS x (e) ON TRUE;
--> line 1, column 1: LATERAL syntax is not supported for FULL OUTER and RIGHT [OUTER | ANTI | SEMI] joins
