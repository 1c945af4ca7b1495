//! How a batch of an interval join finds its matches.

use arrow::array::{ArrayRef, BooleanArray};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;
use headwater_state::Namespace;

use super::Input;
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::Emit,
    operators::join::{
        JoinKind,
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
    pub times: &'a [TimestampMs],
    pub keep_ms: i64,
    pub other: &'a mut Input,
    pub now: TimestampMs,
    pub width_ms: i64,
    pub pairs: &'a mut Pairs,
    pub has_match: Vec<bool>,
}

impl Probe<'_> {
    /// Goes through the buckets, each for all rows, rather than the other way round: their order does not matter.
    pub(super) fn run(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let other_keep_ms = self.other.keep_ms;
        let (Some(first), Some(last)) = (self.times.iter().min(), self.times.iter().max()) else {
            return Ok(());
        };
        let from = first.saturating_sub(other_keep_ms);
        let to = last.saturating_add(self.keep_ms).saturating_add(self.width_ms);
        // Rows that have got all their matches may still be there, with their bucket.
        let oldest = self.now.saturating_sub(other_keep_ms).saturating_add(1);
        let buckets: Vec<Namespace> =
            if from > to { Vec::new() } else { self.other.live.range(from..=to).copied().collect() };
        for bucket in buckets {
            for row in 0..self.batch.len() {
                let low = self.times[row].saturating_sub(other_keep_ms).max(oldest);
                let high = self.times[row].saturating_add(self.keep_ms);
                let is_in_bucket = low < bucket && high >= bucket - self.width_ms && low <= high;
                if !is_in_bucket || !self.keys.can_match(row) {
                    continue;
                }
                let mut cursor = Cursor::default();
                while self.collect(bucket, row, (low, high), &mut cursor)? {
                    if self.pairs.is_full() {
                        self.look(emit)?;
                    }
                }
            }
        }
        self.look(emit)
    }

    fn collect(
        &mut self,
        bucket: Namespace,
        row: usize,
        (low, high): (TimestampMs, TimestampMs),
        cursor: &mut Cursor,
    ) -> Result<bool, TaskError> {
        let layout = self.other.rows.layout();
        Ok(self.other.rows.read_next(bucket, self.keys.get(row), cursor, |number, chunk| {
            let records = chunk.records(layout).filter(|(_, record)| (low..=high).contains(&record.time));
            self.pairs.collect((row, bucket, number), records);
        })?)
    }

    fn look(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if self.pairs.is_empty() {
            return Ok(());
        }
        let pairs = std::mem::take(self.pairs);
        let own = self.batch.rows.columns();
        let others: Vec<ArrayRef> = self.other.side.decode(pairs.others())?;
        let places: Vec<u32> = (0..pairs.own().len() as u32).collect();
        let own_picked = Picked { columns: own, places: pairs.own() };
        let other_picked = Picked { columns: &others, places: &places };
        let mask = self.assembler.matches(self.input, own_picked, other_picked)?;
        let mut out = Emission::default();
        for run in pairs.runs() {
            self.match_run(run, &pairs, mask.as_ref(), &mut out)?;
        }
        *self.pairs = pairs;
        self.pairs.clear();
        self.assembler.emit(self.input, (own, &others), &out, emit)
    }

    /// Notes the matches of one row in one chunk, and emits what they lead to.
    fn match_run(
        &mut self,
        run: &Run,
        pairs: &Pairs,
        mask: Option<&BooleanArray>,
        out: &mut Emission,
    ) -> Result<(), TaskError> {
        let matching = || run.pairs.clone().filter(|pair| mask.is_none_or(|mask| mask.value(*pair)));
        if matching().next().is_none() {
            return Ok(());
        }
        self.has_match[run.row] = true;
        if !self.kind.is_of_left() {
            matching().for_each(|pair| out.push(run.row as u32, pair as u32, RowKind::Insert));
        }
        let layout = self.other.rows.layout();
        if !layout.matches {
            return Ok(());
        }
        let key = self.keys.get(run.row);
        let is_semi = self.kind == JoinKind::LeftSemi;
        let change = |chunk: &mut Chunk| {
            for pair in matching() {
                let before = add_match(chunk, layout, pairs.place(pair), 1);
                if is_semi && before == 0 {
                    out.push(NO_ROW, pair as u32, RowKind::Insert);
                }
            }
        };
        self.other
            .rows
            .modify(run.namespace, key, run.chunk, change)?
            .expect("its rows were read from the chunk");
        Ok(())
    }
}
