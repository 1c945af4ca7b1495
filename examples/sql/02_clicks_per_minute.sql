-- How many requests does a web server get per minute, and how many fail?
--
-- The log is in Apache's combined format. Regular expressions take each line apart, in computed columns. WATERMARK FOR makes logged_at
-- the event time: a minute is counted by the times in the log, and is over when a time has been read that is 30 s past its
-- end. So lines that are up to 30 s out of order are counted where they belong. Each minute gives one row, which is final.

CREATE TABLE log (
    line STRING,
    logged_at AS TO_TIMESTAMP(REGEXP_EXTRACT(line, '\[([^ \]]+)', 1), 'dd/MMM/yyyy:HH:mm:ss'),
    status AS CAST(REGEXP_EXTRACT(line, '" ([0-9]{3}) ', 1) AS INT),
    WATERMARK FOR logged_at AS logged_at - INTERVAL '30' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/access.log',
    'format' = 'raw'
);

CREATE TABLE clicks_per_minute (
    from_time TIMESTAMP(3),
    requests BIGINT,
    failed BIGINT
) WITH (
    'connector' = 'print'
);

INSERT INTO clicks_per_minute
SELECT window_start, COUNT(*), COUNT(*) FILTER (WHERE status >= 400)
FROM TABLE(TUMBLE(TABLE log, DESCRIPTOR(logged_at), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end;
