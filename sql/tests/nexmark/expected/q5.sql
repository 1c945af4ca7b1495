WITH counts AS (
  SELECT auction, CAST("dateTime" AS BIGINT) / 2000 + k AS slice, count(*) AS num
  FROM bid CROSS JOIN (VALUES (1), (2), (3), (4), (5)) AS slices (k)
  GROUP BY 1, 2
)
SELECT auction, num FROM counts AS own
WHERE num = (SELECT max(num) FROM counts AS every WHERE every.slice = own.slice)
