//! Tables of files, written and read.

mod exactly_once;
mod written;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    future::poll_fn,
    path::Path,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Field, Int64Type, Schema},
    util::pretty::pretty_format_batches,
};
use headwater_actors::context::{TaskContext, TaskError};
use headwater_core::ids::CheckpointId;
use tempfile::tempdir;

use crate::{
    batch::ChangeBatch,
    connectors::{
        Accepts, Scan, TableDescriptor, TableReader, TableSink, TableWriter, sink_of, source_of,
        testing::{Surroundings, read_now, scan_all},
    },
    types,
};

/// Every wait ends in a failure after this.
const DEADLINE: Duration = Duration::from_secs(30);

/// A table of files, of columns with types as in SQL, partitioned by those of the names.
fn table(path: &Path, columns: &[(&str, &str)], keys: &[&str], options: &[(&str, &str)]) -> TableDescriptor {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, declared)| {
            let (data_type, is_nullable) = types::parse(declared).unwrap();
            Field::new(*name, data_type, is_nullable)
        })
        .collect();
    let key = |key: &&str| columns.iter().position(|(name, _)| name == key).unwrap();
    let own = [("connector", "filesystem"), ("path", path.to_str().unwrap())];
    TableDescriptor {
        name: "t".to_owned(),
        schema: Arc::new(Schema::new(fields)),
        metadata: BTreeMap::new(),
        lengths: BTreeMap::new(),
        primary_key: Vec::new(),
        partition_keys: keys.iter().map(key).collect(),
        options: own
            .iter()
            .chain(options)
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn read_all(table: &TableDescriptor) -> Result<Vec<RecordBatch>, String> {
    source_of(table).unwrap().read_all(&scan_all(table)).map_err(|error| error.to_string())
}

/// All rows of a table, as lines.
fn shown(batches: &[RecordBatch]) -> Vec<String> {
    let text = pretty_format_batches(batches).unwrap().to_string();
    let lines = text.lines().filter(|line| line.starts_with('|')).skip(1);
    let mut lines: Vec<String> = lines
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join(","))
        .collect();
    lines.sort();
    lines
}

fn poll(reader: &mut dyn TableReader, rows_max: usize) -> Result<Option<RecordBatch>, TaskError> {
    match reader.poll_read(&mut Context::from_waker(Waker::noop()), rows_max) {
        Poll::Ready(read) => read,
        Poll::Pending => panic!("there is nothing to read"),
    }
}

fn ids(batch: &RecordBatch) -> Vec<i64> {
    batch.column(0).as_primitive::<Int64Type>().values().to_vec()
}

fn types_of(columns: &[(&str, &str)]) -> Arc<Schema> {
    table(Path::new("-"), columns, &[], &[]).schema
}

fn open_sink(
    sink: &dyn TableSink,
    job: &Surroundings,
    taken: Option<&(Vec<u8>, Option<Vec<u8>>)>,
) -> Box<dyn TableWriter> {
    let state = taken.map(|taken| taken.0.as_slice());
    let committable = taken.and_then(|taken| taken.1.as_deref());
    sink.open(&job.context(0, 1), state, committable).unwrap()
}

/// Writes rows and commits them.
fn write(table: &TableDescriptor, batches: impl IntoIterator<Item = ChangeBatch>) {
    let (sink, job) = (sink_of(table).unwrap(), Surroundings::new());
    assert_eq!(sink.accepts(), Accepts::InsertOnly);
    let mut writer = open_sink(&*sink, &job, None);
    for batch in batches {
        writer.write(&batch).unwrap();
    }
    writer.prepare(CheckpointId(1)).unwrap();
    writer.commit(CheckpointId(1)).unwrap();
}

/// The paths of all files below a folder, without what differs from run to run.
fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{prefix}{name}/"), found);
            } else {
                let number = name.rsplit('-').next().unwrap().to_owned();
                let is_part = name.starts_with("part-");
                found.push(format!("{prefix}{}", if is_part { format!("part-{number}") } else { name }));
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, "", &mut found);
    found.sort();
    found
}

