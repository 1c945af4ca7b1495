//! One actor dies once.

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Job},
    run::Run,
};
use serde_json::Value;

use crate::promise;

/// Kills one actor of this kind after some checkpoints, and returns how that is on record.
fn kill_one(run: &mut Run, kind: &str) -> anyhow::Result<(Value, u64)> {
    run.start_server()?;
    run.submit(Job::new("keyed_sequences"))?;
    run.wait_for_checkpoints(2)?;
    run.pause(0..150);
    run.observe()?;
    let completed_before = run.history().last_completed();
    let actor = run.any_actor(&[kind])?;
    ensure!(run.kill(&actor)?, "the job ended before its {kind} could be killed");
    let exception = run.wait_for_recovery(&actor, 1)?;
    ensure!(text(&exception, "kind") == "kill", "a kill is on record as {exception}");
    Ok((exception, completed_before))
}

fn a_killed_task_replays_from_the_last_completed_checkpoint(kind: &str) {
    promise(BACKENDS, |run| {
        let (exception, completed_before) = kill_one(run, kind)?;
        let restored = exception["recovery"]["restored_checkpoint"].as_u64();
        ensure!(restored >= Some(completed_before), "{completed_before} was completed before {exception}");
        run.finish()
    });
}

#[test]
fn a_killed_source_replays_from_the_last_completed_checkpoint() {
    a_killed_task_replays_from_the_last_completed_checkpoint("source");
}

#[test]
fn a_killed_operator_replays_from_the_last_completed_checkpoint() {
    a_killed_task_replays_from_the_last_completed_checkpoint("operator");
}

#[test]
fn a_killed_sink_replays_from_the_last_completed_checkpoint() {
    a_killed_task_replays_from_the_last_completed_checkpoint("sink");
}

#[test]
fn a_killed_job_master_is_rebuilt_and_the_job_goes_on_from_the_last_completed_checkpoint() {
    a_killed_task_replays_from_the_last_completed_checkpoint("job-master");
}

#[test]
fn a_killed_checkpoint_coordinator_is_rebuilt_and_no_task_is_disturbed() {
    promise(BACKENDS, |run| {
        let (exception, _) = kill_one(run, "checkpoint-coordinator")?;
        ensure!(exception["recovery"]["tasks_restarted"] == 0, "tasks were restarted: {exception}");
        run.wait_for_checkpoints(1)?;
        ensure!(run.job()?["restarts"] == 0, "the job was restarted");
        run.finish()
    });
}

#[test]
fn a_kill_before_the_first_checkpoint_starts_over() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences").option("execution.checkpointing.interval", "1 h"))?;
        run.wait_until_running()?;
        run.pause(0..700);
        let actor = run.any_actor(&["source", "operator", "sink"])?;
        ensure!(run.kill(&actor)?, "the job ended before {actor} could be killed");
        let exception = run.wait_for_recovery(&actor, 1)?;
        let restored = &exception["recovery"]["restored_checkpoint"];
        ensure!(restored.is_null(), "there was no checkpoint to go back to: {exception}");
        run.finish()
    });
}
