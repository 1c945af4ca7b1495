SELECT auction, bidder, price, "dateTime", extra,
  substr(CAST("dateTime" AS VARCHAR), 1, 10), substr(CAST("dateTime" AS VARCHAR), 12, 5)
FROM bid
