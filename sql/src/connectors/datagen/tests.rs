use std::collections::BTreeMap;

use arrow::datatypes::Field;
use headwater_actors::context::TaskContext;
use proptest::prelude::*;

use super::{
    super::{
        row_text::RowText,
        testing::{Surroundings, scan_all, table},
    },
    *,
};
use crate::{batch::RowKind, types};

fn column(name: &str, sql_type: &str) -> Field {
    let (data_type, nullable) = types::parse(sql_type).unwrap();
    Field::new(name, data_type, nullable)
}

fn every_type() -> Vec<Field> {
    let columns = [
        ("bool", "BOOLEAN"),
        ("i8", "TINYINT"),
        ("i16", "SMALLINT"),
        ("i32", "INT"),
        ("i64", "BIGINT"),
        ("f32", "FLOAT"),
        ("f64", "DOUBLE"),
        ("decimal", "DECIMAL(38, 10)"),
        ("text", "STRING"),
        ("bytes", "BYTES"),
        ("date", "DATE"),
        ("time3", "TIME(3)"),
        ("time6", "TIME(6)"),
        ("ts", "TIMESTAMP(3)"),
        ("ltz", "TIMESTAMP_LTZ(9)"),
        ("row", "ROW<f INT, g STRING>"),
        ("array", "ARRAY<SMALLINT>"),
        ("map", "MAP<STRING, BIGINT>"),
    ];
    columns.into_iter().map(|(name, sql_type)| column(name, sql_type)).collect()
}

