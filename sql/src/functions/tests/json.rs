use super::{check, check_columns, check_errors};

#[test]
fn functions_of_json_are_as_in_flink() {
    check(&[
        ("JSON_VALUE('{\"a\": true}', '$.a')", "true"),
        ("JSON_VALUE('{\"a\": {\"b\": [1, \"x\\ty\"]}}', 'lax $.a[''b''][1]')", "x\ty"),
        ("JSON_VALUE('{\"a\": 1.5e1}', '$.a' RETURNING DOUBLE)", "15.0"),
        ("JSON_VALUE('{\"a\": 7}', '$.a' RETURNING INTEGER) + 1", "8"),
        ("JSON_VALUE('{\"a.b\": 0.998}', '$.[''a.b'']')", "0.998"),
        ("JSON_VALUE('{\"a.b\": 0.998}', '$[''a.b'']')", "0.998"),
        ("JSON_VALUE('{\"a\": {}}', '$.a')", "NULL"),
        ("JSON_VALUE('{}', '$.a' DEFAULT 'none' ON EMPTY)", "none"),
        ("JSON_VALUE('{}', 'strict $.a' NULL ON EMPTY DEFAULT 'wrong' ON ERROR)", "wrong"),
        ("JSON_VALUE('{', '$.a' DEFAULT 'bad' ON ERROR)", "bad"),
        ("JSON_VALUE('{\"a\": null}', '$.a')", "NULL"),
        ("JSON_VALUE('{\"a\": 1, \"a\": 2}', '$.a')", "2"),
        ("JSON_QUERY('{ \"a\": { \"b\" : 1 } }', '$.a')", "{\"b\":1}"),
        ("JSON_QUERY('[1, 2]', '$')", "[1,2]"),
        ("JSON_QUERY('{\"a\":1}', '$.a')", "NULL"),
        ("JSON_QUERY('{\"a\":1}', '$.a' WITH WRAPPER)", "[1]"),
        ("JSON_QUERY('[1, 2]', '$' WITH CONDITIONAL WRAPPER)", "[1,2]"),
        ("JSON_QUERY('[1, 2]', '$' WITH UNCONDITIONAL WRAPPER)", "[[1,2]]"),
        ("JSON_QUERY('{\"a\":[{\"b\":1},{\"b\":\" x \"}]}', '$.a[*].b')", "[1,\" x \"]"),
        ("JSON_QUERY('{}', '$.x' EMPTY OBJECT ON EMPTY)", "{}"),
        ("JSON_QUERY('nope', '$.x' EMPTY ARRAY ON ERROR)", "[]"),
        ("JSON_EXISTS('{\"a\": true}', '$.a')", "true"),
        ("JSON_EXISTS('{\"a\": [{ \"b\": 1 }]}', '$.a[0].b')", "true"),
        ("JSON_EXISTS('{\"a\": true}', 'strict $.b' TRUE ON ERROR)", "true"),
        ("JSON_EXISTS('{\"a\": true}', '$.b')", "false"),
        ("'1' IS JSON", "true"),
        ("'[]' IS JSON SCALAR", "false"),
        ("'{}' IS NOT JSON OBJECT", "false"),
        ("'{' IS JSON", "false"),
        ("JSON_OBJECT('b' VALUE 1, KEY 'a' VALUE 'x\"')", "{\"a\":\"x\\\"\",\"b\":1}"),
        ("JSON_OBJECT('a' VALUE CAST(NULL AS STRING) ABSENT ON NULL)", "{}"),
        ("JSON_OBJECT('a' VALUE CAST(NULL AS STRING))", "{\"a\":null}"),
        ("JSON_OBJECT('a' VALUE JSON_ARRAY(1, TRUE, CAST(NULL AS INT)))", "{\"a\":[1,true]}"),
        ("JSON_ARRAY(CAST(NULL AS INT), 'x' NULL ON NULL)", "[null,\"x\"]"),
        ("JSON_STRING('a')", "\"a\""),
        ("JSON_STRING(ARRAY[1, 2])", "[1,2]"),
        ("JSON_STRING(TIMESTAMP '2020-01-01 00:00:00.1')", "\"2020-01-01 00:00:00.100\""),
    ]);
    check_columns(&[(
        "JSON_VALUE('{\"a\":[7,8]}', CONCAT('$.a[', CAST(ABS(n) AS STRING), ']'))",
        &["8", "NULL", "NULL", "8"],
    )]);
}

#[test]
fn a_wrong_json_path_is_refused() {
    check_errors(&[
        ("JSON_VALUE('{', '$.a' ERROR ON ERROR)", "JSON_VALUE found no JSON in `{`"),
        ("JSON_VALUE('{}', 'a')", "wrong JSON path `a`: expected `$` at its begin"),
        ("JSON_VALUE('{}', '$..a')", "wrong JSON path `$..a`: `..` is not supported"),
        ("JSON_VALUE('{}', '$[x]')", "wrong JSON path `$[x]`: expected an index or `*` in `[…]`"),
    ]);
}
