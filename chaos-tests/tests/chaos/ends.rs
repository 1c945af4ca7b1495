//! Jobs that do not finish.

use anyhow::ensure;
use headwater_chaos_tests::{
    history::text,
    job::{BACKENDS, Backend, Job},
    records::record_at,
};

use crate::promise;

#[test]
fn a_cancel_during_a_recovery_ends_canceled_and_nothing_was_written_twice() {
    promise(BACKENDS, |run| {
        run.start_server()?;
        let job = Job::new("keyed_sequences")
            .option("restart-strategy.exponential-delay.initial-backoff", "2 s")
            .option("restart-strategy.exponential-delay.max-backoff", "2 s");
        run.submit(job)?;
        run.wait_for_checkpoints(2)?;
        let actor = run.any_actor(&["source", "operator", "sink"])?;
        ensure!(run.kill(&actor)?, "the job ended before {actor} could be killed");
        run.wait_for("the recovery to begin", |_, job| {
            Ok((text(job, "state") == "RESTARTING").then_some(()))
        })?;
        run.cancel()?;
        run.wait_for_end("CANCELED")?;
        run.judge(&["--part"])
    });
}

#[test]
fn a_function_that_always_panics_fails_the_job_with_its_root_cause_once_the_budget_is_used_up() {
    promise(&[Backend::HashMap], |run| {
        run.start_server()?;
        let budget = 3;
        let option = "restart-strategy.exponential-delay.attempts-before-reset-backoff";
        run.submit(Job::new("panicking_sequences").option(option, budget))?;
        let job = run.wait_for_end("FAILED")?;
        let failure = text(&job, "failure");
        let index = (0..).find(|index| {
            let record = record_at(run.seed, *index);
            (record.key, record.sequence) == (7, 20)
        });
        let place = format!("(generator index {})", index.expect("every seed has this record"));
        let has_place =
            failure.contains("cannot bear record (7, 20), at record ") && failure.ends_with(&place);
        ensure!(has_place, "the root cause is `{failure}`, expected it to end with `{place}`");
        ensure!(job["restarts"] == budget, "{budget} restarts were in the budget: {}", job["restarts"]);
        let exceptions = run.history().exceptions();
        ensure!(
            exceptions.len() == budget + 1,
            "{budget} restarts follow from {} failures",
            exceptions.len()
        );
        for (number, exception) in exceptions.iter().enumerate() {
            ensure!(text(exception, "kind") == "panic" && exception["attempt"] == number, "{exception}");
            ensure!(exception["recovery"].is_object() == (number < budget), "{exception}");
        }
        Ok(())
    });
}
