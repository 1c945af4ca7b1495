//! How fast joins are: `cargo test --release -p headwater-sql --lib -- --ignored --nocapture join::tests::speed`.

use std::time::Instant;

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use crate::operators::{join::JoinFactory, testing::Harness};

const KEYS: i64 = 1_000_000;
const BATCH_ROWS: i64 = 4_096;

fn batches(mut next: impl FnMut() -> Row, rows: i64) -> Vec<ChangeBatch> {
    (0..rows / BATCH_ROWS).map(|_| insertions(&(0..BATCH_ROWS).map(|_| next()).collect::<Vec<_>>())).collect()
}

fn feed(what: &str, harness: &mut Harness, input: usize, batches: Vec<ChangeBatch>) {
    let rows: usize = batches.iter().map(ChangeBatch::len).sum();
    let start = Instant::now();
    let mut emitted = 0;
    for batch in batches {
        harness.process(input, batch);
        emitted += harness.take_output().iter().map(ChangeBatch::len).sum::<usize>();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {:.2} M rows/s in, {:.2} M rows/s out",
        rows as f64 / seconds / 1e6,
        emitted as f64 / seconds / 1e6
    );
}

#[test]
#[ignore = "it measures"]
fn a_regular_join_of_a_million_keys() {
    for state_backend in [StateBackend::HashMap, StateBackend::RocksDb] {
        for (is_append_only, kind) in
            [([true; 2], JoinKind::Inner), ([false; 2], JoinKind::Inner), ([true; 2], JoinKind::Left)]
        {
            let factory = JoinFactory { spec: spec(kind, false), is_append_only, ttl_ms: [None; 2] };
            let options = JobOptions { state_backend, state_cache_bytes: 4 << 30, ..JobOptions::default() };
            let mut harness = Harness::open_with(factory, options);
            let mut random = SmallRng::seed_from_u64(1);
            let mut key = 0;
            let mut auction = || {
                key += 1;
                Row { key: Some(key), value: 1, size: 40, time: key }
            };
            let auctions = batches(&mut auction, KEYS);
            let mut bid = || Row { key: Some(random.random_range(0..KEYS)), value: 1, size: 40, time: 1 };
            let bids = batches(&mut bid, 3 * KEYS);
            println!("{state_backend:?} {kind:?}, append-only: {}", is_append_only[0]);
            feed("  a million keys", &mut harness, 0, auctions);
            feed("  three rows for each", &mut harness, 1, bids);
        }
    }
}
