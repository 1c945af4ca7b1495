-- With a view, and the number's column named.
CREATE VIEW numbered (auction, bidder, price, channel, url, bid_time, extra, place) AS
SELECT auction, bidder, price, channel, url, `dateTime`, extra,
  ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC)
FROM bid;

SELECT auction, bidder, price, channel, url, bid_time, extra, place FROM numbered WHERE 10 >= place;
