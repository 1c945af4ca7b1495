//! What a word may become: keywords, tables, columns, functions.

use headwater_sql::{
    parser::parse_script,
    session::{Outcome, Session},
};

use super::editor::Completion;

const KEYWORDS: &str = "ADD ALL ALTER AND ARRAY AS ASC BEGIN BETWEEN BIGINT BOOLEAN BY BYTES CASE CAST \
     CATALOG CLEAR COLUMNS CREATE CROSS CUBE CUMULATE CURRENT DATABASE DATE DAY DECIMAL DELETE DESC \
     DESCRIBE DESCRIPTOR DISTINCT DOUBLE DROP ELSE END ENFORCED EXCEPT EXECUTE EXISTS EXIT EXPLAIN FALSE \
     FILTER FLOAT FOR FROM FULL FUNCTION FUNCTIONS GROUP GROUPING HAVING HELP HOP HOUR IF IN INNER INSERT \
     INT INTERSECT INTERVAL INTO IS JOIN KEY LEFT LIKE LIMIT MAP METADATA MINUTE NOT NULL ON OR ORDER \
     ORDINALITY OVER PARTITION PRIMARY QUIT RESET RIGHT ROLLUP ROW SECOND SELECT SESSION SET SETS SHOW \
     STATEMENT STRING SYSTEM_TIME TABLE TABLES TEMPORARY TIMESTAMP TUMBLE UNION UNNEST VALUES VIEW \
     WATERMARK WHERE WITH";

/// What the word before the cursor may become, in the order of the alphabet.
pub(super) fn complete(session: &Session, text: &str, cursor: usize) -> Completion {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let word = text[..cursor].rsplit(|c| !is_part(c)).next().unwrap_or_default();
    let start = cursor - word.len();
    let tables: Vec<&str> = session.catalog().entries().map(|(name, _)| name).collect();
    let mut candidates: Vec<String> = tables.iter().map(|table| (*table).to_owned()).collect();
    candidates.extend(tables.iter().flat_map(|table| first_column(session, &format!("DESCRIBE `{table}`"))));
    let is_upper = !word.contains(char::is_lowercase);
    let cased = |word: &str| if is_upper { word.to_uppercase() } else { word.to_lowercase() };
    candidates.extend(KEYWORDS.split(' ').map(&cased));
    candidates.extend(first_column(session, "SHOW FUNCTIONS").iter().map(|function| cased(function)));
    let wanted = word.to_lowercase();
    candidates.retain(|candidate| !wanted.is_empty() && candidate.to_lowercase().starts_with(&wanted));
    candidates.sort();
    candidates.dedup();
    Completion { start, candidates }
}

/// The first column of what a statement shows, which changes nothing.
fn first_column(session: &Session, statement: &str) -> Vec<String> {
    let Ok(statements) = parse_script(statement) else { return Vec::new() };
    let outcome = statements.first().map(|statement| session.clone().execute(statement));
    match outcome {
        Some(Ok(Outcome::Rows { rows, .. })) => {
            rows.into_iter().filter_map(|row| row.into_iter().next()).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::options::JobOptions;

    use super::*;

    fn candidates(text: &str) -> Vec<String> {
        let mut session = Session::new(JobOptions::default());
        let script =
            "CREATE TABLE clicks (clicked_at TIMESTAMP(3), selected INT) WITH ('connector' = 'datagen')";
        session.execute_script(script).unwrap();
        complete(&session, text, text.len()).candidates
    }

    #[test]
    fn tables_columns_and_keywords_complete_in_the_case_of_what_is_typed() {
        assert_eq!(candidates("SELECT clic"), ["clicked_at", "clicks"]);
        assert_eq!(candidates("SELE"), ["SELECT", "selected"]);
        assert_eq!(candidates("sele"), ["select", "selected"]);
        assert!(candidates("SELECT ").is_empty());
        assert!(candidates("SELECT upp").contains(&"upper".to_owned()));
    }
}
