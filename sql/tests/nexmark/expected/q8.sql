SELECT DISTINCT person.id, name, CAST(CAST(person."dateTime" AS BIGINT) / 10000 * 10000 AS TIMESTAMP(3))
FROM person JOIN auction ON person.id = seller
WHERE CAST(person."dateTime" AS BIGINT) / 10000 = CAST(auction."dateTime" AS BIGINT) / 10000
