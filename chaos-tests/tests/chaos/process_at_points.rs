//! The process is killed at a certain point, and the next one goes on.

use anyhow::{Context, ensure};
use headwater_chaos_tests::{
    history::items,
    job::{BACKENDS, Backend, Job},
    line_server::LineServer,
    run::Run,
};
use headwater_core::fault::{FaultPoint, Phase};
use rand::Rng;

use crate::{promise_once, socket};

/// A job with so many checkpoints that each point is reached often.
fn job() -> Job {
    let job = Job { count: 8_000, ..Job::new("keyed_sequences") };
    job.option("execution.checkpointing.interval", "40 ms")
}

/// How often a point is reached before the process is killed there. A checkpoint has tasks that reach it each, or not.
fn any_time(run: &mut Run, point: FaultPoint) -> u64 {
    let is_once_per_checkpoint = !matches!(
        point,
        FaultPoint::TaskSnapshot
            | FaultPoint::TaskBarrier
            | FaultPoint::SnapshotWrite
            | FaultPoint::SnapshotWritten
            | FaultPoint::CheckpointAck
            | FaultPoint::SinkPrepare
            | FaultPoint::SinkPrepared
            | FaultPoint::SinkCommit
            | FaultPoint::SinkCommitPart
            | FaultPoint::SinkCommitted
    );
    run.random.random_range(if is_once_per_checkpoint { 2..6 } else { 4..16 })
}

/// Kills the process at a point of a checkpoint. The next one must go on from the newest durable checkpoint: the one that was
/// under way if it was durable, else the one before.
fn a_process_killed_at(point: FaultPoint) {
    promise_once(BACKENDS, |run| {
        let nth = any_time(run, point);
        run.start_server_with(&format!("{point}=kill@{nth}"))?;
        run.submit(job())?;
        run.wait_for_death()?;
        let durable = run.durable_checkpoints()?.last().copied().unwrap_or(0);
        run.start_server()?;
        let restored = wait_for_restored(run)?;
        ensure!(
            restored == durable,
            "checkpoint {durable} was the newest durable one, but {restored} was restored"
        );
        let under_way = first_triggered_after(run, restored)? - 1;
        let phase = point.phase().context("the point belongs to no checkpoint")?;
        // A rename outlives the process, if not the machine.
        let is_durable = phase >= Phase::P5 || point == FaultPoint::ManifestRenamed;
        // What follows a completion can come so late that the next checkpoint has begun.
        let oldest = if phase >= Phase::P6 { under_way - 1 } else { under_way };
        let expected = if is_durable { oldest..=under_way } else { under_way - 1..=under_way - 1 };
        ensure!(
            expected.contains(&restored),
            "checkpoint {under_way} was under way in {phase:?}, but {restored} was restored"
        );
        run.finish()
    });
}

/// The checkpoint that this process went on from; 0 for none.
fn wait_for_restored(run: &mut Run) -> anyhow::Result<u64> {
    let exception = run.wait_for_recovery("process", 1)?;
    Ok(exception["recovery"]["restored_checkpoint"].as_u64().unwrap_or(0))
}

/// The id of the first checkpoint that this process has triggered. Since ids are never used again, the one before was the last
/// process's last.
fn first_triggered_after(run: &mut Run, restored: u64) -> anyhow::Result<u64> {
    run.wait_for("a checkpoint", |run, _| {
        let ids = run.checkpoints()?;
        let ids = items(&ids, "checkpoints").iter().filter_map(|checkpoint| checkpoint["id"].as_u64());
        Ok(ids.filter(|id| *id > restored).min())
    })
}

macro_rules! killed_at {
    ($($name:ident at $point:ident;)*) => {
        $(#[test]
        fn $name() {
            a_process_killed_at(FaultPoint::$point);
        })*

        #[test]
        fn every_point_of_every_phase_has_a_test() {
            let tested = [$(FaultPoint::$point),*];
            let untested: Vec<_> = FaultPoint::ALL
                .iter()
                .filter(|point| point.phase().is_some() && !tested.contains(point))
                .collect();
            assert!(untested.is_empty(), "{untested:?}");
        }
    };
}

killed_at! {
    a_process_killed_in_p0_with_an_id_stored at CheckpointIdPersisted;
    a_process_killed_in_p1_with_the_sources_told at CheckpointTriggered;
    a_process_killed_in_p1_before_a_snapshot at TaskSnapshot;
    a_process_killed_in_p1_before_a_sink_prepares at SinkPrepare;
    a_process_killed_in_p1_with_a_sink_prepared at SinkPrepared;
    a_process_killed_in_p1_with_a_barrier_sent_on at TaskBarrier;
    a_process_killed_in_p1_before_a_snapshot_is_written at SnapshotWrite;
    a_process_killed_in_p2_with_a_snapshot_written at SnapshotWritten;
    a_process_killed_in_p2_with_some_acknowledgements at CheckpointAck;
    a_process_killed_in_p3_with_all_acknowledgements at CheckpointAcknowledged;
    a_process_killed_in_p4_with_the_manifest_written at ManifestWritten;
    a_process_killed_in_p4_before_the_manifest_is_renamed at ManifestBeforeRename;
    a_process_killed_in_p4_with_the_manifest_renamed at ManifestRenamed;
    a_process_killed_in_p5_with_the_checkpoint_durable at CheckpointDurable;
    a_process_killed_in_p5_before_the_tasks_are_told at CheckpointCompleted;
    a_process_killed_in_p6_before_a_sink_commits at SinkCommit;
    a_process_killed_in_p6_with_one_file_visible at SinkCommitPart;
    a_process_killed_in_p6_with_a_sink_committed at SinkCommitted;
    a_process_killed_in_p7_before_an_old_checkpoint_is_removed at CheckpointPrune;
    a_process_killed_in_p7_with_an_old_checkpoint_half_removed at CheckpointPruned;
}