#[test]
fn what_is_known_of_a_file_is_in_metadata_columns() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.csv");
    fs::write(&path, "1\n2\n").unwrap();
    let columns =
        [("id", "BIGINT"), ("p", "STRING"), ("n", "STRING"), ("s", "BIGINT"), ("m", "TIMESTAMP_LTZ(3)")];
    let mut table = table(&path, &columns, &[], &[("format", "csv")]);
    let keys = ["file.path", "file.name", "file.size", "file.modification-time"];
    table.metadata = (1..).zip(keys.map(str::to_owned)).collect();
    let batches = read_all(&table).unwrap();
    let row = format!("{},a.csv,4", path.display());
    assert!(shown(&batches)[0].starts_with(&format!("1,{row},20")), "{batches:?}");
    let scan = Scan { projection: vec![2], ..Scan::default() };
    assert_eq!(shown(&source_of(&table).unwrap().read_all(&scan).unwrap()), ["a.csv", "a.csv"]);

    table.metadata.insert(3, "file.sice".to_owned());
    let error = source_of(&table).err().unwrap().to_string();
    assert!(error.ends_with("did you mean `file.size`?"), "{error}");
    table.metadata.insert(3, "file.name".to_owned());
    let error = source_of(&table).err().unwrap().to_string();
    assert_eq!(error, "table `t`, column `s`: expected metadata `file.name` to be of type STRING");
}

#[test]
fn what_is_left_to_read_is_known_in_bytes() {
    let folder = tempdir().unwrap();
    for name in ["a.csv", "b.csv"] {
        fs::write(folder.path().join(name), "1\n22\n333\n").unwrap();
    }
    let table = table(folder.path(), &[("id", "BIGINT")], &[], &[("format", "csv")]);
    let job = Surroundings::new();
    let mut reader = source_of(&table).unwrap().open(&scan_all(&table), &job.context(0, 1), None).unwrap();
    let mut left = vec![reader.pending().bytes.unwrap()];
    while poll(&mut *reader, 1).unwrap().is_some() {
        left.push(reader.pending().bytes.unwrap());
    }
    left.dedup();
    assert_eq!(left, [18, 16, 13, 9, 7, 4, 0]);
}

