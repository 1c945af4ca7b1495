//! A partition while its new rows are computed, and what it remembers for later ones.

use std::ops::Range;

use headwater_core::time::TimestampMs;
use serde::{Deserialize, Serialize};

use super::call::{Frame, Start};
use crate::rows::RowBytes;

/// The state of a partition.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct OverState {
    /// The rows that frames of later rows reach back to.
    pub history: Vec<PastRow>,
    /// The states of the accumulators of unbounded frames.
    pub accumulators: Option<RowBytes>,
    pub numbers: Numbers,
    pub last_ms: TimestampMs,
    pub written_ms: TimestampMs,
}

/// A row that was computed: the arguments that later rows look back at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PastRow {
    pub time_ms: TimestampMs,
    pub args: RowBytes,
}

/// The numbers of the last row.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Numbers {
    pub row: u64,
    pub rank: u64,
    pub dense_rank: u64,
}

/// New rows of a partition.
pub(super) struct Part {
    pub hash: u64,
    pub key: RowBytes,
    /// Where they are among all new rows.
    pub rows: Range<usize>,
    /// Where they are, after those of the partition's history, among all rows that are looked at.
    pub all: Range<usize>,
    pub state: OverState,
}

/// The times of rows.
pub(super) struct Times<'a> {
    /// Of the new ones.
    pub new: &'a [TimestampMs],
    /// Of all that are looked at.
    pub all: &'a [TimestampMs],
    /// Whether rows with the same time are peers. In processing time, they come one after the other even within a millisecond.
    pub are_of_events: bool,
}

impl Part {
    pub fn new(hash: u64, key: RowBytes, rows: Range<usize>) -> Self {
        Self { hash, key, all: rows.clone(), rows, state: OverState::default() }
    }

    /// Among all rows that are looked at: the first new one.
    pub fn first_new(&self) -> usize {
        self.all.end - self.rows.len()
    }

    /// Where the frame of each new row ends, among the new rows.
    pub fn ends(&self, frame: Frame, times: &Times<'_>) -> impl Iterator<Item = usize> {
        // An interval of processing time begins and ends with a millisecond.
        let has_peers =
            frame.has_peers && (times.are_of_events || matches!(frame.start, Start::Range { .. }));
        let times = &times.new[self.rows.clone()];
        let peers = times.chunk_by(move |a, b| has_peers && a == b);
        peers
            .flat_map(|peers| std::iter::repeat_n(peers.len(), peers.len()).enumerate())
            .zip(self.rows.clone())
            .map(|((index, peers), row)| row - index + peers)
    }

    /// The bounded frame of each new row, among all rows that are looked at.
    pub fn frames(&self, frame: Frame, times: &Times<'_>) -> impl Iterator<Item = Range<usize>> {
        let new_to_all = self.first_new() - self.rows.start;
        let mut start = self.all.start;
        self.rows.clone().zip(self.ends(frame, times)).map(move |(row, end)| {
            match frame.start {
                Start::Rows(rows) => start = start.max((row + new_to_all).saturating_sub(rows)),
                Start::Range { ms } => {
                    let oldest = times.new[row].saturating_sub(ms);
                    while times.all[start] < oldest {
                        start += 1;
                    }
                }
                Start::Unbounded => {}
            }
            start..end + new_to_all
        })
    }

    /// Adds the numbers of the new rows to `numbers`.
    pub fn count(&mut self, times: &Times<'_>, numbers: &mut Vec<Numbers>) {
        let mut last = self.state.numbers;
        for row in self.rows.clone() {
            let is_peer =
                times.are_of_events && row > self.rows.start && times.new[row] == times.new[row - 1];
            last.row += 1;
            if !is_peer {
                last.rank = last.row;
                last.dense_rank += 1;
            }
            numbers.push(last);
        }
        self.state.numbers = last;
    }
}
