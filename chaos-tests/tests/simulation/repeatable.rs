//! A run is a function of its seed.

use std::thread;

use headwater_chaos_tests::sim::{campaign::Kind, run::run};

const SEEDS: u64 = 60;

#[test]
fn the_same_seed_twice_gives_the_same_trace_event_by_event() {
    for seed in 0..SEEDS {
        let (first, second) = (run(Kind::Random.scenario(seed)), run(Kind::Random.scenario(seed)));
        assert_eq!(first.trace_hash, second.trace_hash, "seed {seed}");
        assert_eq!(first.took_ms, second.took_ms, "seed {seed}");
    }
}

#[test]
fn neither_another_thread_nor_company_changes_a_run() {
    let hashes = || (0..SEEDS).map(|seed| run(Kind::Random.scenario(seed)).trace_hash).collect::<Vec<_>>();
    let alone = hashes();
    let in_company: Vec<_> = (0..3).map(|_| thread::spawn(hashes)).collect();
    for other in in_company {
        assert_eq!(other.join().expect("no run panics"), alone);
    }
}

#[test]
fn different_seeds_give_different_runs() {
    let mut hashes: Vec<u64> = (0..SEEDS).map(|seed| run(Kind::Calm.scenario(seed)).trace_hash).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len() as u64, SEEDS);
}
