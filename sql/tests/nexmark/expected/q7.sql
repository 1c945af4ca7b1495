WITH highest AS (
  SELECT CAST("dateTime" AS BIGINT) / 10000 AS slice, max(price) AS price FROM bid GROUP BY 1
)
SELECT auction, bidder, bid.price, "dateTime", extra
FROM bid JOIN highest ON bid.price = highest.price
WHERE CAST("dateTime" AS BIGINT) >= slice * 10000 AND CAST("dateTime" AS BIGINT) <= slice * 10000 + 10000
