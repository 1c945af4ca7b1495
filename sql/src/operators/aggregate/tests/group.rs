use std::collections::HashMap;

use headwater_core::options::{JobOptions, StateBackend};

use super::*;
use crate::operators::{
    aggregate::{GroupAggregateFactory, LocalAggregateFactory},
    testing::{Harness, Materialized, any_options, change_texts, texts},
};

/// What happens next.
#[derive(Debug, Clone)]
enum Event {
    Insert(Row),
    /// Of one of the rows that are there.
    Delete(prop::sample::Index),
    Update(prop::sample::Index, Row),
    /// What has happened so far reaches the operator.
    Cut,
    /// And what that changes is given out.
    Flush,
    Checkpoint,
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        8 => any_row(0..10).prop_map(Event::Insert),
        4 => pick().prop_map(Event::Delete),
        3 => (pick(), any_row(0..10)).prop_map(|(pick, row)| Event::Update(pick, row)),
        3 => Just(Event::Cut),
        3 => Just(Event::Flush),
        1 => Just(Event::Checkpoint),
        1 => Just(Event::Restart),
    ]
}

fn factory(keys: &[usize], calls: &[AggregateCall], is_retracting: bool) -> GroupAggregateFactory {
    GroupAggregateFactory {
        update_before: true,
        input: schema(),
        keys: keys.to_vec(),
        calls: calls.to_vec(),
        output: output_of(keys, calls, &[]),
        is_retracting,
        first_partial: None,
        ttl_ms: None,
    }
}

/// The aggregation in one phase or two, the rows that are there, and all that happened to them.
struct World {
    local: Option<Harness>,
    global: Harness,
    is_retracting: bool,
    there: Vec<Row>,
    history: Vec<(bool, Row)>,
    pending: Vec<(RowKind, Row)>,
    output: Materialized,
}

impl World {
    fn new(keys: &[usize], calls: &[AggregateCall], phases: Phases, options: JobOptions) -> Self {
        let is_retracting = phases == Phases::OneRetracting;
        let mut factory = factory(keys, calls, is_retracting);
        let local = (phases == Phases::Two).then(|| {
            let local = LocalAggregateFactory {
                input: schema(),
                keys: keys.to_vec(),
                calls: calls.to_vec(),
                window: None,
            };
            factory.input = local.output();
            factory.keys = (0..keys.len()).collect();
            factory.first_partial = Some(local.first_partial());
            Harness::open_with(local, options.clone())
        });
        Self {
            local,
            global: Harness::open_with(factory, options),
            is_retracting,
            there: Vec::new(),
            history: Vec::new(),
            pending: Vec::new(),
            output: Materialized::default(),
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Insert(row) => {
                self.there.push(row.clone());
                self.change(RowKind::Insert, row);
            }
            Event::Delete(pick) if self.is_retracting && !self.there.is_empty() => {
                let row = self.there.swap_remove(pick.index(self.there.len()));
                self.change(RowKind::Delete, row);
            }
            Event::Update(pick, row) if self.is_retracting && !self.there.is_empty() => {
                let place = pick.index(self.there.len());
                let old = std::mem::replace(&mut self.there[place], row.clone());
                self.change(RowKind::UpdateBefore, old);
                self.change(RowKind::UpdateAfter, row);
            }
            Event::Delete(_) | Event::Update(..) => {}
            Event::Cut => self.cut(),
            Event::Flush => self.flush(),
            Event::Checkpoint => {
                self.flush();
                self.global.checkpoint();
            }
            Event::Restart => {
                self.flush();
                self.local.iter_mut().for_each(Harness::restart);
                self.global.restart();
            }
        }
    }

    fn change(&mut self, kind: RowKind, row: Row) {
        self.history.push((kind.is_addition(), row.clone()));
        self.pending.push((kind, row));
    }

    fn cut(&mut self) {
        let batch = changes(&std::mem::take(&mut self.pending));
        match &mut self.local {
            Some(local) => local.process(0, batch),
            None => self.global.process(0, batch),
        }
    }

    fn flush(&mut self) {
        self.cut();
        if let Some(local) = &mut self.local {
            local.flush();
            local.take_output().into_iter().for_each(|batch| self.global.process(0, batch));
        }
        self.global.flush();
        for batch in self.global.take_output() {
            self.output.apply(&[batch.with_rows(comparable(&batch.rows, true))]);
        }
    }
}

