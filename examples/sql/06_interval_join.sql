-- Which orders were shipped within four hours?
--
-- An interval join: rows of two streams meet if their event times are near each other. Once both watermarks are further on, rows are
-- forgotten: unlike a join without a bound in time, this one does not need ever more state.

CREATE TABLE orders (
    id BIGINT,
    customer STRING,
    product STRING,
    price DECIMAL(10, 2),
    ordered_at TIMESTAMP(3),
    WATERMARK FOR ordered_at AS ordered_at - INTERVAL '15' MINUTE
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/orders.csv',
    'format' = 'csv'
);

CREATE TABLE shipments (
    id BIGINT,
    order_id BIGINT,
    shipped_at TIMESTAMP(3),
    WATERMARK FOR shipped_at AS shipped_at - INTERVAL '3' HOUR
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/shipments.csv',
    'format' = 'csv'
);

CREATE TABLE shipped_soon (
    order_id BIGINT,
    customer STRING,
    minutes_taken INT
) WITH (
    'connector' = 'print'
);

INSERT INTO shipped_soon
SELECT o.id, o.customer, TIMESTAMPDIFF(MINUTE, o.ordered_at, s.shipped_at)
FROM orders AS o
JOIN shipments AS s
    ON o.id = s.order_id
    AND s.shipped_at BETWEEN o.ordered_at AND o.ordered_at + INTERVAL '4' HOUR;