/// Kills the process, and then, in the recovery, two more.
fn processes_killed_in_a_recovery(point: FaultPoint) {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(job())?;
        run.wait_for_checkpoints(2)?;
        run.kill_server()?;
        for _ in 0..2 {
            let nth = if point == FaultPoint::JobDeployBefore { 1 } else { run.random.random_range(1..=4) };
            run.start_server_that_dies(&format!("{point}=kill@{nth}"))?;
        }
        run.start_server()?;
        run.finish()
    });
}

#[test]
fn processes_killed_in_a_recovery_before_the_tasks_are_deployed() {
    processes_killed_in_a_recovery(FaultPoint::JobDeployBefore);
}

#[test]
fn processes_killed_in_a_recovery_before_a_task_is_restored() {
    processes_killed_in_a_recovery(FaultPoint::TaskOpen);
}

#[test]
fn processes_killed_in_a_recovery_with_a_task_restored() {
    processes_killed_in_a_recovery(FaultPoint::TaskOpened);
}

#[test]
fn a_job_that_was_stored_runs_though_the_process_is_killed_before_it_answers() {
    promise_once(&[Backend::HashMap], |run| {
        run.start_server_with("job.submit.stored=kill@1")?;
        ensure!(run.submit(job()).is_err(), "the server was killed before it could answer");
        run.wait_for_exit()?;
        run.start_server()?;
        run.take_up(job())?;
        run.finish()
    });
}

#[test]
fn a_job_that_has_ended_stays_ended_though_the_process_is_killed_before_it_cleans_up() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("job.end.stored=kill@1")?;
        run.submit(job())?;
        run.wait_for_death()?;
        ensure!(!run.durable_checkpoints()?.is_empty(), "something was to be left to clean up");
        run.start_server()?;
        ensure!(run.state()? == "FINISHED", "the job had ended, but is {}", run.state()?);
        run.wait_for("the job's checkpoints to be removed", |run, _| {
            Ok(run.durable_checkpoints()?.is_empty().then_some(()))
        })?;
        run.finish()
    });
}

#[test]
fn a_cancel_that_was_stored_holds_though_the_process_is_killed_before_the_tasks_are_told() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("job.cancel.stored=kill@1")?;
        run.submit(job())?;
        run.wait_for_checkpoints(2)?;
        ensure!(run.cancel().is_err(), "the server was killed before it could answer");
        run.wait_for_exit()?;
        run.start_server()?;
        run.wait_for_end("CANCELED")?;
        run.judge(&["--part"])
    });
}

/// Kills the process of a job that reads a socket. With a journal of `journal_bytes`, segments are a quarter of that.
fn every_line_is_written_once(point: FaultPoint, nth: u64, journal_bytes: u64) {
    promise_once(&[Backend::RocksDb], |run| {
        let lines = LineServer::start()?;
        let nth = run.random.random_range(nth..nth * 3);
        run.start_server_with(&format!("{point}=kill@{nth}"))?;
        let args = vec![("port", lines.port().into()), ("journal_bytes", journal_bytes.into())];
        run.submit(Job { count: 0, args, ..Job::new("socket_lines") })?;
        run.wait_for_death()?;
        run.start_server()?;
        socket::compare(run, &lines)
    });
}

const JOURNAL_BYTES: u64 = 256 << 20;

#[test]
fn every_line_is_written_once_though_the_process_is_killed_before_it_syncs_its_journal() {
    every_line_is_written_once(FaultPoint::JournalAppend, 100, JOURNAL_BYTES);
}

#[test]
fn every_line_is_written_once_though_the_process_is_killed_with_unseen_lines_in_its_journal() {
    every_line_is_written_once(FaultPoint::JournalAppended, 100, JOURNAL_BYTES);
}

#[test]
fn every_line_is_written_once_though_the_process_is_killed_before_its_journal_is_cut() {
    every_line_is_written_once(FaultPoint::JournalRelease, 1, 8 << 10);
}

#[test]
fn a_fault_that_cannot_be_is_refused() {
    promise_once(&[Backend::HashMap], |run| {
        let refused = run.start_server_with("checkpoint.durabel=kill@1");
        ensure!(refused.is_err(), "the plan names no point");
        let log = std::fs::read_to_string(run.path("server.log"))?;
        ensure!(log.contains("did you mean `checkpoint.durable`?"), "{log}");
        Ok(())
    });
}
