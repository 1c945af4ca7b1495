-- Which payments are unlike those that the same card made just before?
--
-- OVER gives each row an aggregate over rows before it: here, over the last 30 minutes of the same card, the row itself included. Rows are taken
-- by event time, however they come. An alert: a payment of more than 100 that is most of what the card paid in these 30 minutes.

CREATE TABLE payments (
    id BIGINT,
    card BIGINT,
    amount DECIMAL(10, 2),
    paid_at TIMESTAMP(3),
    WATERMARK FOR paid_at AS paid_at - INTERVAL '10' MINUTE
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/payments.csv',
    'format' = 'csv'
);

CREATE TABLE alerts (
    payment BIGINT,
    card BIGINT,
    amount DECIMAL(10, 2),
    paid_lately DECIMAL(38, 2),
    payments_lately BIGINT
) WITH (
    'connector' = 'print'
);

INSERT INTO alerts
SELECT id, card, amount, paid_lately, payments_lately
FROM (
    SELECT
        id,
        card,
        amount,
        SUM(amount) OVER lately AS paid_lately,
        COUNT(*) OVER lately AS payments_lately
    FROM payments
    WINDOW lately AS (
        PARTITION BY card
        ORDER BY paid_at
        RANGE BETWEEN INTERVAL '30' MINUTE PRECEDING AND CURRENT ROW
    )
)
WHERE amount > 100 AND amount * 2 > paid_lately AND payments_lately > 1;
