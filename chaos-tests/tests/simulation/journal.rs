//! The journal of a source that cannot rewind, on a disk that loses power.

use std::{path::Path, sync::Arc};

use headwater::{connectors::journal::Journal, core::fs::FileSystem};
use headwater_chaos_tests::sim::{disk::Disk, trace::Trace};
use rand::{Rng, SeedableRng, rngs::StdRng};

const SEEDS: u64 = 300;
const FOLDER: &str = "/data/journal";
/// Small, so that there are several segments.
const BYTES_MAX: u64 = 400;

fn record(number: u64) -> Vec<u8> {
    format!("record {number}").into_bytes()
}

fn replayed(journal: &Journal, from: u64) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let mut replay = |first: u64, group: &mut dyn Iterator<Item = &[u8]>| {
        assert_eq!(first, from + records.len() as u64, "groups come without a gap");
        records.extend(group.map(<[u8]>::to_vec));
        true
    };
    journal.replay(from, &mut replay).expect("whole records are replayed");
    records
}

#[test]
fn what_was_committed_is_replayed_whole_after_any_power_loss_and_nothing_else_is_made_up() {
    for seed in 0..SEEDS {
        let mut random = StdRng::seed_from_u64(seed);
        let disk = Disk::default();
        let mut committed = 0u64;
        let mut position = None;
        for _ in 0..random.random_range(1..5) {
            let process: Arc<dyn FileSystem> = Arc::new(disk.of_process(&Trace::default()));
            let mut journal = Journal::open(&process, Path::new(FOLDER), position, BYTES_MAX)
                .unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            let from = position.unwrap_or(0);
            let found = replayed(&journal, from);
            assert!(from + found.len() as u64 >= committed, "seed {seed}: committed records are gone");
            assert!((from..).zip(&found).all(|(number, found)| *found == record(number)), "seed {seed}");
            let mut next = from + found.len() as u64;
            for _ in 0..random.random_range(0..20) {
                for _ in 0..random.random_range(1..4) {
                    journal.stage(&record(next));
                    next += 1;
                }
                journal.commit().expect("this disk has room");
                committed = next;
                if random.random_bool(0.2) {
                    let released = random.random_range(from..=committed);
                    journal.segments().release(released).expect("this disk removes");
                    position = position.max(Some(released));
                }
            }
            disk.lose_power(&mut random);
        }
    }
}
