-- With a common table expression, other names, and less than two.
WITH ranked AS (
  SELECT b.*, ROW_NUMBER() OVER (PARTITION BY b.auction, b.bidder ORDER BY b.`dateTime` DESC) AS n FROM bid AS b
)
SELECT auction, bidder, price, channel, url, `dateTime`, extra FROM ranked WHERE n < 2;
