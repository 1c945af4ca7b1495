//! How fast it is. Run with `--ignored --nocapture`.

use datafusion::{functions_aggregate::sum::sum_udaf, logical_expr::WindowFunctionDefinition};

use super::{
    test_calls::{TIME, VALUE, all_rows, call, column, last_ms, last_rows},
    *,
};
use crate::operators::{
    ordered::test_rows::{Row, ascending, cpu_seconds, insertions, options, schema},
    testing::Harness,
};

#[test]
#[ignore = "measures"]
fn rows_per_second() {
    let rows: Vec<Row> = (0..1_000_000usize)
        .map(|name| Row {
            partition: (name as i64 * 7_919) % 10_000,
            time_ms: name as i64 / 10,
            value: Some(name as i64 % 100),
            name,
        })
        .collect();
    let batches: Vec<ChangeBatch> = rows.chunks(4_096).map(insertions).collect();
    let sum = |frame| {
        let sum = WindowFunctionDefinition::AggregateUDF(sum_udaf());
        call(sum, &[column(VALUE)], frame, (TIME, ascending()), false)
    };
    let measure = |name: &str, harness: &mut Harness, batches: &[ChangeBatch]| {
        let started = cpu_seconds();
        for batch in batches {
            harness.process(0, batch.clone());
            let last = times_ms(batch.rows.column(TIME), "time").unwrap().pop().unwrap();
            harness.watermark(last - 1_000);
        }
        harness.end();
        let seconds = cpu_seconds() - started;
        let count: usize = batches.iter().map(ChangeBatch::len).sum();
        println!("{name}: {:.2} M rows per CPU second", count as f64 / seconds / 1e6);
    };
    let frames =
        [("all rows", all_rows()), ("the last 10 rows", last_rows(10)), ("the last 10 s", last_ms(10_000))];
    for (name, frame) in frames {
        let factory = OverFactory::try_new(schema(), vec![0], Some(TIME), &[sum(frame)], None).unwrap();
        measure(&format!("sum over {name}"), &mut Harness::open_with(factory, options(false)), &batches);
    }
    let order = vec![(TIME, ascending())];
    let calls = vec![sum(last_rows(10)).expr];
    let factory = OverRecomputeFactory::try_new(schema(), vec![0], order, calls, true, None).unwrap();
    let mut harness = Harness::open_with(factory, options(false));
    measure("sum over the last 10 rows, computed again", &mut harness, &batches);
}
