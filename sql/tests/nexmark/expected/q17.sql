SELECT auction, substr(CAST("dateTime" AS VARCHAR), 1, 10),
  count(*),
  sum(CASE WHEN price < 10000 THEN 1 ELSE 0 END),
  sum(CASE WHEN price >= 10000 AND price < 1000000 THEN 1 ELSE 0 END),
  sum(CASE WHEN price >= 1000000 THEN 1 ELSE 0 END)
  , min(price), max(price), sum(price) / count(*), sum(price)
FROM bid GROUP BY 1, 2
