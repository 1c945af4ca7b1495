-- How to write one stream to two places?
--
-- A statement set makes one job of several INSERTs: `orders` is read once. Files take new rows only, and take them exactly once: a file
-- appears, as a whole, with the checkpoint that covers it. What `print` gets may be updated.

CREATE TABLE orders (
    id BIGINT,
    customer STRING,
    product STRING,
    price DECIMAL(10, 2),
    ordered_at TIMESTAMP(3)
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/orders.csv',
    'format' = 'csv'
);

CREATE TABLE large_orders (
    id BIGINT,
    customer STRING,
    price DECIMAL(10, 2),
    ordered_on DATE
) PARTITIONED BY (ordered_on) WITH (
    'connector' = 'filesystem',
    'path' = '/tmp/large_orders',
    'format' = 'json'
);

CREATE TABLE by_product (
    product STRING,
    orders BIGINT,
    cheapest DECIMAL(10, 2)
) WITH (
    'connector' = 'print'
);

EXECUTE STATEMENT SET
BEGIN
    INSERT INTO large_orders
    SELECT id, customer, price, CAST(ordered_at AS DATE)
    FROM orders
    WHERE price >= 100;

    INSERT INTO by_product
    SELECT product, COUNT(*), MIN(price)
    FROM orders
    GROUP BY product;
END;
