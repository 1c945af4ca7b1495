//! `OVER` of any input in any order: the rows of a partition are kept, and what a change touches is computed again.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{ArrayRef, RecordBatch, UInt32Array},
    compute::{SortOptions, concat, take},
    datatypes::SchemaRef,
};
use datafusion::{
    common::ScalarValue,
    logical_expr::{WindowFrame, WindowFrameBound, WindowFrameUnits},
    physical_expr::{
        expressions::Literal,
        window::{SlidingAggregateWindowExpr, StandardWindowExpr, WindowExpr},
    },
    physical_plan::windows::WindowUDFExpr,
};
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::time::TimestampMs;
use headwater_state::AnyTable;

use super::with_calls;
use crate::{
    batch::{ChangeBatch, RowKind, take_rows},
    error::SqlError,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    operators::ordered::{
        Edits, Expiry, OrderedCodec, OrderedRows, OrderedRowsMut, PartitionKey, StoredRow, diff,
        partitions_of, with_columns,
    },
    rows::{KeyExtractor, RowCodec},
};

/// `f(..) OVER (PARTITION BY .. ORDER BY .. [frame])` of any input, as a changelog.
///
/// Where all calls look at a fixed number of neighbours, only those of a row that changes are computed again; else all rows of its
/// partition are.
#[derive(Debug, Clone)]
pub struct OverRecomputeFactory {
    input: SchemaRef,
    partition: Vec<usize>,
    order: Vec<(usize, SortOptions)>,
    calls: Vec<Arc<dyn WindowExpr>>,
    output: SchemaRef,
    update_before: bool,
    ttl_ms: Option<i64>,
}

impl OverRecomputeFactory {
    /// The input is distributed by `partition`; if that is empty, there must be one subtask only. `order` is that of the calls, whose
    /// results follow the input's columns. `update_before` says whether those downstream have to be told what an updated row was before. A
    /// partition is forgotten `ttl_ms` after it was last written to.
    pub fn try_new(
        input: SchemaRef,
        partition: Vec<usize>,
        order: Vec<(usize, SortOptions)>,
        calls: Vec<Arc<dyn WindowExpr>>,
        update_before: bool,
        ttl_ms: Option<i64>,
    ) -> Result<Self, SqlError> {
        let output = with_calls(&input, &calls)?;
        for call in &calls {
            let sliding = call.as_any().downcast_ref::<SlidingAggregateWindowExpr>();
            if sliding.is_some_and(|call| call.get_aggregate_expr().create_sliding_accumulator().is_err()) {
                return Err(SqlError::new(format!(
                    "{} is not supported: the frame moves, and the function cannot take rows back",
                    call.name()
                )));
            }
        }
        Ok(Self { input, partition, order, calls, output, update_before, ttl_ms })
    }

    /// The columns that go out.
    pub fn output(&self) -> SchemaRef {
        self.output.clone()
    }
}

impl OperatorFactory for OverRecomputeFactory {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let results = self.output.fields()[self.input.fields().len()..].iter();
        let reaches = self.calls.iter().map(|call| Reach::of(call.as_ref())).collect::<Option<Vec<_>>>();
        Ok(Box::new(OverRecompute {
            keys: KeyExtractor::new(&self.input, self.partition.clone()).map_err(failed)?,
            codec: OrderedCodec::new(&self.input, &self.order).map_err(failed)?,
            results: RowCodec::new(results.map(|field| field.data_type().clone())).map_err(failed)?,
            calls: self.calls.clone(),
            reach: reaches.map(|reaches| reaches.into_iter().fold(Reach::default(), Reach::max)),
            output: self.output(),
            update_before: self.update_before,
            rows: OrderedRows::open(context)?,
            expiry: Expiry::new(self.ttl_ms, context.task),
        }))
    }
}

/// How many rows before and after its own a result depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Reach {
    before: usize,
    after: usize,
}

