SELECT * FROM TABLE(TUMBEL(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
--> line 1, column 21: unknown table function TUMBEL: expected TUMBLE, HOP, CUMULATE or SESSION

SELECT * FROM TABLE(TUMBLE());
--> line 1, column 21: TUMBLE needs a table as its first argument: TABLE name

SELECT * FROM TABLE(TUMBLE(t, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
--> line 1, column 21: the first argument of TUMBLE is a table: expected TABLE name, found `t`

SELECT * FROM TABLE(TUMBLE(TABLE t));
--> line 1, column 21: TUMBLE needs DESCRIPTOR(time column) as its second argument

SELECT * FROM TABLE(TUMBLE(TABLE t, ts, INTERVAL '1' MINUTE));
--> line 1, column 21: TUMBLE needs its time column as DESCRIPTOR(column): found `ts`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(nothing), INTERVAL '1' MINUTE));
--> line 1, column 48: unknown column `nothing`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts, pt), INTERVAL '1' MINUTE));
--> line 1, column 21: TUMBLE needs its time column as DESCRIPTOR(column): found `DESCRIPTOR(ts, pt)`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts)));
--> line 1, column 21: TUMBLE needs the windows' size

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), 5));
--> line 1, column 21: the size of TUMBLE is a constant INTERVAL of days to milliseconds: found `5`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MONTH));
--> line 1, column 21: the size of TUMBLE is a constant INTERVAL of days to milliseconds: found `INTERVAL '1' MONTH`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '0' MINUTE));
--> line 1, column 21: the size of TUMBLE must be greater than 0: found 0 ms

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '1' SECOND, 3));
--> line 1, column 21: TUMBLE takes no further argument: found `3`

SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), *));
--> line 1, column 21: TUMBLE does not take `*` as an argument

SELECT * FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '7' SECOND, INTERVAL '1' MINUTE));
--> line 1, column 21: the size of HOP must be a multiple of its slide: found 60000 ms and 7000 ms

SELECT * FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '7' SECOND, INTERVAL '1' MINUTE));
--> line 1, column 21: the size of CUMULATE must be a multiple of its step: found 60000 ms and 7000 ms

SELECT * FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE));
--> line 1, column 1: SESSION needs an aggregation by window_start and window_end right behind it

SELECT b, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY b, window_start, window_end;
--> line 1, column 1: sessions are divided by [a]: the aggregation has other keys; expected GROUP BY of the columns behind PARTITION BY in SESSION, window_start and window_end

SELECT COUNT(DISTINCT a) FROM TABLE(SESSION(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
--> line 1, column 1: DISTINCT aggregates by SESSION are not supported; de-duplicate the rows first

SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE u, DESCRIPTOR(a), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
--> line 1, column 1: TUMBLE needs a time attribute: `a` is none here; declare WATERMARK FOR `a` AS … in its table, or a column AS PROCTIME()

SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE (SELECT a, MAX(ts) AS ts FROM t GROUP BY a), DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
--> line 1, column 1: TUMBLE takes rows that are not updated: its input is a changelog; window the rows before they are aggregated or joined

SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts);
--> line 1, column 1: TUMBLE needs the windows' size

SELECT COUNT(*) FROM t GROUP BY TUMBLE(INTERVAL '1' MINUTE, ts);
--> line 1, column 33: TUMBLE in GROUP BY takes a column and intervals; expected TUMBLE(time column, INTERVAL …)

SELECT COUNT(*) FROM t, w GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE);
--> line 1, column 36: TUMBLE in GROUP BY takes one table in FROM; put the join into a sub-query

SELECT COUNT(*) FROM t JOIN w ON t.a = w.a GROUP BY TUMBLE(t.ts, INTERVAL '1' MINUTE);
--> line 1, column 53: TUMBLE in GROUP BY takes a table without JOIN in FROM; put the join into a sub-query

SELECT TUMBLE_START(ts, INTERVAL '1' MINUTE) FROM t;
--> line 1, column 8: what is asked about a window needs GROUP BY TUMBLE(time column, INTERVAL …)

SELECT window_start FROM t;
--> line 1, column 8: unknown column `window_start`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`

SELECT HOP_END(ts, INTERVAL '1' MINUTE) FROM t;
--> line 1, column 8: what is asked about a window needs GROUP BY HOP(time column, INTERVAL …, INTERVAL …)

SELECT SESSION_START(ts, INTERVAL '1' MINUTE) FROM t;
--> line 1, column 8: what is asked about a window needs GROUP BY SESSION(time column, INTERVAL …)

SET 'table.exec.emit.early-fire.enabled' = 'true';
SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end;
--> line 2, column 1: `table.exec.emit.early-fire.enabled` needs `table.exec.emit.early-fire.delay`; say SET 'table.exec.emit.early-fire.delay' = '10 s'

SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '1 s';
SELECT a, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end;
--> line 3, column 1: SESSION does not fire early; RESET 'table.exec.emit.early-fire.enabled'

SET 'table.exec.late-rows.table' = 'sinks';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
--> line 2, column 1: `table.exec.late-rows.table`: table `sinks` does not exist; did you mean `sink`?

SET 'table.exec.late-rows.table' = 'v';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
--> line 2, column 1: `table.exec.late-rows.table`: `v` is a view: expected a table that can be written

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, b FROM t;
--> line 2, column 1: `table.exec.late-rows.table` is set, and no row of this job can be late for a window; aggregate by TUMBLE, HOP, CUMULATE or SESSION of a time with a watermark, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
--> line 2, column 1: `table.exec.late-rows.table` is set, and no row of this job can be late for a window; aggregate by TUMBLE, HOP, CUMULATE or SESSION of a time with a watermark, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
--> line 2, column 18: `sink` takes late rows and has the column `b`, which TUMBLE is not given; expected columns of (a, name, at)

CREATE TABLE late (a INT, name INT) WITH ('connector' = 'blackhole');
SET 'table.exec.late-rows.table' = 'late';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, a;
--> line 3, column 18: `late` takes late rows and its column `name` is INT: what TUMBLE is given has STRING

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE)) WHERE window_end > TIMESTAMP '2024-01-01 00:00:00' GROUP BY window_start, window_end, a;
--> line 2, column 18: the late rows of HOP cannot go to `sink`: between it and the aggregation there is a condition on the window; do that before the window, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end, ROLLUP (a);
--> line 2, column 18: the late rows of TUMBLE cannot go to `sink`: between it and the aggregation there is GROUPING SETS; do that before the window, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) CROSS JOIN UNNEST(tags) AS x (tag) GROUP BY window_start, window_end, a;
--> line 2, column 18: the late rows of TUMBLE cannot go to `sink`: between it and the aggregation there is UNNEST; do that before the window, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT x.a, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) AS x JOIN u FOR SYSTEM_TIME AS OF x.pt ON x.a = u.a GROUP BY window_start, window_end, x.a;
--> line 2, column 18: the late rows of TUMBLE cannot go to `sink`: between it and the aggregation there is a lookup join; do that before the window, or RESET 'table.exec.late-rows.table'

SET 'table.exec.late-rows.table' = 'sink';
INSERT INTO sink SELECT a, COUNT(*) FROM (SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) UNION ALL SELECT * FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))) GROUP BY window_start, window_end, a;
--> line 2, column 18: the late rows of TUMBLE cannot go to `sink`: between it and the aggregation there is UNION ALL; do that before the window, or RESET 'table.exec.late-rows.table'
