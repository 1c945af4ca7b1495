//! The window join: of rows in the same window, when that is over.

use std::{
    collections::{BTreeSet, VecDeque},
    ops::Range,
    sync::Arc,
};

use arrow::array::ArrayRef;
use headwater_actors::{context::TaskError, metrics::TaskCounters, operator::Step};
use headwater_core::{
    codec,
    execution::NextTimer,
    key_group::KeyGroup,
    time::{MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Namespace};

use super::{
    JoinKind, JoinSpec, LEFT, RIGHT,
    assemble::{Assembler, Emission, NO_ROW, Picked},
    keyed_rows::{Fate, KeyedRows},
    packed::{Layout, Record},
    side::{Side, times_ms},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    look::describe_windows,
    operator::{Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, in_event_time},
};

/// Makes window joins. Both inputs and the output are append-only, and both inputs' windows are of the same kind and size.
///
/// Rows are joined when the watermark passes their window's end; those that come later are dropped and counted.
#[derive(Debug, Clone)]
pub struct WindowJoinFactory {
    /// What is joined, and how. Windows with the same end are taken to be the same; where that is not enough, of session
    /// windows say, their start is one of the columns that must be equal.
    pub spec: JoinSpec,
    /// The columns with the windows' ends, left and right.
    pub window_ends: (usize, usize),
}

impl OperatorFactory for WindowJoinFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let inputs = [self.open_input(LEFT, context)?, self.open_input(RIGHT, context)?];
        let live = inputs.iter().flat_map(|input| input.rows.namespaces()).collect();
        Ok(Box::new(WindowJoin {
            assembler: Assembler::new(&self.spec)?,
            kind: self.spec.kind,
            inputs,
            live,
            watermark: context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK),
            due: VecDeque::new(),
            product: None,
            counters: context.task.counters.clone(),
        }))
    }
}

impl WindowJoinFactory {
    fn open_input(&self, input: usize, context: &mut OpenContext<'_>) -> Result<Input, TaskError> {
        let name = if input == LEFT { "left" } else { "right" };
        let side = Side::new(&self.spec, input)?;
        let rows = KeyedRows::open(context, name, &side, Layout::default(), Fate::Stay)?;
        context.describe(name, |state| describe_windows(state, None));
        let window_end = if input == LEFT { self.window_ends.0 } else { self.window_ends.1 };
        Ok(Input { side, rows, window_end })
    }
}

struct Input {
    side: Side,
    /// By their window's end.
    rows: KeyedRows,
    window_end: usize,
}

struct WindowJoin {
    kind: JoinKind,
    assembler: Assembler,
    inputs: [Input; 2],
    /// The windows that have rows, by their end.
    live: BTreeSet<Namespace>,
    watermark: TimestampMs,
    /// Windows that are over, and the next key group of each.
    due: VecDeque<(Namespace, KeyGroup)>,
    /// What is being emitted.
    product: Option<Product>,
    counters: Arc<TaskCounters>,
}

impl StreamOperator for WindowJoin {
    fn process(
        &mut self,
        input: usize,
        mut batch: ChangeBatch,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        if batch.kinds.is_some() {
            return Err(TaskError::Function(
                "a window join takes append-only inputs: expected only +I, found other changes".to_owned(),
            ));
        }
        let own = &mut self.inputs[input];
        let window_ends = times_ms(&batch.rows, own.window_end, input)?;
        let keys = own.side.keys(&mut batch)?;
        let encoded = own.side.encode(&batch.rows)?;
        let (mut late, mut out) = (0, Emission::default());
        for (row, window_end) in window_ends.into_iter().enumerate() {
            if is_over(window_end, self.watermark) {
                late += 1;
            } else if keys.can_match(row) {
                self.live.insert(window_end);
                let record = Record { row: encoded.get(row), count: 1, matches: 0, time: 0 };
                own.rows.add(window_end, keys.get(row), record)?;
            } else if self.kind.pads(input) || (self.kind == JoinKind::LeftAnti && input == LEFT) {
                out.push(row as u32, NO_ROW, RowKind::Insert);
            }
        }
        self.counters.add_late(late);
        let nothing = self.inputs[1 - input].side.no_rows();
        self.assembler.emit(input, (batch.rows.columns(), &nothing), &out, emit)
    }

    fn on_watermark(&mut self, watermark: TimestampMs, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.watermark = watermark;
        let first_group = self.inputs[LEFT].rows.key_groups().start;
        while let Some(window_end) = self.live.first().copied().filter(|end| is_over(*end, watermark)) {
            self.live.remove(&window_end);
            self.due.push_back((window_end, first_group));
        }
        self.resume(emit)
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let mut emitted = 0;
        while emitted < STEP_ROWS {
            if let Some(product) = &mut self.product {
                emitted += product.emit_some(&self.assembler, emit)?;
                if product.is_emitted {
                    self.product = None;
                }
                continue;
            }
            let Some((window_end, group)) = self.due.pop_front() else { return Ok(Step::Done) };
            if self.inputs[LEFT].rows.key_groups().contains(&group) {
                self.due.push_front((window_end, group + 1));
                self.product = self.load(window_end, group)?;
            } else {
                for input in &mut self.inputs {
                    input.rows.drop_namespace(window_end)?;
                }
            }
        }
        Ok(Step::More)
    }

    fn next_firing(&self) -> Option<NextTimer> {
        self.live.first().map(|end| in_event_time(end.saturating_sub(1)))
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.watermark)?)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        self.inputs.iter_mut().map(|input| input.rows.table()).collect()
    }
}

