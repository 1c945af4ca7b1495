use headwater_core::execution::TimeDomain;

use super::*;
use crate::operators::{
    join::IntervalJoinFactory,
    testing::{Harness, change_texts},
};

#[derive(Debug, Clone)]
enum Event {
    /// Rows, each so long after the watermark.
    Batch {
        input: usize,
        rows: Vec<Row>,
    },
    Watermark {
        after: i64,
    },
    Checkpoint,
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    let size = prop_oneof![8 => 0..2usize, 1 => Just(3_000)];
    let row = (any_key(), 0..3i64, size, 1..60i64).prop_map(|(key, value, size, time)| Row {
        key,
        value,
        size,
        time,
    });
    prop_oneof![
        6 => (0..2usize, prop::collection::vec(row, 0..6)).prop_map(|(input, rows)| Event::Batch { input, rows }),
        4 => (0..30i64).prop_map(|after| Event::Watermark { after }),
        1 => Just(Event::Checkpoint),
        1 => Just(Event::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn all_pairs_within_the_interval_are_found_and_what_comes_out_is_not_late(
        kind in any_kind(),
        has_filter: bool,
        (lower_ms, length_ms) in (-40..40i64, 0..50i64),
        options in any_options(),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let upper_ms = lower_ms + length_ms;
        let factory =
            IntervalJoinFactory { spec: spec(kind, has_filter), times: Some((3, 3)), lower_ms, upper_ms };
        let mut harness = Harness::open_with(factory, options);
        let mut tables: [Vec<Row>; 2] = Default::default();
        let (mut watermark, mut told) = (0, i64::MIN);
        let mut output = Materialized::default();
        for event in events {
            match event {
                Event::Batch { input, mut rows } => {
                    rows.iter_mut().for_each(|row| row.time += watermark);
                    tables[input].extend(rows.iter().cloned());
                    harness.process(input, insertions(&rows));
                }
                Event::Watermark { after } => {
                    watermark += after;
                    let next = harness.watermark(watermark);
                    check_times(&mut harness, told, &mut output)?;
                    told = next;
                }
                Event::Checkpoint => harness.checkpoint(),
                Event::Restart => harness.restart(),
            }
            check_times(&mut harness, told, &mut output)?;
        }
        harness.end();
        check_times(&mut harness, told, &mut output)?;
        let expected = join(kind, &tables[0], &tables[1], |left, right| {
            let apart = right.time - left.time;
            matches(left, right, has_filter) && (lower_ms..=upper_ms).contains(&apart)
        });
        prop_assert_eq!(output, expected);
    }
}

/// No time of a row that comes out may be at or before the watermark that was told before.
fn check_times(harness: &mut Harness, told: i64, output: &mut Materialized) -> Result<(), TestCaseError> {
    let batches = harness.take_output();
    for batch in &batches {
        prop_assert!(batch.kinds.is_none());
        for column in (3..batch.rows.num_columns()).step_by(COLUMNS) {
            let times =
                batch.rows.column(column).as_any().downcast_ref::<TimestampMillisecondArray>().unwrap();
            prop_assert!(times.iter().flatten().all(|time| time > told), "told {}, then {:?}", told, times);
        }
    }
    output.apply(&batches);
    Ok(())
}

fn row(key: i64, time: i64) -> Row {
    Row { key: Some(key), value: 0, size: 0, time }
}

fn factory(kind: JoinKind, times: Option<(usize, usize)>) -> IntervalJoinFactory {
    IntervalJoinFactory { spec: spec(kind, false), times, lower_ms: 0, upper_ms: 1_000 }
}

#[test]
fn a_late_row_still_finds_what_is_there() {
    let mut harness = Harness::open(factory(JoinKind::Left, Some((3, 3))), StateBackend::HashMap);
    harness.process(0, insertions(&[row(1, 5_000)]));
    harness.watermark(5_500);
    harness.process(1, insertions(&[row(1, 5_200)]));
    harness.process(0, insertions(&[row(1, 4_000)]));
    let output = harness.take_output();
    assert_eq!(
        change_texts(&output),
        [
            "+I[1,0,,1970-01-01T00:00:05,1,0,,1970-01-01T00:00:05.200]",
            "+I[1,0,,1970-01-01T00:00:04,null,null,null,null]"
        ]
    );
    harness.end();
    assert!(harness.take_output().is_empty());
}

#[test]
fn in_processing_time_a_row_waits_for_the_clock() {
    let mut harness = Harness::open(factory(JoinKind::Full, None), StateBackend::HashMap);
    let output = |harness: &mut Harness| -> Vec<String> {
        let texts = change_texts(&harness.take_output());
        texts.iter().map(|text| text.replace(",0,,1970-01-01T00:00:00", "")).collect()
    };
    harness.set_time(10_000);
    harness.process(0, insertions(&[row(1, 0), row(2, 0)]));
    harness.process(1, insertions(&[row(1, 0)]));
    assert_eq!(output(&mut harness), ["+I[1,1]"]);
    harness.restart();
    harness.set_time(10_999);
    harness.process(1, insertions(&[row(2, 0), row(3, 0)]));
    assert_eq!(output(&mut harness), ["+I[2,2]"]);
    harness.process(0, insertions(&[row(4, 0)]));
    let firing = harness.next_firing().unwrap();
    assert!(
        firing.domain == TimeDomain::Processing && (11_000..12_000).contains(&firing.at_ms),
        "{firing:?}"
    );
    harness.set_time(12_500);
    assert_eq!(harness.next_firing(), None);
    let mut padded = output(&mut harness);
    padded.sort_unstable();
    assert_eq!(padded, ["+I[4,null,null,null,null]", "+I[null,null,null,null,3]"]);
}
