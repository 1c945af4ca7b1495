//! Late rows, from the script to what comes to the tables.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use headwater_core::options::JobOptions;

use super::Session;
use crate::{
    batch::ChangeBatch,
    explain,
    local::{self, CollectSink},
    operators::testing::change_texts,
    parser::{StatementKind, parse_script},
    runtime::{NodeKind, SqlJob, StreamPlan},
};

/// Seconds 0 to 19,999, then two rows from before. The watermark is at 16,383 by then.
fn script(folder: &tempfile::TempDir, late: &str, job: &str) -> String {
    let mut lines: String = (0..20_000).map(|n| format!("{},{},p{n}\n", time(n), n % 3)).collect();
    for (second, name) in [(5, "old"), (16_379, "older")] {
        lines.push_str(&format!("{},1,{name}\n", time(second)));
    }
    std::fs::write(folder.path().join("t.csv"), lines).unwrap();
    format!(
        "CREATE TABLE t (ts TIMESTAMP(3), k INT, page STRING, WATERMARK FOR ts AS ts) \
             WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         CREATE TABLE late ({late}) WITH ('connector' = 'blackhole');
         CREATE TABLE sink (n BIGINT) WITH ('connector' = 'blackhole');
         CREATE VIEW pages AS SELECT page AS `what`, k + 10 AS k, ts AS `at` FROM t;
         SET 'table.exec.late-rows.table' = 'late';
         {job};",
        folder.path().display()
    )
}

