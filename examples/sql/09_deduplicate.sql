-- How to drop rows that were sent more than once?
--
-- Sensors send again what was not acknowledged. ROW_NUMBER by event time, of which the first is kept, is the pattern for it: it is planned
-- as a de-duplication that keeps no more than one row per id. State would be kept for ever; with the TTL it goes when an id was not seen for a day.

SET 'table.exec.state.ttl' = '1 d';

CREATE TABLE readings (
    id STRING,
    room STRING,
    celsius DOUBLE,
    taken_at TIMESTAMP(3),
    WATERMARK FOR taken_at AS taken_at - INTERVAL '10' MINUTE
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/readings.csv',
    'format' = 'csv'
);

CREATE TABLE unique_readings (
    id STRING,
    room STRING,
    celsius DOUBLE,
    taken_at TIMESTAMP(3)
) WITH (
    'connector' = 'print'
);

INSERT INTO unique_readings
SELECT id, room, celsius, taken_at
FROM (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY taken_at) AS copy
    FROM readings
)
WHERE copy = 1;
