//! A checkpoint whose bytes are not what they were.

use headwater::core::fault::FaultPoint;
use headwater_chaos_tests::sim::{
    campaign::Kind,
    run::run,
    scenario::{Act, Planned, Scenario, When},
};

const SEEDS: u64 = 40;

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before_and_nothing_is_doubled() {
    let mut fell_back = 0;
    for seed in 0..SEEDS {
        let mut scenario = Kind::Calm.scenario(seed);
        scenario.options.insert("execution.checkpointing.num-retained".to_owned(), "3".to_owned());
        // Each checkpoint has its files to itself: damage to a shared one is damage to all that share it.
        scenario.options.insert("state.backend.incremental-from".to_owned(), "1 gb".to_owned());
        let when = When::At(FaultPoint::SinkCommitted, 6);
        let outcome = run(Scenario { faults: vec![Planned { when, act: Act::Damage }], ..scenario });
        assert_eq!(outcome.complaint(), None);
        let Some(damaged) = outcome.fired.first().map(|fired| fired.completed) else { continue };
        let restored = outcome.restores.iter().find(|(faults, _)| *faults > 0);
        fell_back += u64::from(outcome.has_finished && restored.is_some_and(|(_, id)| *id < damaged));
    }
    assert!(fell_back >= SEEDS / 4, "only {fell_back} of {SEEDS} runs fell back to an older checkpoint");
}
