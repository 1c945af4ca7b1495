//! A panic in one job's code or control, and another job that must not notice.

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Backend, Job},
};
use headwater_core::fault::FaultPoint;
use rand::Rng;

use crate::promise_once;

fn job() -> Job {
    Job { count: 6_400, ..Job::new("keyed_sequences") }.option("execution.checkpointing.interval", "40 ms")
}

/// Two jobs, one of which meets the panic, whichever is there first. Both must finish with the right output, and only
/// one may have noticed.
fn a_panic_at(point: FaultPoint) {
    promise_once(BACKENDS, |run| {
        let nth = run.random.random_range(2..5);
        run.start_server_with(&format!("{point}=panic@{nth}"))?;
        run.submit(job())?;
        let beside = run.submit_beside(job())?;
        run.finish()?;
        run.finish_beside(beside)?;
        ensure!(run.has_injected(point)?, "the fault was never reached");
        let (own, others) = (run.history().exceptions().to_vec(), run.exceptions_beside(beside)?);
        let restarts = [run.job()?["restarts"].clone(), run.job_beside(beside)?["restarts"].clone()];
        ensure!(
            own.is_empty() || others.is_empty(),
            "one panic was noticed by two jobs:\n{own:?}\n{others:?}"
        );
        ensure!(restarts.contains(&0.into()), "one panic restarted two jobs: {restarts:?}");
        Ok(())
    });
}

macro_rules! panic_at {
    ($($name:ident at $point:ident;)*) => {
        $(#[test]
        fn $name() {
            a_panic_at(FaultPoint::$point);
        })*
    };
}

panic_at! {
    a_panic_in_a_source_concerns_its_job_only at SourceRead;
    a_panic_before_a_task_opens_concerns_its_job_only at TaskOpen;
    a_panic_of_an_open_task_concerns_its_job_only at TaskOpened;
    a_panic_before_a_snapshot_concerns_its_job_only at TaskSnapshot;
    a_panic_while_a_snapshot_is_written_concerns_its_job_only at SnapshotWrite;
    a_panic_with_a_snapshot_written_concerns_its_job_only at SnapshotWritten;
    a_panic_before_a_sink_prepares_concerns_its_job_only at SinkPrepare;
    a_panic_of_a_prepared_sink_concerns_its_job_only at SinkPrepared;
    a_panic_before_a_sink_commits_concerns_its_job_only at SinkCommit;
    a_panic_between_a_sinks_files_concerns_its_job_only at SinkCommitPart;
    a_panic_of_a_coordinator_with_an_id_stored_concerns_its_job_only at CheckpointIdPersisted;
    a_panic_of_a_coordinator_with_the_sources_told_concerns_its_job_only at CheckpointTriggered;
    a_panic_of_a_coordinator_with_an_acknowledgement_concerns_its_job_only at CheckpointAck;
    a_panic_of_a_coordinator_with_all_acknowledgements_concerns_its_job_only at CheckpointAcknowledged;
    a_panic_while_a_manifest_is_written_concerns_its_job_only at ManifestWritten;
    a_panic_with_a_manifest_durable_concerns_its_job_only at CheckpointDurable;
    a_panic_of_a_coordinator_before_the_tasks_are_told_concerns_its_job_only at CheckpointCompleted;
    a_panic_while_an_old_checkpoint_is_removed_concerns_its_job_only at CheckpointPrune;
}

/// The first deployment is the first job's, the second one the second's: the panics meet the third, a recovery, and
/// what follows.
#[test]
fn a_panic_of_a_job_master_in_a_recovery_concerns_its_job_only() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("job.deploy.before=panic@3..4")?;
        run.submit(job())?;
        let beside = run.submit_beside(job())?;
        run.wait_for_checkpoints(2)?;
        let actor = run.any_actor(&["source", "operator", "sink"])?;
        ensure!(run.kill(&actor)?, "the job ended before {actor} could be killed");
        run.finish()?;
        ensure!(run.has_injected(FaultPoint::JobDeployBefore)?, "the fault was never reached");
        run.finish_undisturbed(beside)
    });
}

#[test]
fn a_panic_of_a_job_master_at_its_jobs_end_does_not_undo_the_end() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("job.end.stored=panic@1")?;
        run.submit(job())?;
        run.finish()?;
        ensure!(run.has_injected(FaultPoint::JobEndStored)?, "the fault was never reached");
        run.wait_for("the job's checkpoints to be removed", |run, _| {
            Ok(run.durable_checkpoints()?.is_empty().then_some(()))
        })
    });
}

#[test]
fn a_panic_of_a_job_master_that_cancels_does_not_undo_the_cancel() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("job.cancel.stored=panic@1")?;
        run.submit(job())?;
        run.wait_for_checkpoints(2)?;
        run.cancel()?;
        run.wait_for_end("CANCELED")?;
        run.judge(&["--part"])
    });
}

/// Nothing else kills the dispatcher.
#[test]
fn a_panic_of_the_dispatcher_leaves_what_it_has_stored_and_disturbs_no_job() {
    promise_once(&[Backend::HashMap], |run| {
        run.start_server_with("job.submit.stored=panic@2")?;
        let undisturbed = run.submit_beside(job())?;
        // Whether it is answered or not, the job is stored.
        let answered = run.submit(job());
        if answered.is_err() {
            run.take_up(job())?;
        }
        run.finish()?;
        run.finish_undisturbed(undisturbed)
    });
}

#[test]
fn a_job_that_crashes_all_the_time_disturbs_no_other() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("panicking_sequences"))?;
        let beside = [run.submit_beside(job())?, run.submit_beside(job())?];
        run.wait_for("some crashes", |_, job| Ok((job["restarts"].as_u64() > Some(5)).then_some(())))?;
        for beside in beside {
            run.finish_undisturbed(beside)?;
        }
        ensure!(text(&run.job()?, "state") != "FINISHED", "it was to crash all the time");
        run.cancel()?;
        run.wait_for_end("CANCELED")?;
        Ok(())
    });
}

#[test]
fn a_panic_in_a_timer_restarts_the_job() {
    promise_once(BACKENDS, |run| {
        run.start_server_with("task.timer=panic@3")?;
        run.submit(Job { program: "timed_sequences", ..job() })?;
        run.finish()?;
        ensure!(run.has_injected(FaultPoint::TaskTimer)?, "the fault was never reached");
        ensure!(run.job()?["restarts"] == 1, "one panic restarts the job once: {}", run.job()?["restarts"]);
        Ok(())
    });
}
