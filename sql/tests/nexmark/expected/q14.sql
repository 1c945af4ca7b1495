SELECT auction, bidder, CAST(price * 908 AS DECIMAL(23, 0)) / CAST(1000 AS DECIMAL(4, 0)),
  CASE
    WHEN extract(hour FROM "dateTime") BETWEEN 8 AND 18 THEN 'dayTime'
    WHEN extract(hour FROM "dateTime") = 7 OR extract(hour FROM "dateTime") = 19 THEN 'otherTime'
    ELSE 'nightTime'
  END,
  "dateTime", extra, length(extra) - length(replace(extra, 'c', ''))
FROM bid
WHERE price * 908 > 1000000000 AND price * 908 < 50000000000
