//! The process is told to stop, at moments that suit nobody.

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Backend, Job},
    run::Run,
};
use headwater_core::fault::FaultPoint;
use rand::Rng;

use crate::promise_once;

fn job() -> Job {
    Job { count: 9_600, ..Job::new("keyed_sequences") }.option("execution.checkpointing.interval", "40 ms")
}

fn wait_until_injected(run: &mut Run, point: FaultPoint) -> anyhow::Result<()> {
    run.wait_for(&format!("{point} to be reached"), |run, _| Ok(run.has_injected(point)?.then_some(())))
}

/// Holds a phase open and stops the process meanwhile.
fn a_stop_at(point: FaultPoint) {
    promise_once(BACKENDS, |run| {
        let nth = run.random.random_range(2..6);
        run.start_server_with(&format!("{point}=sleep:500@{nth}"))?;
        run.submit(job())?;
        wait_until_injected(run, point)?;
        run.terminate_server()?;
        run.start_server()?;
        run.finish()?;
        let exceptions = run.history().exceptions();
        ensure!(exceptions.is_empty(), "a stop is no failure: {exceptions:?}");
        Ok(())
    });
}

macro_rules! stop_at {
    ($($name:ident at $point:ident;)*) => {
        $(#[test]
        fn $name() {
            a_stop_at(FaultPoint::$point);
        })*
    };
}

stop_at! {
    a_stop_in_p0_ends_well_and_the_job_goes_on at CheckpointIdPersisted;
    a_stop_in_p1_ends_well_and_the_job_goes_on at SnapshotWrite;
    a_stop_in_p2_ends_well_and_the_job_goes_on at CheckpointAck;
    a_stop_in_p3_ends_well_and_the_job_goes_on at CheckpointAcknowledged;
    a_stop_in_p4_ends_well_and_the_job_goes_on at ManifestBeforeRename;
    a_stop_in_p5_ends_well_and_the_job_goes_on at CheckpointDurable;
    a_stop_in_p6_ends_well_and_the_job_goes_on at SinkCommitPart;
    a_stop_in_p7_ends_well_and_the_job_goes_on at CheckpointPruned;
}

#[test]
fn a_stop_in_a_recovery_ends_well_and_the_job_goes_on() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(job())?;
        run.wait_for_checkpoints(2)?;
        run.kill_server()?;
        run.start_server_with("task.open=sleep:300@1..")?;
        wait_until_injected(run, FaultPoint::TaskOpen)?;
        run.terminate_server()?;
        run.start_server()?;
        run.finish()
    });
}

#[test]
fn a_stop_while_a_job_is_cancelled_ends_well_and_the_job_ends_canceled() {
    promise_once(BACKENDS, |run| {
        // Cancelled tasks notice that when they are done with what they do.
        run.start_server_with("source.read=sleep:600@20..")?;
        run.submit(job())?;
        wait_until_injected(run, FaultPoint::SourceRead)?;
        run.cancel()?;
        run.terminate_server()?;
        run.start_server()?;
        run.wait_for_end("CANCELED")?;
        run.judge(&["--part"])
    });
}

/// A storage that does not answer must not keep a process that is told to stop.
#[test]
fn a_stop_ends_well_though_the_storage_hangs() {
    for hangs_at in [FaultPoint::ManifestBeforeRename, FaultPoint::SnapshotWrite] {
        promise_once(&[Backend::HashMap], |run| {
            run.start_server_with(&format!("{hangs_at}=hang@3"))?;
            run.submit(job())?;
            wait_until_injected(run, hangs_at)?;
            run.terminate_server()?;
            run.start_server()?;
            run.finish()
        });
    }
}

#[test]
fn a_stop_ends_well_though_a_function_hangs() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job { program: "hanging_sequences", ..job() })?;
        run.wait_for("the function to hang", |run, _| Ok(run.path("output/hung").exists().then_some(())))?;
        run.terminate_server()?;
        run.start_server()?;
        run.finish()?;
        ensure!(text(&run.job()?, "state") == "FINISHED", "the job was to go on");
        Ok(())
    });
}
