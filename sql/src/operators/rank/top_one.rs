//! The first row of each partition of an input that only grows; so also de-duplication.

use arrow::{compute::SortOptions, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::{AnyTable, Table};
use serde::{Deserialize, Serialize};

use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, OpenContext, StreamOperator, failed},
    operators::ordered::{Change, Changes, Expiry, OrderedCodec, StoredRow},
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
    /// The mark of the next partition to change: those with this or a later one were changed in the current batch.
    next_mark: u64,
}

/// A partition's first row, or only what it is sorted by if nobody asks for its content.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct First {
    row: StoredRow,
    written_ms: TimestampMs,
    #[serde(skip)]
    mark: u64,
}

/// A partition's change in a batch.
struct Touched {
    before: Before,
    row: u32,
}

enum Before {
    Nothing,
    Row(StoredRow),
    /// There was one, and nobody asks which.
    Unknown,
}

impl TopOne {
    pub fn open(plan: TopOnePlan, context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        Ok(Self {
            keys: KeyExtractor::new(&plan.input, plan.partition.clone()).map_err(failed)?,
            codec: OrderedCodec::new(&plan.input, &plan.order).map_err(failed)?,
            table: context.table("first-rows")?,
            expiry: Expiry::new(plan.ttl_ms, context.task),
            next_mark: 1,
            plan,
        })
    }

    /// Whether a partition's first row is never replaced.
    fn is_final(&self) -> bool {
        self.plan.order.is_empty() && self.plan.ties == Ties::First
    }

    /// The rows that are the first of their partitions, once and for all.
    fn first_seen(&mut self, keys: &Keys) -> Result<Vec<Touched>, TaskError> {
        let mut touched = Vec::new();
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
            touched.push(Touched { before: Before::Nothing, row: row as u32 });
        }
        Ok(touched)
    }

    fn replace(&mut self, batch: &ChangeBatch, keys: &Keys) -> Result<Vec<Touched>, TaskError> {
        let keeps_rows = self.plan.update_before;
        let rows =
            if keeps_rows { self.codec.encode(&batch.rows) } else { self.codec.encode_orders(&batch.rows) };
        let rows = rows.map_err(failed)?;
        let first_mark = self.next_mark;
        let mut touched: Vec<Touched> = Vec::with_capacity(keys.len());
        let mut table = self.table.select(0)?;
        for row in 0..keys.len() {
            let mut is_new = false;
            let first = table.get_or_insert_borrowed(keys.hash(row), keys.bytes(row), || {
                is_new = true;
                First::default()
            })?;
            is_new |= self.expiry.is_over(first.written_ms);
            let order = rows.order(row);
            let wins = match self.plan.ties {
                Ties::First => order < first.row.order(),
                Ties::Last => order <= first.row.order(),
            };
            if !is_new && !wins {
                continue;
            }
            let before = std::mem::replace(&mut first.row, rows.stored(row));
            first.written_ms = self.expiry.now_ms();
            if first.mark >= first_mark {
                touched[(first.mark - first_mark) as usize].row = row as u32;
                continue;
            }
            first.mark = first_mark + touched.len() as u64;
            let before = match is_new {
                true => Before::Nothing,
                false if keeps_rows => Before::Row(before),
                false => Before::Unknown,
            };
            touched.push(Touched { before, row: row as u32 });
        }
        self.next_mark += touched.len() as u64;
        Ok(touched)
    }

    fn changes(&self, batch: &ChangeBatch, touched: Vec<Touched>) -> Result<ChangeBatch, TaskError> {
        let mut changes = Changes::default();
        for Touched { before, row } in touched {
            let row = Change::Incoming(row);
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
        changes.finish(&batch.rows, &self.codec, &self.plan.output).map_err(failed)
    }
}

impl StreamOperator for TopOne {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        self.expiry.read_clock();
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let touched = if self.is_final() { self.first_seen(&keys)? } else { self.replace(&batch, &keys)? };
        emit(self.changes(&batch, touched)?)
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
