SELECT substr(CAST("dateTime" AS VARCHAR), 1, 10),
  count(*),
  sum(CASE WHEN price < 10000 THEN 1 ELSE 0 END),
  sum(CASE WHEN price >= 10000 AND price < 1000000 THEN 1 ELSE 0 END),
  sum(CASE WHEN price >= 1000000 THEN 1 ELSE 0 END)
  , count(DISTINCT bidder)
  , count(DISTINCT CASE WHEN price < 10000 THEN bidder END)
  , count(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN bidder END)
  , count(DISTINCT CASE WHEN price >= 1000000 THEN bidder END)
  , count(DISTINCT auction)
  , count(DISTINCT CASE WHEN price < 10000 THEN auction END)
  , count(DISTINCT CASE WHEN price >= 10000 AND price < 1000000 THEN auction END)
  , count(DISTINCT CASE WHEN price >= 1000000 THEN auction END)
FROM bid GROUP BY 1
