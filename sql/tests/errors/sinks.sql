INSERT INTO nothing SELECT 1, 2;
--> line 1, column 13: table `nothing` does not exist

INSERT INTO v SELECT 1, 2;
--> line 1, column 13: `v` is a view: expected a table to insert into

INSERT INTO t SELECT a, b, s, tags, ts FROM t;
--> line 1, column 13: table `t`: connector `datagen` can only be read from

INSERT INTO sink SELECT a FROM t;
--> line 1, column 13: `sink` takes 2 columns here: the query has 1; expected (a, b), found (a)

INSERT INTO sink (a, c) SELECT a, b FROM t;
--> line 1, column 13: `sink` has no column `c` to insert into

INSERT INTO sink (a) SELECT a, b FROM t;
--> line 1, column 13: `sink` takes 1 columns here: the query has 2; expected (a), found (a, b)

INSERT INTO sink SELECT b, b FROM t;
--> line 1, column 13: column `a` of `sink` is INT: the query's column 1 is BIGINT; say CAST(… AS INT)

INSERT INTO sink SELECT s, b FROM t;
--> line 1, column 13: column `a` of `sink` is INT: the query's column 1 is STRING; say CAST(… AS INT)

INSERT INTO strict (a) SELECT a FROM t;
--> line 1, column 13: the column `b` of `strict` is NOT NULL: it must be given

INSERT INTO u SELECT a, COUNT(*) FROM t GROUP BY a;
--> line 1, column 13: table `u` takes new rows only, and this query updates results that it has given: GroupAggregate(groupBy=[a]); aggregate by window, so that each result is final, or write to a table that takes changes, such as one of connector `print`, or of `filesystem` with format `debezium-json`

INSERT INTO u SELECT t.a, t.b FROM t LEFT JOIN w ON t.a = w.a;
--> line 1, column 13: table `u` takes new rows only, and this query updates results that it has given: Join(joinType=[Left], on=[a = a]); aggregate by window, so that each result is final, or write to a table that takes changes, such as one of connector `print`, or of `filesystem` with format `debezium-json`

INSERT INTO u SELECT a, n FROM (SELECT a, ROW_NUMBER() OVER (PARTITION BY a ORDER BY b) AS n FROM t) WHERE n <= 3;
--> line 1, column 13: table `u` takes new rows only, and this query updates results that it has given: Rank(partitionBy=[a], orderBy=[b], range=[1..3]); aggregate by window, so that each result is final, or write to a table that takes changes, such as one of connector `print`, or of `filesystem` with format `debezium-json`

CREATE TABLE p (a INT, b BIGINT) WITH ('connector' = 'print', 'sink.parallelism' = '2');
INSERT INTO p SELECT t.a, t.b FROM t LEFT JOIN w ON t.a = w.a;
--> line 2, column 13: `p` has its own parallelism, and its rows are updated; declare PRIMARY KEY (…) NOT ENFORCED, so that changes of a row stay in order

INSERT OVERWRITE sink SELECT a, b FROM t;
--> line 1, column 18: INSERT OVERWRITE is for batch jobs: expected INSERT INTO

INSERT INTO sink PARTITION (a = 1) SELECT b FROM t;
--> line 1, column 13: PARTITION (…) in INSERT is not supported; give the partition's columns in the query

INSERT INTO sink VALUES (1);
--> line 1, column 13: `sink` takes 2 columns here: the query has 1; expected (a, b), found (column1)

EXECUTE STATEMENT SET BEGIN INSERT INTO sink SELECT a, b FROM t; INSERT INTO sink SELECT a, c FROM t; END;
--> line 1, column 93: unknown column `c`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`

-- as a job
SELECT 1;
--> line 2, column 1: a job's script ends with INSERT or a statement set

-- as a job
--> the script has no statement

-- as a job
CREATE TABLE t (a INT) WITH ('connector' = 'datagen');
CREATE TABLE s (a INT) WITH ('connector' = 'print');
INSERT INTO s SELECT a FROM t;
INSERT INTO s SELECT a FROM t;
--> line 4, column 1: a job is one INSERT or one statement set, at the end of its script; put several INSERTs into EXECUTE STATEMENT SET BEGIN … END

-- as a preview
CREATE TABLE t (a INT) WITH ('connector' = 'datagen');
--> line 2, column 1: a preview's script ends with a query
