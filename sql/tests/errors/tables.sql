CREATE TABLE t (
    a INT, b BIGINT, s STRING, tags ARRAY<STRING>, ts TIMESTAMP(3), pt AS PROCTIME(),
    WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'datagen');
CREATE TABLE w (a INT, name STRING, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen');
CREATE TABLE u (a INT, b BIGINT) WITH ('connector' = 'filesystem', 'path' = 'u', 'format' = 'csv');
CREATE TABLE sink (a INT, b BIGINT) WITH ('connector' = 'blackhole');
CREATE TABLE strict (a INT NOT NULL, b BIGINT NOT NULL) WITH ('connector' = 'blackhole');
CREATE VIEW v AS SELECT a, COUNT(*) AS n FROM t GROUP BY a;
