CREATE TABLE x (a INT) WITH ('path' = 'x');
SELECT * FROM x;
--> line 2, column 1: table `x`: no option `connector`: expected one of `blackhole`, `datagen`, `filesystem`, `nexmark`, `print`, `socket`

CREATE TABLE x (a INT) WITH ('connector' = 'kafka');
SELECT * FROM x;
--> line 2, column 1: table `x`: unknown connector `kafka`: expected one of `blackhole`, `datagen`, `filesystem`, `nexmark`, `print`, `socket`

CREATE TABLE x (a INT) WITH ('connector' = 'fliesystem');
SELECT * FROM x;
--> line 2, column 1: table `x`: unknown connector `fliesystem`: expected one of `blackhole`, `datagen`, `filesystem`, `nexmark`, `print`, `socket`; did you mean `filesystem`?

CREATE TABLE x (a INT) WITH ('connector' = 'print');
SELECT * FROM x;
--> line 2, column 1: table `x`: connector `print` can only be written to

CREATE TABLE x (a INT) WITH ('connector' = 'datagen');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`: connector `datagen` can only be read from

CREATE TABLE x (a INT) WITH ('connector' = 'print', 'password' = 'p');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `password`: unknown for connector `print`

CREATE TABLE x (a INT) WITH ('connector' = 'print', 'print-identifer' = 'p');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `print-identifer`: unknown for connector `print`; did you mean `print-identifier`?

CREATE TABLE x (a INT, k STRING METADATA) WITH ('connector' = 'datagen');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `k`: no metadata `k`: connector `datagen` has no metadata columns

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'rows-per-second' = 'many');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `rows-per-second`: expected a whole number of at least 1, found `many`

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'fields.a.kind' = 'other');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.kind`: expected `random` or `sequence`, found `other`

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'fields.b.kind' = 'random');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.b.kind`: unknown for connector `datagen`; did you mean `fields.a.kind`?

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'fields.a.kind' = 'sequence');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.start`: not set: connector `datagen` needs it

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'fields.a.kind' = 'sequence', 'fields.a.start' = '5', 'fields.a.end' = '3');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.end`: expected at least the start, 5, found `3`

CREATE TABLE x (a BIGINT) WITH ('connector' = 'datagen', 'fields.a.kind' = 'sequence', 'fields.a.start' = '-9223372036854775808', 'fields.a.end' = '9223372036854775807');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.end`: expected an end not as far from the start, found `9223372036854775807`

CREATE TABLE x (a BOOLEAN) WITH ('connector' = 'datagen', 'fields.a.kind' = 'sequence');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.kind`: expected `random` for the type BOOLEAN, found `sequence`

CREATE TABLE x (a INT) WITH ('connector' = 'datagen', 'fields.a.min' = '5', 'fields.a.max' = '3');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.max`: expected at least the minimum, 5, found `3`

CREATE TABLE x (a DOUBLE) WITH ('connector' = 'datagen', 'fields.a.min' = '5', 'fields.a.max' = '3');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.max`: expected at least the minimum, 5, found `3`

CREATE TABLE x (a INT NOT NULL) WITH ('connector' = 'datagen', 'fields.a.null-rate' = '0.5');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a.null-rate`: expected 0, since the column is NOT NULL, found `0.5`

CREATE TABLE x (a INTERVAL DAY TO SECOND) WITH ('connector' = 'datagen');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `fields.a`: connector `datagen` makes no values of the type INTERVAL DAY TO SECOND

