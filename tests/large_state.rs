//! Keyed state that is larger than the memory it may take.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::fs;

use common::{assert_same_lines, lines, sorted, with_server};
use headwater::core::time::NO_TIMESTAMP;

const KEYS: u64 = 220_000;
/// Every tenth key is asked for once more, after the others.
const RECORDS: u64 = KEYS + KEYS / 10;
const VALUE_BYTES: usize = 1_000;
const STATE_BYTES: u64 = KEYS * VALUE_BYTES as u64;

/// The memory that this process has taken at most so far.
fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

/// A key, a count of 1 and a large value.
fn record(index: u64) -> (u64, u64, String) {
    let key = if index < KEYS { index } else { (index - KEYS) * 10 };
    (key, 1, char::from(b'a' + (key % 26) as u8).to_string().repeat(VALUE_BYTES))
}

#[test]
fn state_beyond_its_memory_is_right_and_stays_on_the_disk() {
    let before = peak_memory_bytes();
    with_server(async |test| {
        let folder = test.folder("out");
        test.run(|env| {
            env.set_option("state.cache.memory", "8 mb").unwrap();
            env.generate(Some(RECORDS), |index| (record(index), NO_TIMESTAMP))
                .key_by(|(key, _, _)| *key)
                .reduce(|(_, count, _), (_, one, _)| *count += one)
                .map(|(key, count, value)| format!("{key} {count} {} {}", &value[..1], value.len()))
                .write_as_text(&folder);
        })
        .await;
        let taken = peak_memory_bytes() - before;
        // Room for RocksDB's own memory, which all jobs share, and for the rows in flight.
        assert!(taken < STATE_BYTES * 3 / 4, "{taken} bytes of memory for {STATE_BYTES} bytes of state");

        let expected = (0..RECORDS).map(|index| {
            let (key, _, value) = record(index);
            format!("{key} {} {} {}", 1 + index / KEYS, &value[..1], value.len())
        });
        assert_same_lines(&lines(&folder), &sorted(expected), "reduced");
    });
}
