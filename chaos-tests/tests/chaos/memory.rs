//! The process has less memory than it wants.

use anyhow::ensure;
use headwater_chaos_tests::{
    cage::{SmallMemory, resident_bytes},
    history::{items, text},
    job::{BACKENDS, Job},
    run::Run,
};

use crate::promise_once;

const BOUND_BYTES: u64 = 512 << 20;

#[test]
fn a_process_that_runs_out_of_memory_is_followed_by_one_that_goes_on() {
    promise_once(BACKENDS, |run| {
        let memory = SmallMemory::of(run, BOUND_BYTES);
        run.start_server_by(memory.command(run.server_binary()), "")?;
        run.submit(Job { count: 9_600, ..Job::new("greedy_sequences") })?;
        let status = run.wait_for_exit()?;
        ensure!(!status.success(), "a process without memory ended with {status}");
        run.start_server_by(memory.command(run.server_binary()), "")?;
        run.finish()
    });
}

/// How much more memory a server may take than it began with. The records that wait for the sink would take twice that.
const GROWTH_BYTES_MAX: u64 = 128 << 20;

fn slow(count: u64) -> Job {
    Job { count, args: vec![("rate", 1e9.into())], ..Job::new("slow_sequences") }
}

fn watch_memory(run: &mut Run) -> anyhow::Result<()> {
    let (pid, mut least) = (run.pid()?, u64::MAX);
    run.wait_for("the job's end", |_, job| {
        let now = resident_bytes(pid)?;
        least = least.min(now);
        ensure!(now - least < GROWTH_BYTES_MAX, "memory grew from {least} to {now} bytes behind a slow sink");
        Ok((text(job, "state") == "FINISHED").then_some(()))
    })
}

#[test]
fn a_sink_that_is_too_slow_holds_its_sources_back_and_memory_stays_bounded() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(slow(1_000_000))?;
        watch_memory(run)?;
        ensure!(run.history().last_completed() > 1, "no checkpoint but the last one got through");
        run.finish()
    });
}

#[test]
fn a_checkpoint_that_a_slow_sink_keeps_waiting_expires_visibly_and_the_job_goes_on() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        let job = slow(200_000)
            .option("execution.checkpointing.timeout", "50 ms")
            .option("execution.checkpointing.tolerable-failed-checkpoints", 1_000_000);
        run.submit(job)?;
        run.wait_for("an expired checkpoint", |run, _| {
            let checkpoints = run.checkpoints()?;
            let mut all = items(&checkpoints, "checkpoints").iter();
            Ok(all.any(|checkpoint| text(checkpoint, "failure").contains("expired")).then_some(()))
        })?;
        ensure!(run.job()?["restarts"] == 0, "a tolerable failure restarted the job");
        run.finish()
    });
}
