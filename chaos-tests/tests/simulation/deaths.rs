//! Whoever dies, in whichever phase of a checkpoint: the matrix.

use headwater::core::fault::Phase;
use headwater_chaos_tests::sim::{
    campaign::{Kind, replay},
    run::{Outcome, run},
    scenario::Victim,
};

/// Runs of each cell. Some end before their fault is due.
const RUNS: u64 = 20;

fn check(victim: Victim, phase: Phase) {
    let kind = Kind::Death(victim, phase);
    let mut deaths = 0;
    for seed in 0..RUNS {
        let outcome = run(kind.scenario(seed));
        if let Some(complaint) = outcome.complaint() {
            panic!("{complaint}  again with: {}", replay(kind, seed));
        }
        if let Some(wrong) = wrong_restore(&outcome, victim, phase) {
            panic!("seed {seed}: {wrong}; again with: {}", replay(kind, seed));
        }
        deaths += outcome.fired.iter().filter(|fired| fired.has_struck).count();
    }
    assert!(deaths >= RUNS as usize / 4, "only {deaths} of {RUNS} runs had their death");
}

/// When the process has died, what the next one goes back to is known: the checkpoint before until the one under way
/// is durable, and that one from then on. (While a manifest has its name and is not synced, it may be either.)
fn wrong_restore(outcome: &Outcome, victim: Victim, phase: Phase) -> Option<String> {
    let dies_whole = matches!(victim, Victim::Process | Victim::Machine);
    let death = outcome.fired.first().filter(|_| dies_whole)?;
    let (under_way, completed) = (death.under_way?, death.completed);
    let (_, restored) = outcome.restores.iter().find(|(faults, _)| *faults > 0)?;
    let is_right = match phase {
        Phase::P0 | Phase::P4 => true,
        Phase::P1 | Phase::P2 | Phase::P3 => *restored < Some(under_way),
        Phase::P5 => *restored >= Some(under_way),
        // The next one may have been triggered meanwhile.
        Phase::P6 | Phase::P7 => *restored >= completed,
    };
    (!is_right)
        .then(|| format!("checkpoint {under_way} was under way in {phase:?}, restored was {restored:?}"))
}

macro_rules! deaths {
    ($($module:ident $victim:ident;)*) => {
        $(mod $module {
            use super::*;

            #[test]
            fn dies_at_p0_idle() {
                check(Victim::$victim, Phase::P0);
            }

            #[test]
            fn dies_at_p1_some_barriers_out() {
                check(Victim::$victim, Phase::P1);
            }

            #[test]
            fn dies_at_p2_some_acknowledgements_in() {
                check(Victim::$victim, Phase::P2);
            }

            #[test]
            fn dies_at_p3_all_acknowledgements_in() {
                check(Victim::$victim, Phase::P3);
            }

            #[test]
            fn dies_at_p4_manifest_not_yet_durable() {
                check(Victim::$victim, Phase::P4);
            }

            #[test]
            fn dies_at_p5_durable() {
                check(Victim::$victim, Phase::P5);
            }

            #[test]
            fn dies_at_p6_some_sinks_told() {
                check(Victim::$victim, Phase::P6);
            }

            #[test]
            fn dies_at_p7_committed_and_not_pruned() {
                check(Victim::$victim, Phase::P7);
            }
        })*
    };
}

deaths! {
    source Source;
    operator Operator;
    sink Sink;
    checkpoint_coordinator CheckpointCoordinator;
    job_master JobMaster;
    dispatcher Dispatcher;
    process Process;
    machine Machine;
}
