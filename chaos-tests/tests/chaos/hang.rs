//! Code that never comes back, or comes back when nobody waits for it any more.

use std::fs;

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Backend, Job},
    run::Run,
};
use headwater_core::fault::FaultPoint;
use serde_json::Value;

use crate::promise_once;

fn job(program: &'static str) -> Job {
    Job { count: 12_800, ..Job::new(program) }
        .option("execution.checkpointing.interval", "40 ms")
        .option("task.stall-timeout", "700 ms")
}

/// The failure of the task that hung.
fn wait_for_stall(run: &mut Run) -> anyhow::Result<Value> {
    run.wait_for("the hung task to be found", |run, _| {
        let failures = run.history().exceptions();
        let hung = |failure: &&Value| {
            text(failure, "kind") == "stall" && text(failure, "message").contains("made no progress")
        };
        Ok(failures.iter().find(hung).cloned())
    })
}

/// The hung function writes what it was at when it is let go, long after another attempt has taken its place.
#[test]
fn a_function_that_hangs_is_replaced_and_what_it_does_later_does_not_show() {
    promise_once(BACKENDS, |run| {
        run.start_server()?;
        run.submit(job("hanging_sequences"))?;
        let failure = wait_for_stall(run)?;
        ensure!(failure["attempt"].is_u64(), "{failure}");
        run.wait_for_checkpoints(2)?;
        // While the other attempt is at work, and then once more all of it.
        fs::write(run.path("output/release"), "")?;
        let beside = run.submit_beside(job("keyed_sequences"))?;
        run.finish()?;
        run.finish_undisturbed(beside)
    });
}

#[test]
fn a_function_that_hangs_is_replaced_and_never_missed() {
    promise_once(&[Backend::RocksDb], |run| {
        run.start_server()?;
        run.submit(job("hanging_sequences"))?;
        wait_for_stall(run)?;
        run.finish()?;
        let beside = run.submit_beside(job("keyed_sequences"))?;
        run.finish_undisturbed(beside)
    });
}

/// Hangs a task somewhere in its work, for good or for some time.
fn a_task_that_hangs_is_replaced(point: FaultPoint, action: &str) {
    promise_once(BACKENDS, |run| {
        run.start_server_with(&format!("{point}={action}@6"))?;
        run.submit(job("keyed_sequences"))?;
        wait_for_stall(run)?;
        run.finish()?;
        let beside = run.submit_beside(job("keyed_sequences"))?;
        run.finish_undisturbed(beside)
    });
}

const FOR_GOOD: &str = "hang";
/// Longer than the stall timeout, and shorter than the job.
const FOR_A_WHILE: &str = "sleep:2000";

macro_rules! hang_at {
    ($($name:ident at $point:ident $action:ident;)*) => {
        $(#[test]
        fn $name() {
            a_task_that_hangs_is_replaced(FaultPoint::$point, $action);
        })*
    };
}

hang_at! {
    a_source_that_hangs_for_good_is_replaced at SourceRead FOR_GOOD;
    a_sink_that_hangs_for_good_while_it_prepares_is_replaced at SinkPrepare FOR_GOOD;
    a_source_that_comes_back_late_is_fenced at SourceRead FOR_A_WHILE;
    a_sink_that_comes_back_late_before_it_prepares_is_fenced at SinkPrepare FOR_A_WHILE;
    a_sink_that_comes_back_late_after_it_has_prepared_is_fenced at SinkPrepared FOR_A_WHILE;
    a_sink_that_comes_back_late_between_its_files_is_fenced at SinkCommitPart FOR_A_WHILE;
    a_task_that_comes_back_late_while_it_opens_is_fenced at TaskOpen FOR_A_WHILE;
}
