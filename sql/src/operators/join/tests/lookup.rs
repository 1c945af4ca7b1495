use headwater_actors::context::{TaskContext, TaskError};

use super::*;
use crate::{
    connectors::{Scan, TableReader, TableSource},
    operators::{
        join::LookupJoinFactory,
        testing::{Harness, change_texts},
    },
};

/// A table in memory.
struct Table(Vec<Row>);

impl TableSource for Table {
    fn is_bounded(&self) -> bool {
        true
    }

    fn open(
        &self,
        _scan: &Scan,
        _task: &TaskContext,
        _position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        Err(TaskError::Connector("it is only looked up".to_owned()))
    }

    fn read_all(&self, scan: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        let batches = self.0.chunks(3).map(|rows| rows_of(rows).project(&scan.projection).unwrap());
        Ok(batches.collect())
    }
}

fn factory(kind: JoinKind, has_filter: bool, table: Vec<Row>) -> LookupJoinFactory {
    let scan = Scan { projection: (0..COLUMNS).collect(), ..Scan::default() };
    LookupJoinFactory::new(spec(kind, has_filter), Arc::new(Table(table)), scan)
}

fn any_rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (any_key(), 0..3i64).prop_map(|(key, value)| Row { key, value, size: 1, time: 0 });
    prop::collection::vec(row, 0..20)
}

proptest! {
    #[test]
    fn every_row_meets_the_rows_of_its_key(
        is_left: bool, has_filter: bool, stream in any_rows(), table in any_rows(),
    ) {
        let kind = if is_left { JoinKind::Left } else { JoinKind::Inner };
        let mut harness = Harness::open(factory(kind, has_filter, table.clone()), StateBackend::HashMap);
        harness.process(0, insertions(&stream));
        let mut output = Materialized::default();
        output.apply(&harness.take_output());
        prop_assert_eq!(output, join(kind, &stream, &table, |left, right| matches(left, right, has_filter)));
    }
}

#[test]
fn many_matches_come_out_in_bounded_batches() {
    let row = |value| Row { key: Some(1), value, size: 0, time: 0 };
    let table: Vec<Row> = (0..5_000).map(row).collect();
    let stream = [Row { key: None, ..row(0) }, row(10), row(9_999), row(4_000), row(9_999)];
    let mut harness = Harness::open(factory(JoinKind::Left, true, table.clone()), StateBackend::HashMap);
    harness.process(0, insertions(&stream));
    let batches = harness.take_output();
    assert!(batches.len() > 1 && batches.iter().all(|batch| batch.len() <= crate::operator::STEP_ROWS));
    let mut output = Materialized::default();
    output.apply(&batches);
    assert_eq!(output, join(JoinKind::Left, &stream, &table, |left, right| matches(left, right, true)));
}

#[test]
fn kinds_of_change_pass_through() {
    let row = |value| Row { key: Some(1), value, size: 0, time: 0 };
    let mut harness = Harness::open(factory(JoinKind::Inner, false, vec![row(5)]), StateBackend::HashMap);
    let stream = [
        (RowKind::Insert, row(1)),
        (RowKind::UpdateBefore, row(1)),
        (RowKind::UpdateAfter, row(2)),
        (RowKind::Delete, row(2)),
    ];
    harness.process(0, changes(&stream));
    let kinds: Vec<_> =
        change_texts(&harness.take_output()).iter().map(|text| text[..2].to_owned()).collect();
    assert_eq!(kinds, ["+I", "-U", "+U", "-D"]);
}
