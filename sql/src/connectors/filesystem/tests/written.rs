//! Which files are written.

use std::{
    fs,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use arrow::array::{ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::common::ScalarValue;
use headwater_core::ids::CheckpointId;
use tempfile::tempdir;

use super::{files, open_sink, read_all, shown, table, write};
use crate::{
    batch::ChangeBatch,
    connectors::{Scan, sink_of, source_of, testing::Surroundings},
};

#[test]
fn partitions_are_folders_that_are_marked_once_they_are_committed() {
    let folder = tempdir().unwrap();
    let table = table(
        &folder.path().join("new"),
        &[("day", "DATE"), ("id", "BIGINT"), ("hour", "INT")],
        &["day", "hour"],
        &[("format", "json"), ("sink.partition-commit.policy.kind", "success-file")],
    );
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), Some(0), Some(1), None]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
    let hours: ArrayRef = Arc::new(Int32Array::from(vec![7, 7, 8, 9]));
    let batch = RecordBatch::try_new(table.schema.clone(), vec![days, numbers, hours]).unwrap();
    write(&table, [ChangeBatch::insertions(batch.clone()), ChangeBatch::insertions(batch.slice(1, 1))]);
    assert_eq!(
        files(folder.path()),
        [
            "new/day=1970-01-01/hour=7/_SUCCESS",
            "new/day=1970-01-01/hour=7/part-0",
            "new/day=1970-01-02/hour=8/_SUCCESS",
            "new/day=1970-01-02/hour=8/part-1",
            "new/day=__DEFAULT_PARTITION__/hour=9/_SUCCESS",
            "new/day=__DEFAULT_PARTITION__/hour=9/part-2",
        ]
    );
    let expected = [",4,9", "1970-01-01,1,7", "1970-01-01,2,7", "1970-01-01,2,7", "1970-01-02,3,8"];
    assert_eq!(shown(&read_all(&table).unwrap()), expected);

    let mut scan = Scan { projection: vec![2, 1], ..Scan::default() };
    scan.equal.push((2, ScalarValue::Int32(Some(7))));
    let pruned = source_of(&table).unwrap().read_all(&scan).unwrap();
    assert_eq!(shown(&pruned), ["7,1", "7,2", "7,2"]);

    fs::create_dir(folder.path().join("new/other")).unwrap();
    let error = read_all(&table).unwrap_err();
    assert!(error.contains("expected a partition folder named `day=…`"), "{error}");
}

#[test]
fn files_are_rolled_by_size_and_by_time() {
    let folder = tempdir().unwrap();
    let options = [
        ("format", "raw"),
        ("sink.rolling-policy.file-size", "10 b"),
        ("sink.rolling-policy.rollover-interval", "5 s"),
        ("sink.rolling-policy.inactivity-interval", "2 s"),
        ("sink.rolling-policy.check-interval", "1 s"),
    ];
    let table = table(folder.path(), &[("line", "STRING")], &[], &options);
    let (sink, job) = (sink_of(&table).unwrap(), Surroundings::new());
    job.clock.0.store(0, Relaxed);
    let mut writer = open_sink(&*sink, &job, None);
    let mut write = |at_ms: i64, line: &str| {
        job.clock.0.store(at_ms, Relaxed);
        let lines: ArrayRef = Arc::new(StringArray::from(vec![line]));
        let batch = RecordBatch::try_new(table.schema.clone(), vec![lines]).unwrap();
        writer.write(&ChangeBatch::insertions(batch)).unwrap();
    };
    write(0, "0123456789");
    write(0, "a");
    write(1_900, "b");
    write(3_800, "c");
    write(5_000, "d");
    write(5_001, "e");
    job.clock.0.store(7_001, Relaxed);
    writer.flush().unwrap();
    writer.prepare(CheckpointId(1)).unwrap();
    writer.commit(CheckpointId(1)).unwrap();
    let mut contents: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    contents.sort();
    assert_eq!(contents, ["0123456789\n", "a\nb\nc\nd\n", "e\n"]);
}