impl Reach {
    /// `None` if it has no bounds.
    fn of(call: &dyn WindowExpr) -> Option<Self> {
        let standard = call.as_any().downcast_ref::<StandardWindowExpr>();
        let Some(standard) = standard else { return Self::of_frame(call.get_window_frame()) };
        let function = standard.get_standard_func_expr().as_any().downcast_ref::<WindowUDFExpr>()?;
        let offset = || match function.args().get(1) {
            None => Some(1),
            Some(arg) => rows_of(arg.downcast_ref::<Literal>()?.value()),
        };
        match function.fun().name() {
            "lag" => Some(Self { before: offset()?, after: 0 }),
            "lead" => Some(Self { before: 0, after: offset()? }),
            "first_value" | "last_value" | "nth_value" => Self::of_frame(call.get_window_frame()),
            _ => None,
        }
    }

    fn of_frame(frame: &WindowFrame) -> Option<Self> {
        if frame.units != WindowFrameUnits::Rows {
            return None;
        }
        let before = match &frame.start_bound {
            WindowFrameBound::Preceding(rows) => rows_of(rows)?,
            _ => 0,
        };
        let after = match &frame.end_bound {
            WindowFrameBound::Following(rows) => rows_of(rows)?,
            _ => 0,
        };
        Some(Self { before, after })
    }

    fn max(self, other: Self) -> Self {
        Self { before: self.before.max(other.before), after: self.after.max(other.after) }
    }
}

/// A number of rows; `None` if it is null, which stands for all of them, or negative, which changes the direction.
fn rows_of(value: &ScalarValue) -> Option<usize> {
    match value.cast_to(&arrow::datatypes::DataType::Int64) {
        Ok(ScalarValue::Int64(Some(rows))) => usize::try_from(rows).ok(),
        _ => None,
    }
}

struct OverRecompute {
    keys: KeyExtractor,
    codec: OrderedCodec,
    calls: Vec<Arc<dyn WindowExpr>>,
    reach: Option<Reach>,
    /// Of the results alone.
    results: RowCodec,
    output: SchemaRef,
    update_before: bool,
    rows: OrderedRows,
    expiry: Expiry,
}

/// A part of a partition before or after its changes: consecutive rows, and which of them have results that may be others.
#[derive(Default)]
struct Excerpt {
    rows: Vec<StoredRow>,
    affected: std::ops::Range<usize>,
}

/// What the edits touch of a partition, before and after them.
fn excerpts(
    reach: Option<Reach>,
    rows: &mut OrderedRowsMut<'_>,
    key: PartitionKey<'_>,
    edits: &Edits,
) -> Result<[Excerpt; 2], TaskError> {
    let (begin, affected, unaffected_at_end, end) = match reach {
        None => (0, 0, 0, edits.rows),
        Some(Reach { before, after }) => {
            // The rows that look ahead at a change precede it, those that look back at it follow it.
            let affected = edits.first.saturating_sub(after);
            let begin = affected.saturating_sub(before);
            let affected_end = edits.rows - edits.tail.saturating_sub(before);
            let end = affected_end.saturating_add(after).min(edits.rows);
            (begin, affected - begin, end - affected_end, end)
        }
    };
    let after = rows.read(key, begin..end)?;
    let mut before = after.clone();
    edits.undo(&mut before, begin);
    Ok([before, after].map(|rows| {
        let affected = affected..rows.len() - unaffected_at_end;
        // Where nothing is affected, as before a row that comes last, nothing needs to be computed.
        if affected.is_empty() { Excerpt::default() } else { Excerpt { rows, affected } }
    }))
}

impl OverRecompute {
    /// The affected rows of all excerpts, with their results.
    fn compute(&self, excerpts: &[Excerpt]) -> Result<RecordBatch, TaskError> {
        let all = self.codec.decode(excerpts.iter().flat_map(|excerpt| &excerpt.rows)).map_err(failed)?;
        let mut affected: Vec<u32> = Vec::new();
        let mut results: Vec<Vec<ArrayRef>> = vec![Vec::new(); self.calls.len()];
        let mut begin = 0;
        for Excerpt { rows, affected: wanted } in excerpts {
            if !wanted.is_empty() {
                let partition = all.slice(begin, rows.len());
                affected.extend(wanted.clone().map(|row| (begin + row) as u32));
                for (call, results) in self.calls.iter().zip(&mut results) {
                    let result = call.evaluate(&partition).map_err(failed)?;
                    results.push(result.slice(wanted.start, wanted.len()));
                }
            }
            begin += rows.len();
        }
        let rows = take_rows(&all, &UInt32Array::from(affected)).map_err(failed)?;
        if rows.num_rows() == 0 {
            return Ok(RecordBatch::new_empty(self.output.clone()));
        }
        let results =
            results.iter().map(|parts| concat(&parts.iter().map(|part| part.as_ref()).collect::<Vec<_>>()));
        let results = results.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        with_columns(&rows, results, &self.output).map_err(failed)
    }

