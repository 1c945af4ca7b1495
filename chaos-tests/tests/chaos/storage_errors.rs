//! The storage refuses: nothing that failed counts as done.

use anyhow::{Context, ensure};
use headwater_chaos_tests::{
    history::{items, text},
    job::{BACKENDS, Backend, Job},
    line_server::LineServer,
    run::Run,
};
use headwater_core::fault::FaultPoint;
use rand::Rng;

use crate::{promise_once, socket};

/// What REST says of checkpoints that failed by an injected error.
const INJECTED: &str = "a fault on purpose";

fn job() -> Job {
    Job { count: 9_600, ..Job::new("keyed_sequences") }.option("execution.checkpointing.interval", "40 ms")
}

/// Errors for some time, some time after the start: the job goes on, or restarts, and nothing is missing.
fn errors_at(point: FaultPoint) {
    promise_once(BACKENDS, |run| {
        // A start makes its folders durable, with all that are above them.
        let at_start = if point == FaultPoint::StorageSyncFolder { 60 } else { 0 };
        let first = at_start + run.random.random_range(5..20);
        run.start_server_with(&format!("{point}=error@{first}..{}", first + 20))?;
        run.submit(job())?;
        run.finish()?;
        ensure!(run.has_injected(point)?, "the fault was never reached");
        Ok(())
    });
}

macro_rules! errors_at {
    ($($name:ident at $point:ident;)*) => {
        $(#[test]
        fn $name() {
            errors_at(FaultPoint::$point);
        })*
    };
}

errors_at! {
    a_write_that_fails_is_no_success at StorageWrite;
    a_file_that_cannot_be_synced_is_no_success at StorageSync;
    a_folder_that_cannot_be_synced_is_no_success at StorageSyncFolder;
    a_file_that_cannot_be_renamed_is_no_success at StorageRename;
    a_file_that_cannot_be_made_is_no_success at StorageCreate;
    a_file_that_cannot_be_removed_loses_nothing at StorageRemove;
    a_job_store_that_cannot_be_written_loses_nothing at JobStorePut;
}

/// With failed checkpoints tolerated, an error while a manifest is written is an affair of that checkpoint alone.
fn a_failed_checkpoint_is_told_with_its_reason_and_the_job_goes_on(point: FaultPoint, first: u64) {
    promise_once(BACKENDS, |run| {
        run.start_server_with(&format!("{point}=error@{first}..{}", first + 1))?;
        run.submit(job().option("execution.checkpointing.tolerable-failed-checkpoints", 3))?;
        let failed = run.wait_for("a failed checkpoint", |run, _| failed_checkpoint(run))?;
        run.wait_for_checkpoints(2)?;
        ensure!(!run.durable_checkpoints()?.contains(&failed), "checkpoint {failed} failed, yet is there");
        ensure!(run.job()?["restarts"] == 0, "a tolerable failure restarted the job");
        run.finish()
    });
}

/// The id of a checkpoint that the injected error failed.
fn failed_checkpoint(run: &mut Run) -> anyhow::Result<Option<u64>> {
    let checkpoints = run.checkpoints()?;
    let mut failed =
        items(&checkpoints, "checkpoints").iter().filter(|checkpoint| text(checkpoint, "status") == "FAILED");
    let Some(failed) = failed.find(|checkpoint| text(checkpoint, "failure").contains(INJECTED)) else {
        return Ok(None);
    };
    Ok(Some(failed["id"].as_u64().context("a checkpoint has an id")?))
}

#[test]
fn a_manifest_that_cannot_be_written_fails_its_checkpoint_only() {
    a_failed_checkpoint_is_told_with_its_reason_and_the_job_goes_on(FaultPoint::ManifestWritten, 4);
}

#[test]
fn a_manifest_that_cannot_be_renamed_fails_its_checkpoint_only() {
    a_failed_checkpoint_is_told_with_its_reason_and_the_job_goes_on(FaultPoint::ManifestBeforeRename, 4);
}

#[test]
fn a_manifest_whose_name_cannot_be_synced_fails_its_checkpoint_only() {
    a_failed_checkpoint_is_told_with_its_reason_and_the_job_goes_on(FaultPoint::ManifestRenamed, 4);
}

#[test]
fn an_id_that_cannot_be_stored_fails_its_checkpoint_only() {
    // Before it, the process is counted, and the job stored three times.
    a_failed_checkpoint_is_told_with_its_reason_and_the_job_goes_on(FaultPoint::JobStorePut, 5);
}

/// What cannot be journaled is seen by nobody; the connection ends, and no line before or after it is missing.
fn a_journal_that_cannot_be_written_loses_nothing(point: FaultPoint) {
    promise_once(&[Backend::RocksDb], |run| {
        let lines = LineServer::start()?;
        let (first, errors) = (run.random.random_range(50..200), 3);
        run.start_server_with(&format!("{point}=error@{first}..{}", first + errors - 1))?;
        socket::submit(run, &lines)?;
        // Each error ends a connection.
        run.wait_for("the errors", |_, _| Ok((lines.sent().len() > errors).then_some(())))?;
        ensure!(run.times_injected(point)? == errors, "{} errors", run.times_injected(point)?);
        socket::compare(run, &lines)
    });
}

#[test]
fn a_journal_that_cannot_be_synced_loses_nothing() {
    a_journal_that_cannot_be_written_loses_nothing(FaultPoint::JournalAppend);
}

#[test]
fn a_journal_that_was_synced_with_an_error_loses_nothing() {
    a_journal_that_cannot_be_written_loses_nothing(FaultPoint::JournalAppended);
}

/// Nothing that is asked for and cannot be stored is promised.
#[test]
fn a_submission_that_cannot_be_stored_is_refused_with_the_reason() {
    promise_once(&[Backend::HashMap], |run| {
        // Before it, the process is counted.
        run.start_server_with("job_store.put=error@2")?;
        let refused = run.submit(job()).err().context("nothing was stored")?;
        ensure!(refused.to_string().contains(INJECTED), "the reason is not told: {refused}");
        run.submit(job())?;
        run.finish()
    });
}
