use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::operators::{
    ordered::test_rows::{Row, any_rows, insertions, options, schema, text},
    testing::{Harness, Materialized},
};

fn factory(time: Option<usize>, keep: Keep) -> DeduplicateFactory {
    DeduplicateFactory { input: schema(), partition: vec![0], time, keep, update_before: true, ttl_ms: None }
}

/// Whether a row takes the place of another one that came before it.
fn replaces(factory: &DeduplicateFactory, new: &Row, old: &Row) -> bool {
    match (factory.time, factory.keep) {
        (None, Keep::First) => false,
        (None, Keep::Last) => true,
        (Some(_), Keep::First) => new.time_ms < old.time_ms,
        (Some(_), Keep::Last) => new.time_ms >= old.time_ms,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn one_row_of_each_key_stays(
        time in proptest::option::of(Just(1)),
        keep in prop_oneof![Just(Keep::First), Just(Keep::Last)],
        rows in any_rows(0..40, 200),
        batch_rows in 1usize..50,
        restart_after in 0usize..10,
        is_on_disk in proptest::bool::weighted(0.2),
    ) {
        let factory = factory(time, keep);
        let mut harness = Harness::open_with(factory.clone(), options(is_on_disk));
        let mut table = Materialized::default();
        let mut kept: BTreeMap<i64, Row> = BTreeMap::new();
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            harness.process(0, insertions(rows));
            for row in rows {
                if kept.get(&row.partition).is_none_or(|old| replaces(&factory, row, old)) {
                    kept.insert(row.partition, row.clone());
                }
            }
            harness.flush();
            let output = harness.take_output();
            if factory.output_is_append_only() {
                prop_assert!(output.iter().all(|batch| batch.kinds.is_none()));
            }
            table.apply(&output);
            prop_assert_eq!(&table, &kept.values().map(text).collect());
            if number == restart_after {
                harness.restart();
            }
        }
    }
}

#[test]
fn a_key_whose_time_to_live_is_over_comes_anew() {
    for keep in [Keep::First, Keep::Last] {
        let factory = DeduplicateFactory { ttl_ms: Some(1_000), ..factory(None, keep) };
        let mut harness = Harness::open_with(factory, options(false));
        let row = Row { partition: 1, time_ms: 0, value: None, name: 0 };
        harness.process(0, insertions(std::slice::from_ref(&row)));
        harness.flush();
        // Not yet swept, and swept.
        for now_ms in [1_000, 60_000] {
            harness.take_output();
            harness.set_time(now_ms);
            harness.process(0, insertions(std::slice::from_ref(&row)));
            harness.flush();
            let output = harness.take_output();
            assert_eq!((output.len(), output[0].len(), &output[0].kinds), (1, 1, &None));
        }
    }
}
