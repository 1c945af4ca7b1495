-- With the legacy windows, which are joined by their ends.
CREATE VIEW counts AS
SELECT auction, COUNT(*) AS num, HOP_START(`dateTime`, INTERVAL '2' SECOND, INTERVAL '10' SECOND) AS starts,
  HOP_END(`dateTime`, INTERVAL '2' SECOND, INTERVAL '10' SECOND) AS ends
FROM bid
GROUP BY HOP(`dateTime`, INTERVAL '2' SECOND, INTERVAL '10' SECOND), auction;

SELECT auction, num
FROM counts JOIN (SELECT ends AS e, MAX(num) AS most FROM counts GROUP BY ends) ON ends = e AND num >= most;
