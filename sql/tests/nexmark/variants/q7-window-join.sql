-- As a join of windows: only the bids of the window itself, of which no price may be that of the one before.
WITH bids AS (
  SELECT * FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
), highest AS (
  SELECT window_start, window_end, MAX(price) AS price FROM bids GROUP BY window_start, window_end
)
SELECT bids.auction, bids.bidder, bids.price, bids.`dateTime`, bids.extra
FROM bids JOIN highest
ON bids.window_start = highest.window_start AND bids.window_end = highest.window_end AND bids.price = highest.price;