CREATE TABLE x (a ARRAY<ARRAY<ARRAY<STRING>>>) WITH ('connector' = 'datagen', 'fields.a.length' = '1000', 'fields.a.element.length' = '1000', 'fields.a.element.element.length' = '1000');
SELECT * FROM x;
--> line 2, column 1: table `x`: a row may take 100000000000 bytes: expected at most 268435456: make lengths smaller

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `path`: not set: connector `filesystem` needs it

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `format`: not set: connector `filesystem` needs it

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = '', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `path`: expected a file or folder, found ``

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 's3://x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `path`: expected a file or folder of this machine, found `s3://x`: `s3` is not supported

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'orc');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `format`: expected `csv`, `json`, `debezium-json`, `raw` or `parquet`, found `orc`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'source.monitor-interval' = '0 s');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `source.monitor-interval`: expected a duration above 0, found `0 s`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'source.monitor-interval' = 'often');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `source.monitor-interval`: expected a duration such as `500 ms`, `10 s` or `5 min`, found `often`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'source.path.regex-pattern' = '(');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `source.path.regex-pattern`: expected a regular expression, found `(`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'auto-compaction' = 'true');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `auto-compaction`: `true` is not supported: files are not compacted

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'csv.quote-character' = '"', 'csv.disable-quote-character' = 'true');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `csv.quote-character`: expected it not to be set, since `csv.disable-quote-character` is `true`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'csv.field-delimiter' = 'ab');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `csv.field-delimiter`: expected one character, or one escaped as in `\t` or `\u0001`, found `ab`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'json.ignore-parse-errors' = 'true');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `json.ignore-parse-errors`: unknown for connector `filesystem`; did you mean `csv.ignore-parse-errors`?

CREATE TABLE x (a MAP<STRING, INT>) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`: column `a`: the format `csv` does not support MAP; use `json`

CREATE TABLE x (a ARRAY<ARRAY<INT>>) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`: column `a`: the format `csv` does not support ARRAY, ROW and MAP within an ARRAY or ROW; use `json`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json', 'json.ignore-parse-errors' = 'true', 'json.fail-on-missing-field' = 'true');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `json.fail-on-missing-field`: expected `false`, since `json.ignore-parse-errors` is `true`

CREATE TABLE x (a MAP<INT, INT>) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');
SELECT * FROM x;
--> line 2, column 1: table `x`: column `a`: the format `json` does not support a MAP whose keys are not of type STRING

CREATE TABLE x (a INT, b INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'raw');
SELECT * FROM x;
--> line 2, column 1: table `x`: the format `raw` only supports a single physical column, found 2

CREATE TABLE x (a DATE) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'raw');
SELECT * FROM x;
--> line 2, column 1: table `x`: column `a`: the format `raw` does not support DATE; expected STRING, BYTES, BOOLEAN, a whole number, FLOAT or DOUBLE

CREATE TABLE x (a INTERVAL DAY TO SECOND) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');
SELECT * FROM x;
--> line 2, column 1: table `x`: column `a`: expected a type that can be read from text, found INTERVAL DAY TO SECOND

CREATE TABLE x (a INT, b ARRAY<INT>) PARTITIONED BY (b) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `b`: expected a partition key of a type that a folder can be named by, found ARRAY<INT>

CREATE TABLE x (a INT, p STRING METADATA FROM 'file.paht') WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `p`: no metadata `file.paht`: expected one of `file.path`, `file.name`, `file.size`, `file.modification-time`; did you mean `file.path`?

CREATE TABLE x (a INT, p INT METADATA FROM 'file.path') WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `p`: expected metadata `file.path` to be of type STRING

CREATE TABLE x (a INT, p STRING METADATA FROM 'file.path') WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
INSERT INTO x SELECT 1, 'p';
--> line 2, column 13: table `x`: column `p`: metadata of files can only be read

