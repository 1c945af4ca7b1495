//! The interval join: rows whose times are at most so far apart.

mod probe;

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    codec,
    execution::NextTimer,
    key_group::KeyGroup,
    time::{Clock, MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Namespace};

use self::probe::Probe;
use super::{
    JoinKind, JoinSpec, LEFT, RIGHT,
    assemble::{Assembler, Emission, NO_ROW},
    keyed_rows::{Fate, KeyedRows},
    packed::{Layout, Record},
    pairs::Pairs,
    side::{RowKeys, Side, times_ms},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{
        Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, in_event_time, in_processing_time,
    },
};

/// A row's state is dropped together with that of rows whose times are near: of so many parts of the interval.
const BUCKETS_PER_INTERVAL: i64 = 8;

/// Makes interval joins. Both inputs and the output are append-only.
///
/// A row is kept until no row of the other side that is not late can match it. As in Flink, a late row still matches what
/// is there. A row without a match comes out, padded, once that is certain.
#[derive(Debug, Clone)]
pub struct IntervalJoinFactory {
    /// What is joined, and how. The condition on the times is no part of it.
    pub spec: JoinSpec,
    /// The columns with the event times, left and right; `None`: a row's time is when it comes.
    pub times: Option<(usize, usize)>,
    /// `right time BETWEEN left time + lower_ms AND left time + upper_ms`.
    pub lower_ms: i64,
    /// See `lower_ms`.
    pub upper_ms: i64,
}

impl OperatorFactory for IntervalJoinFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let inputs = [self.open_input(LEFT, context)?, self.open_input(RIGHT, context)?];
        let now = context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK);
        Ok(Box::new(IntervalJoin {
            kind: self.spec.kind,
            assembler: Assembler::new(&self.spec)?,
            inputs,
            // An empty interval has no pairs, but rows without a match.
            width_ms: self.upper_ms.saturating_sub(self.lower_ms).max(0) / BUCKETS_PER_INTERVAL + 1,
            is_event_time: self.times.is_some(),
            clock: context.task.clock.clone(),
            now,
            pairs: Pairs::default(),
            due: VecDeque::new(),
        }))
    }
}

impl IntervalJoinFactory {
    fn open_input(&self, input: usize, context: &mut OpenContext<'_>) -> Result<Input, TaskError> {
        let layout = Layout { count: false, matches: self.spec.kind.tracks(input), time: true };
        let name = if input == LEFT { "left" } else { "right" };
        let side = Side::new(&self.spec, input)?;
        let rows = KeyedRows::open(context, name, &side, layout, Fate::Stay)?;
        Ok(Input {
            side,
            live: rows.namespaces().into_iter().collect(),
            rows,
            time: self.times.map(|(left, right)| if input == LEFT { left } else { right }),
            keep_ms: if input == LEFT { self.upper_ms } else { self.lower_ms.saturating_neg() },
        })
    }
}

struct Input {
    side: Side,
    /// By the end of the bucket that a row's time is in.
    rows: KeyedRows,
    /// The buckets that have rows.
    live: BTreeSet<Namespace>,
    time: Option<usize>,
    /// The latest row of the other side that matches a row is so much later; earlier, if it is negative.
    keep_ms: i64,
}

struct IntervalJoin {
    kind: JoinKind,
    assembler: Assembler,
    inputs: [Input; 2],
    width_ms: i64,
    is_event_time: bool,
    clock: Arc<dyn Clock>,
    /// The watermark; in processing time the last millisecond that is over.
    now: TimestampMs,
    pairs: Pairs,
    /// Buckets of rows that may have had no match, and the next key group of each.
    due: VecDeque<(usize, Namespace, KeyGroup)>,
}

impl StreamOperator for IntervalJoin {
    fn process(
        &mut self,
        input: usize,
        mut batch: ChangeBatch,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let own = &self.inputs[input];
        if batch.kinds.is_some() {
            return Err(TaskError::Function(
                "an interval join takes append-only inputs: expected only +I, found other changes".to_owned(),
            ));
        }
        let times = match own.time {
            Some(column) => times_ms(&batch.rows, column, input)?,
            None => {
                self.now = self.now.max(self.clock.now_ms() - 1);
                vec![self.now + 1; batch.len()]
            }
        };
        let keys = own.side.keys(&mut batch)?;
        let [left, right] = &mut self.inputs;
        let (own, other) = if input == LEFT { (left, right) } else { (right, left) };
        let mut probe = Probe {
            kind: self.kind,
            assembler: &self.assembler,
            input,
            batch: &batch,
            keys: &keys,
            times: &times,
            keep_ms: own.keep_ms,
            other,
            now: self.now,
            width_ms: self.width_ms,
            pairs: &mut self.pairs,
            has_match: vec![false; batch.len()],
        };
        probe.run(emit)?;
        let has_match = probe.has_match;
        let settled = own.store(&batch, &keys, &times, &has_match, (self.kind, self.now, self.width_ms))?;
        let mut out = Emission::default();
        for (row, (is_settled, has_match)) in settled.iter().zip(&has_match).enumerate() {
            let is_emitted = match self.kind {
                JoinKind::LeftSemi => input == LEFT && *has_match,
                JoinKind::LeftAnti => input == LEFT && *is_settled && !has_match,
                kind => kind.pads(input) && *is_settled && !has_match,
            };
            if is_emitted {
                out.push(row as u32, NO_ROW, RowKind::Insert);
            }
        }
        let nothing = self.inputs[1 - input].side.no_rows();
        self.assembler.emit(input, (batch.rows.columns(), &nothing), &out, emit)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        if self.is_event_time { self.advance(watermark, emit) } else { Ok(Step::Done) }
    }

