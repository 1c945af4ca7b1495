SELECT auction, bidder, price, channel, url, bid."dateTime", bid.extra,
  "itemName", description, "initialBid", reserve, auction."dateTime", expires, seller, category, auction.extra
FROM (SELECT * FROM auction WHERE category = 10) AS auction JOIN bid ON id = auction
