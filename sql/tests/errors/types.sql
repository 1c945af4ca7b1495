CREATE TABLE x (a FOO);
--> line 1, column 19: unknown type `FOO`

CREATE TABLE x (a STRNG);
--> line 1, column 19: unknown type `STRNG`; did you mean `STRING`?

CREATE TABLE x (a DECIMAL(39, 2));
--> line 1, column 26: expected a precision of 1 to 38 and a scale of 0 to the precision, found DECIMAL(39, 2)

CREATE TABLE x (a DECIMAL(5, 6));
--> line 1, column 26: expected a precision of 1 to 38 and a scale of 0 to the precision, found DECIMAL(5, 6)

CREATE TABLE x (a VARCHAR(0));
--> line 1, column 26: expected a length of 1 to 2147483647, found 0

CREATE TABLE x (a TIMESTAMP(10));
--> line 1, column 28: expected a precision of 0 to 9, found 10

CREATE TABLE x (a TIMESTAMP(3) WITH TIME ZONE);
--> line 1, column 19: the type TIMESTAMP WITH TIME ZONE is not supported: expected TIMESTAMP_LTZ

CREATE TABLE x (a MULTISET<INT>);
--> line 1, column 19: the type MULTISET is not supported

CREATE TABLE x (a INT MULTISET);
--> line 1, column 23: the type MULTISET is not supported

CREATE TABLE x (a RAW);
--> line 1, column 19: the type RAW is not supported

CREATE TABLE x (a ROW<b INT, b INT>);
--> line 1, column 30: the field `b` is there twice

CREATE TABLE x (a ARRAY<INT>>);
--> line 1, column 19: expected as many `<` as `>` in a type

CREATE TABLE x (a ARRAY INT);
--> line 1, column 25: expected <, found `INT`

CREATE TABLE x (a INTERVAL YEAR TO DAY);
--> line 1, column 33: an interval has units of YEAR TO MONTH or of DAY TO SECOND, not of both

CREATE TABLE x (a INTERVAL PARSEC);
--> line 1, column 28: expected a unit of time like MONTH or SECOND, found `PARSEC`

CREATE TABLE x (a 5);
--> line 1, column 19: expected a type, found `5`

CREATE TABLE x (a ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<ARRAY<INT);
--> line 1, column 211: expected a type that nests at most 32 deep

CREATE TABLE x (a INT ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY ARRAY);
--> line 1, column 209: expected a type that nests at most 32 deep

SELECT CAST(a AS FOO) FROM t;
--> line 1, column 18: unknown type `FOO`
