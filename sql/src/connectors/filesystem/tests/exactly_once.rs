//! Rows are read and written once, whatever dies in between.

use std::{fs, io::Write, path::Path, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use flate2::{Compression, write::GzEncoder};
use headwater_core::ids::CheckpointId;
use proptest::prelude::*;
use tempfile::tempdir;

use super::{files, open_sink, poll, read_all, shown, table, types_of, write};
use crate::{
    batch::ChangeBatch,
    connectors::{
        sink_of, source_of,
        testing::{Surroundings, read_now, scan_all},
    },
};

/// The rows with these ids: (id, name, part).
fn rows(ids: impl IntoIterator<Item = i64>) -> ChangeBatch {
    let ids: Vec<i64> = ids.into_iter().collect();
    let name = |id: &i64| (id % 7 != 0).then(|| format!("na\"me\n{id}, é"));
    let part = |id: &i64| (id % 3 != 0).then(|| format!("p/{}", id % 3));
    let names: StringArray = ids.iter().map(name).collect();
    let parts: StringArray = ids.iter().map(part).collect();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(ids)), Arc::new(names), Arc::new(parts)];
    let fields = types_of(&COLUMNS);
    ChangeBatch::insertions(RecordBatch::try_new(fields, columns).unwrap())
}

const COLUMNS: [(&str, &str); 3] = [("id", "BIGINT"), ("name", "STRING"), ("part", "STRING")];

fn formats() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    prop_oneof![
        Just(vec![("format", "csv"), ("csv.null-literal", "NULL")]),
        Just(vec![("format", "json")]),
        Just(vec![("format", "parquet")]),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    /// So many rows are read or written.
    Rows(usize),
    Take,
    Complete {
        is_told: bool,
    },
    Die {
        at_once: bool,
    },
    /// The last completed checkpoint turns out to be damaged.
    FallBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..20).prop_map(Step::Rows),
        3 => Just(Step::Take),
        2 => any::<bool>().prop_map(|is_told| Step::Complete { is_told }),
        1 => any::<bool>().prop_map(|at_once| Step::Die { at_once }),
        1 => Just(Step::FallBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_row_is_read_once_wherever_a_reader_dies(
        mut options in formats(), files in prop::collection::vec(0i64..40, 0..4), is_partitioned: bool,
        gz: bool, splittable: bool, parallelism in 1u32..4, steps in prop::collection::vec(step(), 1..40),
    ) {
        if splittable && options[0].1 == "csv" {
            // Without quotes a single file is cut into ranges.
            options.extend([("csv.disable-quote-character", "true"), ("csv.escape-character", "\\")]);
        }
        let folder = tempdir().unwrap();
        let keys: &[&str] = if is_partitioned { &["part"] } else { &[] };
        let options: Vec<_> = options.into_iter().chain([("sink.rolling-policy.file-size", "300 b")]).collect();
        let table = table(folder.path(), &COLUMNS, keys, &options);
        let mut next = 0;
        for count in files {
            write(&table, [rows(next..next + count)].into_iter().filter(|batch| !batch.is_empty()));
            next += count;
        }
        let expected = rows(0..next).rows;
        if gz && options[0].1 != "parquet" {
            compress(folder.path());
        }
        prop_assert_eq!(shown(&read_all(&table).unwrap()), shown(std::slice::from_ref(&expected)));

        let (source, job, scan) = (source_of(&table).unwrap(), Surroundings::new(), scan_all(&table));
        prop_assert!(source.is_bounded());
        let mut all = Vec::new();
        for index in 0..parallelism {
            let open = |position: Option<&[u8]>| source.open(&scan, &job.context(index, parallelism), position).unwrap();
            let mut reader = open(None);
            let (mut read, mut taken): (Vec<RecordBatch>, Option<(Vec<u8>, usize)>) = (Vec::new(), None);
            for step in &steps {
                match step {
                    Step::Rows(count) => match read_now(&mut *reader, *count) {
                        Some(batch) => read.push(batch),
                        None => break,
                    },
                    Step::Take => taken = Some((reader.snapshot(CheckpointId(1)).unwrap(), read.len())),
                    Step::Die { .. } => {
                        read.truncate(taken.as_ref().map_or(0, |(_, batches)| *batches));
                        reader = open(taken.as_ref().map(|(position, _)| position.as_slice()));
                    }
                    Step::Complete { .. } | Step::FallBack => {}
                }
            }
            while let Ok(Some(batch)) = poll(&mut *reader, 7) {
                read.push(batch);
            }
            all.extend(read);
        }
        prop_assert_eq!(shown(&all), shown(&[expected]));
    }

    #[test]
    fn every_row_is_written_once_whatever_dies_in_between(
        options in formats(), is_partitioned: bool, steps in prop::collection::vec(step(), 1..40),
    ) {
        let folder = tempdir().unwrap();
        let keys: &[&str] = if is_partitioned { &["part"] } else { &[] };
        let options: Vec<_> = options.into_iter().chain([("sink.rolling-policy.file-size", "500 b")]).collect();
        let table = table(folder.path(), &COLUMNS, keys, &options);
        let (sink, job) = (sink_of(&table).unwrap(), Surroundings::new());
        let mut writer = Some(open_sink(&*sink, &job, None));
        let mut checkpoint = CheckpointId(0);
        let (mut next, mut committed) = (0, 0);
        let (mut taken, mut completed, mut before) = (None, None, None);
        let end = [Step::Rows(9), Step::Take, Step::Complete { is_told: true }];
        for step in steps.into_iter().chain(end) {
            match step {
                Step::Rows(count) => {
                    writer.as_mut().unwrap().write(&rows(next..next + count as i64)).unwrap();
                    next += count as i64;
                }
                Step::Take => {
                    checkpoint = checkpoint.next();
                    taken = Some((writer.as_mut().unwrap().prepare(checkpoint).unwrap(), next));
                }
                Step::Complete { is_told } => {
                    let Some(done) = taken.take() else { continue };
                    committed = done.1;
                    before = completed.replace(done);
                    if is_told {
                        writer.as_mut().unwrap().commit(checkpoint).unwrap();
                    } else {
                        drop(writer.take());
                        writer = Some(open_sink(&*sink, &job, completed.as_ref().map(|done| &done.0)));
                        next = committed;
                    }
                }
                Step::FallBack if before.is_none() => continue,
                Step::Die { .. } | Step::FallBack => {
                    match step {
                        Step::Die { at_once: true } => std::mem::forget(writer.take()),
                        _ => drop(writer.take()),
                    }
                    if matches!(step, Step::FallBack) {
                        completed = before.take();
                    }
                    taken = None;
                    writer = Some(open_sink(&*sink, &job, completed.as_ref().map(|done| &done.0)));
                    next = completed.as_ref().map_or(0, |done| done.1);
                    committed = next;
                }
            }
            prop_assert_eq!(shown(&read_all(&table).unwrap()), shown(&[rows(0..committed).rows]));
        }
        drop(writer);
        let left: Vec<String> = files(folder.path()).into_iter().filter(|name| name.ends_with(".inprogress")).collect();
        prop_assert_eq!(left, Vec::<String>::new());
    }
}

/// Replaces each file by a compressed one.
fn compress(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            compress(&path);
            continue;
        }
        let mut compressed = GzEncoder::new(Vec::new(), Compression::fast());
        compressed.write_all(&fs::read(&path).unwrap()).unwrap();
        fs::write(path.with_extension("gz"), compressed.finish().unwrap()).unwrap();
        fs::remove_file(path).unwrap();
    }
}