#[test]
fn malformed_records_fail_are_passed_over_or_kept_apart() {
    let folder = tempdir().unwrap();
    let (path, letters) = (folder.path().join("in.csv"), folder.path().join("letters"));
    fs::write(&path, "1,a,\nx,b,\n3,\"c\nd\",\n\"4,e,\n").unwrap();
    let with = |options: &[(&str, &str)]| {
        let options: Vec<_> = [("format", "csv")].iter().chain(options).copied().collect();
        table(&path, &[("id", "BIGINT"), ("name", "STRING"), ("part", "STRING")], &[], &options)
    };
    let error = read_all(&with(&[])).unwrap_err();
    let expected = format!(
        "malformed record at `{}`, byte 5: column `id`: expected BIGINT, found `x`; to go on without such records, set \
         `source.malformed-records` to `skip` or `dead-letter`",
        path.display()
    );
    assert_eq!(error, expected);

    let job = Surroundings::new();
    let read = |table: &TableDescriptor, context: &TaskContext| {
        let mut reader = source_of(table).unwrap().open(&scan_all(table), context, None).unwrap();
        let batch = read_now(&mut *reader, 100).unwrap();
        let located = reader.locate(1);
        reader.snapshot(CheckpointId(1)).unwrap();
        reader.checkpoint_completed(CheckpointId(1)).unwrap();
        (batch, located)
    };
    let context = job.context(0, 1);
    let (batch, located) = read(&with(&[("malformed-records", "skip")]), &context);
    assert_eq!((ids(&batch), context.counters.read().malformed_records), (vec![1, 3], 2));
    assert_eq!(located, Some(format!("`{}`, byte 10", path.display())));

    let context = job.context(0, 1);
    let (batch, _) = read(&with(&[("csv.ignore-parse-errors", "true")]), &context);
    assert_eq!(batch.num_rows(), 3);
    assert!(batch.column(0).is_null(1), "a field that cannot be read is NULL");
    assert_eq!(context.counters.read().malformed_records, 1, "the quote that is not closed");

    let policy = format!("dead-letter:{}", letters.display());
    read(&with(&[("malformed-records", &policy)]), &job.context(0, 1));
    let letter = fs::read_dir(&letters).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(letter).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(text.contains(r#""text":"x,b,""#) && text.contains("expected a closing quote"), "{text}");

    let error = source_of(&with(&[("malformed-records", "ignore")])).err().unwrap().to_string();
    assert!(error.ends_with("expected `fail`, `skip` or `dead-letter:<folder>`, found `ignore`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_watched_folder_yields_each_file_once() {
    let folder = tempdir().unwrap();
    let table = table(
        folder.path(),
        &[("id", "BIGINT")],
        &[],
        &[("format", "csv"), ("source.monitor-interval", "1 s"), ("source.path.regex-pattern", ".*/[0-9]+")],
    );
    let (source, job, scan) = (source_of(&table).unwrap(), Surroundings::new(), scan_all(&table));
    assert!(!source.is_bounded());
    assert!(source.read_all(&scan).is_err());
    let open =
        |index: u32, position: Option<&[u8]>| source.open(&scan, &job.context(index, 2), position).unwrap();
    let mut readers = [open(0, None), open(1, None)];
    let mut found = BTreeSet::new();
    for round in 0..10_i64 {
        fs::write(folder.path().join(format!("{round}")), format!("{round}\n")).unwrap();
        fs::write(folder.path().join(format!(".{round}")), "x\n").unwrap();
        fs::write(folder.path().join(format!("_{round}")), "x\n").unwrap();
        fs::write(folder.path().join(format!("other{round}")), "x\n").unwrap();
        let read = async {
            loop {
                let next = poll_fn(|context| {
                    for (index, reader) in readers.iter_mut().enumerate() {
                        if let Poll::Ready(read) = reader.poll_read(context, 10) {
                            return Poll::Ready((index, read));
                        }
                    }
                    Poll::Pending
                });
                let (_, batch) = next.await;
                for id in ids(&batch.unwrap().unwrap()) {
                    assert!(found.insert(id), "{id} came twice");
                }
                if found.len() as i64 == round + 1 {
                    break;
                }
            }
        };
        tokio::time::timeout(DEADLINE, read).await.expect("the file is not found");
        if round % 3 == 0 {
            for (index, reader) in (0..).zip(&mut readers) {
                let position = reader.snapshot(CheckpointId(1)).unwrap();
                *reader = open(index, Some(&position));
            }
        }
    }
}

#[test]
fn parquet_files_are_read_by_row_group_and_column_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = types_of(&[("b", "INT"), ("r", "ROW<x INT, l ARRAY<STRING>>"), ("id", "INT")]);
    let json = arrow::json::ReaderBuilder::new(schema.clone()).with_batch_size(100);
    let text: String = (0..20)
        .map(|id| format!("{{\"b\":{},\"id\":{id},\"r\":{{\"x\":1,\"l\":[\"a\"]}}}}\n", id * 2))
        .collect();
    let batch = json.build(text.as_bytes()).unwrap().next().unwrap().unwrap();
    let properties =
        parquet::file::properties::WriterProperties::builder().set_max_row_group_row_count(Some(6)).build();
    let file = fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();

    let with = |columns: &[(&str, &str)]| table(&path, columns, &[], &[("format", "parquet")]);
    let all =
        with(&[("id", "BIGINT"), ("gone", "STRING"), ("r", "ROW<x INT, l ARRAY<STRING>>"), ("b", "INT")]);
    let batches = read_all(&all).unwrap();
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).filter(|rows| *rows > 0).collect::<Vec<_>>(),
        [6, 6, 6, 2]
    );
    assert_eq!(batches.iter().flat_map(ids).collect::<Vec<_>>(), (0..20).collect::<Vec<_>>());
    assert!(shown(&batches).contains(&"3,,{x: 1, l: [a]},6".to_owned()), "{:?}", shown(&batches));
    let none = Scan::default();
    let counted = source_of(&all).unwrap().read_all(&none).unwrap();
    assert_eq!(counted.iter().map(RecordBatch::num_rows).sum::<usize>(), 20);

    let job = Surroundings::new();
    let source = source_of(&all).unwrap();
    let mut reader = source.open(&scan_all(&all), &job.context(1, 2), None).unwrap();
    assert_eq!(ids(&read_now(&mut *reader, 4).unwrap()), [6, 7, 8, 9]);
    assert_eq!(reader.locate(2), Some(format!("`{}`, row group 1, row 2", path.display())));

    let refused = |columns: &[(&str, &str)]| read_all(&with(columns)).unwrap_err();
    assert!(refused(&[("id", "STRING")]).ends_with("column `id`: expected STRING, found INT"));
    assert!(refused(&[("gone", "INT NOT NULL")]).contains("NOT NULL"));
    fs::write(&path, "no parquet").unwrap();
    assert!(refused(&[("id", "INT")]).contains("as parquet"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("in");
    fs::write(&path, "1\n2\n").unwrap();
    let table = table(&path, &[("id", "BIGINT")], &[], &[("format", "csv")]);
    let (source, job) = (source_of(&table).unwrap(), Surroundings::new());
    let mut reader = source.open(&scan_all(&table), &job.context(0, 1), None).unwrap();
    assert_eq!(ids(&read_now(&mut *reader, 1).unwrap()), [1]);
    fs::write(&path, "1\n2\n3\n").unwrap();
    let error = poll(&mut *reader, 9).err().unwrap().to_string();
    assert!(error.contains("was changed while a job was reading it: expected 4 bytes, found 6"), "{error}");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let refused = |options: &[(&str, &str)]| {
        let options: Vec<_> = [("format", "csv")].iter().chain(options).copied().collect();
        let table = table(Path::new("in"), &[("id", "BIGINT")], &[], &options);
        source_of(&table).err().unwrap().to_string()
    };
    let cases = [
        (
            ("path", "hdfs://a/b"),
            "option `path`: expected a file or folder of this machine, found `hdfs://a/b`: `hdfs` is not supported",
        ),
        (
            ("auto-compaction", "true"),
            "option `auto-compaction`: `true` is not supported: files are not compacted",
        ),
        (
            ("sink.partition-commit.policy.kind", "success-file"),
            "option `sink.partition-commit.policy.kind`: expected a table with PARTITIONED BY, found one without",
        ),
        (
            ("sink.partition-commit.trigger", "partition-time"),
            "option `sink.partition-commit.trigger`: `partition-time` is not supported: expected `process-time`",
        ),
        (
            ("sink.partition-commit.delay", "1 h"),
            "option `sink.partition-commit.delay`: not supported: a partition is committed with the checkpoint, without a delay",
        ),
        (
            ("source.path.regex-pattern", "("),
            "option `source.path.regex-pattern`: expected a regular expression, found `(`",
        ),
        (
            ("source.monitor-interval", "0 s"),
            "option `source.monitor-interval`: expected a duration above 0, found `0 s`",
        ),
        (
            ("source.monitor-intervall", "1 s"),
            "option `source.monitor-intervall`: unknown for connector `filesystem`; did you mean `source.monitor-interval`?",
        ),
    ];
    for (option, expected) in cases {
        assert_eq!(refused(&[option]), format!("table `t`, {expected}"));
    }
    let map = table(Path::new("in"), &[("m", "MAP<STRING, INT>")], &[], &[("format", "csv")]);
    let expected = "table `t`: column `m`: the format `csv` does not support MAP; use `json`";
    assert_eq!(source_of(&map).err().unwrap().to_string(), expected);
    assert_eq!(sink_of(&map).err().unwrap().to_string(), expected);
    let gone = table(Path::new("in/no/such"), &[("id", "BIGINT")], &[], &[("format", "csv")]);
    assert!(read_all(&gone).unwrap_err().starts_with("cannot read `in/no/such`"));
}
