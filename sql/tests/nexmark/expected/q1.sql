SELECT auction, bidder, CAST(price * 908 AS DECIMAL(23, 0)) / CAST(1000 AS DECIMAL(4, 0)), "dateTime", extra FROM bid
