//! Any faults, at any time.

use std::collections::BTreeSet;

use headwater::core::fault::FaultPoint;
use headwater_chaos_tests::sim::{
    campaign::{Kind, replay, run_all},
    run::run,
};

/// The variable that says how many seeds; each takes some 10 ms.
const RUNS: &str = "HEADWATER_SIM_RUNS";
const RUNS_DEFAULT: u64 = 1_000;

/// The variable with the one seed to run with.
const SEED: &str = "HEADWATER_SIM_SEED";

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}: expected a whole number, found `{text}`")))
}

#[test]
fn no_faults_lose_or_double_a_record_or_leave_a_job_stuck() {
    let seeds = match number(SEED) {
        Some(seed) => seed..seed + 1,
        None => {
            let first = headwater::core::random::number() >> 16;
            first..first + number(RUNS).unwrap_or(RUNS_DEFAULT)
        }
    };
    let summary = run_all(Kind::Random, seeds, 2, |complaint| eprintln!("{complaint}"));
    println!("{summary}");
    assert_eq!(summary.violations, 0, "the complaints above say which seeds, and how to replay them");
}

#[test]
fn every_fault_point_is_reached_but_those_of_the_journal() {
    // It is simulated by itself, and a source has it in real processes only.
    let of_journal = [FaultPoint::JournalAppend, FaultPoint::JournalAppended, FaultPoint::JournalRelease];
    let reached: BTreeSet<FaultPoint> =
        (0..200).flat_map(|seed| run(Kind::Random.scenario(seed)).reached).collect();
    let missed: Vec<&FaultPoint> = FaultPoint::ALL
        .iter()
        .filter(|point| !reached.contains(point) && !of_journal.contains(point))
        .collect();
    assert_eq!(missed, Vec::<&FaultPoint>::new());
}

#[test]
fn a_run_without_faults_has_one_process_that_never_restores() {
    for seed in 0..50 {
        let outcome = run(Kind::Calm.scenario(seed));
        assert_eq!(outcome.violations, Vec::<String>::new(), "{}", replay(Kind::Calm, seed));
        assert_eq!((outcome.lives, outcome.restores), (1, vec![(0, None)]));
    }
}
