-- How often does each word come?
--
-- The format `raw` makes one column of each line: here, a word. GROUP BY without a window never has a last result: each word that comes
-- updates its count. `print` shows these changes: +I a new row, -U and +U a row before and after its update. What counts in the end
-- are the last values. Changes within one batch of rows are told as one, so with as few words as here there may be no update to see.

CREATE TABLE words (
    word STRING
) WITH (
    'connector' = 'filesystem',
    'path' = 'examples/sql/data/words.txt',
    'format' = 'raw'
);

CREATE TABLE counts (
    word STRING,
    times BIGINT,
    PRIMARY KEY (word) NOT ENFORCED
) WITH (
    'connector' = 'print'
);

INSERT INTO counts
SELECT word, COUNT(*)
FROM words
WHERE CHAR_LENGTH(word) > 1
GROUP BY word;
