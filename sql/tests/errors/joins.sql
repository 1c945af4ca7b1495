SELECT t.a FROM t JOIN u FOR SYSTEM_TIME AS OF t.ts AS c ON t.a = c.a;
--> line 1, column 1: FOR SYSTEM_TIME AS OF takes a processing time of the stream: `t.ts` is none, and tables do not keep versions; expected a column that is declared AS PROCTIME()

SELECT t.a FROM t JOIN u FOR SYSTEM_TIME AS OF t.nothing AS c ON t.a = c.a;
--> line 1, column 1: FOR SYSTEM_TIME AS OF takes a processing time of the stream: `t.nothing` is none, and tables do not keep versions; expected a column that is declared AS PROCTIME()

SELECT t.a FROM t JOIN u FOR SYSTEM_TIME AS OF t.pt AS c ON t.b > c.b;
--> line 1, column 1: a lookup join needs a condition that a column of the table equals one of the stream

SELECT t.a FROM t JOIN u FOR SYSTEM_TIME AS OF t.pt AS c ON t.a = c.a + 1;
--> line 1, column 1: the lookup by `c.a + 1`, which is no column, is not supported in a streaming query

SELECT t.a FROM t RIGHT JOIN u FOR SYSTEM_TIME AS OF t.pt AS c ON t.a = c.a;
--> line 1, column 1: a lookup join of type RIGHT is not supported in a streaming query

SELECT t.a FROM t JOIN w FOR SYSTEM_TIME AS OF t.pt AS c ON t.a = c.a;
--> line 1, column 1: `w` cannot be looked up: it never ends; expected a bounded table, such as a file

SELECT t.a FROM t JOIN v FOR SYSTEM_TIME AS OF t.pt AS c ON t.a = c.a;
--> line 1, column 1: FOR SYSTEM_TIME AS OF is for the right side of a join; expected: FROM stream JOIN table FOR SYSTEM_TIME AS OF stream.proctime ON …

SELECT * FROM u FOR SYSTEM_TIME AS OF PROCTIME();
--> line 1, column 1: FOR SYSTEM_TIME AS OF is for the right side of a join; expected: FROM stream JOIN table FOR SYSTEM_TIME AS OF stream.proctime ON …

SELECT l.a FROM
  (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end) AS l
  JOIN (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(at), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end) AS r
  ON l.a = r.a AND l.window_end = r.window_end;
--> line 1, column 1: a window join needs both window_start and window_end to be equal on both sides

SELECT l.a FROM
  (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end) AS l
  JOIN (SELECT a, window_start, window_end FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(pt), INTERVAL '1' MINUTE)) GROUP BY a, window_start, window_end) AS r
  ON l.a = r.a AND l.window_start = r.window_start AND l.window_end = r.window_end;
--> line 1, column 1: a window join in processing time is not supported in a streaming query

SELECT t.a FROM t JOIN u ON nothing = u.a;
--> line 1, column 29: unknown column `nothing`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`, `u.a`, `u.b`

SELECT t.a FROM t NATURAL JOIN nothing;
--> line 1, column 32: table `nothing` does not exist

SELECT t.a FROM t JOIN u USING (nothing);
--> line 1, column 1: unknown column `nothing`; expected one of `t.a`, `t.b`, `t.s`, `t.tags`, `t.ts`, `t.pt`
