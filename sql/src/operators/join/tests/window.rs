use super::*;
use crate::{
    operator::in_event_time,
    operators::{join::WindowJoinFactory, testing::Harness},
};

#[derive(Debug, Clone)]
enum Event {
    Batch { input: usize, rows: Vec<Row> },
    Watermark { after: i64 },
    Checkpoint,
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    let size = prop_oneof![8 => 0..2usize, 1 => Just(3_000)];
    let row = (any_key(), 0..3i64, size, -1..4i64).prop_map(|(key, value, size, time)| Row {
        key,
        value,
        size,
        time: time * 10,
    });
    prop_oneof![
        6 => (0..2usize, prop::collection::vec(row, 0..6)).prop_map(|(input, rows)| Event::Batch { input, rows }),
        3 => (0..30i64).prop_map(|after| Event::Watermark { after }),
        1 => Just(Event::Checkpoint),
        1 => Just(Event::Restart),
    ]
}

fn factory(kind: JoinKind, has_filter: bool) -> WindowJoinFactory {
    WindowJoinFactory { spec: spec(kind, has_filter), window_ends: (3, 3) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_rows_of_a_window_are_joined_when_it_is_over(
        kind in any_kind(),
        has_filter: bool,
        options in any_options(),
        events in prop::collection::vec(any_event(), 0..60),
    ) {
        let mut harness = Harness::open_with(factory(kind, has_filter), options);
        let mut tables: [Vec<Row>; 2] = Default::default();
        let (mut watermark, mut late) = (0, 0);
        harness.watermark(watermark);
        let mut output = Materialized::default();
        let is_match =
            |left: &Row, right: &Row| left.time == right.time && matches(left, right, has_filter);
        for event in events {
            match event {
                Event::Batch { input, mut rows } => {
                    // The window's end.
                    rows.iter_mut().for_each(|row| row.time += (watermark + 10) / 10 * 10);
                    harness.process(input, insertions(&rows));
                    let (late_rows, in_time): (Vec<_>, Vec<_>) =
                        rows.into_iter().partition(|row| row.time - 1 <= watermark);
                    late += late_rows.len() as u64;
                    tables[input].extend(in_time);
                }
                Event::Watermark { after } => {
                    watermark += after;
                    harness.watermark(watermark);
                    let over = |rows: &[Row]| -> Vec<Row> {
                        rows.iter().filter(|row| row.time - 1 <= watermark).cloned().collect()
                    };
                    output.apply(&harness.take_output());
                    // Rows whose key has a null may come out before.
                    let expected = join(kind, &over(&tables[0]), &over(&tables[1]), is_match);
                    let is_there = |(row, count): (&String, &usize)| output.0.get(row).is_some_and(|c| c >= count);
                    prop_assert!(expected.0.iter().all(is_there));
                }
                Event::Checkpoint => harness.checkpoint(),
                Event::Restart => harness.restart(),
            }
        }
        harness.end();
        output.apply(&harness.take_output());
        prop_assert_eq!(output, join(kind, &tables[0], &tables[1], is_match));
        prop_assert_eq!(harness.late_rows(), late);
    }
}

#[test]
fn a_large_window_comes_out_in_steps_and_late_rows_are_counted() {
    let mut harness = Harness::open(factory(JoinKind::Full, true), StateBackend::RocksDb);
    let rows: Vec<Row> =
        (0..500).map(|value| Row { key: Some(value % 2), value, size: 0, time: 1_000 }).collect();
    harness.process(0, insertions(&rows));
    harness.restart();
    harness.process(1, insertions(&rows));
    harness.watermark(998);
    assert!(harness.take_output().is_empty());
    assert_eq!(harness.next_firing(), Some(in_event_time(999)));
    harness.watermark(999);
    assert_eq!(harness.next_firing(), None);
    let output = harness.take_output();
    assert!(output.len() > 1 && output.iter().all(|batch| batch.len() <= crate::operator::STEP_ROWS));
    let mut found = Materialized::default();
    found.apply(&output);
    assert_eq!(found, join(JoinKind::Full, &rows, &rows, |left, right| matches(left, right, true)));
    harness.restart();
    harness.process(1, insertions(&rows[..3]));
    assert_eq!(harness.late_rows(), 3);
    harness.end();
    assert!(harness.take_output().is_empty());
}
