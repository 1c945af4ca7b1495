-- Which three pages were asked for most in each hour?
--
-- Two steps: the inner query counts by hour and page, ROW_NUMBER ranks the pages of each hour. Since it ranks by window, all rows of an hour are
-- there before its first three are known: nothing is updated. Views keep queries apart; they may be used like tables.

CREATE TABLE log (
    line STRING,
    logged_at AS TO_TIMESTAMP(REGEXP_EXTRACT(line, '\[([^ \]]+)', 1), 'dd/MMM/yyyy:HH:mm:ss'),
    page AS REGEXP_EXTRACT(line, '"GET ([^ ]+) ', 1),
    WATERMARK FOR logged_at AS logged_at - INTERVAL '30' SECOND
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/access.log',
    'format' = 'raw'
);

CREATE TABLE top_pages (
    hour_start TIMESTAMP(3),
    place BIGINT,
    page STRING,
    requests BIGINT
) WITH (
    'connector' = 'print'
);

CREATE VIEW pages_per_hour AS
SELECT window_start, window_end, page, COUNT(*) AS requests
FROM TABLE(TUMBLE(TABLE log, DESCRIPTOR(logged_at), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, page;

INSERT INTO top_pages
SELECT window_start, place, page, requests
FROM (
    SELECT *,
        ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY requests DESC, page) AS place
    FROM pages_per_hour
)
WHERE place <= 3;
