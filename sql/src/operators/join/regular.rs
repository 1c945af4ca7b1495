//! The regular join of two changelogs: all rows of both sides are state.

use std::{ops::Range, sync::Arc};

use arrow::array::{ArrayRef, BooleanArray};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    key_group::KeyGroup,
    time::{Clock, TimestampMs},
};
use headwater_state::AnyTable;

use super::{
    JoinKind, JoinSpec, LEFT, RIGHT,
    assemble::{Assembler, Emission, NO_ROW, Picked},
    keyed_rows::{Cursor, Fate, KeyedRows},
    packed::{Chunk, Layout, Record},
    pairs::{Pairs, Run, add_match},
    side::{RowKeys, Side},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator},
};

/// All rows are in one namespace.
const ALL: i64 = 0;

/// The state of so many rows is read ahead.
const PREFETCHED_ROWS: usize = 64;

/// Makes regular joins.
///
/// The output is a changelog as Flink's: an outer row comes out padded with nulls as long as it has no match, which is taken
/// back when the first one comes.
#[derive(Debug, Clone)]
pub struct JoinFactory {
    /// What is joined, and how.
    pub spec: JoinSpec,
    /// Which inputs only ever get new rows: these take less state.
    pub is_append_only: [bool; 2],
    /// `table.exec.state.ttl` of either input: how long after it was last written a row is sure to be found. `None`: for ever.
    pub ttl_ms: [Option<u64>; 2],
}

impl OperatorFactory for JoinFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let inputs = [self.open_input(LEFT, context)?, self.open_input(RIGHT, context)?];
        let clock = context.task.clock.clone();
        Ok(Box::new(Join {
            kind: self.spec.kind,
            assembler: Assembler::new(&self.spec)?,
            sweep: Sweep::first(&inputs, clock.now_ms()),
            inputs,
            pairs: Pairs::default(),
            clock,
        }))
    }
}

impl JoinFactory {
    fn open_input(&self, input: usize, context: &mut OpenContext<'_>) -> Result<Input, TaskError> {
        let ttl_ms = self.ttl_ms[input].map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX));
        let is_append_only = self.is_append_only[input];
        // What has outlived its time goes, too.
        let fate = if is_append_only && ttl_ms.is_none() { Fate::Stay } else { Fate::ComeAndGo };
        let layout = Layout {
            count: fate == Fate::ComeAndGo,
            matches: self.spec.kind.tracks(input),
            time: ttl_ms.is_some(),
        };
        let name = if input == LEFT { "left" } else { "right" };
        let rows = KeyedRows::open(context, name, layout, fate)?;
        Ok(Input { side: Side::new(&self.spec, input)?, rows, is_append_only, ttl_ms })
    }
}

struct Input {
    side: Side,
    rows: KeyedRows,
    is_append_only: bool,
    ttl_ms: Option<i64>,
}

struct Join {
    kind: JoinKind,
    assembler: Assembler,
    inputs: [Input; 2],
    pairs: Pairs,
    clock: Arc<dyn Clock>,
    sweep: Option<Sweep>,
}

impl StreamOperator for Join {
    fn process(
        &mut self,
        input: usize,
        mut batch: ChangeBatch,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let now_ms = if self.sweep.is_some() { self.clock.now_ms() } else { 0 };
        let [left, right] = &mut self.inputs;
        let (own, other) = if input == LEFT { (left, right) } else { (right, left) };
        own.check(input, &batch)?;
        own.set_time(now_ms);
        other.set_time(now_ms);
        let keys = own.side.keys(&mut batch)?;
        let has_same_matches =
            !self.assembler.has_filter() && !self.kind.pads(LEFT) && !self.kind.pads(RIGHT);
        let mut probe = Probe {
            kind: self.kind,
            assembler: &self.assembler,
            input,
            batch: &batch,
            keys: &keys,
            kinds: keys.output_kinds(&batch, has_same_matches),
            other,
            now_ms,
            pairs: &mut self.pairs,
            matches: vec![0; batch.len()],
            complete: 0,
        };
        probe.run(emit)?;
        let matches = probe.matches;
        own.update(&batch, &keys, &matches, now_ms)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.sweep.as_ref().map(|sweep| sweep.next_ms)
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if let Some(sweep) = &mut self.sweep {
            let group = sweep.next_group(now_ms);
            for input in self.inputs.iter_mut().filter(|input| input.ttl_ms.is_some()) {
                input.set_time(now_ms);
                input.rows.expire(group)?;
            }
        }
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        self.inputs.iter_mut().map(|input| input.rows.table()).collect()
    }
}

