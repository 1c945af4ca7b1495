-- With common table expressions, DISTINCT, and the windows compared in WHERE.
WITH P AS (
  SELECT DISTINCT id, name, window_start, window_end
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
), A AS (
  SELECT DISTINCT seller, window_start, window_end
  FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
)
SELECT P.id, P.name, P.window_start
FROM P, A
WHERE P.id = A.seller AND P.window_start = A.window_start AND P.window_end = A.window_end;
