//! Which events become the rows of a batch.
//!
//! Events come in epochs: some persons, then some auctions, then many bids. Everything is therefore computed in *runs*: events
//! of one kind that lie side by side in one epoch, for which what the epoch decides is computed once.

use std::ops::Range;

use arrow::{array::BooleanBufferBuilder, buffer::NullBuffer};

/// So many events are read by one subtask before the next one's; their event time advances evenly so.
pub(super) const BLOCK_EVENTS: u64 = 1000;

/// Nobody waits for a batch of a rare kind for longer than so many events.
const BATCH_EVENTS_MAX: u64 = 1 << 20;

/// The kinds of events, by their `event_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Person,
    Auction,
    Bid,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Person, Self::Auction, Self::Bid];
}

/// How the kinds alternate.
#[derive(Debug, Clone)]
pub(super) struct Epochs {
    /// The offsets in an epoch at which a kind begins, and at the end the epoch's length.
    starts: [u64; 4],
}

impl Epochs {
    /// Epochs of so many persons, auctions and bids.
    pub fn new([persons, auctions, bids]: [u64; 3]) -> Self {
        Self { starts: [0, persons, persons + auctions, persons + auctions + bids] }
    }

    /// The events of an epoch.
    pub fn len(&self) -> u64 {
        self.starts[3]
    }

    /// Those of one kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.starts[kind as usize + 1] - self.starts[kind as usize]
    }

    /// The share of a kind among the events.
    pub fn share(&self, kind: Kind) -> f64 {
        self.count(kind) as f64 / self.len() as f64
    }

    /// Where a kind begins.
    pub fn start(&self, kind: Kind) -> u64 {
        self.starts[kind as usize]
    }

    /// How many events of this kind come before an event.
    fn rank(&self, kind: Kind, event: u64) -> u64 {
        let (epoch, offset) = (event / self.len(), event % self.len());
        epoch * self.count(kind) + offset.saturating_sub(self.start(kind)).min(self.count(kind))
    }

    /// The event after which there have been so many, at least one, of a kind that exists.
    fn after(&self, kind: Kind, rank: u64) -> u64 {
        let (epoch, index) = ((rank - 1) / self.count(kind), (rank - 1) % self.count(kind));
        epoch * self.len() + self.start(kind) + index + 1
    }
}

/// Where a subtask is in its part of the events.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    /// The next event.
    next: u64,
    /// The event after the last one.
    end: u64,
    parallelism: u64,
}

impl Cursor {
    /// The begin of a subtask's part.
    pub fn new(subtask: u32, parallelism: u32, end: u64) -> Self {
        Self::at(u64::from(subtask) * BLOCK_EVENTS, parallelism, end)
    }

    /// The place that [`next`](Self::next) told.
    pub fn at(next: u64, parallelism: u32, end: u64) -> Self {
        Self { next, end, parallelism: u64::from(parallelism) }
    }

    /// The next event.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Whether all was read.
    pub fn is_at_end(&self) -> bool {
        self.next >= self.end
    }

    /// How many events are left in the subtask's part.
    pub fn left(&self) -> u64 {
        if self.is_at_end() {
            return 0;
        }
        let (block, last_block) = (self.next / BLOCK_EVENTS, (self.end - 1) / BLOCK_EVENTS);
        let further_blocks = (last_block - block) / self.parallelism;
        let last_own = block + further_blocks * self.parallelism;
        // Only the last of all blocks may be a part of one.
        let last_end = self.end.min(last_own.saturating_add(1).saturating_mul(BLOCK_EVENTS));
        let others = further_blocks * (self.parallelism - 1) * BLOCK_EVENTS;
        last_end - self.next - others
    }

    fn advance_to(&mut self, event: u64) {
        let blocks_of_others = if event.is_multiple_of(BLOCK_EVENTS) { self.parallelism - 1 } else { 0 };
        self.next = event + blocks_of_others * BLOCK_EVENTS;
    }
}

/// Events of one kind that lie side by side in one epoch and in a batch.
#[derive(Debug, Clone)]
pub(super) struct Run {
    /// The batch's row of the first one.
    pub row: usize,
    pub epoch: u64,
    pub events: Range<u64>,
}

impl Run {
    /// The batch's rows.
    pub fn rows(&self) -> Range<usize> {
        self.row..self.row + (self.events.end - self.events.start) as usize
    }
}

/// The rows of a batch.
#[derive(Debug, Default)]
pub(super) struct Rows {
    len: usize,
    events: u64,
    /// By kind.
    runs: [Vec<Run>; 3],
    is_of_one_kind: bool,
}

impl Rows {
    /// Takes rows from where the cursor is on: of one kind or of all, limited by the number of rows and of events.
    pub fn take(
        cursor: &mut Cursor,
        epochs: &Epochs,
        only: Option<Kind>,
        rows_max: usize,
        events_max: u64,
    ) -> Self {
        let mut rows = Self { is_of_one_kind: only.is_some(), ..Self::default() };
        let events_max = events_max.min(BATCH_EVENTS_MAX);
        while rows.len < rows_max && rows.events < events_max && !cursor.is_at_end() {
            let start = cursor.next;
            let room = (rows_max - rows.len) as u64;
            let enough = match only {
                None => start + room,
                Some(kind) if epochs.count(kind) == 0 => u64::MAX,
                Some(kind) => epochs.after(kind, epochs.rank(kind, start) + room),
            };
            let block_end = (start / BLOCK_EVENTS + 1) * BLOCK_EVENTS;
            let end = enough.min(block_end).min(cursor.end).min(start + (events_max - rows.events));
            rows.add(start..end, epochs, only);
            cursor.advance_to(end);
        }
        rows
    }

    fn add(&mut self, events: Range<u64>, epochs: &Epochs, only: Option<Kind>) {
        self.events += events.end - events.start;
        for epoch in events.start / epochs.len()..events.end.div_ceil(epochs.len()) {
            for kind in Kind::ALL {
                if only.is_some_and(|only| only != kind) {
                    continue;
                }
                let of_kind = epoch * epochs.len() + epochs.start(kind);
                let first = of_kind.max(events.start);
                let end = (of_kind + epochs.count(kind)).min(events.end);
                if first < end {
                    let run = Run { row: self.len, epoch, events: first..end };
                    self.len = run.rows().end;
                    self.runs[kind as usize].push(run);
                }
            }
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many events were passed, those that were left out included.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Those of one kind.
    pub fn runs(&self, kind: Kind) -> &[Run] {
        &self.runs[kind as usize]
    }

    /// Which rows are not of this kind.
    pub fn nulls(&self, kind: Kind) -> Option<NullBuffer> {
        if self.is_of_one_kind && !self.runs(kind).is_empty() {
            return None;
        }
        let mut valid = BooleanBufferBuilder::new(self.len);
        for run in self.runs(kind) {
            let rows = run.rows();
            valid.append_n(rows.start - valid.len(), false);
            valid.append_n(rows.len(), true);
        }
        valid.append_n(self.len - valid.len(), false);
        Some(NullBuffer::new(valid.finish()))
    }

    /// The event of one row.
    pub fn event(&self, row: usize) -> Option<u64> {
        let run = self.runs.iter().flatten().find(|run| run.rows().contains(&row))?;
        Some(run.events.start + (row - run.row) as u64)
    }
}
