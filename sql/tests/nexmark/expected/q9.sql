WITH ranked AS (
  SELECT id, "itemName", description, "initialBid", reserve, auction."dateTime" AS begins, expires, seller, category,
    auction.extra AS auction_extra, auction, bidder, price, bid."dateTime" AS bid_time, bid.extra AS bid_extra,
    row_number() OVER (PARTITION BY id ORDER BY price DESC, bid."dateTime", bid.seq) AS place
  FROM auction JOIN bid ON id = auction
  WHERE bid."dateTime" BETWEEN auction."dateTime" AND expires
)
SELECT id, "itemName", description, "initialBid", reserve, begins, expires, seller, category, auction_extra,
  auction, bidder, price, bid_time, bid_extra
FROM ranked WHERE place = 1