    /// What is different between each pair of excerpts.
    fn compare(&self, excerpts: &[Excerpt]) -> Result<ChangeBatch, TaskError> {
        let computed = self.compute(excerpts)?;
        let results = &computed.columns()[self.codec.schema().fields().len()..];
        let results = self.results.encode(results).map_err(failed)?;
        // Each affected row with its results, as bytes: the row first, so that what was updated can be told.
        let mut texts: Vec<Vec<u8>> = Vec::with_capacity(computed.num_rows());
        for Excerpt { rows, affected } in excerpts {
            for row in &rows[affected.clone()] {
                let result = results.row(texts.len()).data();
                texts.push([row.bytes(), result].concat());
            }
        }
        let (mut places, mut kinds) = (Vec::new(), Vec::new());
        let mut push = |place: usize, kind: RowKind| {
            places.push(place as u32);
            kinds.push(kind);
        };
        let mut begin = 0;
        for pair in excerpts.chunks_exact(2) {
            let (old, new) = (pair[0].affected.len(), pair[1].affected.len());
            let slices = |begin: usize, count: usize| -> Vec<&[u8]> {
                texts[begin..begin + count].iter().map(Vec::as_slice).collect()
            };
            let (removed, added) = diff(&slices(begin, old), &slices(begin + old, new));
            let mut remaining: HashMap<&StoredRow, Vec<usize>> = HashMap::new();
            for place in added.iter().rev() {
                let row = &pair[1].rows[pair[1].affected.start + place];
                remaining.entry(row).or_default().push(*place);
            }
            let mut is_update = vec![false; new];
            for place in removed {
                let row = &pair[0].rows[pair[0].affected.start + place];
                let Some(update) = remaining.get_mut(row).and_then(Vec::pop) else {
                    push(begin + place, RowKind::Delete);
                    continue;
                };
                is_update[update] = true;
                if self.update_before {
                    push(begin + place, RowKind::UpdateBefore);
                }
                push(begin + old + update, RowKind::UpdateAfter);
            }
            for place in added.into_iter().filter(|place| !is_update[*place]) {
                push(begin + old + place, RowKind::Insert);
            }
            begin += old + new;
        }
        let places = UInt32Array::from(places);
        let columns = computed.columns().iter().map(|column| take(column, &places, None));
        let columns = columns.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let rows = RecordBatch::try_new(self.output.clone(), columns).map_err(failed)?;
        Ok(ChangeBatch::changes(rows, kinds))
    }
}

impl StreamOperator for OverRecompute {
    fn process(&mut self, _: usize, mut batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        self.expiry.read_clock();
        let keys = self.keys.keys(&batch.rows, std::mem::take(&mut batch.hashes)).map_err(failed)?;
        let encoded = self.codec.encode(&batch.rows).map_err(failed)?;
        let mut touched = Vec::new();
        let mut rows = self.rows.select()?;
        for (key, partition) in partitions_of(&keys) {
            let edits = rows.apply(key, &batch, &encoded, &partition, &self.expiry)?;
            if edits.len() > 0 {
                touched.extend(excerpts(self.reach, &mut rows, key, &edits)?);
            }
        }
        emit(self.compare(&touched)?)
    }

    fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.expiry.next_timer_ms()
    }

    fn on_processing_time(&mut self, now_ms: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.rows.sweep(now_ms, &mut self.expiry)?;
        Ok(Step::Done)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        self.rows.tables()
    }
}
