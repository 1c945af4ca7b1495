//! The regular join of two changelogs: all rows of both sides are state.

mod probe;

use std::{ops::Range, sync::Arc};

use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    key_group::KeyGroup,
    time::{Clock, TimestampMs},
};
use headwater_state::AnyTable;

use self::probe::Probe;
use super::{
    JoinKind, JoinSpec, LEFT, RIGHT,
    assemble::Assembler,
    keyed_rows::{Fate, KeyedRows},
    packed::{Layout, Record},
    pairs::Pairs,
    side::{RowKeys, Side},
};
use crate::{
    batch::ChangeBatch,
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
        let side = Side::new(&self.spec, input)?;
        let rows = KeyedRows::open(context, name, &side, layout, fate)?;
        Ok(Input { side, rows, is_append_only, ttl_ms })
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