fn rows(columns: Vec<Field>, options: &[(&'static str, &str)]) -> TableDescriptor {
    let connector = [("connector", "datagen"), ("rows-per-second", "1000000000000")];
    table("t", columns, connector.into_iter().chain(options.iter().copied()))
}

fn text(batch: &RecordBatch) -> Vec<String> {
    let text = RowText::new(batch).unwrap();
    let line = |row| {
        let mut line = String::new();
        text.write_row(RowKind::Insert, row, &mut line);
        line
    };
    (0..batch.num_rows()).map(line).collect()
}

async fn read_one(reader: &mut dyn TableReader, rows_max: usize) -> Option<RecordBatch> {
    std::future::poll_fn(|context| reader.poll_read(context, rows_max)).await.unwrap()
}

/// Reads one subtask to its end; it is killed after every batch if asked for.
fn read(
    source: &dyn TableSource,
    scan: &Scan,
    task: &TaskContext,
    rows_max: usize,
    with_restarts: bool,
) -> BTreeMap<String, String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut reader = source.open(scan, task, None).unwrap();
    let mut found = BTreeMap::new();
    let mut pending = reader.pending().records.unwrap();
    // Whoever waits in time that is paused is woken at once.
    while let Some(batch) = runtime.block_on(read_one(reader.as_mut(), rows_max)) {
        for (row, line) in text(&batch).into_iter().enumerate() {
            assert_eq!(found.insert(reader.locate(row).unwrap(), line), None, "a row was made twice");
        }
        if with_restarts {
            let position = reader.snapshot(CheckpointId(1)).unwrap();
            reader = source.open(scan, task, Some(&position)).unwrap();
        }
        pending -= batch.num_rows() as u64;
        assert_eq!(reader.pending().records, Some(pending));
    }
    assert_eq!(pending, 0);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_row_is_the_same_whoever_makes_it_and_however(
        count in 0u64..300,
        parallelism in 1u32..4,
        rows_max in 1usize..100,
        with_restarts: bool,
        projection in prop::sample::subsequence((0..18usize).collect::<Vec<_>>(), 0..=18),
    ) {
        let nulls: Vec<_> = ["i32", "f64", "text", "ts", "row", "row.f", "array", "array.element", "map"]
            .map(|path| format!("fields.{path}.null-rate"))
            .to_vec();
        let count_text = count.to_string();
        let mut options = BTreeMap::from([("seed", "5"), ("number-of-rows", &count_text)]);
        options.extend([("fields.text.var-len", "true"), ("fields.ts.max-past", "1 d")]);
        options.extend(nulls.iter().map(|key| (key.as_str(), "0.3")));
        options.extend([("connector", "datagen"), ("rows-per-second", "1000000000000")]);
        let table = table("t", every_type(), options);
        let (source, surroundings) = (source(&table).unwrap(), Surroundings::new());
        let scan = Scan { projection, ..Scan::default() };
        let expected = read(source.as_ref(), &scan, &surroundings.context(0, 1), 1000, false);
        prop_assert_eq!(expected.len() as u64, count);
        let mut found = BTreeMap::new();
        for index in 0..parallelism {
            let task = surroundings.context(index, parallelism);
            found.extend(read(source.as_ref(), &scan, &task, rows_max, with_restarts));
        }
        prop_assert_eq!(found, expected);
    }
}

fn first_rows(columns: Vec<Field>, options: &[(&'static str, &str)]) -> Vec<String> {
    let table = rows(columns, options);
    let (source, surroundings) = (source(&table).unwrap(), Surroundings::new());
    let mut lines = BTreeMap::new();
    for (place, line) in read(source.as_ref(), &scan_all(&table), &surroundings.context(0, 1), 1000, false) {
        lines.insert(place.trim_start_matches("datagen row ").parse::<u64>().unwrap(), line);
    }
    lines.into_values().collect()
}

#[test]
fn sequences_count_and_end_the_table() {
    let columns = vec![
        column("a", "BIGINT"),
        column("b", "STRING"),
        column("c", "DECIMAL(5, 1)"),
        column("d", "DOUBLE"),
        column("e", "BYTES"),
    ];
    let options: Vec<_> = ["a", "b", "c", "d", "e"]
        .iter()
        .flat_map(|name| {
            [("kind", "sequence"), ("start", "-1"), ("end", "5")]
                .map(|(k, v)| (format!("fields.{name}.{k}"), v))
        })
        .collect();
    let mut options: BTreeMap<_, _> = options.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    options.insert("fields.a.end", "1");
    options.insert("connector", "datagen");
    let table = table("t", columns, options);
    let (source, surroundings) = (source(&table).unwrap(), Surroundings::new());
    assert!(source.is_bounded());
    let found = read(source.as_ref(), &scan_all(&table), &surroundings.context(0, 1), 1, false);
    let eight = |others: i8, last: i8| format!("[{}{last}]", format!("{others}, ").repeat(7));
    let expected = [
        format!("+I[-1, -1, -1.0, -1.0, {}]", eight(-1, -1)),
        format!("+I[0, 0, 0.0, 0.0, {}]", eight(0, 0)),
        format!("+I[1, 1, 1.0, 1.0, {}]", eight(0, 1)),
    ];
    assert_eq!(found.into_values().collect::<Vec<_>>(), expected);
}

#[test]
fn random_values_stay_within_their_bounds() {
    let options = [
        ("number-of-rows", "2000"),
        ("seed", "1"),
        ("fields.i8.min", "-2"),
        ("fields.i8.max", "2"),
        ("fields.f64.min", "-1.5"),
        ("fields.f64.max", "0.5"),
        ("fields.decimal.min", "1"),
        ("fields.decimal.max", "3"),
        ("fields.text.length", "7"),
        ("fields.array.length", "2"),
        ("fields.array.element.min", "5"),
        ("fields.array.element.max", "6"),
        ("fields.map.length", "1"),
        ("fields.map.key.length", "1"),
        ("fields.map.value.min", "9"),
        ("fields.map.value.max", "9"),
        ("fields.bool.null-rate", "0.25"),
    ];
    let wanted = ["bool", "i8", "f64", "decimal", "text", "date", "time3", "ts", "ltz", "array", "map"];
    let columns: Vec<_> =
        every_type().into_iter().filter(|field| wanted.contains(&field.name().as_str())).collect();
    let lines = first_rows(columns, &options);
    let mut nulls = 0;
    let mut seen = std::collections::BTreeSet::new();
    for line in &lines {
        let cells: Vec<_> = line.trim_start_matches("+I[").trim_end_matches(']').splitn(10, ", ").collect();
        let number = |index: usize| cells[index].parse::<f64>().unwrap();
        nulls += usize::from(cells[0] == "null");
        seen.insert(cells[1].parse::<i8>().unwrap());
        assert!((-1.5..=0.5).contains(&number(2)), "{line}");
        assert!((1.0..=3.0).contains(&number(3)), "{line}");
        assert!(cells[4].len() == 7 && cells[4].bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        // The clock of the tests stands at 2020-01-01T00:00:00.123Z.
        assert_eq!(
            cells[5..9],
            ["2020-01-01", "00:00:00.123", "2020-01-01T00:00:00.123", "2020-01-01T00:00:00.123Z"]
        );
        let (array, map) = cells[9].split_once("], ").unwrap();
        assert!(["[5, 5", "[5, 6", "[6, 5", "[6, 6"].contains(&array), "{line}");
        assert!(map.len() == "{a=9}".len() && map.ends_with("=9}"), "{line}");
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2], "both bounds are included");
    assert!((400..600).contains(&nulls), "{nulls} of 2000 are null, expected a quarter");
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let refused = |sql_type: &str, options: &[(&'static str, &str)]| {
        let table = rows(vec![column("a", &format!("{sql_type} NOT NULL"))], options);
        source(&table).err().unwrap().to_string()
    };
    assert_eq!(
        refused("INT", &[("fields.a.minn", "1")]),
        "table `t`, option `fields.a.minn`: unknown for connector `datagen`; did you mean `fields.a.min`?"
    );
    assert!(refused("INT", &[("fields.b.min", "1")]).contains("unknown for connector `datagen`"));
    assert!(refused("STRING", &[("fields.a.min", "1")]).contains("unknown for connector `datagen`"));
    assert_eq!(
        refused("TINYINT", &[("fields.a.max", "128")]),
        "table `t`, option `fields.a.max`: expected a whole number from -128 to 127, found `128`"
    );
    assert_eq!(
        refused("TINYINT", &[("fields.a.min", "2"), ("fields.a.max", "1")]),
        "table `t`, option `fields.a.max`: expected at least the minimum, 2, found `1`"
    );
    assert_eq!(
        refused("BIGINT", &[("fields.a.kind", "sequence"), ("fields.a.start", "1")]),
        "table `t`, option `fields.a.end`: not set: connector `datagen` needs it"
    );
    let backwards = [("fields.a.kind", "sequence"), ("fields.a.start", "1"), ("fields.a.end", "0")];
    assert!(refused("BIGINT", &backwards).contains("expected at least the start, 1, found `0`"));
    assert!(refused("DATE", &[("fields.a.kind", "sequence")]).contains("expected `random`"));
    assert!(refused("BIGINT", &[("fields.a.null-rate", "0.5")]).contains("NOT NULL"));
    assert!(refused("BIGINT", &[("fields.a.kind", "chance")]).contains("expected `random` or `sequence`"));
    assert!(
        refused("INTERVAL SECOND", &[]).contains("connector `datagen` makes no values of the type INTERVAL")
    );
    let long = [("fields.a.length", "100000"), ("fields.a.element.length", "100000")];
    assert!(refused("ARRAY<STRING>", &long).contains("a row may take"));
}

#[test]
fn rows_come_at_their_rate() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let table = table("t", [column("a", "BIGINT")], [("connector", "datagen"), ("rows-per-second", "200")]);
    let (source, surroundings) = (source(&table).unwrap(), Surroundings::new());
    assert!(!source.is_bounded());
    runtime.block_on(async {
        // Two subtasks share the rate.
        let mut reader = source.open(&Scan::default(), &surroundings.context(0, 2), None).unwrap();
        let (mut rows, end) = (0, tokio::time::Instant::now() + std::time::Duration::from_secs(10));
        loop {
            let batch = read_one(reader.as_mut(), 1000).await.unwrap();
            if tokio::time::Instant::now() > end {
                break;
            }
            rows += batch.num_rows();
        }
        assert!((980..=1020).contains(&rows), "{rows} rows in ten seconds at 100 a second");
    });
}
