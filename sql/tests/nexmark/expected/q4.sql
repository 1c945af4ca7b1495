WITH winning AS (
  SELECT id, category, max(price) AS price
  FROM auction JOIN bid ON id = auction
  WHERE bid."dateTime" >= auction."dateTime" AND bid."dateTime" <= expires
  GROUP BY id, category
)
SELECT category, sum(price) / count(*) FROM winning GROUP BY category
