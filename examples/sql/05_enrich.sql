-- Who are the customers, and where do they live?
--
-- A lookup join: for each order, its customer's row in another table, as it is when the order is processed. It keeps no orders, and it
-- updates nothing. LEFT keeps orders whose customer is unknown. Tables that come to an end can be looked up here; Apache Flink looks up in
-- databases such as `jdbc` or `hbase`, so there the WITH clause of `customers` has to name one.

CREATE TABLE orders (
    id BIGINT,
    customer STRING,
    product STRING,
    price DECIMAL(10, 2),
    ordered_at TIMESTAMP(3),
    processed_at AS PROCTIME()
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/orders.csv',
    'format' = 'csv'
);

CREATE TABLE customers (
    name STRING,
    city STRING,
    tier STRING
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/customers.csv',
    'format' = 'csv'
);

CREATE TABLE enriched (
    id BIGINT,
    product STRING,
    city STRING,
    to_pay DECIMAL(10, 2)
) WITH (
    'connector' = 'print'
);

-- Who has gold pays 10 % less.
INSERT INTO enriched
SELECT
    o.id,
    o.product,
    COALESCE(c.city, 'unknown'),
    CASE WHEN c.tier = 'gold' THEN CAST(o.price * 0.9 AS DECIMAL(10, 2)) ELSE o.price END
FROM orders AS o
LEFT JOIN customers FOR SYSTEM_TIME AS OF o.processed_at AS c
    ON o.customer = c.name;
