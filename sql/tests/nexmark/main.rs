//! Nexmark: every query is run over the same events as a stream, and what its changelog comes to is compared, row by row, with
//! what DataFusion's batch engine makes of a query that was written for it separately (`expected/`), without windowing
//! functions, watermarks or time attributes. `variants/` spells some of the queries in other ways, which must give the same.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod oracle;
mod stream;

use oracle::Oracle;

/// A minute of event time.
const OPTIONS: &str = "'events.num' = '30000', 'first-event.rate' = '500'";

macro_rules! text {
    ($folder:literal, $name:literal) => {
        include_str!(concat!($folder, "/", $name, ".sql"))
    };
}

macro_rules! queries {
    ($($test:ident: $query:literal $(, $variant:literal)*;)*) => {$(
        #[test]
        fn $test() {
            let expected = Oracle::new(OPTIONS).rows(text!("expected", $query));
            let variants: &[(&str, &str)] = &[
                ($query, text!("queries", $query)),
                $(($variant, text!("variants", $variant)),)*
            ];
            for (name, query) in variants {
                stream::check(name, query, OPTIONS, &expected);
            }
        }
    )*};
}

queries! {
    q0_passes_bids_through: "q0";
    q1_converts_currency: "q1";
    q2_selects_auctions: "q2";
    q3_joins_persons_with_their_auctions: "q3";
    q4_averages_winning_bids_by_category: "q4";
    q5_finds_hot_items: "q5", "q5-with", "q5-group-window";
    q6_averages_the_last_selling_prices: "q6";
    q7_finds_the_highest_bids: "q7", "q7-window-join", "q7-group-window";
    q8_finds_new_users_who_sell: "q8", "q8-with", "q8-group-window";
    q9_finds_winning_bids: "q9", "q9-views";
    q10_formats_times_for_a_log: "q10";
    q11_counts_bids_in_sessions: "q11", "q11-group-window";
    q13_looks_up_a_side_input: "q13";
    q14_calculates: "q14";
    q15_reports_by_day: "q15";
    q16_reports_by_channel: "q16";
    q17_reports_by_auction: "q17";
    q18_finds_last_bids: "q18", "q18-with";
    q19_finds_top_bids: "q19", "q19-view";
    q20_expands_bids: "q20";
    q21_adds_channel_ids: "q21";
    q22_splits_urls: "q22";
}

/// Where a sink has no use for the old rows of updates they are not made, and it keeps the same.
#[test]
fn updates_without_their_old_rows_come_to_the_same() {
    let queries: [(&str, &str, &str, &[usize]); 7] = [
        ("q4", text!("queries", "q4"), text!("expected", "q4"), &[0]),
        ("q9", text!("queries", "q9"), text!("expected", "q9"), &[0]),
        ("q15", text!("queries", "q15"), text!("expected", "q15"), &[0]),
        ("q16", text!("queries", "q16"), text!("expected", "q16"), &[0, 1]),
        ("q17", text!("queries", "q17"), text!("expected", "q17"), &[0, 1]),
        ("q18", text!("queries", "q18"), text!("expected", "q18"), &[0, 1]),
        ("q19", text!("queries", "q19"), text!("expected", "q19"), &[0, 7]),
    ];
    for (name, query, expected, key) in queries {
        let expected = Oracle::new(OPTIONS).rows(expected);
        stream::check_upserts(name, query, OPTIONS, &expected, key);
    }
}

/// When a bid is processed decides on its window, so only the totals are certain.
#[test]
fn q12_loses_no_bid_in_processing_time() {
    let expected = Oracle::new(OPTIONS).rows(text!("expected", "q12"));
    let (tables, query) = text!("queries", "q12").split_once("INSERT INTO q12\n").unwrap();
    let windows = query.trim_end().trim_end_matches(';');
    let totals = format!("{tables} SELECT bidder, SUM(bid_count) FROM ({windows}) GROUP BY bidder;");
    stream::check("q12", &totals, OPTIONS, &expected);
}