fn is_over(window_end: TimestampMs, watermark: TimestampMs) -> bool {
    window_end.saturating_sub(1) <= watermark
}

impl WindowJoin {
    /// The rows of a key group in a window, matched by key.
    fn load(&mut self, window_end: Namespace, group: KeyGroup) -> Result<Option<Product>, TaskError> {
        let [left, right] = &mut self.inputs;
        let (left_rows, right_rows) =
            (Loaded::of(left, window_end, group)?, Loaded::of(right, window_end, group)?);
        if left_rows.len() + right_rows.len() == 0 {
            return Ok(None);
        }
        let blocks = left_rows.blocks_with(&right_rows);
        Ok(Some(Product {
            kind: self.kind,
            has_match: [vec![false; left_rows.len()], vec![false; right_rows.len()]],
            columns: [left.side.decode(left_rows.rows())?, right.side.decode(right_rows.rows())?],
            blocks,
            is_emitted: false,
        }))
    }
}

/// Rows of one side, those of one key next to each other and in the order of their keys.
struct Loaded {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    keys: Vec<(Vec<u8>, Range<u32>)>,
}

impl Loaded {
    fn of(input: &mut Input, window_end: Namespace, group: KeyGroup) -> Result<Self, TaskError> {
        let mut loaded = Self { bytes: Vec::new(), ends: Vec::new(), keys: Vec::new() };
        let layout = input.rows.layout();
        input.rows.scan(window_end, group, |key, chunk| {
            let start = loaded.ends.len() as u32;
            for (_, record) in chunk.records(layout) {
                loaded.bytes.extend_from_slice(record.row);
                loaded.ends.push(loaded.bytes.len());
            }
            let end = loaded.ends.len() as u32;
            match loaded.keys.last_mut() {
                Some((last, range)) if *last == key => range.end = end,
                _ => loaded.keys.push((key.to_vec(), start..end)),
            }
        })?;
        Ok(loaded)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    /// For each key that both sides have, its rows there.
    fn blocks_with(&self, right: &Self) -> VecDeque<Block> {
        let mut blocks = VecDeque::new();
        let mut rights = right.keys.iter().peekable();
        for (key, left) in &self.keys {
            while rights.next_if(|(other, _)| other < key).is_some() {}
            if let Some((_, right)) = rights.next_if(|(other, _)| other == key) {
                blocks.push_back(Block { left: left.clone(), right: right.clone(), next: right.start });
            }
        }
        blocks
    }
}

/// The rows of one key on both sides: each pairs with each.
struct Block {
    left: Range<u32>,
    right: Range<u32>,
    /// The right row of the next pair; the left one is the first that is left.
    next: u32,
}

/// Rows of one key group in one window that are being joined.
struct Product {
    kind: JoinKind,
    columns: [Vec<ArrayRef>; 2],
    blocks: VecDeque<Block>,
    has_match: [Vec<bool>; 2],
    is_emitted: bool,
}

impl Product {
    /// Joins some pairs or, after all of them, emits the rows without a match. Returns how many rows were looked at or emitted.
    fn emit_some(&mut self, assembler: &Assembler, emit: &mut Emit<'_>) -> Result<usize, TaskError> {
        let (lefts, rights) = self.next_pairs();
        if lefts.is_empty() {
            self.is_emitted = true;
            return self.emit_rest(assembler, emit);
        }
        let left = Picked { columns: &self.columns[LEFT], places: &lefts };
        let right = Picked { columns: &self.columns[RIGHT], places: &rights };
        let mask = assembler.matches(LEFT, left, right)?;
        let mut out = Emission::default();
        for pair in (0..lefts.len()).filter(|pair| mask.as_ref().is_none_or(|mask| mask.value(*pair))) {
            self.has_match[LEFT][lefts[pair] as usize] = true;
            self.has_match[RIGHT][rights[pair] as usize] = true;
            if !self.kind.is_of_left() {
                out.push(lefts[pair], rights[pair], RowKind::Insert);
            }
        }
        assembler.emit(LEFT, (&self.columns[LEFT], &self.columns[RIGHT]), &out, emit)?;
        Ok(lefts.len())
    }

    fn next_pairs(&mut self) -> (Vec<u32>, Vec<u32>) {
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        while lefts.len() < STEP_ROWS {
            let Some(block) = self.blocks.front_mut() else { break };
            if block.left.is_empty() {
                self.blocks.pop_front();
                continue;
            }
            let end = block.right.end.min(block.next + (STEP_ROWS - lefts.len()) as u32);
            rights.extend(block.next..end);
            lefts.resize(rights.len(), block.left.start);
            block.next = end;
            if end == block.right.end {
                block.left.start += 1;
                block.next = block.right.start;
            }
        }
        (lefts, rights)
    }

    fn emit_rest(&self, assembler: &Assembler, emit: &mut Emit<'_>) -> Result<usize, TaskError> {
        let mut emitted = 0;
        for input in [LEFT, RIGHT] {
            let wants_match = match self.kind {
                JoinKind::LeftSemi if input == LEFT => true,
                JoinKind::LeftAnti if input == LEFT => false,
                kind if kind.pads(input) => false,
                _ => continue,
            };
            let mut out = Emission::default();
            let rows =
                self.has_match[input].iter().enumerate().filter(|(_, has_match)| **has_match == wants_match);
            rows.for_each(|(row, _)| out.push(row as u32, NO_ROW, RowKind::Insert));
            assembler.emit(input, (&self.columns[input], &self.columns[1 - input]), &out, emit)?;
            emitted += out.len();
        }
        Ok(emitted)
    }
}
