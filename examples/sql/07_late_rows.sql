-- What becomes of rows that come too late?
--
-- 20,000 rows, one for each second since 1970; but number 15,000 says that it happened 10,000 seconds earlier. The watermark stays a minute
-- behind the latest time, so by then hours 0 to 2 are long over and their counts are given out. The row is late: it does not
-- count, but for the job's late records. So hour 1 has its 3,600 rows and not one more, and hour 4 lacks the row.
--
-- It is not lost: `table.exec.late-rows.table` names a table that gets the whole row. Flink ignores this option, and drops the row.
--
-- How late a row may be is the watermark's to say: with `happened_at - INTERVAL '3' HOUR` it would be counted, and each result come 3 hours later.

CREATE TABLE events (
    id BIGINT,
    happened_at AS TO_TIMESTAMP_LTZ(CASE WHEN id = 15000 THEN id - 10000 ELSE id END * 1000, 3),
    WATERMARK FOR happened_at AS happened_at - INTERVAL '1' MINUTE
) WITH (
    'connector' = 'datagen',
    'rows-per-second' = '10000',
    'fields.id.kind' = 'sequence',
    'fields.id.start' = '1',
    'fields.id.end' = '20000'
);

CREATE TABLE events_per_hour (
    from_hour TIMESTAMP(3),
    events BIGINT
) WITH (
    'connector' = 'print'
);

CREATE TABLE late_events (
    id BIGINT,
    happened_at TIMESTAMP_LTZ(3)
) WITH (
    'connector' = 'print',
    'print-identifier' = 'late'
);

SET 'table.exec.late-rows.table' = 'late_events';

INSERT INTO events_per_hour
SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened_at), INTERVAL '1' HOUR))
GROUP BY window_start, window_end;
