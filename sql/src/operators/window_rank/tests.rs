use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::operators::{
    ordered::test_rows::{Row, any_rows, descending, insertions, options, schema, text},
    testing::{Harness, texts},
};

/// The column `time` is the window's end.
fn factory(range: RangeInclusive<usize>, has_rank: bool) -> WindowRankFactory {
    WindowRankFactory {
        input: schema(),
        partition: vec![0, 1],
        window_end: 1,
        order: vec![(2, descending())],
        range,
        rank_name: has_rank.then(|| "rn".to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn a_window_is_emitted_when_it_ends(
        rows in any_rows(1..6, 300),
        range in prop_oneof![Just(1..=1), Just(1..=3), Just(2..=3)],
        has_rank in any::<bool>(),
        batch_rows in 1usize..60,
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let factory = factory(range.clone(), has_rank);
        let mut harness = Harness::open_with(factory, options(is_on_disk));
        let mut windows: BTreeMap<(i64, i64), Vec<Row>> = BTreeMap::new();
        let (mut watermark, mut late) = (i64::MIN, 0);
        let mut emitted: Vec<String> = Vec::new();
        let mut expected: Vec<String> = Vec::new();
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            // A window of 1 s: the time in the rows is in seconds.
            let rows: Vec<Row> =
                rows.iter().map(|row| Row { time_ms: row.time_ms * 1_000, ..row.clone() }).collect();
            harness.process(0, insertions(&rows));
            for row in rows {
                if row.time_ms - 1 <= watermark {
                    late += 1;
                } else {
                    windows.entry((row.time_ms, row.partition)).or_default().push(row);
                }
            }
            if number % 3 == 2 {
                harness.restart();
            }
            if number % 2 == 1 {
                watermark = (number as i64 * 700).max(watermark);
                harness.watermark(watermark);
                let later = windows.split_off(&(watermark + 2, i64::MIN));
                expected.extend(ranked(&windows, &range, has_rank));
                windows = later;
                emitted.extend(harness.take_output().iter().flat_map(|batch| texts(&batch.rows)));
                emitted.sort();
                expected.sort();
                prop_assert_eq!(&emitted, &expected);
            }
        }
        harness.end();
        expected.extend(ranked(&windows, &range, has_rank));
        emitted.extend(harness.take_output().iter().flat_map(|batch| texts(&batch.rows)));
        emitted.sort();
        expected.sort();
        prop_assert_eq!(emitted, expected);
        prop_assert_eq!(harness.late_rows(), late);
    }
}

fn ranked(
    windows: &BTreeMap<(i64, i64), Vec<Row>>,
    range: &RangeInclusive<usize>,
    has_rank: bool,
) -> Vec<String> {
    let mut wanted = Vec::new();
    for rows in windows.values() {
        let mut rows = rows.clone();
        rows.sort_by_key(|row| std::cmp::Reverse(row.value));
        for (place, row) in rows.iter().enumerate().filter(|(place, _)| range.contains(&(place + 1))) {
            wanted.push(text(row) + &if has_rank { format!(",{}", place + 1) } else { String::new() });
        }
    }
    wanted
}

#[test]
fn the_rows_of_a_partition_are_in_the_order_of_their_ranks() {
    let mut harness = Harness::open_with(factory(1..=3, true), options(false));
    let row = |value, name| Row { partition: 1, time_ms: 1_000, value: Some(value), name };
    harness.process(0, insertions(&[row(1, 0), row(3, 1), row(2, 2), row(3, 3)]));
    harness.watermark(998);
    assert!(harness.take_output().is_empty());
    assert_eq!(harness.next_firing(), Some(in_event_time(999)));
    harness.watermark(999);
    assert_eq!(harness.next_firing(), None);
    let names: Vec<String> = texts(&harness.take_output()[0].rows)
        .iter()
        .map(|text| text.rsplit(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["1,1", "3,2", "2,3"]);
}
