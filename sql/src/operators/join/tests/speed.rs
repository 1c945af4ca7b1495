//! How fast joins are: `cargo test --release -p headwater-sql --lib -- --ignored --nocapture join::tests::speed`.

use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use crate::operators::{join::JoinFactory, testing::Harness};

const KEYS: i64 = 1_000_000;
const BATCH_ROWS: i64 = 4_096;

fn batches(mut next: impl FnMut() -> Row, rows: i64) -> Vec<ChangeBatch> {
    (0..rows / BATCH_ROWS).map(|_| insertions(&(0..BATCH_ROWS).map(|_| next()).collect::<Vec<_>>())).collect()
}

/// The time that this thread was on a processor.
fn cpu_seconds() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn feed(what: &str, harness: &mut Harness, input: usize, batches: Vec<ChangeBatch>) {
    let rows: usize = batches.iter().map(ChangeBatch::len).sum();
    let start = cpu_seconds();
    let mut emitted = 0;
    for batch in batches {
        harness.process(input, batch);
        emitted += harness.take_output().iter().map(ChangeBatch::len).sum::<usize>();
    }
    let seconds = cpu_seconds() - start;
    println!(
        "{what}: {:.2} M rows in, {:.2} M rows out per CPU second",
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
            let mut bid_time = 0;
            let mut bid = || {
                bid_time += 1;
                Row { key: Some(random.random_range(0..KEYS)), value: 1, size: 40, time: bid_time }
            };
            let bids = batches(&mut bid, 3 * KEYS);
            let mut newest = 0;
            let mut hot_bid = || {
                newest += 1;
                let key = (newest / 3 - random.random_range(0..1_000)).clamp(1, KEYS);
                Row { key: Some(key), value: 1, size: 40, time: -newest }
            };
            let hot_bids = batches(&mut hot_bid, 3 * KEYS);
            println!("{state_backend:?} {kind:?}, append-only: {}", is_append_only[0]);
            feed("  a million keys", &mut harness, 0, auctions);
            feed("  three rows for any", &mut harness, 1, bids);
            feed("  three rows for each in turn", &mut harness, 1, hot_bids);
        }
    }
}

#[test]
#[ignore = "it measures"]
fn one_key_with_many_rows() {
    const ROWS: i64 = 200_000;
    let rows = |kind: RowKind| -> Vec<ChangeBatch> {
        let row = |time| (kind, Row { key: Some(1), value: 1, size: 40, time });
        (0..ROWS / 1_000)
            .map(|n| changes(&(0..1_000).map(|i| row(n * 1_000 + i)).collect::<Vec<_>>()))
            .collect()
    };
    let one = || vec![insertions(&[Row { key: Some(1), value: 1, size: 40, time: 0 }])];
    for state_backend in [StateBackend::HashMap, StateBackend::RocksDb] {
        let factory =
            JoinFactory { spec: spec(JoinKind::Left, false), is_append_only: [false; 2], ttl_ms: [None; 2] };
        let options = JobOptions { state_backend, state_cache_bytes: 4 << 30, ..JobOptions::default() };
        let mut harness = Harness::open_with(factory, options);
        println!("{state_backend:?}");
        feed("  come", &mut harness, 0, rows(RowKind::Insert));
        feed("  match one", &mut harness, 1, one());
        feed("  go", &mut harness, 0, rows(RowKind::Delete));
    }
}
