-- With the legacy windows, an interval written the other way round, and the tables in FROM.
SELECT B.auction, B.bidder, B.price, B.`dateTime`, B.extra
FROM (
  SELECT TUMBLE_END(`dateTime`, INTERVAL '10' SECOND) AS ends, MAX(price) AS highest
  FROM bid GROUP BY TUMBLE(`dateTime`, INTERVAL '10' SECOND)
) AS B1, bid AS B
WHERE B1.highest = B.price AND B.`dateTime` <= B1.ends AND B1.ends <= B.`dateTime` + INTERVAL '10' SECOND;
