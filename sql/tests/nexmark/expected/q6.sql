WITH ranked AS (
  SELECT id, seller, price, bid."dateTime" AS bid_time,
    row_number() OVER (PARTITION BY id ORDER BY price DESC, bid."dateTime", bid.seq) AS place
  FROM auction JOIN bid ON id = auction
  WHERE bid."dateTime" BETWEEN auction."dateTime" AND expires
), sold AS (
  SELECT *, row_number() OVER (PARTITION BY seller ORDER BY bid_time, id) AS number FROM ranked WHERE place = 1
)
SELECT own.seller, sum(before.price) / count(*)
FROM sold AS own JOIN sold AS before
  ON own.seller = before.seller AND before.number BETWEEN own.number - 10 AND own.number
GROUP BY own.seller, own.number
