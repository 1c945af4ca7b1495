use anyhow::Result;
use proptest::{collection::vec, option, prelude::*};

use super::{check, check_refused};

const VIEWS: &str = "
    CREATE VIEW l AS SELECT * FROM (VALUES (1), (2), (CAST(NULL AS INT))) AS v (x);
    CREATE VIEW some AS SELECT * FROM (VALUES (1, 1), (3, 2)) AS v (y, k);
    CREATE VIEW nulls AS SELECT * FROM (VALUES (1, 1), (CAST(NULL AS INT), 2)) AS v (y, k);
    ";

#[test]
fn nulls_are_neither_in_nor_not_in() -> Result<()> {
    check(
        VIEWS,
        &[
            // NULL NOT IN (1, 3) is unknown.
            ("SELECT x FROM l WHERE x NOT IN (SELECT y FROM some)", "2;"),
            // 2 NOT IN (1, NULL) is unknown.
            ("SELECT x FROM l WHERE x NOT IN (SELECT y FROM nulls)", ""),
            // Nothing is in what is empty, not even NULL.
            ("SELECT x FROM l WHERE x NOT IN (SELECT y FROM nulls WHERE y > 7)", "1; 2; null;"),
            ("SELECT x FROM l WHERE x NOT IN (SELECT y FROM nulls WHERE y IS NOT NULL)", "2;"),
            ("SELECT x FROM l WHERE x + 1 NOT IN (SELECT y + 1 FROM some WHERE k = 1)", "2;"),
            // The NULL goes when its key gets a value.
            (
                "SELECT x FROM l WHERE x NOT IN (SELECT MAX(y) FROM (SELECT y, 1 AS k FROM nulls UNION ALL SELECT y, k FROM nulls) GROUP BY k)",
                "",
            ),
            (
                "SELECT x FROM l WHERE x NOT IN (SELECT MAX(y) FROM (SELECT y, 1 AS k FROM nulls) GROUP BY k)",
                "2;",
            ),
            (
                "SELECT COUNT(*) FROM l WHERE x NOT IN (SELECT y FROM some) AND x NOT IN (SELECT k + 5 FROM some)",
                "1;",
            ),
            ("SELECT x FROM l WHERE NOT (x IN (SELECT y FROM some))", "2;"),
            ("SELECT x FROM l WHERE NOT EXISTS (SELECT * FROM nulls WHERE y = x)", "2; null;"),
        ],
    )?;
    check_refused(
        VIEWS,
        &[(
            "SELECT x FROM l WHERE x NOT IN (SELECT y FROM nulls WHERE k = x)",
            "NOT IN with a sub-query that may give NULL and asks for columns of the outer query",
        )],
    )
}

/// `x NOT IN (of)`, of three values.
fn is_not_in(x: Option<i32>, of: &[Option<i32>]) -> Option<bool> {
    if of.is_empty() {
        return Some(true);
    }
    let x = x?;
    if of.contains(&Some(x)) {
        return Some(false);
    }
    if of.contains(&None) { None } else { Some(true) }
}

fn view(name: &str, column: &str, values: &[Option<i32>]) -> String {
    let value = |value: &Option<i32>| value.map_or("NULL".to_owned(), |value| value.to_string());
    // The first row gives the column its type, and is left out.
    let rows: String = values.iter().map(|given| format!(", ({})", value(given))).collect();
    format!(
        "CREATE VIEW {name} AS SELECT {column} FROM (VALUES (CAST(99 AS INT)){rows}) AS v ({column}) \
         WHERE {column} IS NULL OR {column} <> 99;"
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn not_in_is_what_three_valued_logic_says(
        left in vec(option::weighted(0.8, 0i32..4), 0..5), right in vec(option::weighted(0.8, 0i32..4), 0..4),
    ) {
        let before = view("a", "x", &left) + &view("b", "y", &right);
        let mut expected: Vec<String> = left
            .iter()
            .filter(|x| is_not_in(**x, &right) == Some(true))
            .map(|x| x.map_or("null;".to_owned(), |x| format!("{x};")))
            .collect();
        expected.sort();
        let checked = check(&before, &[("SELECT x FROM a WHERE x NOT IN (SELECT y FROM b)", &expected.join(" "))]);
        prop_assert!(checked.is_ok(), "{:?} {:?}: {:#}", left, right, checked.unwrap_err());
    }
}
