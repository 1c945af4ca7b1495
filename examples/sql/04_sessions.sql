-- What did each visitor do in one go?
--
-- A session is all that one visitor does without a pause of 10 minutes. SESSION finds them; PARTITION BY says whose they are. The input
-- is JSON with an object in an object, which is a ROW: `visitor.name` is a field of it.

CREATE TABLE visits (
    visitor ROW<id BIGINT, name STRING>,
    page STRING,
    seen_at TIMESTAMP(3),
    visitor_id AS visitor.id,
    visitor_name AS visitor.name,
    WATERMARK FOR seen_at AS seen_at - INTERVAL '5' MINUTE
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/visits.json',
    'format' = 'json'
);

CREATE TABLE sessions (
    visitor_name STRING,
    first_page_at TIMESTAMP(3),
    last_page_at TIMESTAMP(3),
    pages BIGINT,
    downloads BIGINT
) WITH (
    'connector' = 'print'
);

INSERT INTO sessions
SELECT
    visitor_name,
    MIN(seen_at),
    MAX(seen_at),
    COUNT(*),
    COUNT(*) FILTER (WHERE page = '/download')
FROM TABLE(SESSION(TABLE visits PARTITION BY (visitor_id, visitor_name), DESCRIPTOR(seen_at), INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, visitor_id, visitor_name;
