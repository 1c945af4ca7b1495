//! Rows of a batch with the stored rows of the other side that have the same key, until they are looked at together.

use std::ops::Range;

use headwater_state::Namespace;

use super::packed::{Chunk, Layout, Record};
use crate::operator::STEP_ROWS;

/// About how many bytes of stored rows are collected at most.
const BYTES_MAX: usize = 8 << 20;

/// Pairs, in the order of the batch's rows where the collector goes by that.
#[derive(Default)]
pub(super) struct Pairs {
    runs: Vec<Run>,
    /// Of each pair, the batch's row.
    own: Vec<u32>,
    /// Of each pair, how often the stored row is there.
    counts: Vec<u32>,
    /// Of each pair, where the stored row is in its chunk.
    places: Vec<usize>,
    /// The stored rows, copied, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Pairs of one row of the batch with rows of one chunk.
pub(super) struct Run {
    pub row: usize,
    pub namespace: Namespace,
    pub chunk: u32,
    pub pairs: Range<usize>,
}

impl Pairs {
    /// Adds the pairs of a row of the batch with those of a chunk that are wanted.
    #[inline]
    pub(super) fn collect<'a>(
        &mut self,
        (row, namespace, chunk): (usize, Namespace, u32),
        records: impl Iterator<Item = (usize, Record<'a>)>,
    ) {
        let start = self.own.len();
        for (place, record) in records {
            self.own.push(row as u32);
            self.counts.push(record.count);
            self.places.push(place);
            self.bytes.extend_from_slice(record.row);
            self.ends.push(self.bytes.len());
        }
        if self.own.len() > start {
            self.runs.push(Run { row, namespace, chunk, pairs: start..self.own.len() });
        }
    }

    /// Whether the pairs should be looked at now.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.own.len() >= STEP_ROWS || self.bytes.len() >= BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// Forgets all pairs, and keeps the room.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.own.clear();
        self.counts.clear();
        self.places.clear();
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The batch's rows.
    pub(super) fn own(&self) -> &[u32] {
        &self.own
    }

    /// The stored rows.
    pub(super) fn others(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    pub(super) fn count(&self, pair: usize) -> u32 {
        self.counts[pair]
    }

    pub(super) fn place(&self, pair: usize) -> usize {
        self.places[pair]
    }
}

/// What a match does to the number of matches of the stored row.
#[inline]
pub(super) fn add_match(chunk: &mut Chunk, layout: Layout, place: usize, change: i32) -> u32 {
    let before = chunk.matches(layout, place);
    // Below zero it cannot get, unless the time to live of one side's rows was over before that of the other's.
    chunk.set_matches(layout, place, before.saturating_add_signed(change));
    before
}
