use std::collections::BTreeMap;

use super::*;
use crate::{
    operator::{in_event_time, in_processing_time},
    operators::{
        aggregate::{LateRows, LocalAggregateFactory, LocalWindowSpec, WindowAggregateFactory, Windowing},
        testing::{Harness, any_options, texts},
        window::{WindowKind, WindowTime, WindowTvfFactory},
    },
};

/// How rows come to the windows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    Sliced,
    /// Aggregated by slice before the shuffle.
    TwoPhase,
    /// Each row once for each of its windows.
    Attached,
    ProcessingTime,
}

fn any_kind() -> impl Strategy<Value = WindowKind> {
    let length = || 1..25i64;
    prop_oneof![
        (length(), -30..30i64).prop_map(|(size, offset)| WindowKind::Tumble { size, offset }),
        (length(), length(), -30..30i64).prop_map(|(size, slide, offset)| WindowKind::Hop {
            size,
            slide,
            offset
        }),
        (length(), 1..5i64, -30..30i64).prop_map(|(step, steps, offset)| WindowKind::Cumulate {
            max: step * steps,
            step,
            offset
        }),
    ]
}

fn any_case() -> impl Strategy<Value = (Style, WindowKind, Vec<AggregateCall>)> {
    let style =
        prop::sample::select(vec![Style::Sliced, Style::TwoPhase, Style::Attached, Style::ProcessingTime]);
    (style, any_kind()).prop_flat_map(|(style, kind)| {
        let is_one = style != Style::TwoPhase;
        // What was seen of distinct values is kept by slice.
        let distinct = match style {
            Style::TwoPhase => false,
            Style::Attached => true,
            _ => matches!(kind, WindowKind::Tumble { .. }),
        };
        let allowed = Allowed { distinct, ordered: is_one, unsplittable: is_one };
        (Just(style), Just(kind), any_calls(allowed))
    })
}

/// What was there before the aggregation, if there was something, and the aggregation.
struct World {
    style: Style,
    kind: WindowKind,
    calls: Vec<AggregateCall>,
    keys: Vec<usize>,
    before: Option<Harness>,
    windows: Harness,
    output: SchemaRef,
    now: i64,
    /// By window's end, then key.
    open: BTreeMap<i64, BTreeMap<String, Vec<(bool, Row)>>>,
    late: u64,
    /// Rows that are too late for all their windows, and were not emitted so far.
    late_rows: Vec<String>,
}

impl World {
    fn new(
        style: Style,
        kind: WindowKind,
        keys: &[usize],
        calls: &[AggregateCall],
        options: headwater_core::options::JobOptions,
    ) -> Self {
        let output = output_of(keys, calls, &PROPERTIES.map(|(name, _)| name));
        let time = if style == Style::ProcessingTime { WindowTime::Processing } else { WindowTime::Event };
        let mut factory = WindowAggregateFactory {
            early_fire_ms: None,
            late_rows: match style {
                Style::Sliced => LateRows::Emitted,
                Style::Attached => LateRows::EmittedOnce { kind, column: TIME },
                Style::TwoPhase | Style::ProcessingTime => LateRows::Dropped,
            },
            input: schema(),
            keys: keys.to_vec(),
            calls: calls.to_vec(),
            windowing: Windowing::Sliced { kind, column: TIME },
            time,
            properties: PROPERTIES.map(|(_, property)| property).to_vec(),
            output: output.clone(),
            first_partial: None,
        };
        let before = match style {
            Style::Sliced | Style::ProcessingTime => None,
            Style::TwoPhase => {
                let local = LocalAggregateFactory {
                    input: schema(),
                    keys: keys.to_vec(),
                    calls: calls.to_vec(),
                    window: Some(LocalWindowSpec { kind, column: TIME }),
                };
                factory.input = local.output();
                factory.keys = (0..keys.len()).collect();
                factory.windowing = Windowing::Presliced { kind, column: keys.len() };
                factory.first_partial = Some(local.first_partial());
                Some(Harness::open_with(local, options.clone()))
            }
            Style::Attached => {
                let columns = schema().fields().len();
                let mut fields: Vec<Field> =
                    schema().fields().iter().map(|field| field.as_ref().clone()).collect();
                fields.extend(
                    output_of(&[], &[], &PROPERTIES.map(|(name, _)| name))
                        .fields()
                        .iter()
                        .map(|f| f.as_ref().clone()),
                );
                let attached: SchemaRef = Arc::new(Schema::new(fields));
                factory.input = attached.clone();
                // The start is a key; it stands behind the others.
                factory.keys.push(columns);
                factory.windowing = Windowing::Attached { column: columns + 1 };
                factory.properties.remove(0);
                let mut fields: Vec<Field> = keys.iter().map(|key| schema().field(*key).clone()).collect();
                fields.push(attached.field(columns).clone());
                fields.extend(
                    output.fields()[keys.len()..]
                        .iter()
                        .filter(|f| f.name() != "start")
                        .map(|f| f.as_ref().clone()),
                );
                factory.output = Arc::new(Schema::new(fields));
                let tvf = WindowTvfFactory { kind, time: WindowTime::Event, column: TIME, output: attached };
                Some(Harness::open_with(tvf, options.clone()))
            }
        };
        let windows = Harness::open_with(factory, options);
        Self {
            style,
            kind,
            calls: calls.to_vec(),
            keys: keys.to_vec(),
            before,
            windows,
            output,
            now: 0,
            open: BTreeMap::new(),
            late: 0,
            late_rows: Vec::new(),
        }
    }

