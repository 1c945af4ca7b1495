-- How many customers have ordered once, twice, three times?
--
-- An aggregation of an aggregation. When a customer orders again, the inner one updates their count, and the outer one has to take them out of
-- one group and put them into the next: updates are rows that go and rows that come, and every operator understands both. EXPLAIN shows which
-- operators update: changelogMode=[I] gives new rows only, [I,UB,UA,D] also updates and deletes.

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

CREATE TABLE customers_by_orders (
    orders BIGINT,
    customers BIGINT,
    most_spent DECIMAL(38, 2),
    PRIMARY KEY (orders) NOT ENFORCED
) WITH (
    'connector' = 'print'
);

INSERT INTO customers_by_orders
SELECT orders, COUNT(*), MAX(spent)
FROM (
    SELECT customer, COUNT(*) AS orders, SUM(price) AS spent
    FROM orders
    GROUP BY customer
)
GROUP BY orders;
