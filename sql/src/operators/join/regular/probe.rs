//! How a batch of a regular join finds its matches.

use arrow::array::{ArrayRef, BooleanArray};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;

use super::{ALL, Input, PREFETCHED_ROWS};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::Emit,
    operators::join::{
        JoinKind, LEFT,
        assemble::{Assembler, Emission, NO_ROW, Picked},
        keyed_rows::Cursor,
        packed::Chunk,
        pairs::{Pairs, Run, add_match},
        side::RowKeys,
    },
};

/// A batch that looks for its matches on the other side.
pub(super) struct Probe<'a> {
    pub kind: JoinKind,
    pub assembler: &'a Assembler,
    pub input: usize,
    pub batch: &'a ChangeBatch,
    pub keys: &'a RowKeys,
    /// Those of what the rows lead to; `None`: all are insertions.
    pub kinds: Option<Vec<RowKind>>,
    pub other: &'a mut Input,
    pub now_ms: TimestampMs,
    pub pairs: &'a mut Pairs,
    /// The number of each row's matches so far.
    pub matches: Vec<u32>,
    /// So many rows are done with.
    pub complete: usize,
}

impl Probe<'_> {
    pub(super) fn run(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        for row in (0..self.batch.len()).filter(|row| self.keys.can_match(*row)) {
            if row % PREFETCHED_ROWS == 0 {
                let rows = row..self.batch.len().min(row + PREFETCHED_ROWS);
                self.other.rows.prefetch(ALL, self.keys.hashes(rows))?;
            }
            let mut cursor = Cursor::default();
            while self.collect(row, &mut cursor)? {
                if self.pairs.is_full() {
                    self.look(row, emit)?;
                }
            }
        }
        self.look(self.batch.len(), emit)
    }

    /// Collects what one more chunk of the other side has for a row. Returns whether there was one more.
    fn collect(&mut self, row: usize, cursor: &mut Cursor) -> Result<bool, TaskError> {
        // Nothing but their number is asked of these matches.
        let is_counted = self.kind.is_of_left() && self.input == LEFT && !self.assembler.has_filter();
        let rows = &mut self.other.rows;
        let (layout, outdated) = (rows.layout(), rows.outdated);
        Ok(rows.read_next(ALL, self.keys.get(row), cursor, |number, chunk| {
            let records = chunk.records(layout).filter(|(_, record)| record.time > outdated);
            if is_counted {
                self.matches[row] += records.map(|(_, record)| record.count).sum::<u32>();
            } else {
                self.pairs.collect((row, ALL, number), records);
            }
        })?)
    }

    /// Looks at the pairs collected so far, and emits what they, and rows without a match, lead to. Rows from `complete` on may
    /// have further pairs.
    fn look(&mut self, complete: usize, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let pairs = std::mem::take(self.pairs);
        let own = self.batch.rows.columns();
        let (others, mask) =
            if pairs.is_empty() { (self.other.side.no_rows(), None) } else { self.decode(&pairs)? };
        let mut out = Emission::default();
        for run in pairs.runs() {
            self.complete(run.row, &mut out);
            self.match_run(run, &pairs, mask.as_ref(), &mut out)?;
        }
        self.complete(complete, &mut out);
        *self.pairs = pairs;
        self.pairs.clear();
        self.assembler.emit(self.input, (own, &others), &out, emit)
    }

    fn decode(&self, pairs: &Pairs) -> Result<(Vec<ArrayRef>, Option<BooleanArray>), TaskError> {
        let others = self.other.side.decode(pairs.others())?;
        let places: Vec<u32> = (0..pairs.own().len() as u32).collect();
        let own = Picked { columns: self.batch.rows.columns(), places: pairs.own() };
        let mask = self.assembler.matches(self.input, own, Picked { columns: &others, places: &places })?;
        Ok((others, mask))
    }

    /// Counts the matches of one row in one chunk, and emits what they lead to.
    fn match_run(
        &mut self,
        run: &Run,
        pairs: &Pairs,
        mask: Option<&BooleanArray>,
        out: &mut Emission,
    ) -> Result<(), TaskError> {
        let row = run.row as u32;
        let layout = self.other.rows.layout();
        let mut matching =
            run.pairs.clone().filter(|pair| mask.is_none_or(|mask| mask.value(*pair))).peekable();
        if matching.peek().is_none() {
            return Ok(());
        }
        if !layout.matches {
            let kind = self.kind_of(run.row);
            for pair in matching {
                self.matches[run.row] += pairs.count(pair);
                if !self.kind.is_of_left() {
                    out.repeat(row, pair as u32, kind, pairs.count(pair));
                }
            }
            return Ok(());
        }
        let is_addition = self.batch.kind(run.row).is_addition();
        let mut found = 0;
        let (kind, now_ms) = (self.kind, self.now_ms);
        let change = |chunk: &mut Chunk| {
            for pair in matching {
                let (place, count) = (pairs.place(pair), pairs.count(pair));
                let before = add_match(chunk, layout, place, if is_addition { 1 } else { -1 });
                chunk.set_time(layout, place, now_ms);
                found += count;
                let is_first = is_addition && before == 0;
                let is_last = !is_addition && before == 1;
                let other = pair as u32;
                match (kind, is_addition) {
                    (JoinKind::LeftSemi, _) if is_first => out.repeat(NO_ROW, other, RowKind::Insert, count),
                    (JoinKind::LeftSemi, _) if is_last => out.repeat(NO_ROW, other, RowKind::Delete, count),
                    (JoinKind::LeftAnti, _) if is_first => out.repeat(NO_ROW, other, RowKind::Delete, count),
                    (JoinKind::LeftAnti, _) if is_last => out.repeat(NO_ROW, other, RowKind::Insert, count),
                    (JoinKind::LeftSemi | JoinKind::LeftAnti, _) => {}
                    (_, true) => {
                        if is_first {
                            out.repeat(NO_ROW, other, RowKind::Delete, count);
                        }
                        out.repeat(row, other, RowKind::Insert, count);
                    }
                    (_, false) => {
                        out.repeat(row, other, RowKind::Delete, count);
                        if is_last {
                            out.repeat(NO_ROW, other, RowKind::Insert, count);
                        }
                    }
                }
            }
        };
        let key = self.keys.get(run.row);
        self.other.rows.modify(ALL, key, run.chunk, change)?.expect("its rows were read from the chunk");
        self.matches[run.row] += found;
        Ok(())
    }

    /// Emits what the rows before this one lead to by themselves, now that all their matches are known.
    fn complete(&mut self, end: usize, out: &mut Emission) {
        for row in self.complete..end {
            let has_match = self.matches[row] > 0;
            let is_emitted = match self.kind {
                JoinKind::LeftSemi => self.input == LEFT && has_match,
                JoinKind::LeftAnti => self.input == LEFT && !has_match,
                kind => kind.pads(self.input) && !has_match,
            };
            if is_emitted {
                out.push(row as u32, NO_ROW, self.kind_of(row));
            }
        }
        self.complete = self.complete.max(end);
    }

    fn kind_of(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row])
    }
}
