//! Actors die again and again.

use std::ops::Range;

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Job},
    run::Run,
};
use rand::seq::IndexedRandom;

use crate::promise;

const TASKS: &[&str] = &["source", "operator", "sink"];
const ACTORS: &[&str] = &["source", "operator", "sink", "checkpoint-coordinator", "job-master"];

fn kill_at_random_times(run: &mut Run, job: Job, kills: usize, pause_ms: Range<u64>) -> anyhow::Result<()> {
    run.start_server()?;
    // The shorter the interval, the more kills meet a checkpoint under way.
    let interval_ms = *[10, 30, 100].choose(&mut run.random).expect("there are some");
    run.submit(job.option("execution.checkpointing.interval", interval_ms))?;
    run.wait_until_running()?;
    for _ in 0..kills {
        run.pause(pause_ms.clone());
        let actor = run.any_actor(ACTORS)?;
        if !run.kill(&actor)? {
            break;
        }
    }
    run.finish()
}

#[test]
fn kills_at_random_times_lose_nothing_and_double_nothing() {
    promise(BACKENDS, |run| kill_at_random_times(run, Job::new("keyed_sequences"), 8, 20..500));
}

#[test]
fn kills_at_full_speed_lose_nothing_and_double_nothing() {
    let args = vec![("rate", 1e9.into())];
    let job = Job { count: 1_280_000, args, ..Job::new("keyed_sequences") };
    promise(BACKENDS, |run| kill_at_random_times(run, job.clone(), 6, 0..60));
}

#[test]
fn kills_lose_and_double_nothing_with_a_union_and_changing_parallelism() {
    let job = Job { sources: 2, ..Job::new("union_sequences") };
    promise(BACKENDS, |run| kill_at_random_times(run, job.clone(), 5, 20..500));
}

#[test]
fn kills_while_the_last_checkpoint_is_taken_lose_nothing_and_double_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job { sources: 2, count: 3_200, ..Job::new("union_sequences") })?;
        for round in 0..4 {
            if !run.wait_until_draining()? {
                ensure!(round > 0, "the job ended before anything could be killed");
                break;
            }
            run.pause(0..200);
            let actor = run.any_actor(ACTORS)?;
            if !run.kill(&actor)? {
                break;
            }
            // What drains may be what has not yet heard of the kill.
            run.pause(0..40);
        }
        run.finish()
    });
}

#[test]
fn kills_during_a_recovery_lose_nothing_and_double_nothing() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        run.wait_for_checkpoints(1)?;
        for round in 1..=2 {
            let failures_before = run.history().exceptions().len();
            for kinds in [TASKS, TASKS, &["job-master"], TASKS] {
                let actor = run.any_actor(kinds)?;
                if !run.kill(&actor)? {
                    break;
                }
                run.pause(0..15);
            }
            run.wait_until_running()?;
            let failures = run.history().exceptions().len() - failures_before;
            ensure!(
                failures >= 2,
                "round {round} had {failures} failures: expected a second one in the recovery"
            );
            run.wait_for_checkpoints(1)?;
        }
        for exception in run.history().exceptions() {
            let running_after_us = &exception["recovery"]["running_after_us"];
            ensure!(running_after_us.is_u64(), "how long the recovery took is not on record: {exception}");
        }
        run.finish()
    });
}

#[test]
fn every_kill_is_on_record_with_who_died_of_what_and_how_the_job_came_back() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        run.submit(Job::new("keyed_sequences"))?;
        let mut killed = Vec::new();
        for kind in ACTORS {
            run.wait_until_running()?;
            run.wait_for_checkpoints(1)?;
            let actor = run.any_actor(&[kind])?;
            ensure!(run.kill(&actor)?, "the job ended before its {kind} could be killed");
            let exception = run.wait_for_recovery(&actor, 1)?;
            let is_task = TASKS.contains(kind);
            ensure!(
                text(&exception, "kind") == "kill" && !text(&exception, "message").is_empty(),
                "{exception}"
            );
            ensure!(!text(&exception, "actor_name").is_empty(), "{exception}");
            ensure!(exception["attempt"].is_u64() == is_task, "only tasks have attempts: {exception}");
            killed.push(actor);
        }
        let on_record: Vec<&str> =
            run.history().exceptions().iter().map(|exception| text(exception, "actor")).collect();
        ensure!(on_record == killed, "{killed:?} were killed, on record are {on_record:?}");
        run.finish()
    });
}
