CREATE TABLE x ();
--> line 1, column 14: the table `x` has no columns

CREATE TABLE x WITH ('connector' = 'print');
--> line 1, column 14: the table `x` has no columns

CREATE TABLE x (a INT, a INT);
--> line 1, column 24: the column `a` is there twice

CREATE TABLE x (a INT, UNIQUE (a));
--> line 1, column 24: UNIQUE is not supported

CREATE TABLE x (a INT UNIQUE);
--> line 1, column 23: UNIQUE is not supported

CREATE TABLE x (a INT FOO);
--> line 1, column 23: expected ), found `FOO`

CREATE TABLE x (a INT CONSTRAINT b);
--> line 1, column 35: expected PRIMARY KEY, found `)`

CREATE TABLE x (a INT, PRIMARY KEY (a));
--> line 1, column 39: a primary key is not checked: expected NOT ENFORCED behind it

CREATE TABLE x (a INT, PRIMARY KEY (b) NOT ENFORCED);
--> line 1, column 37: unknown column `b` in the primary key

CREATE TABLE x (aa INT, PRIMARY KEY (ab) NOT ENFORCED);
--> line 1, column 38: unknown column `ab` in the primary key; did you mean `aa`?

CREATE TABLE x (a INT, b AS a, PRIMARY KEY (b) NOT ENFORCED);
--> line 1, column 45: the primary key column `b` is not a physical one

CREATE TABLE x (a INT PRIMARY KEY NOT ENFORCED, PRIMARY KEY (a) NOT ENFORCED);
--> line 1, column 49: expected one PRIMARY KEY in a table

CREATE TABLE x (a INT) PARTITIONED BY (b);
--> line 1, column 40: unknown column `b` in the partition

CREATE TABLE x (a INT) DISTRIBUTED BY (a) INTO 3 BUCKETS;
--> line 1, column 24: DISTRIBUTED BY is not supported

CREATE TABLE x (a TIMESTAMP(3), WATERMARK FOR a AS a, WATERMARK FOR a AS a);
--> line 1, column 69: expected one WATERMARK in a table

CREATE TABLE x (a INT) WITH ('connector' = 'print', 'connector' = 'print');
--> line 1, column 53: the option 'connector' is there twice

CREATE TABLE x (a INT) WITH ('connector');
--> line 1, column 41: expected =, found `)`

CREATE TABLE x (a INT) WITH (connector = 'print');
--> line 1, column 30: expected an option's key in single quotes, found `connector`

CREATE TABLE x (a INT) WITH ('connector' = 'print',);
--> line 1, column 52: expected an option's key in single quotes, found `)`

CREATE TABLE t (a INT) WITH ('connector' = 'print');
--> line 1, column 14: `t` exists already; say IF NOT EXISTS, or drop it first

CREATE VIEW v AS SELECT 1 AS x;
--> line 1, column 13: `v` exists already; say IF NOT EXISTS, or drop it first

CREATE VIEW x (a, b) AS SELECT 1 AS y;
--> line 1, column 13: the view `x` names 2 columns: its query has 1

CREATE VIEW x AS SELECT * FROM x;
--> line 1, column 32: the view `x` is defined by itself

DROP VIEW v; CREATE VIEW v AS SELECT 1 AS a; CREATE VIEW w2 AS SELECT * FROM v; DROP VIEW v; CREATE VIEW v AS SELECT * FROM w2;
--> line 1, column 125: the view `w2` is defined by itself

CREATE TABLE x AS SELECT 1 AS a LIKE t;
--> line 1, column 33: expected the end of the statement, found `LIKE`

CREATE TABLE x LIKE nothing;
--> line 1, column 21: table `nothing` does not exist

CREATE TABLE x LIKE v;
--> line 1, column 21: LIKE takes a table: `v` is a view

CREATE TABLE x (a INT) LIKE t;
--> line 1, column 29: both `t` and the new table have a column `a`; give one of them another name

CREATE TABLE x (WATERMARK FOR ts AS ts) LIKE t (INCLUDING WATERMARKS);
--> line 1, column 46: both `t` and the new table have a watermark; say OVERWRITING or EXCLUDING in LIKE

CREATE TABLE x WITH ('connector' = 'print') LIKE t (INCLUDING OPTIONS);
--> line 1, column 50: both `t` and the new table have the option `connector`; say OVERWRITING or EXCLUDING in LIKE

CREATE TABLE x LIKE t (OVERWRITING CONSTRAINTS);
--> line 1, column 24: only GENERATED, METADATA, OPTIONS and WATERMARKS can be OVERWRITING

CREATE TABLE x LIKE t (INCLUDING OPTIONS EXCLUDING OPTIONS);
--> line 1, column 42: expected each feature once

CREATE TABLE x LIKE t (FOO OPTIONS);
--> line 1, column 24: expected INCLUDING, EXCLUDING or OVERWRITING, found `FOO`

CREATE TABLE x LIKE t WITH ('a' = 'b');
--> line 1, column 23: expected WITH before LIKE or AS

CREATE TABLE k (a INT PRIMARY KEY NOT ENFORCED) WITH ('connector' = 'print');
CREATE TABLE x (b INT PRIMARY KEY NOT ENFORCED) LIKE k;
--> line 2, column 54: both `k` and the new table have a primary key; say EXCLUDING in LIKE

