//! The test of the simulation: mistakes that it must find.

use headwater_chaos_tests::sim::{campaign::Kind, run::run, scenario::Scenario};

/// A mistake may go unnoticed under one schedule of faults, not under so many.
const SEEDS: u64 = 300;

/// The simulation finds what is wrong with runs of this kind, and only once something has died.
fn is_found(make: impl Fn(Kind, u64) -> Scenario) {
    for seed in 0..20 {
        let violations = run(make(Kind::Calm, seed)).violations;
        assert_eq!(violations, Vec::<String>::new(), "without a fault the mistake does not show");
    }
    let found = (0..SEEDS).any(|seed| run(make(Kind::Random, seed)).complaint().is_some());
    assert!(found, "the mistake was not found by any of {SEEDS} seeds");
}

fn sabotaged(kind: Kind, seed: u64, mistake: &'static str) -> Scenario {
    let mut scenario = kind.scenario(seed);
    // The forgetful operator needs a whole number of its dozens in each subtask.
    scenario.options.insert("parallelism.default".to_owned(), "2".to_owned());
    Scenario { program: "sabotaged_sequences", sources: 1, mistake: Some(mistake), ..scenario }
}

#[test]
fn a_source_whose_position_is_ahead_is_found_out() {
    is_found(|kind, seed| sabotaged(kind, seed, "source"));
}

#[test]
fn an_operator_with_state_outside_of_its_snapshot_is_found_out() {
    is_found(|kind, seed| sabotaged(kind, seed, "operator"));
}

#[test]
fn a_sink_that_publishes_before_the_checkpoint_is_found_out() {
    is_found(|kind, seed| sabotaged(kind, seed, "sink"));
}

#[test]
fn syncs_that_do_nothing_are_found_out() {
    is_found(|kind, seed| Scenario { disk_lies: true, ..kind.scenario(seed) });
}
