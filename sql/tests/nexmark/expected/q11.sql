WITH times AS (
  SELECT bidder, seq, CAST("dateTime" AS BIGINT) AS t,
    lag(CAST("dateTime" AS BIGINT)) OVER (PARTITION BY bidder ORDER BY "dateTime", seq) AS before
  FROM bid
), numbered AS (
  SELECT bidder, t,
    sum(CASE WHEN before IS NULL OR t - before > 10000 THEN 1 ELSE 0 END)
      OVER (PARTITION BY bidder ORDER BY t, seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS number
  FROM times
)
SELECT bidder, count(*), CAST(min(t) AS TIMESTAMP(3)), CAST(max(t) + 10000 AS TIMESTAMP(3))
FROM numbered GROUP BY bidder, number
