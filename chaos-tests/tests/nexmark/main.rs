//! Nexmark with actors and the process killed on the way, by two subtasks per operator. The results must be those of one subtask each
//! that nothing happens to, which the SQL crate's tests compare with those of another engine.

mod changes;

use anyhow::ensure;
use changes::{Changes, read};
use headwater_chaos_tests::{
    job::{BACKENDS, Backend},
    promise::promise_once,
    run::{Binaries, Run},
};
use rand::Rng;

const ACTORS: &[&str] = &["source", "operator", "sink", "checkpoint-coordinator", "job-master"];
const FAULTS: usize = 3;
/// A minute of event time.
const EVENTS: &str = "'events.num' = '30000', 'first-event.rate' = '500'";
/// Some seconds, for faults to happen in.
const SLOWLY: &str = ", 'emit-rate' = '15000'";

macro_rules! queries {
    ($($test:ident: $query:literal;)*) => {$(
        #[test]
        fn $test() {
            check($query, include_str!(concat!("../../../sql/tests/nexmark/queries/", $query, ".sql")));
        }
    )*};
}

queries! {
    q0_passes_bids_through: "q0";
    q1_converts_currency: "q1";
    q2_selects_auctions: "q2";
    q3_joins_persons_with_their_auctions: "q3";
    q4_averages_winning_bids_by_category: "q4";
    q5_finds_hot_items: "q5";
    q6_averages_the_last_selling_prices: "q6";
    q7_finds_the_highest_bids: "q7";
    q8_finds_new_users_who_sell: "q8";
    q9_finds_winning_bids: "q9";
    q10_writes_a_log_in_partitions: "q10";
    q11_counts_bids_in_sessions: "q11";
    q13_looks_up_a_side_input: "q13";
    q14_calculates: "q14";
    q15_reports_by_day: "q15";
    q16_reports_by_channel: "q16";
    q17_reports_by_auction: "q17";
    q18_finds_last_bids: "q18";
    q19_finds_top_bids: "q19";
    q20_expands_bids: "q20";
    q21_adds_channel_ids: "q21";
    q22_splits_urls: "q22";
}

/// When a bid is processed decides on its window, so only the totals are certain.
#[test]
fn q12_counts_every_bid_once_in_processing_time() {
    let query = include_str!("../../../sql/tests/nexmark/queries/q12.sql");
    let (tables, windows) =
        query.split_once("INSERT INTO q12\n").expect("q12 inserts into a table of its name");
    let windows = windows.trim_end().trim_end_matches(';');
    let totals = "CREATE TABLE totals (bidder BIGINT, bids BIGINT) WITH ('connector' = 'blackhole')";
    let select = format!("SELECT bidder, SUM(bid_count) FROM ({windows}) GROUP BY bidder");
    check("q12", &format!("{tables}\n{totals};\nINSERT INTO totals\n{select};"));
}

fn check(name: &str, query: &str) {
    let binaries = Binaries {
        server: env!("CARGO_BIN_EXE_chaos_server").into(),
        oracle: env!("CARGO_BIN_EXE_oracle").into(),
    };
    let expected = std::cell::OnceCell::new();
    promise_once(&binaries, BACKENDS, |run| {
        if expected.get().is_none() {
            let mut undisturbed = Run::new(&binaries, run.seed, Backend::HashMap)?;
            let rows = results(&mut undisturbed, query, "", 1, |_| Ok(()))?;
            ensure!(!rows.is_empty(), "{name} has no results: a test that compares nothing");
            // It was not set, as was seen above.
            let _ = expected.set(rows);
        }
        let found = results(run, query, SLOWLY, 2, disturb)?;
        let difference = expected.get().map(|expected| found.difference(expected)).unwrap_or_default();
        ensure!(difference.is_empty(), "{name}: other results than expected:\n{}", difference.join("\n"));
        Ok(())
    });
}

/// What a query's results come to.
fn results(
    run: &mut Run,
    query: &str,
    speed: &str,
    parallelism: u32,
    disturb: impl Fn(&mut Run) -> anyhow::Result<()>,
) -> anyhow::Result<Changes> {
    let side_input = run.path("side_input.csv");
    let lines = (0..10_000).filter(|key| key % 3 != 0).map(|key| format!("{key},value {key}\n"));
    std::fs::write(&side_input, lines.collect::<String>())?;
    let output = run.path("output");
    let files =
        format!("'connector' = 'filesystem', 'path' = '{}', 'format' = 'debezium-json'", output.display());
    let query = query
        .replace("'connector' = 'blackhole'", &files)
        .replace("${side_input}", &side_input.display().to_string())
        .replace("${folder}", &output.display().to_string());
    let schema = include_str!("../../../sql/tests/nexmark/schema.sql");
    run.start_server()?;
    run.submit_sql(&format!("{schema}\nALTER TABLE nexmark SET ({EVENTS}{speed});\n{query}"), parallelism)?;
    disturb(run)?;
    run.wait_for_end("FINISHED")?;
    read(&output)
}

fn disturb(run: &mut Run) -> anyhow::Result<()> {
    run.wait_until_running()?;
    for fault in 0..FAULTS {
        if !run.wait_for_checkpoints_or_end(1)? {
            ensure!(fault > 0, "the job finished before anything could be killed");
            break;
        }
        run.pause(0..150);
        if run.random.random_bool(0.25) {
            run.kill_server()?;
            run.start_server()?;
        } else {
            let actor = run.any_actor(ACTORS)?;
            run.kill(&actor)?;
        }
    }
    Ok(())
}
