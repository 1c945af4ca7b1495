use std::collections::BTreeMap;

use super::*;
use crate::operators::{
    aggregate::SessionAggregateFactory,
    testing::{Harness, any_options, texts},
    window::WindowTime,
};

struct Session {
    start: i64,
    end: i64,
    rows: Vec<(bool, Row)>,
}

struct World {
    gap: i64,
    time: WindowTime,
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    harness: Harness,
    output: SchemaRef,
    now: i64,
    open: BTreeMap<String, Vec<Session>>,
    late: u64,
    /// Late rows that were not emitted so far.
    late_rows: Vec<String>,
}

impl World {
    fn rows(&mut self, rows: Vec<Row>) {
        let rows: Vec<Row> =
            rows.into_iter().map(|row| Row { time: row.time.map(|time| time + self.now), ..row }).collect();
        self.harness.process(0, insertions(&rows));
        for row in rows {
            let time = if self.time == WindowTime::Processing { Some(self.now) } else { row.time };
            if let Some(time) = time {
                self.row(time, row);
            }
        }
    }

    /// A row joins the sessions that it is near to, which become one; if there is none, it begins one, unless that is over already.
    fn row(&mut self, time: i64, row: Row) {
        let key = self.keys.iter().map(|key| row.scalar(*key).to_string()).collect::<Vec<_>>().join(",");
        let sessions = self.open.entry(key).or_default();
        let mut joined = Session { start: time, end: time + self.gap, rows: vec![(true, row)] };
        let near = |session: &mut Session| session.start <= time + self.gap && session.end >= time;
        let nearby: Vec<Session> = sessions.extract_if(.., near).collect();
        if nearby.is_empty() && joined.end - 1 < self.now {
            self.late += 1;
            self.late_rows.extend(texts(&rows_of(&[joined.rows.remove(0).1])));
            return;
        }
        for session in nearby {
            joined.start = joined.start.min(session.start);
            joined.end = joined.end.max(session.end);
            joined.rows.extend(session.rows);
        }
        sessions.push(joined);
    }

    fn progress(&mut self, by: i64) {
        self.now += by;
        match self.time {
            WindowTime::Processing => self.harness.set_time(self.now),
            WindowTime::Event => drop(self.harness.watermark(self.now - 1)),
        }
    }

    /// What was emitted since this was last called.
    fn emitted(&mut self) -> Vec<String> {
        let (late, output): (Vec<_>, Vec<_>) =
            self.harness.take_output().into_iter().partition(|batch| batch.is_late);
        for text in late.iter().flat_map(|batch| texts(&batch.rows)) {
            // They are emitted in the order in which they came.
            assert_eq!(self.late_rows.remove(0), text);
        }
        assert!(output.iter().all(|batch| batch.kinds.is_none()));
        let mut emitted: Vec<String> =
            output.iter().flat_map(|batch| texts(&comparable(&batch.rows, false))).collect();
        emitted.sort();
        emitted
    }

    /// What must be emitted up to a watermark.
    fn due(&mut self, watermark: i64) -> Vec<String> {
        let mut rows: Vec<Vec<ScalarValue>> = Vec::new();
        for sessions in self.open.values_mut() {
            for session in sessions.extract_if(.., |session| session.end - 1 <= watermark) {
                let first = &session.rows[0].1;
                let mut row: Vec<ScalarValue> = self.keys.iter().map(|key| first.scalar(*key)).collect();
                row.extend(self.calls.iter().map(|call| naive::result(call, &session.rows)));
                let bounds = [session.start, session.end, session.end - 1];
                row.extend(bounds.map(|time| ScalarValue::TimestampMillisecond(Some(time), None)));
                rows.push(row);
            }
        }
        let mut due = texts(&comparable(&batch_of(&self.output, &rows), false));
        due.sort();
        due
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn each_session_gives_its_aggregates_once_when_it_ends(
        gap in 1..20i64,
        is_processing_time in prop::bool::weighted(0.2),
        keys in any_keys(),
        calls in any_calls(Allowed { unsplittable: true, ..Allowed::default() }),
        options in any_options(),
        events in prop::collection::vec(any_timed_event(), 0..40),
    ) {
        let output = output_of(&keys, &calls, &PROPERTIES.map(|(name, _)| name));
        let time = if is_processing_time { WindowTime::Processing } else { WindowTime::Event };
        let factory = SessionAggregateFactory {
            input: schema(),
            keys: keys.clone(),
            calls: calls.clone(),
            column: TIME,
            gap_ms: gap,
            time,
            properties: PROPERTIES.map(|(_, property)| property).to_vec(),
            output: output.clone(),
            emits_late_rows: true,
        };
        let harness = Harness::open_with(factory, options);
        let mut world = World { gap, time, keys, calls, harness, output, now: 0, open: BTreeMap::new(), late: 0, late_rows: Vec::new() };
        world.progress(0);
        for event in events {
            match event {
                TimedEvent::Rows(rows) => world.rows(rows),
                TimedEvent::Progress(by) => world.progress(by),
                TimedEvent::Checkpoint => world.harness.checkpoint(),
                TimedEvent::Restart => world.harness.restart(),
            }
            let watermark = world.now - 1;
            prop_assert_eq!(world.emitted(), world.due(watermark));
            prop_assert_eq!(&world.late_rows, &Vec::<String>::new());
        }
        world.harness.restart();
        world.harness.end();
        prop_assert_eq!(world.emitted(), world.due(i64::MAX));
        prop_assert_eq!(world.harness.late_rows(), world.late);
    }
}
