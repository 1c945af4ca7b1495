-- How much has been sold today, so far?
--
-- CUMULATE makes windows that begin together and end one step after the other: every two hours there is a result since midnight. The last one
-- before midnight is the day's. Each is final, unlike those of GROUP BY a day without a window.

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

CREATE TABLE sold_so_far (
    until_time TIMESTAMP(3),
    orders BIGINT,
    customers BIGINT,
    revenue DECIMAL(38, 2)
) WITH (
    'connector' = 'print'
);

INSERT INTO sold_so_far
SELECT window_end, COUNT(*), COUNT(DISTINCT customer), SUM(price)
FROM TABLE(CUMULATE(TABLE orders, DESCRIPTOR(ordered_at), INTERVAL '2' HOUR, INTERVAL '1' DAY))
GROUP BY window_start, window_end;
