//! Aggregation by key for ever: every batch changes the results of the keys in it.

use std::sync::Arc;

use arrow::{array::RecordBatch, array::RecordBatchOptions, datatypes::SchemaRef};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    codec,
    time::{Clock, TimestampMs},
};
use headwater_state::{AnyTable, Table};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    AggregateCall,
    batch::{Aggregates, Delta},
    cell::Cell,
    distinct::Distinct,
    finish::finish,
    look::ShowCells,
};
use crate::{
    batch::{ChangeBatch, RowKind},
    look::{self, KeyPlace, ShowValue},
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    rows::{KeyExtractor, RowBytes},
};

/// More keys than this are not held back.
const GROUPS_MAX: usize = 16 * 1024;

/// More rows than this are not held back.
const ROWS_MAX: usize = 64 * 1024;

/// `GROUP BY` without windows.
#[derive(Clone)]
pub struct GroupAggregateFactory {
    /// The input.
    pub input: SchemaRef,
    /// The key columns.
    pub keys: Vec<usize>,
    /// The aggregates.
    pub calls: Vec<AggregateCall>,
    /// The keys, then the results.
    pub output: SchemaRef,
    /// Whether those downstream have to be told what an updated row was before.
    pub update_before: bool,
    /// Whether the input may take rows back.
    pub is_retracting: bool,
    /// Where the parts begin if the input was aggregated before the shuffle.
    pub first_partial: Option<usize>,
    /// How long a key is kept after its last row.
    pub ttl_ms: Option<u64>,
}

