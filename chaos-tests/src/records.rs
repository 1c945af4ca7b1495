//! What a run's job reads and what it must write: pure functions, shared by the job and the oracle.

use std::fmt;

use headwater::connectors::generator::random_at;
use serde::{Deserialize, Serialize};

/// The number of keys.
pub const KEYS: u64 = 64;

/// The size of the event-time windows.
pub const WINDOW_MS: i64 = 100;

/// How much earlier a record's time can be than that of the one before it, at most.
pub const OUT_OF_ORDER_MS: i64 = 50;

const FIRST_AT_MS: i64 = 1_000_000;
const RECORDS_PER_MS: u64 = 5;

/// A record: each key counts its own from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Below [`KEYS`].
    pub key: u64,
    /// How many records of the key come before it.
    pub sequence: u64,
    /// Its event time.
    pub at_ms: i64,
}

/// The record with this index: every run of [`KEYS`] indices has each key once, in an order that the seed gives.
pub fn record_at(seed: u64, index: u64) -> Record {
    let (sequence, place) = (index / KEYS, index % KEYS);
    // An odd factor makes this a permutation of the keys, since their number is a power of two.
    let key = (place * 37 + random_at(seed, sequence)) % KEYS;
    let jitter_ms = (random_at(!seed, index) % (OUT_OF_ORDER_MS as u64 + 1)) as i64;
    Record { key, sequence, at_ms: FIRST_AT_MS + (index / RECORDS_PER_MS) as i64 - jitter_ms }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.key, self.sequence, self.at_ms)
    }
}

/// What the records of one key in one window amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WindowTotal {
    /// The key.
    pub key: u64,
    /// Where the window begins.
    pub start_ms: i64,
    /// How many records.
    pub count: u64,
    /// The sum of their sequence numbers.
    pub sum: u64,
}

impl fmt::Display for WindowTotal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.key, self.start_ms, self.count, self.sum)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_counts_without_a_gap_and_time_stays_within_its_bound() {
        let records: Vec<Record> = (0..KEYS * 50).map(|index| record_at(7, index)).collect();
        let distinct: BTreeSet<(u64, u64)> =
            records.iter().map(|record| (record.key, record.sequence)).collect();
        let expected = (0..KEYS).flat_map(|key| (0..50).map(move |sequence| (key, sequence))).collect();
        assert_eq!(distinct, expected);
        let mut greatest = i64::MIN;
        for record in records {
            assert!(record.at_ms >= greatest.saturating_sub(OUT_OF_ORDER_MS), "{record} after {greatest}");
            greatest = greatest.max(record.at_ms);
        }
    }
}
