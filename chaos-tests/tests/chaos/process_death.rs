//! The whole process dies.

use anyhow::ensure;
use headwater_chaos_tests::{
    job::{BACKENDS, Job},
    run::Run,
};

use crate::promise;

/// Starts a new process on the old one's data; the job must be where it was.
fn restart(run: &mut Run) -> anyhow::Result<()> {
    let completed_before = run.history().last_completed();
    run.start_server()?;
    run.wait_until_running()?;
    let completed = run.history().last_completed();
    ensure!(completed >= completed_before, "the job fell back from {completed_before} to {completed}");
    Ok(())
}

#[test]
fn a_killed_process_is_followed_by_one_that_goes_on_from_the_last_completed_checkpoint() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        run.wait_for_checkpoints(2)?;
        run.pause(0..150);
        run.kill_server()?;
        let completed_before = run.history().last_completed();
        restart(run)?;
        let exception = run.wait_for_recovery("process", 1)?;
        let restored = exception["recovery"]["restored_checkpoint"].as_u64();
        ensure!(restored >= Some(completed_before), "{completed_before} was completed before {exception}");
        run.finish()
    });
}

#[test]
fn a_process_that_is_killed_again_and_again_loses_nothing_and_doubles_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        for _ in 0..4 {
            run.pause(0..400);
            if run.state()? == "FINISHED" {
                break;
            }
            run.kill_server()?;
            run.start_server()?;
        }
        run.finish()
    });
}

#[test]
fn a_process_that_is_killed_while_the_last_checkpoint_is_taken_loses_nothing_and_doubles_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job { sources: 2, count: 3_200, ..Job::new("union_sequences") })?;
        for round in 0..4 {
            if !run.wait_until_draining()? {
                ensure!(round > 0, "the job ended before the process could be killed");
                break;
            }
            run.pause(0..200);
            run.kill_server()?;
            run.start_server()?;
        }
        run.finish()
    });
}

#[test]
fn actors_and_process_killed_in_turn_lose_nothing_and_double_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job { sources: 2, ..Job::new("union_sequences") })?;
        for _ in 0..3 {
            run.wait_until_running()?;
            run.pause(0..300);
            let actor = run.any_actor(&["source", "operator", "sink", "job-master"])?;
            if !run.kill(&actor)? {
                break;
            }
            run.pause(0..30);
            run.kill_server()?;
            run.start_server()?;
        }
        run.finish()
    });
}

#[test]
fn a_process_that_is_told_to_stop_leaves_its_job_to_the_next_one() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        run.wait_for_checkpoints(2)?;
        run.terminate_server()?;
        restart(run)?;
        let exceptions = run.history().exceptions();
        ensure!(exceptions.is_empty(), "a stop is no failure: {exceptions:?}");
        run.finish()
    });
}