/// What the table of results holds after all that happened.
fn expected(keys: &[usize], calls: &[AggregateCall], history: &[(bool, Row)]) -> Materialized {
    let mut groups: HashMap<Vec<ScalarValue>, Vec<(bool, Row)>> = HashMap::new();
    for (is_addition, row) in history {
        let key = keys.iter().map(|key| row.scalar(*key)).collect();
        groups.entry(key).or_default().push((*is_addition, row.clone()));
    }
    let rows: Vec<Vec<ScalarValue>> = groups
        .into_iter()
        .filter(|(_, history)| {
            let additions = history.iter().filter(|(is_addition, _)| *is_addition).count();
            additions * 2 > history.len()
        })
        .map(|(key, history)| {
            key.into_iter().chain(calls.iter().map(|call| naive::result(call, &history))).collect()
        })
        .collect();
    // Without any column, rows can only be counted.
    if keys.is_empty() && calls.is_empty() {
        return rows.iter().map(|_| String::new()).collect();
    }
    texts(&comparable(&batch_of(&output_of(keys, calls, &[]), &rows), true)).into_iter().collect()
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phases {
    One,
    OneRetracting,
    Two,
}

fn any_case() -> impl Strategy<Value = (Phases, Vec<AggregateCall>)> {
    prop::sample::select(vec![Phases::One, Phases::OneRetracting, Phases::Two]).prop_flat_map(|phases| {
        let is_one = phases != Phases::Two;
        let allowed = Allowed { distinct: is_one, ordered: is_one, unsplittable: is_one };
        (Just(phases), any_calls(allowed))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn the_output_is_always_the_aggregation_of_what_has_come(
        (phases, calls) in any_case(),
        keys in any_keys(),
        options in any_options(),
        events in prop::collection::vec(any_event(), 0..100),
    ) {
        prop_assert!(phases != Phases::Two || calls.iter().all(AggregateCall::is_splittable));
        let mut world = World::new(&keys, &calls, phases, options);
        for event in events.into_iter().chain([Event::Restart, Event::Flush]) {
            let is_look = matches!(event, Event::Flush | Event::Restart);
            world.apply(event);
            if is_look {
                prop_assert_eq!(&world.output, &expected(&keys, &calls, &world.history));
            }
        }
    }
}

fn row(key: i64, value: i8) -> Row {
    Row { key: Some(key), name: true, flag: None, time: None, values: [Some(value); 10] }
}

fn call(function: F, column: usize) -> AggregateCall {
    let argument_type = schema().field(column).data_type().clone();
    AggregateCall {
        result_type: result_type(&function, &argument_type),
        function,
        argument: Some(column),
        argument_type,
        filter: None,
        is_distinct: false,
    }
}

#[test]
fn a_value_that_comes_and_goes_before_results_are_given_out_leaves_nothing() {
    let calls = [call(F::Min, 5), call(F::Max, 5)];
    let mut harness = Harness::open(factory(&[KEY], &calls, true), StateBackend::HashMap);
    harness.process(0, insertions(&[row(1, 5)]));
    harness.flush();
    harness.take_output();
    let comes_and_goes = [(RowKind::Insert, row(1, 1)), (RowKind::Delete, row(1, 1))];
    harness.process(0, changes(&comes_and_goes));
    harness.process(0, insertions(&[row(1, 6)]));
    harness.flush();
    assert_eq!(change_texts(&harness.take_output()), ["-U[1,5,5]", "+U[1,5,6]"]);
}

#[test]
fn an_update_changes_a_variance() {
    let mut harness = Harness::open(factory(&[KEY], &[call(F::VarPop, 4)], true), StateBackend::HashMap);
    harness.process(0, insertions(&[row(1, 5), row(1, 7)]));
    harness.flush();
    // No value more and none less.
    harness.process(0, changes(&[(RowKind::UpdateBefore, row(1, 7)), (RowKind::UpdateAfter, row(1, 9))]));
    harness.flush();
    assert_eq!(change_texts(&harness.take_output()), ["+I[1,1.0]", "-U[1,1.0]", "+U[1,4.0]"]);
}

#[test]
fn a_key_that_was_not_changed_for_long_begins_anew() {
    for state_backend in [StateBackend::HashMap, StateBackend::RocksDb] {
        let factory =
            GroupAggregateFactory { ttl_ms: Some(1_000), ..factory(&[KEY], &[call(F::Sum, 5)], false) };
        let mut harness = Harness::open(factory, state_backend);
        let mut sums = |now_ms: i64, rows: &[Row]| {
            harness.set_time(now_ms);
            harness.process(0, insertions(rows));
            harness.restart();
            change_texts(&harness.take_output())
        };
        assert_eq!(sums(0, &[row(1, 1), row(2, 1)]), ["+I[1,1]", "+I[2,1]"]);
        assert_eq!(sums(900, &[row(1, 1)]), ["-U[1,1]", "+U[1,2]"]);
        assert_eq!(sums(1_800, &[row(1, 1), row(2, 1)]), ["-U[1,2]", "+U[1,3]", "+I[2,1]"]);
    }
}
