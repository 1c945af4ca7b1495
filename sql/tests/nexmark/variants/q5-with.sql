-- With a common table expression, and the most as a sub-query's column.
WITH counts AS (
  SELECT auction, window_start, window_end, COUNT(1) AS num
  FROM TABLE(HOP(
    DATA => TABLE bid, TIMECOL => DESCRIPTOR(`dateTime`), SLIDE => INTERVAL '2' SECOND, SIZE => INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, auction
), most AS (
  SELECT window_start, window_end, MAX(num) AS maxn FROM counts GROUP BY window_start, window_end
)
SELECT c.auction, c.num
FROM counts AS c INNER JOIN most AS m ON c.window_end = m.window_end AND m.window_start = c.window_start
WHERE c.num = m.maxn;
