use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{super::parse_script, one, refused};

#[test]
fn what_nests_or_repeats_without_end_is_refused_in_time() {
    let nested = |open: &str, close: &str, n: usize| format!("SELECT {}1{}", open.repeat(n), close.repeat(n));
    let begin = Instant::now();
    for text in [
        nested("(", ")", 100_000),
        nested("CAST(", "", 3_000),
        nested("f(", "", 3_000),
        nested("NOT(", "", 3_000),
        nested("SUBSTRING(", "", 3_000),
        nested("CASE WHEN ", "", 3_000),
        nested("- ", "", 100_000),
        nested("ARRAY[", "", 3_000),
        nested("1 + ", "", 100_000),
        nested("1 IS NULL OR ", "", 100_000),
        format!("SELECT 1 {}", "IS NULL ".repeat(100_000)),
        format!("SELECT x {}", "IS JSON ".repeat(10_000)),
        format!("SELECT 1 {}", "UNION SELECT 1 ".repeat(100_000)),
        format!("SELECT * FROM {}", "(".repeat(100_000)),
        format!("SELECT * FROM {}", "((SELECT * FROM ".repeat(1_000)),
        format!("SELECT * FROM {}", "(SELECT * FROM ((a), ".repeat(1_000)),
        format!("SELECT {}", "(SELECT ((".repeat(1_000)),
        format!("CREATE TABLE t (a {})", "ROW<a ".repeat(100_000)),
        format!("EXPLAIN {}", "EXPLAIN ".repeat(100_000)),
    ] {
        refused(&text);
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
}

#[test]
fn long_but_flat_statements_are_read() {
    one(&format!("SELECT {}1", "1, ".repeat(20_000)));
    one(&format!("SELECT {}1", "a + ".repeat(900)));
    one(&format!("SELECT x IN ({}1)", "1, ".repeat(20_000)));
    one(&format!("SELECT 1 {}", "UNION ALL SELECT 1 ".repeat(400)));
    one(&format!("SELECT {}1{}", "(".repeat(50), ")".repeat(50)));
    one(&format!("INSERT INTO t VALUES {}(1, 'a')", "(1, 'a'), ".repeat(20_000)));
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP BY",
    "ORDER BY",
    "LIMIT",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "AS",
    "WITH",
    "UNION ALL",
    "VALUES",
    "INSERT INTO",
    "CREATE TABLE",
    "CREATE VIEW",
    "PRIMARY KEY",
    "NOT ENFORCED",
    "WATERMARK FOR",
    "METADATA",
    "LIKE",
    "PARTITIONED BY",
    "EXECUTE STATEMENT SET BEGIN",
    "END",
    "SET",
    "EXPLAIN",
    "TABLE",
    "TUMBLE",
    "DESCRIPTOR",
    "INTERVAL",
    "DAY",
    "TO",
    "CAST",
    "TRY_CAST",
    "ROW",
    "ARRAY",
    "MAP",
    "INT",
    "STRING",
    "DECIMAL(3, 1)",
    "TIMESTAMP(3)",
    "NULL",
    "NOT",
    "AND",
    "OR",
    "IS",
    "JSON",
    "JSON_VALUE",
    "JSON_OBJECT",
    "KEY",
    "VALUE",
    "BETWEEN",
    "SYMMETRIC",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "EXISTS",
    "IN",
    "OVER",
    "PARTITION BY",
    "FILTER",
    "SUBSTRING",
    "TRIM",
    "EXTRACT",
    "FLOOR",
    "LATERAL",
    "UNNEST",
    "MATCH_RECOGNIZE",
    "a",
    "b",
    "t",
    "`x y`",
    "'s'",
    "'1'",
    "1",
    "2.5",
    "1e3",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "<",
    ">",
    ">>",
    "<>",
    ",",
    ",",
    ";",
    ".",
    "*",
    "=",
    "=>",
    "+",
    "-",
    "/*+ OPTIONS('a'='b') */",
    "-- c\n",
    "/* c */",
    "\"",
    "'",
    "`",
    "::",
    "?",
    "é",
    "\n",
    "#",
    "@",
    "$",
    "\\",
];

const SCRIPT: &str = "CREATE TABLE t (a INT NOT NULL, b ROW<c STRING, d ARRAY<INT>>, e AS PROCTIME(), ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND, PRIMARY KEY (a) NOT ENFORCED) WITH ('connector' = 'datagen');
INSERT INTO s SELECT a, COUNT(*) FILTER (WHERE b.c IS NOT NULL), JSON_VALUE(b.c, '$.x' RETURNING INT NULL ON EMPTY),
  CAST(b AS ROW<x STRING, y ARRAY<INT>>), CASE WHEN a > 1 THEN 'x' ELSE SUBSTRING(b.c FROM 1 FOR 2) END
FROM TABLE(TUMBLE(TABLE t /*+ OPTIONS('k'='v') */, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) w JOIN (SELECT * FROM u) ON w.a = u.a
WHERE a IN (SELECT x FROM v) AND a BETWEEN 1 AND 2 GROUP BY a, window_start HAVING COUNT(*) > 1 ORDER BY 1 LIMIT 3;";

fn survives(text: &str) {
    let begin = Instant::now();
    let _ = parse_script(text);
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}: {text}", begin.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_read_or_refused(words in prop::collection::vec(prop::sample::select(WORDS), 0..60)) {
        survives(&words.join(" "));
        survives(&format!("SELECT {}", words.join(" ")));
        survives(&format!("CREATE TABLE t (a INT, {}", words.join(" ")));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        survives(&text);
    }

    #[test]
    fn a_mutated_script_is_read_or_refused(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(WORDS)), 1..6),
    ) {
        let mut text: Vec<char> = SCRIPT.chars().collect();
        for (at, cut, word) in edits {
            let at = at.index(text.len());
            let end = (at + cut).min(text.len());
            text.splice(at..end, word.chars());
        }
        survives(&text.into_iter().collect::<String>());
    }
}
