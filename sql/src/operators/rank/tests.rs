use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    batch::RowKind,
    operators::{
        ordered::test_rows::{
            Row, any_changes, any_rows, ascending, changes, descending, insertions, options, schema, text,
        },
        testing::{Harness, Materialized, change_texts, texts},
    },
};

const VALUE: usize = 2;

fn factory(range: RangeInclusive<usize>, has_rank: bool) -> RankFactory {
    RankFactory {
        input: schema(),
        partition: vec![0],
        order: vec![(VALUE, descending())],
        range,
        rank_name: has_rank.then(|| "rn".to_owned()),
        input_is_append_only: true,
        update_before: true,
        ttl_ms: None,
    }
}

/// The rows that are wanted of those that are there, in the order of their arrival.
fn expected(factory: &RankFactory, there: &[Row]) -> Materialized {
    let mut partitions: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for row in there {
        let partition = if factory.partition.is_empty() { 0 } else { row.partition };
        partitions.entry(partition).or_default().push(row.clone());
    }
    let mut wanted = Vec::new();
    for rows in partitions.values_mut() {
        if !factory.order.is_empty() {
            // Descending, nulls last.
            rows.sort_by_key(|row| std::cmp::Reverse(row.value));
        }
        for (place, row) in rows.iter().enumerate() {
            if factory.range.contains(&(place + 1)) {
                let rank =
                    if factory.rank_name.is_some() { format!(",{}", place + 1) } else { String::new() };
                wanted.push(text(row) + &rank);
            }
        }
    }
    wanted.into_iter().collect()
}