CREATE TABLE k (a INT) PARTITIONED BY (a) WITH ('connector' = 'print');
CREATE TABLE x (b INT) PARTITIONED BY (b) LIKE k;
--> line 2, column 48: both `k` and the new table have partitions; say EXCLUDING in LIKE

CREATE TABLE k (a INT, ts TIMESTAMP(3), b AS a + 1) WITH ('connector' = 'print');
CREATE TABLE x (b INT) LIKE k (INCLUDING GENERATED);
--> line 2, column 29: both `k` and the new table have a column `b`; say OVERWRITING or EXCLUDING in LIKE

CREATE TABLE x (a INT, b AS nothing + 1) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 29: computed column `b` of `x`: unknown column `nothing`; expected one of `x.a`

CREATE TABLE x (a INT, WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 38: WATERMARK FOR names `ts`, which is no column of `x`

CREATE TABLE x (a INT, WATERMARK FOR a AS a) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 38: the time attribute `a` must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3: found INT

CREATE TABLE x (ts TIMESTAMP(6), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 48: the time attribute `ts` must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3: found TIMESTAMP(6)

CREATE TABLE x (r ROW<ts TIMESTAMP(3)>, WATERMARK FOR r.ts AS r.ts) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 55: WATERMARK FOR takes a top-level column: declare a computed column for a field of a ROW

CREATE TABLE x (ts TIMESTAMP(3), WATERMARK FOR ts AS nothing) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 109: unknown column `nothing`; expected one of `x.ts`

CREATE TABLE x (ts TIMESTAMP(3), WATERMARK FOR ts AS 5) WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 48: the watermark of `x` must be a TIMESTAMP, like the time: found BIGINT

CREATE TABLE other.db.x (a INT) WITH ('connector' = 'print');
--> line 1, column 14: there is only the catalog `default_catalog` with the database `default_database`: found `other.db.x`

DROP TABLE nothing;
--> line 1, column 12: table `nothing` does not exist; say IF EXISTS

DROP VIEW t;
--> line 1, column 11: view `t` does not exist; say IF EXISTS

DROP FUNCTION nothing;
--> line 1, column 15: function `nothing` does not exist; say IF EXISTS

ALTER TABLE v SET ('a' = 'b');
--> line 1, column 13: `v` is a view: expected a table

ALTER TABLE nothing SET ('a' = 'b');
--> line 1, column 13: table `nothing` does not exist

DESCRIBE nothing;
--> line 1, column 1: table `nothing` does not exist

SHOW CREATE TABLE tt;
--> line 1, column 1: table `tt` does not exist; did you mean `t`?

USE other;
--> line 1, column 1: `other` does not exist: there is only `default_catalog`.`default_database`

USE CATALOG other;
--> line 1, column 1: `other` does not exist: there is only `default_catalog`.`default_database`

CREATE FUNCTION f AS 'org.example.F';
--> line 1, column 17: the class `org.example.F` cannot be run: there is no JVM here; expected a class whose function is built in, such as com.github.nexmark.flink.udf.CountChar

CREATE FUNCTION f AS 'com.github.nexmark.flink.udf.CountChar'; CREATE FUNCTION f AS 'com.github.nexmark.flink.udf.CountChar';
--> line 1, column 80: the function `f` exists already

CREATE TABLE x (a INT METADATA FROM 'k') WITH ('connector' = 'datagen'); SELECT * FROM x;
--> line 1, column 74: table `x`, column `a`: no metadata `k`: connector `datagen` has no metadata columns

CREATE TABLE k (a INT) WITH ('connector' = 'print');
CREATE TABLE x (b INT, PRIMARY KEY (zz) NOT ENFORCED) LIKE k;
--> line 2, column 14: the primary key of `x` names `zz`, which is no physical column

CREATE TABLE a.b.c.d (x INT);
--> line 1, column 14: expected at most `catalog.database.name`, found `a.b.c.d`

CREATE VIEW IF NOT EXISTS v AS SELECT 1; SELECT x FROM v;
--> line 1, column 49: unknown column `x`; expected one of `v.a`, `v.n`

CREATE TABLE x (a INT METADATA FROM 5);
--> line 1, column 37: expected the key of the metadata in single quotes, found `5`

CREATE TABLE x (a AS 1 PRIMARY KEY NOT ENFORCED);
--> line 1, column 24: expected ), found `PRIMARY`

CREATE TABLE x (a INT DEFAULT 5);
--> line 1, column 23: expected METADATA, PRIMARY KEY, COMMENT, or the end of the column

CREATE TEMPORARY TABLE x WITH ('connector' = 'print') AS SELECT a FROM t;
--> line 1, column 24: CREATE TEMPORARY TABLE … AS is not part of Flink's SQL; say CREATE TABLE, or create the table first

CREATE TABLE x (b AS a + 1, a AS 2) WITH ('connector' = 'print') AS SELECT a FROM t;
--> line 1, column 29: the column `a` is calculated, and the query gives it, too

CREATE TABLE x (b, c) WITH ('connector' = 'print') AS SELECT a, b FROM t;
--> line 1, column 14: the query has no column `c`

CREATE TABLE x (a) WITH ('connector' = 'print') AS SELECT a, b FROM t;
--> line 1, column 14: expected each of the query's columns once: a, b

CREATE TABLE x WITH ('connector' = 'print') AS SELECT NULL AS a FROM t;
--> line 1, column 14: the column `a` of the query has no type; say CAST(NULL AS …)
