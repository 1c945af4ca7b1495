use std::collections::BTreeMap;

use arrow::{array::RecordBatch, datatypes::IntervalMonthDayNano};
use datafusion::{
    common::ScalarValue,
    functions_aggregate::{
        array_agg::array_agg_udaf,
        average::avg_udaf,
        count::count_udaf,
        first_last::last_value_udaf,
        min_max::{max_udaf, min_udaf},
        sum::sum_udaf,
    },
    functions_window::{
        lead_lag::{lag_udwf, lead_udwf},
        nth_value::{first_value_udwf, last_value_udwf},
        ntile::ntile_udwf,
        rank::{dense_rank_udwf, rank_udwf},
        row_number::row_number_udwf,
    },
    logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition},
    physical_expr::PhysicalExpr,
};
use proptest::prelude::*;

use super::{
    test_calls::{TIME, VALUE, all_peers, all_rows, call, column, frame, last_ms, last_rows, literal},
    *,
};
use crate::operators::{
    ordered::test_rows::{
        Row, any_changes, any_rows, ascending, batch, changes, descending, insertions, options, schema, text,
    },
    testing::{Harness, Materialized, texts},
};

fn any_aggregate() -> impl Strategy<Value = WindowFunctionDefinition> {
    prop_oneof![
        Just(sum_udaf()),
        Just(count_udaf()),
        Just(min_udaf()),
        Just(max_udaf()),
        Just(avg_udaf()),
        Just(array_agg_udaf()),
    ]
    .prop_map(WindowFunctionDefinition::AggregateUDF)
}

fn any_call() -> impl Strategy<Value = OverCall> {
    let by_time = (TIME, ascending());
    let frames = || {
        prop_oneof![
            Just(all_rows()),
            Just(all_peers()),
            (0u64..5).prop_map(last_rows),
            (0i64..700).prop_map(last_ms),
        ]
    };
    let aggregate =
        (any_aggregate(), frames(), any::<bool>()).prop_map(move |(function, frame, is_filtered)| {
            call(function, &[column(VALUE)], frame, by_time, is_filtered)
        });
    let number = prop_oneof![Just(row_number_udwf()), Just(rank_udwf()), Just(dense_rank_udwf())].prop_map(
        move |function| call(WindowFunctionDefinition::WindowUDF(function), &[], all_rows(), by_time, false),
    );
    let value = (prop_oneof![Just(first_value_udwf()), Just(last_value_udwf())], frames()).prop_map(
        move |(function, frame)| {
            call(WindowFunctionDefinition::WindowUDF(function), &[column(VALUE)], frame, by_time, false)
        },
    );
    let lag = (0i64..4, proptest::option::of(Just(-1i64))).prop_map(move |(offset, default)| {
        let args = [column(VALUE), literal(offset), literal(default)];
        call(WindowFunctionDefinition::WindowUDF(lag_udwf()), &args, all_rows(), by_time, false)
    });
    prop_oneof![4 => aggregate, 1 => number, 2 => value, 1 => lag]
}

/// What DataFusion computes for a partition, whose rows are in their order.
fn computed(rows: &[Row], calls: &[Arc<dyn WindowExpr>], output: &SchemaRef) -> Vec<String> {
    let rows = batch(rows);
    let results = calls.iter().map(|call| call.evaluate(&rows).unwrap());
    let columns = rows.columns().iter().cloned().chain(results).collect();
    texts(&RecordBatch::try_new(output.clone(), columns).unwrap())
}

fn by_partition(rows: &[Row]) -> BTreeMap<i64, Vec<Row>> {
    let mut partitions: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    rows.iter().for_each(|row| partitions.entry(row.partition).or_default().push(row.clone()));
    partitions
}

