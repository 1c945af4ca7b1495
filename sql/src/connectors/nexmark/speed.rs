//! Not a test but a measurement: `cargo test --release -p headwater-sql --lib -- --ignored --nocapture speed_of_nexmark`.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;

use super::{
    super::testing::{Surroundings, read_now},
    tests::events,
    *,
};

#[test]
#[ignore = "a measurement"]
fn speed_of_nexmark() {
    let count = 20_000_000u64;
    let names = |fields: &[&str]| fields.iter().map(|name| (*name).to_owned()).collect();
    let numbers = BTreeMap::from([(3, names(&["auction", "price", "dateTime"]))]);
    let strings = BTreeMap::from([(3, names(&["channel", "url"]))]);
    let bids = |fields| Scan { projection: vec![3], fields, equal: vec![(0, ScalarValue::Int32(Some(2)))] };
    let all = |fields, kind: Option<i32>| Scan {
        projection: vec![0, 1, 2, 3],
        fields,
        equal: kind.iter().map(|kind| (0, ScalarValue::Int32(Some(*kind)))).collect(),
    };
    let cases = [
        ("no columns", Scan::default()),
        ("auction, price, dateTime of bids", bids(numbers.clone())),
        ("auction", bids(BTreeMap::from([(3, names(&["auction"]))]))),
        ("price", bids(BTreeMap::from([(3, names(&["price"]))]))),
        ("dateTime", bids(BTreeMap::from([(3, names(&["dateTime"]))]))),
        ("channel", bids(BTreeMap::from([(3, names(&["channel"]))]))),
        ("url", bids(BTreeMap::from([(3, names(&["url"]))]))),
        ("extra", bids(BTreeMap::from([(3, names(&["extra"]))]))),
        ("the same, of all kinds", Scan { equal: Vec::new(), ..bids(numbers) }),
        ("channel, url of bids", bids(strings)),
        ("bids whole", bids(BTreeMap::new())),
        ("auctions whole", all(BTreeMap::new(), Some(1))),
        ("persons whole", all(BTreeMap::new(), Some(0))),
        ("everything", all(BTreeMap::new(), None)),
    ];
    let table = events(&[("events.num", &count.to_string())]);
    let (source, surroundings) = (source(&table).unwrap(), Surroundings::new());
    let task = surroundings.context(0, 1);
    for (name, scan) in cases {
        let mut reader = source.open(&scan, &task, None).unwrap();
        let start = std::time::Instant::now();
        let mut rows = 0;
        let mut bytes = 0;
        while let Some(batch) = read_now(reader.as_mut(), 8192) {
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
        }
        let seconds = start.elapsed().as_secs_f64();
        let (events, gigabytes) = (count as f64 / seconds / 1e6, bytes as f64 / seconds / 1e9);
        println!("{name}: {events:.1} M events/s, {rows} rows, {gigabytes:.2} GB/s");
    }
}
