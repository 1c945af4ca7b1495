//! Puts rows of two sides together, and evaluates conditions over them.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::{prep_null_mask_filter, take},
    datatypes::{Schema, SchemaRef},
};
use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    physical_expr::{PhysicalExpr, expressions::Column, utils::collect_columns},
};
use headwater_actors::context::TaskError;

use super::{JoinKind, JoinSpec, LEFT};
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::{Emit, STEP_ROWS, failed},
};

/// The place of a row that is not there: all its columns are null.
pub(super) const NO_ROW: u32 = u32::MAX;

/// Makes a join's output.
pub(super) struct Assembler {
    kind: JoinKind,
    left_columns: usize,
    output: SchemaRef,
    filter: Option<Filter>,
}

/// A condition over those columns only that it needs.
struct Filter {
    expression: Arc<dyn PhysicalExpr>,
    /// Counted over the left columns followed by the right ones.
    columns: Vec<usize>,
    schema: SchemaRef,
}

/// Rows of one side.
#[derive(Clone, Copy)]
pub(super) struct Picked<'a> {
    pub columns: &'a [ArrayRef],
    /// Which rows of the columns, or [`NO_ROW`].
    pub places: &'a [u32],
}

impl Assembler {
    pub(super) fn new(spec: &JoinSpec) -> Result<Self, TaskError> {
        let filter = spec.filter.as_ref().map(|filter| Filter::new(filter, spec)).transpose()?;
        let left_columns = spec.inputs[LEFT].fields().len();
        Ok(Self { kind: spec.kind, left_columns, output: spec.output.clone(), filter })
    }

    /// Whether equal keys are all that a match takes.
    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }

    /// Which pairs fulfil the condition; `None`: all do. `own` are rows of this input, `other` of the other one.
    pub(super) fn matches(
        &self,
        input: usize,
        own: Picked<'_>,
        other: Picked<'_>,
    ) -> Result<Option<BooleanArray>, TaskError> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let (left, right) = if input == LEFT { (own, other) } else { (other, own) };
        let count = own.places.len();
        let (left_places, right_places) = (places(left.places), places(right.places));
        let columns = filter.columns.iter().map(|column| match column.checked_sub(self.left_columns) {
            None => pick(&left.columns[*column], &left_places),
            Some(column) => pick(&right.columns[column], &right_places),
        });
        let columns = columns.collect::<Result<Vec<_>, TaskError>>()?;
        let mask = filter.evaluate(columns, count)?;
        Ok((mask.has_false()).then_some(mask))
    }

    /// Emits rows that are made of a row of this input and one of the other, either of which may be missing.
    pub(super) fn emit(
        &self,
        input: usize,
        (own, other): (&[ArrayRef], &[ArrayRef]),
        rows: &Emission,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let (left, right) = if input == LEFT { (own, other) } else { (other, own) };
        let (left_places, right_places) =
            if input == LEFT { (&rows.own, &rows.other) } else { (&rows.other, &rows.own) };
        for start in (0..rows.kinds.len()).step_by(STEP_ROWS) {
            let range = start..rows.kinds.len().min(start + STEP_ROWS);
            let left = Picked { columns: left, places: &left_places[range.clone()] };
            let right = Picked { columns: right, places: &right_places[range.clone()] };
            let batch = self.assemble(left, right)?;
            emit(ChangeBatch::changes(batch, rows.kinds[range].to_vec()))?;
        }
        Ok(())
    }

    fn assemble(&self, left: Picked<'_>, right: Picked<'_>) -> Result<RecordBatch, TaskError> {
        let fields = self.output.fields();
        let mut columns = Vec::with_capacity(fields.len());
        let sides: &[Picked<'_>] = if self.kind.is_of_left() { &[left] } else { &[left, right] };
        for side in sides {
            let places = places(side.places);
            for column in side.columns {
                columns.push(pick(column, &places)?);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(left.places.len()));
        RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(failed)
    }
}

impl Filter {
    fn new(expression: &Arc<dyn PhysicalExpr>, spec: &JoinSpec) -> Result<Self, TaskError> {
        let mut columns: Vec<usize> = collect_columns(expression).iter().map(Column::index).collect();
        columns.sort_unstable();
        columns.dedup();
        let all: Vec<_> = spec.inputs.iter().flat_map(|schema| schema.fields().iter().cloned()).collect();
        let fields: Vec<_> = columns.iter().map(|column| all[*column].clone()).collect();
        let expression = Arc::clone(expression).transform(|node| {
            let Some(column) = node.downcast_ref::<Column>() else { return Ok(Transformed::no(node)) };
            let index = columns.binary_search(&column.index()).expect("all columns were collected");
            Ok(Transformed::yes(Arc::new(Column::new(column.name(), index)) as Arc<dyn PhysicalExpr>))
        });
        Ok(Self {
            expression: expression.map_err(failed)?.data,
            schema: Arc::new(Schema::new(fields)),
            columns,
        })
    }

    fn evaluate(&self, columns: Vec<ArrayRef>, count: usize) -> Result<BooleanArray, TaskError> {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        // The columns of a padded row are null, whatever their field says; pairs have none.
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(failed)?;
        let mask =
            self.expression.evaluate(&batch).and_then(|value| value.into_array(count)).map_err(failed)?;
        let mask = mask.as_any().downcast_ref::<BooleanArray>().ok_or_else(|| {
            TaskError::Function(format!("a join's condition must be BOOLEAN, found {}", mask.data_type()))
        })?;
        Ok(if mask.null_count() == 0 { mask.clone() } else { prep_null_mask_filter(mask) })
    }
}

/// `None`: none of the rows is there.
fn places(places: &[u32]) -> UInt32Array {
    if places.contains(&NO_ROW) {
        places.iter().map(|place| (*place != NO_ROW).then_some(*place)).collect()
    } else {
        UInt32Array::from(places.to_vec())
    }
}

fn pick(column: &ArrayRef, places: &UInt32Array) -> Result<ArrayRef, TaskError> {
    let is_whole = places.len() == column.len()
        && places.null_count() == 0
        && places.values().iter().enumerate().all(|(row, place)| row == *place as usize);
    if is_whole {
        return Ok(column.clone());
    }
    take(column, places, None).map_err(failed)
}

/// Rows to be emitted.
#[derive(Default)]
pub(super) struct Emission {
    own: Vec<u32>,
    other: Vec<u32>,
    kinds: Vec<RowKind>,
}

impl Emission {
    /// Adds a row made of these two.
    #[inline]
    pub(super) fn push(&mut self, own: u32, other: u32, kind: RowKind) {
        self.own.push(own);
        self.other.push(other);
        self.kinds.push(kind);
    }

    /// Adds a row so many times.
    #[inline]
    pub(super) fn repeat(&mut self, own: u32, other: u32, kind: RowKind, times: u32) {
        for _ in 0..times {
            self.push(own, other, kind);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.kinds.len()
    }
}