fn output_texts(harness: &mut Harness) -> Vec<String> {
    let output = harness.take_output();
    assert!(output.iter().all(|batch| batch.kinds.is_none()));
    output.iter().flat_map(|batch| texts(&batch.rows)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn row_after_row_is_as_all_at_once(
        calls in proptest::collection::vec(any_call(), 1..5),
        rows in any_rows(0..6_000, 250),
        batch_rows in 1usize..60,
        is_on_disk in proptest::bool::weighted(0.1),
    ) {
        let factory = OverFactory::try_new(schema(), vec![0], Some(TIME), &calls, None).unwrap();
        let output = factory.output();
        let mut harness = Harness::open_with(factory, options(is_on_disk));
        let (mut taken, mut late, mut watermark) = (Vec::new(), 0, i64::MIN);
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            // Rows come about in the order of their times, some of them late.
            let rows: Vec<Row> = rows
                .iter()
                .map(|row| Row { time_ms: row.time_ms / 4 + number as i64 * 700, ..row.clone() })
                .collect();
            harness.process(0, insertions(&rows));
            for row in rows {
                if row.time_ms > watermark {
                    taken.push(row);
                } else {
                    late += 1;
                }
            }
            if number % 3 == 1 {
                harness.restart();
            }
            watermark = number as i64 * 700 + 400;
            harness.watermark(watermark);
        }
        harness.end();
        let calls: Vec<_> = calls.iter().map(|call| call.expr.clone()).collect();
        let mut expected = Vec::new();
        for (_, mut rows) in by_partition(&taken) {
            rows.sort_by_key(|row| row.time_ms);
            expected.extend(computed(&rows, &calls, &output));
        }
        let mut emitted = output_texts(&mut harness);
        emitted.sort();
        expected.sort();
        prop_assert_eq!(emitted, expected);
        prop_assert_eq!(harness.late_rows(), late);
    }

    #[test]
    fn in_processing_time_rows_are_in_the_order_of_their_arrival(
        function in any_aggregate(),
        rows_before in proptest::option::of(0u64..5),
        rows in any_rows(0..10, 150),
        batch_rows in 1usize..60,
    ) {
        let frame = rows_before.map_or(all_rows(), last_rows);
        let calls = [call(function, &[column(VALUE)], frame, (TIME, ascending()), false)];
        let factory = OverFactory::try_new(schema(), vec![0], None, &calls, None).unwrap();
        let output = factory.output();
        let mut harness = Harness::open_with(factory, options(false));
        for (number, rows) in rows.chunks(batch_rows).enumerate() {
            harness.set_time(number as i64 * 10);
            harness.process(0, insertions(rows));
            if number % 3 == 1 {
                harness.restart();
            }
        }
        let calls = calls.map(|call| call.expr);
        let partitions = by_partition(&rows);
        let expected: Materialized =
            partitions.values().flat_map(|rows| computed(rows, &calls, &output)).collect();
        prop_assert_eq!(output_texts(&mut harness).into_iter().collect::<Materialized>(), expected);
    }

    #[test]
    fn what_changes_touch_is_computed_again(
        functions in proptest::collection::vec((any_aggregate(), 0usize..6), 1..3),
        others in proptest::collection::vec(0usize..7, 0..3),
        stream in any_changes(150),
        batch_rows in 1usize..40,
        restart_after in 0usize..10,
        is_on_disk in proptest::bool::weighted(0.1),
    ) {
        let by_value = (VALUE, descending());
        let mut calls: Vec<Arc<dyn WindowExpr>> = Vec::new();
        for (function, kind) in functions {
            let preceding = |rows| WindowFrameBound::Preceding(ScalarValue::UInt64(rows));
            let following = |rows| WindowFrameBound::Following(ScalarValue::UInt64(rows));
            let frame = match kind {
                0 => last_rows(3),
                1 => WindowFrame::new_bounds(WindowFrameUnits::Rows, preceding(Some(1)), following(Some(2))),
                2 => WindowFrame::new_bounds(WindowFrameUnits::Rows, following(Some(1)), following(Some(3))),
                3 => WindowFrame::new_bounds(WindowFrameUnits::Rows, preceding(Some(4)), preceding(Some(2))),
                4 => all_rows(),
                _ => WindowFrame::new_bounds(WindowFrameUnits::Rows, WindowFrameBound::CurrentRow, following(None)),
            };
            calls.push(call(function, &[column(VALUE)], frame, by_value, false).expr);
        }
        for other in others {
            let number = |value: i64| literal(value);
            let (function, args) = match other {
                0 => (row_number_udwf(), vec![]),
                1 => (rank_udwf(), vec![]),
                2 => (lag_udwf(), vec![column(TIME), number(2)]),
                3 => (lead_udwf(), vec![column(TIME), number(1)]),
                4 => (lag_udwf(), vec![column(TIME), number(-2)]),
                5 => (ntile_udwf(), vec![number(2)]),
                _ => (first_value_udwf(), vec![column(TIME)]),
            };
            let function = WindowFunctionDefinition::WindowUDF(function);
            calls.push(call(function, &args, last_rows(2), by_value, false).expr);
        }
        let order = vec![by_value];
        let factory =
            OverRecomputeFactory::try_new(schema(), vec![0], order, calls.clone(), true, None).unwrap();
        let output = factory.output();
        let mut harness = Harness::open_with(factory, options(is_on_disk));
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
            let mut expected = Vec::new();
            for (_, mut rows) in by_partition(&there) {
                rows.sort_by_key(|row| std::cmp::Reverse(row.value));
                expected.extend(computed(&rows, &calls, &output));
            }
            table.apply(&harness.take_output());
            prop_assert_eq!(&table, &expected.into_iter().collect());
            if number == restart_after {
                harness.restart();
            }
        }
    }
}

