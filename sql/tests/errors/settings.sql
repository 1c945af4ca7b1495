SET 'paralelism.default' = '3';
--> line 1, column 1: unknown option `paralelism.default`; did you mean `parallelism.default`?

SET 'parallelism.default' = 'many';
--> line 1, column 1: option `parallelism.default`: expected a whole number of at least 1, found `many`

SET 'parallelism.default' = '0';
--> line 1, column 1: option `parallelism.default`: expected a whole number of at least 1, found `0`

SET 'no.such.thing' = '1';
--> line 1, column 1: unknown option `no.such.thing`

SET 'table.local-time-zone' = 'Europe/Oslo';
--> line 1, column 1: option `table.local-time-zone`: expected utc, found `Europe/Oslo`

SET 'table.exec.state.ttl' = 'soon';
--> line 1, column 1: option `table.exec.state.ttl`: expected a duration, such as `10 s`, found `soon`

SET 'sql-client.display.max-column-width' = 'wide';
--> line 1, column 1: option `sql-client.display.max-column-width`: expected a number, found `wide`

SET 'execution.runtime-mode' = 'batch';
--> line 1, column 1: option `execution.runtime-mode`: expected streaming, found `batch`

SET 'table.exec.resource.default-parallelism' = '0';
--> line 1, column 1: option `parallelism.default`: expected a whole number of at least 1, found `0`

SET 'parallelism.default' = '200';
INSERT INTO sink SELECT a, b FROM t;
--> line 2, column 1: `TableSourceScan(table=[t], fields=[a, b, ts]) -> WatermarkAssigner(rowtime=[ts], watermark=[ts - INTERVAL '1' SECOND]) -> Calc(select=[a, b]) -> Sink(table=[sink])` has parallelism 200: expected 1 to the max parallelism, 128

SET 'source.malformed-records' = 'dead-letter';
--> line 1, column 1: option `source.dead-letter.path` is not set: expected a folder, since `source.malformed-records` is `dead-letter`
