//! The disk is full for some seconds.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use headwater_chaos_tests::{
    cage::SmallDisk,
    history::{items, text},
    job::{BACKENDS, Backend, Job},
    line_server::LineServer,
    run::{Beside, Run},
};

use rand::Rng;

use crate::{promise_once, socket};

const DEADLINE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const NO_SPACE: &str = "No space left";
/// RocksDB takes room for a log ahead: about a megabyte for the job store's.
const PADDING_BYTES: usize = 200_000;
const JOBS_MAX: usize = 16;

/// What docs/OPERATIONS.md advises for a disk that may be full for a while.
fn patient(job: Job) -> Job {
    job.option("execution.checkpointing.tolerable-failed-checkpoints", 1_000_000)
        .option("restart-strategy.exponential-delay.attempts-before-reset-backoff", 1_000_000)
        .option("restart-strategy.exponential-delay.max-backoff", "500 ms")
}

fn job() -> Job {
    let args = vec![("rate", 1_600.into())];
    patient(Job { args, ..Job::new("keyed_sequences") })
}

/// Fills the disk until a checkpoint has failed of it, and some more; frees it and waits until checkpoints complete again.
fn fill_for_a_while(run: &mut Run, disk: &SmallDisk) -> anyhow::Result<()> {
    run.wait_for_checkpoints(2)?;
    fill(run, disk)?;
    run.wait_for("a failure for want of space", |run, _| Ok(is_told(run)?.then_some(())))?;
    ensure_durable_are_completed(run)?;
    run.pause(0..2_000);
    ensure_durable_are_completed(run)?;
    run.note("the disk has room");
    disk.free()?;
    run.wait_for_checkpoints(2)
}

/// Fills the disk, not to the last byte at first, so that it is not always the same write that has no room.
fn fill(run: &mut Run, disk: &SmallDisk) -> anyhow::Result<()> {
    let spare_bytes = run.random.random_range(0..16) << 12;
    run.note(&format!("the disk is full but for {spare_bytes} bytes"));
    disk.fill_but(spare_bytes)?;
    run.pause(0..300);
    disk.fill_but(0)
}

/// Whether REST says that there is no space, of a checkpoint or a failure of the job.
fn is_told(run: &mut Run) -> anyhow::Result<bool> {
    let checkpoints = run.checkpoints()?;
    let mut failed =
        items(&checkpoints, "checkpoints").iter().filter(|checkpoint| text(checkpoint, "status") == "FAILED");
    let mut failures = run.history().exceptions().iter();
    Ok(failed.any(|checkpoint| text(checkpoint, "failure").contains(NO_SPACE))
        || failures.any(|failure| text(failure, "message").contains(NO_SPACE)))
}

/// No checkpoint that is listed as completed lacks its manifest, if it is the newest.
fn ensure_durable_are_completed(run: &mut Run) -> anyhow::Result<()> {
    run.observe()?;
    let last = run.history().last_completed();
    let durable = run.durable_checkpoints()?;
    ensure!(
        durable.contains(&last),
        "checkpoint {last} is said to be completed; on the disk are {durable:?}"
    );
    Ok(())
}

#[test]
fn a_data_folder_that_is_full_for_a_while_loses_nothing() {
    promise_once(BACKENDS, |run| {
        let Some(disk) = SmallDisk::mount(run, "data", 64)? else { return Ok(()) };
        run.start_server()?;
        run.submit(job())?;
        fill_for_a_while(run, &disk)?;
        run.finish()
    });
}

/// The next process finds what the full disk has left.
#[test]
fn a_process_that_is_killed_on_a_full_disk_loses_nothing() {
    promise_once(BACKENDS, |run| {
        let Some(disk) = SmallDisk::mount(run, "data", 64)? else { return Ok(()) };
        run.start_server()?;
        run.submit(job())?;
        run.wait_for_checkpoints(2)?;
        fill(run, &disk)?;
        run.wait_for("a failure for want of space", |run, _| Ok(is_told(run)?.then_some(())))?;
        run.kill_server()?;
        // A process may find too little room to start.
        if run.start_server().is_ok() {
            run.kill_server()?;
        }
        run.note("the disk has room");
        disk.free()?;
        run.start_server()?;
        run.wait_for_checkpoints(2)?;
        run.finish()
    });
}

#[test]
fn an_output_folder_that_is_full_for_a_while_loses_nothing() {
    promise_once(BACKENDS, |run| {
        let Some(disk) = SmallDisk::mount(run, "output", 16)? else { return Ok(()) };
        run.start_server()?;
        run.submit(job())?;
        fill_for_a_while(run, &disk)?;
        run.finish()
    });
}

#[test]
fn a_journal_whose_disk_is_full_for_a_while_loses_no_line() {
    promise_once(&[Backend::RocksDb], |run| {
        let Some(disk) = SmallDisk::mount(run, "data", 64)? else { return Ok(()) };
        let lines = LineServer::start()?;
        run.start_server()?;
        let args = vec![("port", lines.port().into())];
        run.submit(patient(Job { count: 0, args, ..Job::new("socket_lines") }))?;
        fill_for_a_while(run, &disk)?;
        socket::compare(run, &lines)
    });
}

/// The control plane's own store is on the disk, too.
#[test]
fn what_cannot_be_stored_is_refused_and_accepted_again_when_there_is_room() {
    promise_once(&[Backend::HashMap], |run| {
        let Some(disk) = SmallDisk::mount(run, "data", 64)? else { return Ok(()) };
        run.start_server()?;
        disk.fill_but(0)?;
        let (accepted, refused) = submit_until_refused(run)?;
        ensure!(refused.to_string().contains(NO_SPACE), "the reason is not told: {refused}");
        disk.free()?;
        submit_until_accepted(run)?;
        run.finish()?;
        accepted.into_iter().try_for_each(|job| run.finish_beside(job))
    });
}

/// Submits jobs until what the job store has taken of the disk before is used up.
fn submit_until_refused(run: &mut Run) -> anyhow::Result<(Vec<Beside>, anyhow::Error)> {
    let mut accepted = Vec::new();
    while accepted.len() < JOBS_MAX {
        let mut job = job();
        job.args.push(("padding", "x".repeat(PADDING_BYTES).into()));
        match run.submit_beside(job) {
            Ok(job) => accepted.push(job),
            Err(refused) => return Ok((accepted, refused)),
        }
    }
    bail!("{JOBS_MAX} jobs were accepted, and there was no room to store them")
}

/// Until the job store has noticed that there is room, it may refuse.
fn submit_until_accepted(run: &mut Run) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    while let Err(error) = run.submit(job()) {
        ensure!(Instant::now() < deadline, "there is room, but still: {error}");
        thread::sleep(POLL_INTERVAL);
    }
    Ok(())
}