impl Input {
    fn check(&self, input: usize, batch: &ChangeBatch) -> Result<(), TaskError> {
        if self.is_append_only && batch.kinds.is_some() {
            let side = if input == LEFT { "left" } else { "right" };
            return Err(TaskError::Function(format!(
                "the join's {side} input was planned as append-only: expected only +I, found other changes"
            )));
        }
        Ok(())
    }

    fn set_time(&mut self, now_ms: TimestampMs) {
        if let Some(ttl_ms) = self.ttl_ms {
            self.rows.outdated = now_ms.saturating_sub(ttl_ms);
        }
    }

    /// Brings the state up to date with a batch of this input.
    fn update(
        &mut self,
        batch: &ChangeBatch,
        keys: &RowKeys,
        matches: &[u32],
        now_ms: TimestampMs,
    ) -> Result<(), TaskError> {
        let encoded = self.side.encode(&batch.rows)?;
        for row in (0..batch.len()).filter(|row| keys.can_match(*row)) {
            if row % PREFETCHED_ROWS == 0 {
                let rows = row..batch.len().min(row + PREFETCHED_ROWS);
                self.rows.prefetch(ALL, keys.hashes(rows))?;
            }
            let bytes = encoded.get(row);
            if batch.kind(row).is_addition() {
                let record = Record { row: bytes, count: 1, matches: matches[row], time: now_ms };
                self.rows.add(ALL, keys.get(row), record)?;
            } else {
                self.rows.subtract(keys.get(row), bytes)?;
            }
        }
        Ok(())
    }
}

/// Removes rows that have outlived their time: of one key group after the other, all within one time to live.
struct Sweep {
    next_ms: TimestampMs,
    interval_ms: i64,
    groups: Range<KeyGroup>,
    group: KeyGroup,
}

impl Sweep {
    /// `None`: rows live for ever.
    fn first(inputs: &[Input; 2], now_ms: TimestampMs) -> Option<Self> {
        let ttl_ms = inputs.iter().filter_map(|input| input.ttl_ms).min()?;
        let groups = inputs[LEFT].rows.key_groups();
        let interval_ms = (ttl_ms / groups.len().max(1) as i64).max(1);
        let next_ms = now_ms.saturating_add(interval_ms);
        Some(Self { next_ms, interval_ms, group: groups.start, groups })
    }

    fn next_group(&mut self, now_ms: TimestampMs) -> KeyGroup {
        let group = self.group;
        self.group = if group + 1 < self.groups.end { group + 1 } else { self.groups.start };
        self.next_ms = now_ms.saturating_add(self.interval_ms);
        group
    }
}

/// A batch that looks for its matches on the other side.
struct Probe<'a> {
    kind: JoinKind,
    assembler: &'a Assembler,
    input: usize,
    batch: &'a ChangeBatch,
    keys: &'a RowKeys,
    /// Those of what the rows lead to; `None`: all are insertions.
    kinds: Option<Vec<RowKind>>,
    other: &'a mut Input,
    now_ms: TimestampMs,
    pairs: &'a mut Pairs,
    /// The number of each row's matches so far.
    matches: Vec<u32>,
    /// So many rows are done with.
    complete: usize,
}

impl Probe<'_> {
    fn run(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
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