    /// The time up to which windows have fired.
    fn watermark(&self) -> i64 {
        self.now - 1
    }

    fn rows(&mut self, rows: Vec<Row>) {
        let rows: Vec<Row> =
            rows.into_iter().map(|row| Row { time: row.time.map(|time| time + self.now), ..row }).collect();
        match &mut self.before {
            Some(before) => before.process(0, insertions(&rows)),
            None => self.windows.process(0, insertions(&rows)),
        }
        self.forward();
        for row in rows {
            let time = if self.style == Style::ProcessingTime { Some(self.now) } else { row.time };
            let Some(time) = time else { continue };
            let ends: Vec<i64> = self.kind.windows_of(self.kind.slice_of(time)).collect();
            let (fired, open): (Vec<i64>, Vec<i64>) =
                ends.into_iter().partition(|end| end - 1 <= self.watermark());
            if open.is_empty() && !fired.is_empty() && matches!(self.style, Style::Sliced | Style::Attached) {
                self.late_rows.extend(texts(&rows_of(std::slice::from_ref(&row))));
            }
            match self.style {
                Style::Attached => self.late += fired.len() as u64,
                _ => self.late += u64::from(open.is_empty() && !fired.is_empty()),
            }
            let key = self.keys.iter().map(|key| row.scalar(*key).to_string()).collect::<Vec<_>>().join(",");
            for end in open {
                let keys = self.open.entry(end).or_default();
                keys.entry(key.clone()).or_default().push((true, row.clone()));
            }
        }
    }

    fn forward(&mut self) {
        if let Some(before) = &mut self.before {
            // Rows that are held back would otherwise come later than they did.
            before.flush();
            before.take_output().into_iter().for_each(|batch| self.windows.process(0, batch));
        }
    }

    fn progress(&mut self, by: i64) {
        self.now += by;
        if self.style == Style::ProcessingTime {
            self.windows.set_time(self.now);
        } else {
            self.windows.watermark(self.now - 1);
        }
    }

    /// What was emitted since this was last called.
    fn emitted(&mut self) -> Vec<String> {
        let mut emitted = Vec::new();
        for batch in self.windows.take_output() {
            if batch.is_late {
                let columns: Vec<usize> = (0..schema().fields().len()).collect();
                for text in texts(&batch.rows.project(&columns).unwrap()) {
                    let place = self.late_rows.iter().position(|late| *late == text);
                    self.late_rows.swap_remove(place.unwrap_or_else(|| panic!("{text} is not late")));
                }
                continue;
            }
            assert!(batch.kinds.is_none());
            let columns = self.output.fields().iter();
            let columns = columns.map(|field| batch.rows.schema().index_of(field.name()).unwrap());
            let rows = batch.rows.project(&columns.collect::<Vec<_>>()).unwrap();
            emitted.extend(texts(&comparable(&rows, true)));
        }
        emitted.sort();
        emitted
    }

    /// What must be emitted up to a watermark.
    fn due(&mut self, watermark: i64) -> Vec<String> {
        let mut rows: Vec<Vec<ScalarValue>> = Vec::new();
        while let Some(window) = self.open.first_entry().filter(|window| window.key() - 1 <= watermark) {
            let (end, keys) = window.remove_entry();
            for mut history in keys.into_values() {
                if !matches!(self.style, Style::Attached | Style::ProcessingTime) {
                    // Slices are merged in their order.
                    history.sort_by_key(|(_, row)| row.time.map(|time| self.kind.slice_of(time)));
                }
                let first = &history[0].1;
                let mut row: Vec<ScalarValue> = self.keys.iter().map(|key| first.scalar(*key)).collect();
                row.extend(self.calls.iter().map(|call| naive::result(call, &history)));
                let bounds = [self.kind.start_of(end), end, end - 1];
                row.extend(bounds.map(|time| ScalarValue::TimestampMillisecond(Some(time), None)));
                rows.push(row);
            }
        }
        let mut due = texts(&comparable(&batch_of(&self.output, &rows), true));
        due.sort();
        due
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn each_window_gives_its_aggregates_once_when_it_ends(
        (style, kind, calls) in any_case(),
        keys in any_keys(),
        options in any_options(),
        events in prop::collection::vec(any_timed_event(), 0..40),
    ) {
        let mut world = World::new(style, kind, &keys, &calls, options);
        // What has no watermark yet is not late.
        world.progress(0);
        for event in events {
            match event {
                TimedEvent::Rows(rows) => world.rows(rows),
                TimedEvent::Progress(by) => world.progress(by),
                TimedEvent::Checkpoint => world.windows.checkpoint(),
                TimedEvent::Restart => {
                    world.before.iter_mut().for_each(Harness::restart);
                    world.windows.restart();
                }
            }
            let watermark = world.watermark();
            prop_assert_eq!(world.emitted(), world.due(watermark));
            prop_assert_eq!(&world.late_rows, &Vec::<String>::new());
            let next = world.open.keys().next().map(|end| match style {
                Style::ProcessingTime => in_processing_time(*end),
                _ => in_event_time(end - 1),
            });
            prop_assert_eq!(world.windows.next_firing(), next);
        }
        world.windows.restart();
        world.windows.end();
        prop_assert_eq!(world.emitted(), world.due(i64::MAX));
        prop_assert_eq!(world.windows.late_rows(), world.late);
    }
}