fn time(second: i64) -> String {
    format!("2024-01-01 {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

fn plan(script: &str) -> StreamPlan {
    let mut statements = parse_script(script).unwrap();
    let last = statements.pop().unwrap();
    let mut session = Session::new(JobOptions::default());
    statements.iter().for_each(|statement| drop(session.execute(statement).unwrap()));
    let inserts = match last.kind {
        StatementKind::Insert(insert) => vec![*insert],
        StatementKind::StatementSet(inserts) => inserts,
        _ => panic!("expected a job"),
    };
    let options = session.settings.job_options(JobOptions::default()).unwrap();
    session.plan_inserts(&inserts, &options).unwrap().1
}

/// The changes that come to each table.
fn run(script: &str) -> BTreeMap<String, Vec<String>> {
    let mut plan = plan(script);
    let stop = Arc::new(AtomicBool::new(false));
    let results: Arc<Mutex<BTreeMap<String, Vec<String>>>> = Arc::default();
    for node in &mut plan.nodes {
        if let NodeKind::Sink(_) = &node.kind {
            let (name, results) = (node.name.clone(), results.clone());
            let collector = move |batch: &ChangeBatch| {
                let changes = change_texts(std::slice::from_ref(batch));
                results.lock().unwrap().entry(name.clone()).or_default().extend(changes);
                true
            };
            let sink = CollectSink::with_stop(Arc::new(Mutex::new(collector)), stop.clone());
            node.kind = NodeKind::Sink(sink);
        }
    }
    let options = JobOptions::default();
    let job = SqlJob::new(&plan, &options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    local::run(&job, &options, folder.path(), &stop).unwrap();
    let mut results = std::mem::take(&mut *results.lock().unwrap());
    results.values_mut().for_each(|changes| changes.sort());
    results
}

/// What comes to the table for late rows, and how much the results count.
fn late_of(late: &str, job: &str) -> (Vec<String>, i64) {
    let folder = tempfile::tempdir().unwrap();
    let mut results = run(&script(&folder, late, job));
    let counts = results.remove("Sink(table=[sink])").unwrap();
    let count = |change: &String| change["+I[".len()..change.len() - 1].parse::<i64>().unwrap();
    let counted = counts.iter().map(count).sum();
    (results.remove("Sink(table=[late])").unwrap_or_default(), counted)
}

const PAGES: &str = "page STRING, ts TIMESTAMP(3), k BIGINT";

const OLD: &str = "+I[old,2024-01-01T00:00:05,1]";
const OLDER: &str = "+I[older,2024-01-01T04:32:59,1]";

#[test]
fn rows_that_are_too_late_for_all_their_windows_go_to_their_table() {
    let both = vec![OLD.to_owned(), OLDER.to_owned()];
    let of = |window: &str| {
        format!("INSERT INTO sink SELECT COUNT(*) FROM {window} GROUP BY window_start, window_end")
    };
    let tumble = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))";
    assert_eq!(late_of(PAGES, &of(tumble)), (both.clone(), 20_000));
    let keyed = format!("{}, k", of(tumble));
    assert_eq!(late_of(PAGES, &keyed), (both.clone(), 20_000));
    let two_phases = format!("SET 'table.optimizer.agg-phase-strategy' = 'TWO_PHASE'; {keyed}");
    assert_eq!(late_of(PAGES, &two_phases), (both.clone(), 20_000));
    let older = "INSERT INTO sink SELECT COUNT(*) FROM t GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)";
    assert_eq!(late_of(PAGES, older), (both, 20_000));
}

#[test]
fn rows_that_still_count_in_one_of_their_windows_are_not_late() {
    let one = vec![OLD.to_owned()];
    let hop = "TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE, INTERVAL '2' MINUTE))";
    let of = |count: &str, window: &str| {
        format!("INSERT INTO sink SELECT {count} FROM {window} GROUP BY window_start, window_end")
    };
    // Each row is in two windows; of the two that came late, the second still counts in one.
    assert_eq!(late_of(PAGES, &of("COUNT(*)", hop)), (one.clone(), 40_001));
    // Here each row comes to the aggregation with each of its windows.
    assert_eq!(late_of(PAGES, &of("COUNT(DISTINCT page)", hop)), (one.clone(), 40_001));
    let cumulate = hop.replace("HOP", "CUMULATE");
    assert_eq!(late_of(PAGES, &of("COUNT(DISTINCT page)", &cumulate)).0, one);
}

#[test]
fn what_is_written_is_the_whole_row_however_little_of_it_the_query_asks_for() {
    let pages = "`what` STRING, `at` TIMESTAMP(3), k BIGINT";
    let job = "INSERT INTO sink SELECT COUNT(*) FROM (
            SELECT UPPER(w.`what`) AS k, window_start, window_end
            FROM TABLE(TUMBLE(TABLE pages, DESCRIPTOR(`at`), INTERVAL '1' MINUTE)) AS w WHERE CHAR_LENGTH(w.`what`) > 3
        ) AS x GROUP BY k, window_start, window_end";
    let older = "+I[older,2024-01-01T04:32:59,11]".to_owned();
    // `old` is no row that the aggregation is asked for.
    assert_eq!(late_of(pages, job), (vec![older], 19_900));
    let by_text =
        job.replace("GROUP BY k, window_start", "GROUP BY DATE_FORMAT(window_end, 'mm'), k, window_start");
    assert_eq!(late_of(pages, &by_text).0, late_of(pages, job).0);
}

#[test]
fn each_aggregation_by_windows_writes_its_late_rows() {
    let folder = tempfile::tempdir().unwrap();
    let job = "EXECUTE STATEMENT SET BEGIN
            INSERT INTO sink SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end;
            INSERT INTO sink SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' MINUTE)) GROUP BY window_start, window_end;
        END";
    let script = script(&folder, PAGES, job);
    assert_eq!(run(&script)["Sink(table=[late])"], [OLD, OLD, OLDER]);
    let text = explain::physical(&plan(&script));
    let operators = "+- LateRows(select=[page, ts, k]), changelogMode=[I]\n      +- WindowAggregate(";
    for shown in ["Sink(table=[late])\n", operators] {
        assert_eq!(text.matches(shown).count(), 2, "{text}");
    }
}

#[test]
fn late_rows_fit_the_table_as_those_of_an_insert_do() {
    let of = |late: &str| {
        let folder = tempfile::tempdir().unwrap();
        let job = "SET 'table.exec.sink.not-null-enforcer' = 'DROP'; SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD';
            INSERT INTO sink SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end";
        run(&script(&folder, late, job))["Sink(table=[late])"].clone()
    };
    assert_eq!(of("k BIGINT NOT NULL, page VARCHAR(4)"), ["+I[1,old]", "+I[1,olde]"]);
}