CREATE TABLE x (a INT) PARTITIONED BY (a) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`: expected a column that is no partition key, found none

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'sink.partition-commit.policy.kind' = 'success-file');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `sink.partition-commit.policy.kind`: expected a table with PARTITIONED BY, found one without

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'sink.partition-commit.policy.kind' = 'metastore');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `sink.partition-commit.policy.kind`: expected `success-file`, others are not supported, found `metastore`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'sink.partition-commit.success-file.name' = 'done');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `sink.partition-commit.success-file.name`: expected a name that begins with `_` or `.`, so that it is not read as data, found `done`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'sink.partition-commit.trigger' = 'partition-time');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `sink.partition-commit.trigger`: `partition-time` is not supported: expected `process-time`

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'sink.partition-commit.delay' = '1 h');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `sink.partition-commit.delay`: not supported: a partition is committed with the checkpoint, without a delay

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'csv', 'partition.time-extractor.kind' = 'custom');
INSERT INTO x SELECT 1;
--> line 2, column 13: table `x`, option `partition.time-extractor.kind`: not supported: expected the trigger `process-time`, which needs none

CREATE TABLE x (a INT) WITH ('connector' = 'socket', 'port' = '9000', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `hostname`: not set: connector `socket` needs it

CREATE TABLE x (a INT) WITH ('connector' = 'socket', 'hostname' = 'localhost', 'port' = '70000', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `port`: expected a whole number from 1 to 65535, found `70000`

CREATE TABLE x (a INT) WITH ('connector' = 'socket', 'hostname' = 'localhost', 'port' = '9000', 'format' = 'parquet');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `format`: expected `csv`, `json` or `raw`, found `parquet`

CREATE TABLE x (a INT, b INT) PARTITIONED BY (b) WITH ('connector' = 'socket', 'hostname' = 'localhost', 'port' = '9000', 'format' = 'csv');
SELECT * FROM x;
--> line 2, column 1: table `x`: connector `socket` does not support PARTITIONED BY

CREATE TABLE x (a INT) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `a`: connector `nexmark` has no such column: expected `event_type`, `person`, `auction` or `bid`

CREATE TABLE x (bids ROW<auction BIGINT>) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bids`: connector `nexmark` has no such column: expected `event_type`, `person`, `auction` or `bid`; did you mean `bid`?

CREATE TABLE x (event_type BIGINT) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `event_type`: expected the type INT, found BIGINT

CREATE TABLE x (bid INT) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bid`: expected the type ROW<`auction` BIGINT, `bidder` BIGINT, `price` BIGINT, `channel` STRING, `url` STRING, `dateTime` TIMESTAMP(3), `extra` STRING> or a part of it, found INT

CREATE TABLE x (bid ROW<auction BIGINT> NOT NULL) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bid`: expected it without NOT NULL, as it is null for other events

CREATE TABLE x (bid ROW<auktion BIGINT>) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bid`: no field `auktion`: expected of auction, bidder, price, channel, url, dateTime, extra; did you mean `auction`?

CREATE TABLE x (bid ROW<auction INT>) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bid`, field `auction`: expected the type BIGINT, found INT

CREATE TABLE x (bid ROW<auction BIGINT NOT NULL>) WITH ('connector' = 'nexmark');
SELECT * FROM x;
--> line 2, column 1: table `x`, column `bid`, field `auction`: expected it without NOT NULL

CREATE TABLE x (bid ROW<auction BIGINT>) WITH ('connector' = 'nexmark', 'next-event.rate' = '5');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `next-event.rate`: expected the `first-event.rate`, 10000: a rate that changes is not supported, found `5`

CREATE TABLE x (bid ROW<auction BIGINT>) WITH ('connector' = 'nexmark', 'max-emit-speed' = 'true', 'rate.limited' = 'true');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `max-emit-speed`: expected `false` or nothing, since `rate.limited` is `true`, found `true`

CREATE TABLE x (bid ROW<auction BIGINT>) WITH ('connector' = 'nexmark', 'bid.avg-size' = '1 gb');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `bid.avg-size`: expected at most `16 kb`, found `1 gb`

CREATE TABLE x (bid ROW<auction BIGINT>) WITH ('connector' = 'nexmark', 'bid.proportion' = '0', 'person.proportion' = '0', 'auction.proportion' = '0');
SELECT * FROM x;
--> line 2, column 1: table `x`, option `bid.proportion`: expected one of the three proportions above 0

CREATE TABLE x (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'debezium-json');
SELECT * FROM x;
--> line 2, column 1: table `x`: the format `debezium-json` can be written, and not be read; read its objects as `json`, with columns `before`, `after` and `op`