fn row(time_ms: i64, value: i64, name: usize) -> Row {
    Row { partition: 1, time_ms, value: Some(value), name }
}

#[test]
fn an_interval_of_processing_time_is_of_the_clock() {
    let sum = call(
        WindowFunctionDefinition::AggregateUDF(sum_udaf()),
        &[column(VALUE)],
        last_ms(100),
        (TIME, ascending()),
        false,
    );
    let factory = OverFactory::try_new(schema(), vec![0], None, &[sum], None).unwrap();
    let mut harness = Harness::open_with(factory, options(false));
    let mut sum_at = |now_ms: i64, values: &[i64]| -> Vec<String> {
        harness.set_time(now_ms);
        let rows: Vec<Row> = values.iter().map(|value| row(0, *value, 0)).collect();
        harness.process(0, insertions(&rows));
        let texts = output_texts(&mut harness);
        texts.iter().map(|text| text.rsplit(',').next().unwrap().to_owned()).collect()
    };
    // Rows of one millisecond see each other.
    assert_eq!(sum_at(0, &[1, 2]), ["3", "3"]);
    assert_eq!(sum_at(100, &[4]), ["7"]);
    assert_eq!(sum_at(101, &[8]), ["12"]);
    assert_eq!(sum_at(1_000, &[16]), ["16"]);
}

#[test]
fn a_row_whose_result_changes_is_updated() {
    let lag = call(
        WindowFunctionDefinition::WindowUDF(lag_udwf()),
        &[column(VALUE)],
        all_rows(),
        (TIME, ascending()),
        false,
    );
    let order = vec![(TIME, ascending())];
    let factory = OverRecomputeFactory::try_new(schema(), vec![0], order, vec![lag.expr], true, None);
    let mut harness = Harness::open_with(factory.unwrap(), options(false));
    let mut change = |rows: &[(bool, Row)]| -> Vec<String> {
        harness.process(0, changes(rows));
        let texts = crate::operators::testing::change_texts(&harness.take_output());
        texts.iter().map(|text| text.replace("1,1970-01-01T00:00:", "").replace("row number ", "")).collect()
    };
    assert_eq!(
        change(&[(true, row(1_000, 5, 0)), (true, row(3_000, 7, 1))]),
        ["+I[01,5,0,null]", "+I[03,7,1,5]"]
    );
    assert_eq!(change(&[(true, row(2_000, 6, 2))]), ["-U[03,7,1,5]", "+U[03,7,1,6]", "+I[02,6,2,5]"]);
    assert_eq!(change(&[(false, row(1_000, 5, 0))]), ["-D[01,5,0,null]", "-U[02,6,2,5]", "+U[02,6,2,null]"]);
}