    fn output_watermark(&self, watermark: TimestampMs) -> TimestampMs {
        if !self.is_event_time || watermark == MAX_WATERMARK {
            return watermark;
        }
        let [left, right] = &self.inputs;
        // Rows without a match come out with their bucket.
        let is_tracked = left.rows.layout().matches || right.rows.layout().matches;
        let bucket_ms = if is_tracked { self.width_ms } else { 0 };
        watermark.saturating_sub(left.keep_ms.max(right.keep_ms).max(0).saturating_add(bucket_ms))
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.emit_due(emit)
    }

    fn end_of_input(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.advance(MAX_WATERMARK, emit)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        if self.is_event_time {
            return None;
        }
        // It must be over.
        self.first_end(|_| true).map(|end| end.saturating_add(1))
    }

    fn next_firing(&self) -> Option<NextTimer> {
        // Other rows just go.
        let end = self.first_end(|input| input.rows.layout().matches)?;
        Some(if self.is_event_time { in_event_time(end) } else { in_processing_time(end.saturating_add(1)) })
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.advance(now_ms - 1, emit)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.now)?)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        self.inputs.iter_mut().map(|input| input.rows.table()).collect()
    }
}

impl IntervalJoin {
    /// When the first of the buckets of these inputs can have no more matches.
    fn first_end(&self, is_meant: impl Fn(&Input) -> bool) -> Option<TimestampMs> {
        let inputs = self.inputs.iter().filter(|input| is_meant(input));
        inputs.filter_map(|input| Some(input.end_of(*input.live.first()?))).min()
    }

    /// Drops what can have no more matches, and emits what has had none.
    fn advance(&mut self, now: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.now = self.now.max(now);
        for (index, input) in self.inputs.iter_mut().enumerate() {
            let is_tracked = input.rows.layout().matches;
            while let Some(bucket) = input.live.first().copied().filter(|b| input.end_of(*b) <= self.now) {
                input.live.remove(&bucket);
                if is_tracked {
                    self.due.push_back((index, bucket, input.rows.key_groups().start));
                } else {
                    input.rows.drop_namespace(bucket)?;
                }
            }
        }
        self.emit_due(emit)
    }

    fn emit_due(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let mut emitted = 0;
        while let Some((index, bucket, group)) = self.due.pop_front() {
            if group == self.inputs[index].rows.key_groups().end {
                self.inputs[index].rows.drop_namespace(bucket)?;
                continue;
            }
            self.due.push_front((index, bucket, group + 1));
            if self.kind != JoinKind::LeftSemi {
                emitted += self.emit_unmatched(index, bucket, group, emit)?;
            }
            if emitted >= STEP_ROWS {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }

    fn emit_unmatched(
        &mut self,
        index: usize,
        bucket: Namespace,
        group: KeyGroup,
        emit: &mut Emit<'_>,
    ) -> Result<usize, TaskError> {
        let input = &mut self.inputs[index];
        let layout = input.rows.layout();
        let (mut bytes, mut ends) = (Vec::new(), vec![0]);
        input.rows.scan(bucket, group, |_, chunk| {
            for (_, record) in chunk.records(layout).filter(|(_, record)| record.matches == 0) {
                bytes.extend_from_slice(record.row);
                ends.push(bytes.len());
            }
        })?;
        let count = ends.len() - 1;
        if count == 0 {
            return Ok(0);
        }
        let columns = input.side.decode(ends.windows(2).map(|range| &bytes[range[0]..range[1]]))?;
        let mut out = Emission::default();
        (0..count as u32).for_each(|row| out.push(row, NO_ROW, RowKind::Insert));
        let nothing = self.inputs[1 - index].side.no_rows();
        self.assembler.emit(index, (&columns, &nothing), &out, emit)?;
        Ok(count)
    }
}

impl Input {
    /// When no row in a bucket can have a match any more.
    fn end_of(&self, bucket: Namespace) -> TimestampMs {
        (bucket - 1).saturating_add(self.keep_ms)
    }

    /// Keeps those rows of a batch that may have further matches. Returns which have got all theirs.
    fn store(
        &mut self,
        batch: &ChangeBatch,
        keys: &RowKeys,
        times: &[TimestampMs],
        has_match: &[bool],
        (kind, now, width_ms): (JoinKind, TimestampMs, i64),
    ) -> Result<Vec<bool>, TaskError> {
        let encoded = self.side.encode(&batch.rows)?;
        // Of these, the first match is all that matters.
        let is_content = kind.is_of_left() && self.rows.layout().matches;
        let mut settled = vec![true; batch.len()];
        for (row, time) in times.iter().enumerate() {
            let is_over = time.saturating_add(self.keep_ms) <= now;
            if is_over || !keys.can_match(row) || (is_content && has_match[row]) {
                continue;
            }
            settled[row] = false;
            let bucket = time.div_euclid(width_ms).saturating_add(1).saturating_mul(width_ms);
            self.live.insert(bucket);
            let record =
                Record { row: encoded.get(row), count: 1, matches: u32::from(has_match[row]), time: *time };
            self.rows.add(bucket, keys.get(row), record)?;
        }
        Ok(settled)
    }
}
