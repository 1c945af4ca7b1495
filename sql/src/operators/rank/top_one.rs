//! The first row of each partition of an input that only grows; so also de-duplication.

use arrow::{array::RecordBatch, compute::SortOptions, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::{AnyTable, Table};
use serde::{Deserialize, Serialize};

use super::held::Held;
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, StreamOperator, failed},
    operators::ordered::{Change, Changes, Expiry, OrderedCodec, StoredRow, describe_rows},
    rows::{KeyExtractor, Keys, RowBytes},
};

/// Which of rows that are sorted alike is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ties {
    /// The one that came first.
    First,
    /// The one that came last.
    Last,
}

impl Ties {
    /// Whether a row that comes takes the place of another one.
    #[inline]
    fn wins(self, order: &[u8], other: &[u8]) -> bool {
        match self {
            Self::First => order < other,
            Self::Last => order <= other,
        }
    }
}

/// What an operator is opened for.
pub(crate) struct TopOnePlan {
    pub input: SchemaRef,
    /// The input's columns, or those and a rank, which is always 1.
    pub output: SchemaRef,
    pub partition: Vec<usize>,
    pub order: Vec<(usize, SortOptions)>,
    pub ties: Ties,
    pub update_before: bool,
    pub ttl_ms: Option<i64>,
}

/// The operator.
pub(crate) struct TopOne {
    plan: TopOnePlan,
    keys: KeyExtractor,
    codec: OrderedCodec,
    table: Table<RowBytes, First>,
    expiry: Expiry,
    /// What came since results were last given out.
    held: Held,
    /// The first of those rows in each partition.
    firsts: Vec<u32>,
}

/// A partition's first row, or only what it is sorted by if nobody asks for its content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct First {
    row: StoredRow,
    written_ms: TimestampMs,
}

enum Before {
    Nothing,
    Row(StoredRow),
    /// There was one, and nobody asks which.
    Unknown,
}

/// A partition that has a new first row.
struct Touched {
    hash: u64,
    key: RowBytes,
    before: Before,
}

impl TopOne {
    pub fn open(plan: TopOnePlan, context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        let table = context.table("first-rows")?;
        context.describe("first-rows", |state| {
            describe_rows(state, &plan.input, &plan.partition, &plan.order, |first: First| vec![first.row]);
        });
        Ok(Self {
            keys: KeyExtractor::new(&plan.input, plan.partition.clone()).map_err(failed)?,
            codec: OrderedCodec::new(&plan.input, &plan.order).map_err(failed)?,
            table,
            expiry: Expiry::new(plan.ttl_ms, context.task),
            held: Held::default(),
            firsts: Vec::new(),
            plan,
        })
    }

    /// Whether a partition's first row is never replaced.
    fn is_final(&self) -> bool {
        self.plan.order.is_empty() && self.plan.ties == Ties::First
    }

    /// Emits the rows that are the first of their partitions, once and for all.
    fn first_seen(&mut self, rows: &RecordBatch, keys: &Keys, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let mut changes = Changes::default();
        let mut table = self.table.select(0)?;
        let written_ms = self.expiry.now_ms();
        for row in 0..keys.len() {
            let key = RowBytes::from(keys.bytes(row));
            // A look first: what is only read is not written again with the next checkpoint.
            if let Some(first) = table.get(keys.hash(row), &key)?
                && !self.expiry.is_over(first.written_ms)
            {
                continue;
            }
            table.insert(keys.hash(row), key, First { written_ms, ..First::default() });
            changes.push_numbered(RowKind::Insert, Change::Incoming(row as u32), 1);
        }
        emit(changes.finish(rows, &self.codec, &self.plan.output).map_err(failed)?)
    }

    fn hold(&mut self, rows: RecordBatch, keys: &Keys) -> Result<(), TaskError> {
        let orders = self.codec.encode_orders(&rows).map_err(failed)?;
        let first = self.held.push(rows, keys, orders);
        for row in first..self.held.len() as u32 {
            match self.firsts.get(self.held.partition(row)) {
                None => self.firsts.push(row),
                Some(other) if self.plan.ties.wins(self.held.order(row), self.held.order(*other)) => {
                    self.firsts[self.held.partition(row)] = row;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// The held rows that are the first of their partitions, by all that has come.
    fn winners(&mut self) -> Result<(RecordBatch, Vec<Touched>), TaskError> {
        let firsts = std::mem::take(&mut self.firsts);
        let (mut rows, mut touched) = (Vec::with_capacity(firsts.len()), Vec::with_capacity(firsts.len()));
        let (keeps_rows, ties) = (self.plan.update_before, self.plan.ties);
        let mut table = self.table.select(0)?;
        for (partition, row) in firsts.into_iter().enumerate() {
            let (hash, key) = self.held.key(partition);
            let before = match table.get(hash, &key)? {
                Some(first) if !self.expiry.is_over(first.written_ms) => {
                    let (order, other) = (self.held.order(row), first.row.order());
                    if !ties.wins(order, other) {
                        continue;
                    }
                    if keeps_rows { Before::Row(first.row.clone()) } else { Before::Unknown }
                }
                _ => Before::Nothing,
            };
            rows.push(row);
            touched.push(Touched { hash, key, before });
        }
        let rows = self.held.take(&rows).map_err(failed)?;
        self.held.clear();
        Ok((rows, touched))
    }

    /// Puts the new first rows of partitions into the state.
    fn replace(&mut self, rows: &RecordBatch, touched: Vec<Touched>) -> Result<Changes, TaskError> {
        let encoded =
            if self.plan.update_before { self.codec.encode(rows) } else { self.codec.encode_orders(rows) };
        let encoded = encoded.map_err(failed)?;
        let mut changes = Changes::default();
        let mut table = self.table.select(0)?;
        let written_ms = self.expiry.now_ms();
        for (row, Touched { hash, key, before }) in touched.into_iter().enumerate() {
            table.insert(hash, key, First { row: encoded.stored(row), written_ms });
            let row = Change::Incoming(row as u32);
            match before {
                Before::Nothing => changes.push_numbered(RowKind::Insert, row, 1),
                Before::Unknown => changes.push_numbered(RowKind::UpdateAfter, row, 1),
                Before::Row(before) => {
                    let before = changes.store(before);
                    changes.push_numbered(RowKind::UpdateBefore, before, 1);
                    changes.push_numbered(RowKind::UpdateAfter, row, 1);
                }
            }
        }
        Ok(changes)
    }
}

impl StreamOperator for TopOne {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        if self.is_final() {
            self.expiry.read_clock();
            return self.first_seen(&batch.rows, &keys, emit);
        }
        self.hold(batch.rows, &keys)?;
        if self.held.is_full() { self.flush(emit) } else { Ok(()) }
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if self.held.len() == 0 {
            return Ok(());
        }
        self.expiry.read_clock();
        let (rows, touched) = self.winners()?;
        if touched.is_empty() {
            return Ok(());
        }
        let changes = self.replace(&rows, touched)?;
        emit(changes.finish(&rows, &self.codec, &self.plan.output).map_err(failed)?)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.expiry.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.expiry.sweep(now_ms, &mut self.table, |first| first.written_ms)?;
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.table]
    }
}
