use proptest::prelude::*;

use super::*;
use crate::operators::{
    ordered::test_rows::{
        Row, any_changes, any_rows, ascending, changes, descending, insertions, options, schema, text,
    },
    testing::{Harness, texts},
};

fn emitted(harness: &mut Harness) -> Vec<String> {
    let output = harness.take_output();
    assert!(output.iter().all(|batch| batch.kinds.is_none()));
    output.iter().flat_map(|batch| texts(&batch.rows)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn rows_come_out_in_the_order_of_their_times(
        rows in any_rows(0..5_000, 300),
        batch_rows in 1usize..60,
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let factory = SortFactory {
            input: schema(),
            order: vec![(1, ascending()), (2, descending())],
            when: SortTime::Watermark(1),
        };
        let mut harness = Harness::open_with(factory, options(is_on_disk));
        let mut waiting: Vec<Row> = Vec::new();
        let mut watermark = i64::MIN;
        let mut late = 0;
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            harness.process(0, insertions(rows));
            let (in_time, too_late): (Vec<Row>, Vec<Row>) =
                rows.iter().cloned().partition(|row| row.time_ms > watermark);
            waiting.extend(in_time);
            late += too_late.len() as u64;
            if number % 3 == 1 {
                harness.restart();
            }
            watermark = watermark.max(number as i64 * 300);
            harness.watermark(watermark);
            prop_assert_eq!(emitted(&mut harness), due(&mut waiting, watermark));
        }
        harness.end();
        prop_assert_eq!(emitted(&mut harness), due(&mut waiting, i64::MAX));
        prop_assert_eq!(harness.late_rows(), late);
    }

    #[test]
    fn at_the_end_what_is_there_comes_out_in_order(
        stream in any_changes(200),
        batch_rows in 1usize..60,
        range in proptest::option::of(Just(3..=20)),
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let factory = SortFactory {
            input: schema(),
            order: vec![(2, descending())],
            when: SortTime::End(range.clone()),
        };
        let mut harness = Harness::open_with(factory, options(is_on_disk));
        let mut there: Vec<Row> = Vec::new();
        for (number, rows) in stream.chunks(batch_rows).enumerate() {
            harness.process(0, changes(rows));
            for (is_addition, row) in rows {
                if *is_addition {
                    there.push(row.clone());
                } else {
                    there.retain(|other| other != row);
                }
            }
            if number % 2 == 0 {
                harness.restart();
            }
        }
        prop_assert!(harness.take_output().is_empty());
        harness.end();
        there.sort_by_key(|row| std::cmp::Reverse(row.value));
        let wanted = range.unwrap_or(1..=usize::MAX);
        let places = there.iter().enumerate().filter(|(place, _)| wanted.contains(&(place + 1)));
        let expected: Vec<String> = places.map(|(_, row)| text(row)).collect();
        prop_assert_eq!(emitted(&mut harness), expected);
    }
}

/// Takes out what is due, in order.
fn due(waiting: &mut Vec<Row>, watermark: i64) -> Vec<String> {
    let (mut due, rest): (Vec<Row>, Vec<Row>) =
        std::mem::take(waiting).into_iter().partition(|row| row.time_ms <= watermark);
    *waiting = rest;
    due.sort_by_key(|row| (row.time_ms, std::cmp::Reverse(row.value)));
    due.iter().map(text).collect()
}
