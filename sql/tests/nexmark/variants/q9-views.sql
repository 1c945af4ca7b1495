-- In steps.
CREATE VIEW offers AS
SELECT A.id, A.itemName, A.description, A.initialBid, A.reserve, A.`dateTime`, A.expires, A.seller, A.category, A.extra,
  B.auction, B.bidder, B.price, B.`dateTime` AS bid_dateTime, B.extra AS bid_extra
FROM bid AS B JOIN auction AS A ON A.id = B.auction
WHERE B.`dateTime` >= A.`dateTime` AND B.`dateTime` <= A.expires;

WITH ranked AS (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id ORDER BY price DESC, bid_dateTime) AS place FROM offers
)
SELECT id, itemName, description, initialBid, reserve, `dateTime`, expires, seller, category, extra,
  auction, bidder, price, bid_dateTime, bid_extra
FROM ranked WHERE place = 1;
