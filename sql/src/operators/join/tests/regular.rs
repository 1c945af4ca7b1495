use super::*;
use crate::operators::{
    join::JoinFactory,
    testing::{Harness, change_texts},
};

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    Insert {
        input: usize,
        row: Row,
    },
    /// Of one of the rows that are there.
    Delete {
        input: usize,
        pick: prop::sample::Index,
    },
    Update {
        input: usize,
        pick: prop::sample::Index,
        row: Row,
    },
    /// What has happened so far reaches the operator.
    Cut,
    Checkpoint,
    Restart,
}

fn any_row() -> impl Strategy<Value = Row> {
    // Few large rows fill a bucket.
    let size = prop_oneof![8 => 0..3usize, 2 => Just(1_500), 1 => Just(5_000)];
    (any_key(), 0..3i64, size).prop_map(|(key, value, size)| Row { key, value, size, time: 0 })
}

fn any_event() -> impl Strategy<Value = Event> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        8 => (0..2usize, any_row()).prop_map(|(input, row)| Event::Insert { input, row }),
        4 => (0..2usize, pick()).prop_map(|(input, pick)| Event::Delete { input, pick }),
        3 => (0..2usize, pick(), any_row()).prop_map(|(input, pick, row)| Event::Update { input, pick, row }),
        4 => Just(Event::Cut),
        1 => Just(Event::Checkpoint),
        1 => Just(Event::Restart),
    ]
}

/// Both sides' tables, and what of their changelogs has not reached the operator.
struct World {
    harness: Harness,
    tables: [Vec<Row>; 2],
    pending: Vec<(usize, RowKind, Row)>,
    output: Materialized,
}

impl World {
    fn new(factory: JoinFactory, options: JobOptions) -> Self {
        let harness = Harness::open_with(factory, options);
        Self { harness, tables: Default::default(), pending: Vec::new(), output: Materialized::default() }
    }

    fn apply(&mut self, event: Event, is_append_only: [bool; 2]) {
        match event {
            Event::Insert { input, row } => {
                self.tables[input].push(row.clone());
                self.pending.push((input, RowKind::Insert, row));
            }
            Event::Delete { input, pick } if !is_append_only[input] && !self.tables[input].is_empty() => {
                let row = self.tables[input].swap_remove(pick.index(self.tables[input].len()));
                self.pending.push((input, RowKind::Delete, row));
            }
            Event::Update { input, pick, row }
                if !is_append_only[input] && !self.tables[input].is_empty() =>
            {
                let place = pick.index(self.tables[input].len());
                let old = std::mem::replace(&mut self.tables[input][place], row.clone());
                self.pending.push((input, RowKind::UpdateBefore, old));
                self.pending.push((input, RowKind::UpdateAfter, row));
            }
            Event::Delete { .. } | Event::Update { .. } => {}
            Event::Cut => self.cut(),
            Event::Checkpoint => {
                self.cut();
                self.harness.checkpoint();
            }
            Event::Restart => {
                self.cut();
                self.harness.restart();
            }
        }
    }