impl OperatorFactory for GroupAggregateFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let table = context.table("groups")?;
        context.describe("groups", |state| {
            let cells = ShowCells::new(
                &self.calls,
                self.output.fields().iter().skip(self.keys.len()).map(|f| f.name()),
            );
            let value = (cells.what(), show_group(cells));
            look::describe(state, &self.input, &self.keys, KeyPlace::Whole, Some(value));
        });
        Ok(Box::new(GroupAggregate {
            keys: KeyExtractor::new(&self.input, self.keys.clone()).map_err(failed)?,
            aggregates: Aggregates::new(self.calls.clone(), self.is_retracting, self.first_partial),
            output: self.output.clone(),
            update_before: self.update_before,
            distinct: Distinct::open(&self.calls, self.is_retracting, context)?,
            delta: Delta::new(),
            held_rows: 0,
            clock: context.task.clock.clone(),
            ttl: self.ttl_ms.map(|ttl_ms| {
                Sweep::new(i64::try_from(ttl_ms).unwrap_or(i64::MAX), context.task.clock.now_ms(), &table)
            }),
            table,
        }))
    }

    fn without_update_before(&self) -> Option<Arc<dyn OperatorFactory>> {
        Some(Arc::new(Self { update_before: false, ..self.clone() }))
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Group {
    /// How many rows stand behind it; a group without is gone.
    rows: i64,
    cells: Vec<Cell>,
    /// When it was last changed, if there is a time to live.
    changed_ms: TimestampMs,
}

/// A group whose last row was taken back is there until it is removed.
fn show_group(cells: ShowCells) -> ShowValue {
    Box::new(move |bytes| {
        let group: Group = codec::decode(bytes).map_err(|error| error.to_string())?;
        let shown = json!({ "rows": group.rows, "aggregates": cells.json(&group.cells) });
        Ok(shown.to_string().into_bytes())
    })
}

struct GroupAggregate {
    keys: KeyExtractor,
    aggregates: Aggregates,
    output: SchemaRef,
    update_before: bool,
    table: Table<RowBytes, Group>,
    distinct: Distinct,
    /// What came since results were last given out: several batches that update a key do it once.
    delta: Delta,
    held_rows: usize,
    clock: Arc<dyn Clock>,
    ttl: Option<Sweep>,
}

/// Removes what was not changed for long, one key group at a time.
struct Sweep {
    ttl_ms: TimestampMs,
    interval_ms: TimestampMs,
    next_ms: TimestampMs,
    next_group: u16,
}

impl Sweep {
    fn new(ttl_ms: TimestampMs, now_ms: TimestampMs, table: &Table<RowBytes, Group>) -> Self {
        let groups = table.key_groups();
        let interval_ms = (ttl_ms / groups.len().max(1) as i64).max(10);
        Self { ttl_ms, interval_ms, next_ms: now_ms.saturating_add(interval_ms), next_group: groups.start }
    }
}

/// The rows that go out: of which groups, and the aggregates' states that they are made of, by aggregate.
struct Emission {
    kinds: Vec<RowKind>,
    groups: Vec<usize>,
    cells: Vec<Vec<Cell>>,
}

impl Emission {
    fn push(&mut self, kind: RowKind, group: usize, cells: impl Iterator<Item = Cell>) {
        self.kinds.push(kind);
        self.groups.push(group);
        self.cells.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    }
}

impl GroupAggregate {
    fn apply(&mut self) -> Result<Emission, TaskError> {
        let mut delta = std::mem::replace(&mut self.delta, Delta::new());
        let now_ms = if self.ttl.is_some() { self.clock.now_ms() } else { 0 };
        let expired_before = self.ttl.as_ref().map_or(i64::MIN, |ttl| now_ms.saturating_sub(ttl.ttl_ms));
        let calls = &self.aggregates.calls;
        let cells = calls.iter().map(|_| Vec::with_capacity(delta.groups.len())).collect();
        let mut emission = Emission { kinds: Vec::new(), groups: Vec::new(), cells };
        let mut emptied = Vec::new();
        let empty = self.aggregates.empty();
        let mut before: Vec<Cell> = Vec::with_capacity(calls.len());
        let mut groups = self.table.select(0)?;
        for id in 0..delta.groups.len() {
            let (hash, key) = (delta.groups.hash(id), delta.groups.key(id));
            let group = groups.get_or_insert_borrowed(hash, key, Group::default)?;
            if group.rows == 0 || group.changed_ms < expired_before {
                *group = Group { rows: 0, cells: empty.clone(), changed_ms: 0 };
            }
            let was_there = group.rows > 0;
            before.clear();
            if was_there {
                before.extend(results(&group.cells, calls));
            }
            group.rows += delta.rows[id];
            group.changed_ms = now_ms;
            self.aggregates.merge(&mut group.cells, &mut delta, id);
            let is_there = group.rows > 0;
            if !is_there {
                emptied.push(id);
            }
            match (was_there, is_there) {
                (false, true) => emission.push(RowKind::Insert, id, results(&group.cells, calls)),
                (true, false) => emission.push(RowKind::Delete, id, before.drain(..)),
                // With a time to live, those downstream must hear that the key is alive.
                (true, true)
                    if self.ttl.is_some()
                        || results(&group.cells, calls)
                            .zip(&before)
                            .any(|(after, before)| after != *before) =>
                {
                    if self.update_before {
                        emission.push(RowKind::UpdateBefore, id, before.drain(..));
                    }
                    emission.push(RowKind::UpdateAfter, id, results(&group.cells, calls));
                }
                _ => {}
            }
        }
        for id in emptied {
            groups.remove(delta.groups.hash(id), &RowBytes::from(delta.groups.key(id)))?;
        }
        self.delta = delta;
        Ok(emission)
    }

    fn rows(&self, emission: &Emission) -> Result<RecordBatch, TaskError> {
        let keys = emission.groups.iter().map(|id| self.delta.groups.key(*id));
        let mut columns = if self.keys.columns().is_empty() {
            Vec::new()
        } else {
            self.keys.codec().decode(keys).map_err(failed)?
        };
        for (call, cells) in self.aggregates.calls.iter().zip(&emission.cells) {
            columns.push(finish(call, cells.iter()).map_err(failed)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(emission.groups.len()));
        RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(failed)
    }
}

/// What the results of a group are made of.
fn results<'a>(cells: &'a [Cell], calls: &'a [AggregateCall]) -> impl Iterator<Item = Cell> + 'a {
    cells.iter().zip(calls).map(|(cell, call)| cell.for_result(&call.function))
}

impl StreamOperator for GroupAggregate {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let hashes = std::mem::take(&mut batch.hashes);
        let keys = self.keys.keys(&batch.rows, hashes).map_err(failed)?;
        self.aggregates.aggregate(&batch, &keys, &[], &mut self.distinct, &mut self.delta)?;
        self.held_rows += batch.len();
        let is_full = self.delta.groups.len() >= GROUPS_MAX || self.held_rows >= ROWS_MAX;
        if is_full { self.flush(emit) } else { Ok(()) }
    }

    fn flush(&mut self, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        if self.held_rows == 0 {
            return Ok(());
        }
        self.held_rows = 0;
        let emission = self.apply()?;
        let rows = if emission.kinds.is_empty() { None } else { Some(self.rows(&emission)?) };
        self.delta.clear();
        self.distinct.clear();
        rows.map_or(Ok(()), |rows| emit(ChangeBatch::changes(rows, emission.kinds)))
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.ttl.as_ref().map(|ttl| ttl.next_ms)
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        let Some(ttl) = &mut self.ttl else { return Ok(Step::Done) };
        ttl.next_ms = now_ms.saturating_add(ttl.interval_ms);
        let groups = self.table.key_groups();
        if groups.is_empty() {
            return Ok(Step::Done);
        }
        let expired_before = now_ms.saturating_sub(ttl.ttl_ms);
        let mut expired = Vec::new();
        self.table.scan(0, ttl.next_group, |hash, key, group| {
            if group.changed_ms < expired_before {
                expired.push((hash, key.clone()));
            }
        })?;
        ttl.next_group = if ttl.next_group + 1 < groups.end { ttl.next_group + 1 } else { groups.start };
        let mut table = self.table.select(0)?;
        for (hash, key) in expired {
            table.remove(hash, &key)?;
        }
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        let mut tables: Vec<&mut dyn AnyTable> = vec![&mut self.table];
        tables.extend(self.distinct.tables());
        tables
    }
}
