-- With the legacy windows.
SELECT P.id, P.name, P.starttime
FROM (
  SELECT id, name, TUMBLE_START(`dateTime`, INTERVAL '10' SECOND) AS starttime
  FROM person GROUP BY id, name, TUMBLE(`dateTime`, INTERVAL '10' SECOND)
) P
JOIN (
  SELECT seller, TUMBLE_START(`dateTime`, INTERVAL '10' SECOND) AS starttime
  FROM auction GROUP BY seller, TUMBLE(`dateTime`, INTERVAL '10' SECOND)
) A
ON P.id = A.seller AND P.starttime = A.starttime;