    fn cut(&mut self) {
        for batch in std::mem::take(&mut self.pending).chunk_by(|one, next| one.0 == next.0) {
            let rows: Vec<_> = batch.iter().map(|(_, kind, row)| (*kind, row.clone())).collect();
            self.harness.process(batch[0].0, changes(&rows));
        }
        self.output.apply(&self.harness.take_output());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn the_output_is_always_the_join_of_what_has_come(
        kind in any_kind(),
        has_filter: bool,
        has_key in prop::bool::weighted(0.8),
        null_equals_null in prop::bool::weighted(0.2),
        is_append_only: [bool; 2],
        has_ttl in prop::bool::weighted(0.2),
        options in any_options(),
        events in prop::collection::vec(any_event(), 0..120),
    ) {
        let mut spec = spec(kind, has_filter);
        spec.null_equals_null = null_equals_null;
        if !has_key {
            spec.on.clear();
        }
        let ttl_ms = [has_ttl.then_some(1_000); 2];
        let mut world = World::new(JoinFactory { spec, is_append_only, ttl_ms }, options);
        for event in events.into_iter().chain([Event::Restart]) {
            let is_look = matches!(event, Event::Cut | Event::Restart);
            world.apply(event, is_append_only);
            if is_look {
                let [lefts, rights] = &world.tables;
                let expected = join(kind, lefts, rights, |left, right| {
                    let is_same = !has_key
                        || (left.key == right.key && (null_equals_null || left.key.is_some()));
                    is_same && (!has_filter || left.value <= right.value)
                });
                prop_assert_eq!(&world.output, &expected);
            }
        }
    }
}

fn row(key: i64, value: i64) -> Row {
    Row { key: Some(key), value, size: 0, time: 0 }
}

fn factory(kind: JoinKind, has_filter: bool) -> JoinFactory {
    JoinFactory { spec: spec(kind, has_filter), is_append_only: [false; 2], ttl_ms: [None; 2] }
}

#[test]
fn a_key_with_many_rows_is_joined_in_bounded_batches_and_found_again() {
    for state_backend in [StateBackend::HashMap, StateBackend::RocksDb] {
        for is_append_only in [[true; 2], [false; 2]] {
            let factory = JoinFactory { is_append_only, ..factory(JoinKind::Full, true) };
            let mut harness = Harness::open(factory, state_backend);
            let rows: Vec<Row> = (0..400).map(|value| row(7, value)).collect();
            let mut output = Materialized::default();
            harness.process(0, insertions(&rows[..200]));
            harness.process(0, insertions(&rows[200..]));
            output.apply(&harness.take_output());
            harness.restart();
            harness.process(1, insertions(&rows));
            let batches = harness.take_output();
            assert!(batches.iter().all(|batch| batch.len() <= crate::operator::STEP_ROWS));
            output.apply(&batches);
            assert_eq!(output, join(JoinKind::Full, &rows, &rows, |l, r| l.value <= r.value));
            if is_append_only[0] {
                continue;
            }
            harness.restart();
            let gone: Vec<_> = rows[..399].iter().map(|row| (RowKind::Delete, row.clone())).collect();
            harness.process(0, changes(&gone));
            harness.process(1, changes(&gone));
            output.apply(&harness.take_output());
            assert_eq!(output, join(JoinKind::Full, &rows[399..], &rows[399..], |_, _| true));
        }
    }
}

#[test]
fn an_update_stays_one_only_if_a_sink_may_look_at_its_second_half_alone() {
    let update = |from: Row, to: Row| changes(&[(RowKind::UpdateBefore, from), (RowKind::UpdateAfter, to)]);
    let kinds = |kind, has_filter, to: Row| {
        let mut harness = Harness::open(factory(kind, has_filter), StateBackend::HashMap);
        harness.process(0, insertions(&[row(1, 10)]));
        harness.process(1, insertions(&[row(1, 5), row(2, 5)]));
        harness.take_output();
        harness.process(1, update(row(1, 5), to));
        let texts = change_texts(&harness.take_output());
        texts.iter().map(|text| text[..2].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(JoinKind::Inner, false, row(1, 6)), ["-U", "+U"]);
    assert_eq!(kinds(JoinKind::Inner, false, row(3, 6)), ["-D"]);
    assert_eq!(kinds(JoinKind::Inner, true, row(1, 12)), ["+I"]);
    assert_eq!(kinds(JoinKind::Left, false, row(1, 6)), ["-D", "+I", "-D", "+I"]);
}

#[test]
fn changes_to_an_input_that_was_planned_as_append_only_are_refused() {
    let factory = JoinFactory { is_append_only: [true, false], ..factory(JoinKind::Inner, false) };
    let mut harness = Harness::open(factory, StateBackend::HashMap);
    let deletion = || changes(&[(RowKind::Delete, row(1, 1))]);
    assert!(harness.try_process(1, deletion()).is_ok());
    let error = harness.try_process(0, deletion()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the join's left input was planned as append-only: expected only +I, found other changes"
    );
}

#[test]
fn a_row_is_forgotten_when_it_has_outlived_its_time() {
    for state_backend in [StateBackend::HashMap, StateBackend::RocksDb] {
        let factory = JoinFactory { ttl_ms: [Some(1_000), Some(1_000)], ..factory(JoinKind::Inner, false) };
        let mut harness = Harness::open(factory, state_backend);
        harness.set_time(0);
        harness.process(0, insertions(&[row(1, 0), row(2, 0), row(2, 1)]));
        harness.set_time(600);
        harness.process(0, insertions(&[row(1, 0), row(2, 0)]));
        harness.restart();
        harness.set_time(1_200);
        harness.process(1, insertions(&[row(1, 9), row(2, 9)]));
        let found = Materialized::from_iter(
            change_texts(&harness.take_output()).iter().map(|text| text[..6].to_owned()),
        );
        let expected = ["+I[1,0", "+I[1,0", "+I[2,0", "+I[2,0"].map(str::to_owned);
        assert_eq!(found, Materialized::from_iter(expected));
        harness.set_time(1_600);
        harness.process(1, insertions(&[row(1, 9)]));
        assert_eq!(change_texts(&harness.take_output()), Vec::<String>::new());
    }
}

#[test]
fn what_has_outlived_its_time_is_removed_sooner_or_later() {
    let factory = JoinFactory { ttl_ms: [Some(1_000); 2], ..factory(JoinKind::Left, false) };
    let mut harness = Harness::open(factory, StateBackend::HashMap);
    harness.restart();
    let empty_bytes = harness.state_bytes();
    let hot = (0..300).map(|value| Row { size: 100, ..row(-1, value) });
    let rows: Vec<Row> = (0..300).map(|key| row(key, 0)).chain(hot).collect();
    harness.process(0, insertions(&rows));
    harness.process(1, insertions(&rows));
    harness.restart();
    assert!(harness.state_bytes() > empty_bytes);
    (0..=3_000).step_by(2).for_each(|now_ms| harness.set_time(now_ms));
    harness.restart();
    assert_eq!(harness.state_bytes(), empty_bytes);
}