#[test]
fn an_aggregate_that_cannot_take_back_begins_anew_for_each_frame() {
    let last_value = call(
        WindowFunctionDefinition::AggregateUDF(last_value_udaf()),
        &[column(VALUE)],
        last_rows(2),
        (TIME, ascending()),
        true,
    );
    let expr = vec![last_value.expr.clone()];
    let order = vec![(TIME, ascending())];
    let refused = OverRecomputeFactory::try_new(schema(), vec![0], order, expr, true, None);
    assert!(refused.unwrap_err().to_string().starts_with("last_value with ROWS BETWEEN 2 PRECEDING"));
    let factory = OverFactory::try_new(schema(), vec![0], Some(TIME), &[last_value], None).unwrap();
    let mut harness = Harness::open_with(factory, options(false));
    harness.process(0, insertions(&[3, 3, 1, 3, 3, 3].map(|value| row(value, value, 0))));
    harness.process(0, insertions(&[row(20, 3, 0), row(10, 2, 0)]));
    harness.end();
    let texts = output_texts(&mut harness);
    let last: Vec<_> = texts.iter().map(|text| text.rsplit(',').next().unwrap()).collect();
    // In the order of their times: 1, 3, 3, 3, 3, 3, 2, 3, of which a 3 is not looked at.
    assert_eq!(last, ["1", "1", "1", "null", "null", "null", "2", "2"]);
}

#[test]
fn what_a_stream_cannot_have_is_refused() {
    let refused = |function: WindowFunctionDefinition, args: &[Arc<dyn PhysicalExpr>], frame| {
        let call = call(function, args, frame, (TIME, ascending()), false);
        OverFactory::try_new(schema(), vec![0], Some(TIME), &[call], None).unwrap_err().to_string()
    };
    let sum = || WindowFunctionDefinition::AggregateUDF(sum_udaf());
    let following = WindowFrame::new_bounds(
        WindowFrameUnits::Rows,
        WindowFrameBound::CurrentRow,
        WindowFrameBound::Following(ScalarValue::UInt64(Some(1))),
    );
    let error = refused(sum(), &[column(VALUE)], following);
    assert!(error.contains("a frame that does not end at the current row is not supported"), "{error}");
    let month = ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(1, 0, 0)));
    let error = refused(sum(), &[column(VALUE)], frame(WindowFrameUnits::Range, month));
    assert!(error.contains("a range of "), "{error}");
    let lead = WindowFunctionDefinition::WindowUDF(lead_udwf());
    let error = refused(lead, &[column(VALUE)], all_rows());
    assert!(error.starts_with("the function lead"), "{error}");
}

#[test]
fn partitions_that_are_too_old_to_be_looked_back_at_go() {
    let sum = call(
        WindowFunctionDefinition::AggregateUDF(sum_udaf()),
        &[column(VALUE)],
        last_ms(100),
        (TIME, ascending()),
        false,
    );
    let factory = OverFactory::try_new(schema(), vec![0], Some(TIME), &[sum], None).unwrap();
    let mut harness = Harness::open_with(factory, options(false));
    harness.process(0, insertions(&[row(10, 1, 0)]));
    assert_eq!(text(&row(10, 1, 0)) + ",1", {
        harness.watermark(10);
        output_texts(&mut harness).remove(0)
    });
    // All key groups have had their turns.
    for second in 1..2_000 {
        harness.watermark(second * 1_000);
    }
    harness.process(0, insertions(&[row(2_000_000, 2, 1)]));
    harness.end();
    assert_eq!(output_texts(&mut harness), [text(&row(2_000_000, 2, 1)) + ",2"]);
}
