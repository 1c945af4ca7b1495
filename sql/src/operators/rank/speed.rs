//! How fast it is, with rows like bids of an auction. Run with `--ignored --nocapture`.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray},
    compute::SortOptions,
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::*;
use crate::{
    batch::ChangeBatch,
    operators::{
        deduplicate::{DeduplicateFactory, Keep},
        ordered::test_rows::{cpu_seconds, options},
        testing::Harness,
    },
};

const ROWS: usize = 2_000_000;
const BATCH_ROWS: usize = 4_096;

/// About as many as come between two watermarks.
const BATCHES_PER_FLUSH: usize = 4;

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("auction", DataType::Int64, false),
        Field::new("bidder", DataType::Int64, false),
        Field::new("price", DataType::Int64, false),
        Field::new("channel", DataType::Utf8, false),
        Field::new("url", DataType::Utf8, false),
        Field::new("dateTime", time, false),
        Field::new("extra", DataType::Utf8, false),
    ]))
}

/// Half of the bids are for the hottest of late, the rest for one of the last hundred auctions.
fn bids() -> Vec<ChangeBatch> {
    let mut random = SmallRng::seed_from_u64(1);
    let batch = |first: usize| {
        let mut numbers = [const { Vec::new() }; 4];
        let (mut urls, mut extras) = (Vec::new(), Vec::new());
        for row in first..first + BATCH_ROWS {
            let newest = (row / 15) as i64;
            let auction = if random.random_bool(0.5) {
                newest / 100 * 100
            } else {
                newest - random.random_range(0..100)
            };
            numbers[0].push(auction);
            numbers[1].push(if random.random_bool(0.75) {
                newest / 400 * 100
            } else {
                newest / 4 + random.random_range(0..1_000)
            });
            numbers[2].push(random.random_range(100..10_000_000));
            numbers[3].push(row as i64 / 10);
            urls.push(format!("https://www.nexmark.com/abc_d/ef/{}/item.htm?query=1", auction & 0xff));
            extras.push("x".repeat(random.random_range(40..80)));
        }
        let channels =
            numbers[0].iter().map(|auction| if auction % 2 == 0 { "Google" } else { "channel-4711" });
        let channels: ArrayRef = Arc::new(StringArray::from_iter_values(channels));
        let [auctions, bidders, prices, times] = numbers;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(auctions)),
            Arc::new(Int64Array::from(bidders)),
            Arc::new(Int64Array::from(prices)),
            channels,
            Arc::new(StringArray::from(urls)),
            Arc::new(TimestampMillisecondArray::from(times)),
            Arc::new(StringArray::from(extras)),
        ];
        ChangeBatch::insertions(RecordBatch::try_new(schema(), columns).unwrap())
    };
    (0..ROWS / BATCH_ROWS).map(|index| index * BATCH_ROWS).map(batch).collect()
}

fn measure(name: &str, bids: &[ChangeBatch], factory: impl OperatorFactory + 'static) {
    let mut harness = Harness::open_with(factory, options(false));
    let started = cpu_seconds();
    let (mut rows, mut changes) = (0, 0);
    for (number, batch) in bids.iter().enumerate() {
        harness.process(0, batch.clone());
        if number % BATCHES_PER_FLUSH == 0 {
            harness.flush();
        }
        rows += batch.len();
        changes += harness.take_output().iter().map(ChangeBatch::len).sum::<usize>();
    }
    let seconds = cpu_seconds() - started;
    println!(
        "{name}: {:.2} M rows per CPU second, {changes} changes of {rows} rows",
        rows as f64 / seconds / 1e6
    );
}

#[test]
#[ignore = "measures"]
fn ranks_per_second() {
    let bids = bids();
    let by_price = vec![(2, SortOptions { descending: true, nulls_first: false })];
    let rank = |range, partition, name: Option<&str>| RankFactory {
        input: schema(),
        partition,
        order: by_price.clone(),
        range,
        rank_name: name.map(str::to_owned),
        input_is_append_only: true,
        update_before: true,
        ttl_ms: None,
    };
    let latest = |update_before| DeduplicateFactory {
        input: schema(),
        partition: vec![1, 0],
        time: Some(5),
        keep: Keep::Last,
        update_before,
        ttl_ms: None,
    };
    measure("latest bid per bidder and auction", &bids, latest(false));
    measure("the same with the old rows", &bids, latest(true));
    measure("10 best bids per auction", &bids, rank(1..=10, vec![0], None));
    measure("the same with their ranks", &bids, rank(1..=10, vec![0], Some("rn")));
    measure("10 best bids of all", &bids, rank(1..=10, vec![], None));
    let retract = RankFactory { input_is_append_only: false, ..rank(1..=10, vec![0], None) };
    measure("10 best bids per auction, if bids might go", &bids[..bids.len() / 4], retract);
}
