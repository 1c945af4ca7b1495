//! The test of the tests: mistakes that the oracle must find.

use headwater_chaos_tests::{
    job::{Backend, Job},
    run::{Run, Violation},
};

use crate::binaries;

/// A mistake may go unnoticed under one schedule of kills, not under so many.
const TRIES_MAX: u64 = 10;

fn sabotaged(mistake: &str) -> Job {
    Job { count: 6_400, args: vec![("mistake", mistake.into())], ..Job::new("sabotaged_sequences") }
}

fn run_with_kills(run: &mut Run, mistake: &str, kills: usize) -> anyhow::Result<()> {
    run.start_server()?;
    run.submit(sabotaged(mistake))?;
    for _ in 0..kills {
        run.wait_for_checkpoints(1)?;
        run.pause(0..150);
        let actor = run.any_actor(&["source", "operator"])?;
        if !run.kill(&actor)? {
            break;
        }
    }
    run.finish()
}

fn the_oracle_finds(mistake: &str, what: &str) {
    let new_run =
        |seed| Run::new(&binaries(), seed, Backend::HashMap).expect("a temporary folder can be made");
    run_with_kills(&mut new_run(0), mistake, 0).expect("without a kill the mistake does not show");
    for seed in 1..=TRIES_MAX {
        match run_with_kills(&mut new_run(seed), mistake, 2).map_err(|error| error.downcast::<Violation>()) {
            Ok(()) => {}
            Err(Ok(Violation(report))) => {
                assert!(report.contains(what), "expected `{what}`, found\n{report}");
                return;
            }
            Err(Err(error)) => panic!("seed {seed}: {error:#}"),
        }
    }
    panic!("the oracle has not found the mistake in the {mistake} with any of {TRIES_MAX} seeds");
}

#[test]
fn a_source_whose_position_is_ahead_is_found_out() {
    the_oracle_finds("source", "missing: ");
}

#[test]
fn an_operator_with_state_outside_of_its_snapshot_is_found_out() {
    the_oracle_finds("operator", "missing: ");
}

#[test]
fn a_sink_that_publishes_before_the_checkpoint_is_found_out() {
    the_oracle_finds("sink", "duplicate: ");
}
