use std::collections::BTreeMap;

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Field, Int32Type, Int64Type, TimestampMillisecondType},
};
use datafusion::common::ScalarValue;
use proptest::prelude::*;

use super::{
    super::{
        row_text::RowText,
        testing::{Surroundings, read_now, scan_all, table},
    },
    *,
};
use crate::{batch::RowKind, types};

fn column(name: &str, sql_type: &str) -> Field {
    let (data_type, nullable) = types::parse(sql_type).unwrap();
    Field::new(name, data_type, nullable)
}

fn columns() -> [Field; 4] {
    let [person, auction, bid] = [
        "ROW<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR, \
         `dateTime` TIMESTAMP(3), extra VARCHAR>",
        "ROW<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, \
         `dateTime` TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra VARCHAR>",
        "ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, `dateTime` TIMESTAMP(3), \
         extra VARCHAR>",
    ];
    [
        column("event_type", "INT NOT NULL"),
        column("person", person),
        column("auction", auction),
        column("bid", bid),
    ]
}

pub(super) fn events(options: &[(&'static str, &str)]) -> TableDescriptor {
    table("t", columns(), [("connector", "nexmark")].into_iter().chain(options.iter().copied()))
}

/// The texts of all rows, by event; every subtask is killed after each `restart_every`th batch, if that is above 0.
fn read(
    table: &TableDescriptor,
    scan: &Scan,
    parallelism: u32,
    rows_max: usize,
    restart_every: usize,
) -> BTreeMap<String, String> {
    let (source, surroundings) = (source(table).unwrap(), Surroundings::new());
    let mut events = BTreeMap::new();
    for index in 0..parallelism {
        let task = surroundings.context(index, parallelism);
        let mut reader = source.open(scan, &task, None).unwrap();
        let mut batches = 0;
        let mut pending = reader.pending().records;
        while let Some(batch) = read_now(reader.as_mut(), rows_max) {
            assert!(batch.num_rows() <= rows_max);
            if scan.equal.is_empty() {
                pending = pending.map(|records| records - batch.num_rows() as u64);
                assert_eq!(reader.pending().records, pending);
            }
            let text = RowText::new(&batch).unwrap();
            for row in 0..batch.num_rows() {
                let mut line = String::new();
                text.write_row(RowKind::Insert, row, &mut line);
                let place = reader.locate(row).unwrap();
                let twice = events.insert(place, line);
                assert_eq!(twice, None, "an event was read twice");
            }
            batches += 1;
            if restart_every > 0 && batches % restart_every == 0 {
                let position = reader.snapshot(CheckpointId(1)).unwrap();
                reader = source.open(scan, &task, Some(&position)).unwrap();
            }
        }
        assert_eq!(reader.pending().records, Some(0));
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_event_is_the_same_whoever_reads_it_and_however(
        count in 1u64..4000,
        seed in 0u64..5,
        proportions in (0u64..4, 0u64..5, 0u64..30).prop_filter("no events", |p| p.0 + p.1 + p.2 > 0),
        parallelism in 1u32..4,
        rows_max in 1usize..3000,
        restart_every in 0usize..3,
        only in prop::option::of(0i32..3),
        projection in prop::sample::subsequence(vec![0usize, 1, 2, 3], 0..=4),
    ) {
        let texts = [count, seed, proportions.0, proportions.1, proportions.2].map(|n| n.to_string());
        let table = events(&[
            ("events.num", &texts[0]),
            ("seed", &texts[1]),
            ("person.proportion", &texts[2]),
            ("auction.proportion", &texts[3]),
            ("bid.proportion", &texts[4]),
        ]);
        let whole = Scan { projection: projection.clone(), ..Scan::default() };
        let mut expected = read(&table, &whole, 1, 1 << 20, 0);
        prop_assert_eq!(expected.len() as u64, count);
        let equal: Vec<_> = only.iter().map(|kind| (0, ScalarValue::Int32(Some(*kind)))).collect();
        let part = Scan { equal, ..whole };
        if let Some(only) = only {
            let of_type = read(&table, &Scan { projection: vec![0], ..Scan::default() }, 1, 1 << 20, 0);
            expected.retain(|event, _| of_type[event] == format!("+I[{only}]"));
        }
        prop_assert_eq!(read(&table, &part, parallelism, rows_max, restart_every), expected);
    }
}

#[test]
fn fields_that_are_not_wanted_are_null_and_the_others_as_always() {
    let table = events(&[("events.num", "500")]);
    let whole = scan_all(&table);
    let wanted = BTreeMap::from([(3, ["price".to_owned(), "url".to_owned()].into())]);
    let part = Scan { fields: wanted, ..whole.clone() };
    let batch_of = |scan| source(&table).unwrap().read_all(scan).unwrap().remove(0);
    let (all, some) = (batch_of(&whole), batch_of(&part));
    assert_eq!(all.columns()[..3], some.columns()[..3]);
    let (all, some) = (all.column(3).as_struct(), some.column(3).as_struct());
    for (index, field) in all.fields().iter().enumerate() {
        if ["price", "url"].contains(&field.name().as_str()) {
            assert_eq!(all.column(index), some.column(index));
            assert_eq!(all.column(index).null_count(), 500 / 50 * 4, "null where there is no bid");
        } else {
            assert_eq!(some.column(index).null_count(), 500);
        }
    }
}

#[test]
fn a_bounded_table_is_read_as_a_whole_and_an_endless_one_is_not() {
    let bounded = source(&events(&[("events.num", "20000")])).unwrap();
    assert!(bounded.is_bounded());
    let none = Scan::default();
    let rows: usize = bounded.read_all(&none).unwrap().iter().map(RecordBatch::num_rows).sum();
    assert_eq!(rows, 20_000, "rows are counted even if no column is wanted");
    let endless = source(&events(&[])).unwrap();
    assert!(!endless.is_bounded());
    let error = endless.read_all(&none).unwrap_err().to_string();
    assert_eq!(error, "table `t` cannot be looked up: expected a bounded table: set `events.num`");
    let kept_alive = source(&events(&[("events.num", "10"), ("keep-alive", "true")])).unwrap();
    assert!(!kept_alive.is_bounded());
    let surroundings = Surroundings::new();
    let mut reader = kept_alive.open(&none, &surroundings.context(0, 1), None).unwrap();
    assert_eq!(read_now(reader.as_mut(), 100).unwrap().num_rows(), 10);
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(reader.poll_read(&mut context, 100).is_pending());
}

/// The values of a field of a kind.
fn longs(kind: Kind, field: &str, options: &[(&'static str, &str)]) -> Vec<i64> {
    let table = events(options);
    let equal = vec![(0, ScalarValue::Int32(Some(kind as i32)))];
    let scan = Scan { projection: vec![kind as usize + 1], equal, ..Scan::default() };
    let batches = source(&table).unwrap().read_all(&scan).unwrap();
    batches
        .iter()
        .flat_map(|batch| {
            let column = batch.column(0).as_struct().column_by_name(field).unwrap();
            assert_eq!(column.null_count(), 0);
            match column.data_type() {
                DataType::Int64 => column.as_primitive::<Int64Type>().values().to_vec(),
                _ => column.as_primitive::<TimestampMillisecondType>().values().to_vec(),
            }
        })
        .collect()
}

fn assert_about(share: f64, expected: f64) {
    assert!((share / expected - 1.0).abs() < 0.03, "expected about {expected}, found {share}");
}

#[test]
fn kinds_ids_and_times_are_those_of_the_benchmark() {
    let options = [("events.num", "50000"), ("seed", "7")];
    let table = events(&options);
    let scan = Scan { projection: vec![0], ..Scan::default() };
    let types: Vec<i32> = source(&table)
        .unwrap()
        .read_all(&scan)
        .unwrap()
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().values().to_vec())
        .collect();
    let epoch: Vec<i32> = [vec![0; 1], vec![1; 3], vec![2; 46]].concat();
    assert!(types.chunks(50).all(|chunk| chunk == epoch));

    assert_eq!(longs(Kind::Person, "id", &options), (1000..2000).collect::<Vec<_>>());
    assert_eq!(longs(Kind::Auction, "id", &options), (1000..4000).collect::<Vec<_>>());
    let base_ms = 1_436_918_400_000;
    let times = longs(Kind::Bid, "dateTime", &options);
    let expected = (0..50_000).filter(|event| event % 50 >= 4).map(|event| base_ms + event / 10);
    assert_eq!(times, expected.collect::<Vec<_>>());

    let odd = [("events.num", "50000"), ("first-event.rate", "7"), ("base-time", "1970-01-01 00:00:01.5")];
    let expected = (0..50_000).filter(|event| event % 50 == 0).map(|event| 1500 + event * 1000 / 7);
    assert_eq!(longs(Kind::Person, "dateTime", &odd), expected.collect::<Vec<_>>());
}

#[test]
fn bids_and_auctions_refer_to_what_is_there_and_half_of_them_to_what_is_hot() {
    let options = [("events.num", "1000000")];
    let bids = longs(Kind::Bid, "auction", &options);
    let bidders = longs(Kind::Bid, "bidder", &options);
    let sellers = longs(Kind::Auction, "seller", &options);
    let hot = |ids: &[i64], index: i64, per_epoch: i64, ids_per_epoch: i64| {
        let is_hot = |(event, id): (usize, &i64)| {
            let last = (event as i64 / per_epoch + 1) * ids_per_epoch - 1;
            assert!((1000..1000 + last + 11).contains(id), "id {id} is not in use, nor will it be soon");
            *id == 1000 + last / 100 * 100 + index
        };
        ids.iter().enumerate().map(is_hot).filter(|is_hot| *is_hot).count() as f64 / ids.len() as f64
    };
    // One of `ratio` is not hot; and a few of those are hot by chance.
    assert_about(hot(&bids, 0, 46, 3), 0.5 + 0.5 / 111.0);
    assert_about(hot(&bidders, 1, 46, 1), 0.75);
    assert_about(hot(&sellers, 0, 3, 1), 0.75);

    let prices = longs(Kind::Bid, "price", &options);
    assert!(prices.iter().all(|price| (100..=100_000_000).contains(price)));
    for decade in 2..8 {
        let (low, high) = (10i64.pow(decade), 10i64.pow(decade + 1));
        let within = prices.iter().filter(|price| (low..high).contains(*price)).count();
        assert_about(within as f64 / prices.len() as f64, 1.0 / 6.0);
    }
    let reserves = longs(Kind::Auction, "reserve", &options);
    let initial = longs(Kind::Auction, "initialBid", &options);
    assert!(reserves.iter().zip(&initial).all(|(reserve, initial)| reserve > initial));
    let begins = longs(Kind::Auction, "dateTime", &options);
    let ends = longs(Kind::Auction, "expires", &options);
    let length_ms: i64 = ends.iter().zip(&begins).map(|(end, begin)| end - begin).sum();
    assert!(ends.iter().zip(&begins).all(|(end, begin)| end > begin));
    // A hundred auctions begin in 100 * 50 / 3 events.
    assert_about(length_ms as f64 / begins.len() as f64, 167.5);
}

#[test]
fn texts_have_their_average_sizes_and_forms() {
    let table = events(&[("events.num", "100000"), ("bid.avg-size", "1 kb")]);
    let batches = source(&table).unwrap().read_all(&scan_all(&table)).unwrap();
    let mut bytes = [0; 3];
    let mut channels = [0.0; 2];
    for batch in &batches {
        for kind in Kind::ALL {
            let column = batch.column(kind as usize + 1).as_struct();
            for field in column.columns() {
                bytes[kind as usize] += match field.data_type() {
                    DataType::Utf8 => field.as_string::<i32>().values().len(),
                    _ => 8 * (field.len() - field.null_count()),
                };
            }
        }
        let bids = batch.column(3).as_struct();
        let (channel, url) = (bids.column(3).as_string::<i32>(), bids.column(4).as_string::<i32>());
        for row in (0..batch.num_rows()).filter(|row| bids.is_valid(*row)) {
            let is_hot = ["Google", "Facebook", "Baidu", "Apple"].contains(&channel.value(row));
            let (url, channel) = (url.value(row), channel.value(row));
            assert!(is_hot || channel.starts_with("channel-"), "{channel}");
            assert!(
                url.starts_with("https://www.nexmark.com/") && url.contains("/item.htm?query=1"),
                "{url}"
            );
            assert_eq!(url.split('/').count(), 7, "{url}");
            assert!(!is_hot || !url.contains("&channel_id="));
            channels[usize::from(is_hot)] += 1.0;
        }
        let persons = batch.column(1).as_struct();
        for row in (0..batch.num_rows()).filter(|row| persons.is_valid(*row)) {
            let text = |index: usize| persons.column(index).as_string::<i32>().value(row).to_owned();
            assert_eq!(text(1).split(' ').count(), 2);
            assert!(text(2).contains('@') && text(2).ends_with(".com"));
            let card = text(3);
            assert!(card.split(' ').all(|group| group.len() == 4 && group.parse::<u16>().is_ok()), "{card}");
        }
    }
    assert_about(channels[0] / channels[1], 1.0);
    // A person's time is not counted, nor are a bid's channel and URL.
    assert_about(bytes[0] as f64 / 2000.0, 200.0 + 8.0);
    assert_about(bytes[1] as f64 / 6000.0, 500.0);
    assert_about(bytes[2] as f64 / 92000.0, 1024.0 + 69.0);
}

#[test]
fn a_rate_is_kept_only_if_it_is_asked_for() {
    let surroundings = Surroundings::new();
    let read_once = |options: &[(&'static str, &str)]| {
        let source = source(&events(options)).unwrap();
        let mut reader = source.open(&Scan::default(), &surroundings.context(0, 1), None).unwrap();
        read_now(reader.as_mut(), 5000).unwrap().num_rows()
    };
    assert_eq!(read_once(&[]), 5000);
    assert_eq!(read_once(&[("max-emit-speed", "true"), ("rate.limited", "false")]), 5000);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        assert_eq!(read_once(&[("rate.limited", "true")]), 1);
        assert_eq!(read_once(&[("max-emit-speed", "false")]), 1);
    });
}

#[test]
fn options_and_columns_that_do_not_exist_are_refused_by_name() {
    let refused = |options: &[(&'static str, &str)]| source(&events(options)).err().unwrap().to_string();
    assert_eq!(
        refused(&[("bid.hot-ratio.auction", "3")]),
        "table `t`, option `bid.hot-ratio.auction`: unknown for connector `nexmark`; did you mean \
         `bid.hot-ratio.auctions`?"
    );
    assert_eq!(
        refused(&[("first-event.rate", "100"), ("next-event.rate", "200")]),
        "table `t`, option `next-event.rate`: expected the `first-event.rate`, 100: a rate that changes is not \
         supported, found `200`"
    );
    assert!(refused(&[("rate.limited", "true"), ("max-emit-speed", "true")]).contains("`max-emit-speed`"));
    assert!(refused(&[("bid.avg-size", "1 mb")]).ends_with("expected at most `16 kb`, found `1 mb`"));
    let nothing = [("bid.proportion", "0"), ("auction.proportion", "0"), ("person.proportion", "0")];
    assert!(refused(&nothing).contains("expected one of the three proportions above 0"));
    assert!(refused(&[("base-time", "yesterday")]).contains("expected milliseconds since 1970"));

    let with = |field: Field| {
        let table = table("t", [field], [("connector", "nexmark")]);
        source(&table).err().unwrap().to_string()
    };
    assert_eq!(
        with(column("bids", "ROW<>")),
        "table `t`, column `bids`: connector `nexmark` has no such column: expected `event_type`, `person`, `auction` \
         or `bid`; did you mean `bid`?"
    );
    assert_eq!(
        with(column("bid", "ROW<prize BIGINT>")),
        "table `t`, column `bid`: no field `prize`: expected of auction, bidder, price, channel, url, dateTime, \
         extra; did you mean `price`?"
    );
    assert_eq!(
        with(column("bid", "ROW<price STRING>")),
        "table `t`, column `bid`, field `price`: expected the type BIGINT, found STRING"
    );
    assert!(with(column("event_type", "BIGINT")).contains("expected the type INT"));
    assert!(with(column("bid", "ROW<> NOT NULL")).contains("expected it without NOT NULL"));
    assert!(with(column("bid", "STRING")).contains("expected the type ROW<`auction` BIGINT"));
}

#[test]
fn a_position_of_another_parallelism_is_refused() {
    let (source, surroundings) = (source(&events(&[])).unwrap(), Surroundings::new());
    let scan = Scan::default();
    let mut reader = source.open(&scan, &surroundings.context(1, 2), None).unwrap();
    let position = reader.snapshot(CheckpointId(1)).unwrap();
    let error = source.open(&scan, &surroundings.context(1, 3), Some(&position)).err().unwrap();
    assert!(error.to_string().contains("restored with parallelism 3: expected 2"), "{error}");
}
