use std::sync::{Arc, atomic::AtomicBool};

use anyhow::Result;
use headwater_core::options::JobOptions;
use headwater_sql::{
    local,
    session::{Compiled, compile_job},
};

/// Runs a job, whose results nobody looks at.
fn run(script: &str) -> Result<()> {
    let Compiled { job, options, .. } = compile_job(script, &JobOptions::default())?;
    let folder = tempfile::tempdir()?;
    Ok(local::run(&job, &options, folder.path(), &Arc::new(AtomicBool::new(false)))?)
}

#[test]
fn a_null_in_a_column_that_takes_none_fails_the_job_or_is_dropped() -> Result<()> {
    let job = "CREATE TABLE t (a INT NOT NULL, b INT) WITH ('connector' = 'blackhole');
        INSERT INTO t VALUES (1, NULL), (CAST(NULL AS INT), 2);";
    let error = run(job).expect_err("a NULL comes to `a`").to_string();
    assert!(error.contains("column `a` of `t` is NOT NULL"), "{error}");
    run(&format!("SET 'table.exec.sink.not-null-enforcer' = 'DROP'; {job}"))?;
    run(&job.replace("CAST(NULL AS INT)", "3"))
}

#[test]
fn a_text_that_is_too_long_is_written_cut_off_or_refused() -> Result<()> {
    let job = "CREATE TABLE t (a VARCHAR(2), b CHAR(2), c VARBINARY(1)) WITH ('connector' = 'blackhole');
        INSERT INTO t VALUES ('abc', 'a', ENCODE('ab', 'UTF-8'));";
    run(job)?;
    run(&format!("SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD'; {job}"))?;
    let error = run(&format!("SET 'table.exec.sink.type-length-enforcer' = 'ERROR'; {job}"));
    let error = error.expect_err("`abc` is too long").to_string();
    assert!(error.contains("column `a` of `t` takes at most 2 characters: found `abc`"), "{error}");
    Ok(())
}
