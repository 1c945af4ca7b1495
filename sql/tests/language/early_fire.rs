use anyhow::Result;

use super::{check, check_refused};

const EARLY: &str =
    "SET 'table.exec.emit.early-fire.enabled' = 'true'; SET 'table.exec.emit.early-fire.delay' = '0 ms';";

#[test]
fn windows_that_fire_early_end_with_the_same_results() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lines: String = (0..60).map(|n| format!("2024-01-01 00:00:{n:02},{},{n}\n", n % 3)).collect();
    std::fs::write(folder.path().join("t.csv"), lines)?;
    let table = format!(
        "CREATE TABLE t (ts TIMESTAMP(3), k INT, v INT, WATERMARK FOR ts AS ts) \
         WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');
         CREATE TABLE files (s STRING, n BIGINT) WITH ('connector' = 'filesystem', 'path' = '/tmp/never', 'format' = 'csv');",
        folder.path().display()
    );
    let tumble = "SELECT DATE_FORMAT(TUMBLE_START(ts, INTERVAL '30' SECOND), 'ss') AS s, SUM(v) FROM t \
        GROUP BY TUMBLE(ts, INTERVAL '30' SECOND)";
    let of_windows = "SELECT k, COUNT(*), MAX(s) FROM (SELECT k, window_end, SUM(v) AS s FROM \
        HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND) GROUP BY window_start, window_end, k) GROUP BY k";
    let cases = [(tumble, "00, 435; 30, 1335;"), (of_windows, "0, 7, 297; 1, 7, 343; 2, 7, 350;")];
    check(&table, &cases)?;
    check(&format!("{table}{EARLY}"), &cases)?;
    let insert = format!("INSERT INTO files {tumble}");
    let session = "SELECT COUNT(*) FROM SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '5' SECOND) GROUP BY window_start, window_end, k";
    check_refused(
        &format!("{table}{EARLY}"),
        &[(&insert, "takes new rows only"), (session, "SESSION does not fire early")],
    )?;
    check_refused(
        &table,
        &[(
            &format!("SET 'table.exec.emit.early-fire.enabled' = 'true'; {tumble}"),
            "needs `table.exec.emit.early-fire.delay`",
        )],
    )
}