fn any_factory() -> impl Strategy<Value = RankFactory> {
    let ranges = prop_oneof![Just(1..=1), Just(1..=2), Just(1..=5), Just(3..=4), Just(2..=2)];
    (ranges, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(range, has_rank, is_sorted, is_parted)| {
            let mut factory = factory(range, has_rank);
            if !is_sorted {
                factory.order.clear();
            }
            if !is_parted {
                factory.partition.clear();
            }
            factory
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn the_best_of_rows_that_only_come(
        factory in any_factory(),
        rows in any_rows(0..5_000, 200),
        batch_rows in 1usize..50,
        held_batches in 1usize..4,
        restart_after in 0usize..10,
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let mut harness = Harness::open_with(factory.clone(), options(is_on_disk));
        let mut table = Materialized::default();
        let mut there = Vec::new();
        for (number, batches) in rows.chunks(batch_rows).collect::<Vec<_>>().chunks(held_batches).enumerate() {
            for rows in batches {
                harness.process(0, insertions(rows));
                there.extend_from_slice(rows);
            }
            harness.flush();
            table.apply(&harness.take_output());
            prop_assert_eq!(&table, &expected(&factory, &there));
            if number == restart_after {
                harness.restart();
            } else if number == restart_after / 2 {
                harness.checkpoint();
            }
        }
    }

    #[test]
    fn the_best_of_rows_that_come_and_go(
        factory in any_factory(),
        stream in any_changes(200),
        batch_rows in 1usize..50,
        restart_after in 0usize..10,
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let factory = RankFactory { input_is_append_only: false, ..factory };
        let mut harness = Harness::open_with(factory.clone(), options(is_on_disk));
        let mut table = Materialized::default();
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
            table.apply(&harness.take_output());
            prop_assert_eq!(&table, &expected(&factory, &there));
            if number == restart_after {
                harness.restart();
            } else if number == restart_after / 2 {
                harness.checkpoint();
            }
        }
    }

    #[test]
    fn without_the_old_rows_the_new_ones_are_the_same(
        rows in any_rows(0..5_000, 200),
        batch_rows in 1usize..50,
        has_rank in any::<bool>(),
        range in prop_oneof![Just(1..=1), Just(1..=3)],
        input_is_append_only in any::<bool>(),
    ) {
        // Of several rows without a number, all are deleted or inserted.
        prop_assume!(has_rank || range == (1..=1));
        let factory = RankFactory { input_is_append_only, ..factory(range, has_rank) };
        let later = |update_before: bool| {
            let factory = RankFactory { update_before, ..factory.clone() };
            let mut harness = Harness::open_with(factory, options(false));
            for rows in rows.chunks(batch_rows) {
                harness.process(0, insertions(rows));
                harness.flush();
            }
            let mut texts = change_texts(&harness.take_output());
            texts.retain(|text| !text.starts_with(RowKind::UpdateBefore.short()));
            texts
        };
        prop_assert_eq!(later(true), later(false));
    }
}

fn row(partition: i64, value: i64, name: usize) -> Row {
    Row { partition, time_ms: 0, value: Some(value), name }
}

fn changes_of(harness: &mut Harness, rows: &[Row]) -> Vec<String> {
    harness.process(0, insertions(rows));
    harness.flush();
    let changes = harness.take_output();
    let short = |text: String| text.replace("1970-01-01T00:00:00,", "").replace("row number ", "");
    change_texts(&changes).into_iter().map(short).collect()
}

#[test]
fn a_displaced_row_goes_before_the_new_one_comes() {
    let mut harness = Harness::open_with(factory(1..=2, false), options(false));
    assert_eq!(changes_of(&mut harness, &[row(7, 1, 0), row(7, 2, 1)]), ["+I[7,2,1]", "+I[7,1,0]"]);
    assert_eq!(changes_of(&mut harness, &[row(7, 3, 2)]), ["-D[7,1,0]", "+I[7,3,2]"]);
    assert!(changes_of(&mut harness, &[row(7, 1, 3)]).is_empty());
}

#[test]
fn a_number_changes_its_row() {
    let mut harness = Harness::open_with(factory(1..=2, true), options(false));
    changes_of(&mut harness, &[row(7, 1, 0), row(7, 2, 1)]);
    let changes = changes_of(&mut harness, &[row(7, 3, 2)]);
    assert_eq!(changes, ["-U[7,2,1,1]", "+U[7,3,2,1]", "-U[7,1,0,2]", "+U[7,2,1,2]"]);
}

#[test]
fn the_only_row_is_updated() {
    for input_is_append_only in [true, false] {
        let factory = RankFactory { input_is_append_only, ..factory(1..=1, false) };
        let mut harness = Harness::open_with(factory, options(false));
        assert_eq!(changes_of(&mut harness, &[row(7, 1, 0)]), ["+I[7,1,0]"]);
        assert_eq!(changes_of(&mut harness, &[row(7, 3, 1), row(7, 3, 2)]), ["-U[7,1,0]", "+U[7,3,1]"]);
    }
}

#[test]
fn a_limit_is_append_only() {
    let limit = RankFactory { partition: vec![], order: vec![], ..factory(2..=3, false) };
    assert!(limit.output_is_append_only());
    let mut harness = Harness::open_with(limit, options(false));
    assert_eq!(changes_of(&mut harness, &[row(1, 1, 0), row(2, 2, 1)]), ["+I[2,2,1]"]);
    assert_eq!(changes_of(&mut harness, &[row(3, 3, 2), row(4, 4, 3)]), ["+I[3,3,2]"]);
    assert!(changes_of(&mut harness, &[row(5, 5, 4)]).is_empty());
}

#[test]
fn what_was_not_written_to_for_long_is_forgotten() {
    for (range, input_is_append_only) in [(1..=1, true), (1..=2, true), (1..=2, false)] {
        let factory =
            RankFactory { input_is_append_only, ttl_ms: Some(10_000), ..factory(range.clone(), false) };
        let mut harness = Harness::open_with(factory, options(false));
        changes_of(&mut harness, &[row(7, 5, 0), row(7, 5, 1)]);
        harness.set_time(9_999);
        assert!(
            changes_of(&mut harness, &[row(7, 1, 2)]).is_empty() || !input_is_append_only,
            "it is not better than what is there"
        );
        harness.restart();
        harness.set_time(30_000);
        assert_eq!(changes_of(&mut harness, &[row(7, 1, 3)]), ["+I[7,1,3]"]);
    }
}

#[test]
fn ascending_order_puts_nulls_first() {
    let factory = RankFactory { order: vec![(VALUE, ascending())], ..factory(1..=1, false) };
    let mut harness = Harness::open_with(factory, options(false));
    harness.process(0, insertions(&[row(1, 0, 0), Row { value: None, ..row(1, 0, 1) }]));
    harness.flush();
    assert_eq!(texts(&harness.take_output()[0].rows), ["1,1970-01-01T00:00:00,null,row number 1"]);
}
