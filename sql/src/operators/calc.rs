//! Filters and projections: DataFusion's expressions over each batch.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::filter,
    datatypes::SchemaRef,
};
use datafusion::{
    common::tree_node::{Transformed, TreeNode},
    physical_expr::{PhysicalExpr, expressions::Column, utils::collect_columns},
};
use headwater_actors::context::TaskError;

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
};

/// A filter, a projection, or one behind the other.
#[derive(Clone)]
pub struct CalcFactory {
    /// Rows for which it is not true are dropped.
    filter: Option<Arc<dyn PhysicalExpr>>,
    /// The new columns; all as they are if there is none. Behind a filter they are over `needed` only.
    projection: Option<Vec<Arc<dyn PhysicalExpr>>>,
    /// The columns that the projection needs behind a filter.
    needed: Option<Vec<usize>>,
    output: SchemaRef,
}

impl CalcFactory {
    /// Emits rows of `output`.
    pub fn new(
        filter: Option<Arc<dyn PhysicalExpr>>,
        projection: Option<Vec<Arc<dyn PhysicalExpr>>>,
        output: SchemaRef,
    ) -> Self {
        let (Some(_), Some(expressions)) = (&filter, &projection) else {
            return Self { filter, projection, needed: None, output };
        };
        let mut needed: Vec<usize> =
            expressions.iter().flat_map(collect_columns).map(|column| column.index()).collect();
        needed.sort_unstable();
        needed.dedup();
        let moved = expressions.iter().map(|expression| moved(expression, &needed)).collect();
        Self { filter, projection: Some(moved), needed: Some(needed), output }
    }

    /// What becomes of rows.
    pub fn apply(&self, rows: RecordBatch) -> Result<RecordBatch, TaskError> {
        Ok(match self.calculate(ChangeBatch::insertions(rows))? {
            Some(batch) => batch.rows,
            None => RecordBatch::new_empty(self.output.clone()),
        })
    }

    fn calculate(&self, batch: ChangeBatch) -> Result<Option<ChangeBatch>, TaskError> {
        let batch = match &self.filter {
            Some(filter) => filtered(batch, filter.as_ref(), self.needed.as_deref())?,
            None => batch,
        };
        if batch.is_empty() {
            return Ok(None);
        }
        let columns = match &self.projection {
            Some(expressions) => project(&batch.rows, expressions)?,
            None => batch.rows.columns().to_vec(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let rows =
            RecordBatch::try_new_with_options(self.output.clone(), columns, &options).map_err(failed)?;
        Ok(Some(batch.with_rows(rows)))
    }
}

/// An expression over some of the columns.
fn moved(expression: &Arc<dyn PhysicalExpr>, columns: &[usize]) -> Arc<dyn PhysicalExpr> {
    let moved = expression.clone().transform(|expression| {
        Ok(match expression.downcast_ref::<Column>() {
            Some(column) => {
                let place = columns.partition_point(|kept| *kept < column.index());
                Transformed::yes(Arc::new(Column::new(column.name(), place)))
            }
            None => Transformed::no(expression),
        })
    });
    moved.expect("columns are replaced without fail").data
}

impl OperatorFactory for CalcFactory {
    fn open(&self, _: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(Calc(self.clone())))
    }

    /// A filter may let only one half of an update pass: a row that no longer fulfils it has to be taken back.
    fn passes_changes_on(&self) -> bool {
        self.filter.is_none()
    }
}

struct Calc(CalcFactory);

impl StreamOperator for Calc {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        self.0.calculate(batch)?.map_or(Ok(()), emit)
    }
}

/// The rows that a filter leaves, of all columns or some.
fn filtered(
    batch: ChangeBatch,
    predicate: &dyn PhysicalExpr,
    columns: Option<&[usize]>,
) -> Result<ChangeBatch, TaskError> {
    let kept =
        predicate.evaluate(&batch.rows).and_then(|value| value.into_array(batch.len())).map_err(failed)?;
    let kept: &BooleanArray = kept.as_boolean();
    let narrow = |batch: ChangeBatch| -> Result<ChangeBatch, TaskError> {
        let Some(columns) = columns else { return Ok(batch) };
        let rows = batch.rows.project(columns).map_err(failed)?;
        Ok(ChangeBatch { rows, ..batch })
    };
    let batch = narrow(batch)?;
    if Array::null_count(kept) == 0 && kept.true_count() == batch.len() {
        return Ok(batch);
    }
    if batch.kinds.is_none() {
        let columns: Vec<ArrayRef> = batch
            .rows
            .columns()
            .iter()
            .map(|column| filter(column, kept))
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        let options = RecordBatchOptions::new().with_row_count(Some(kept.true_count()));
        let rows =
            RecordBatch::try_new_with_options(batch.rows.schema(), columns, &options).map_err(failed)?;
        return Ok(ChangeBatch::insertions(rows));
    }
    let rows = (0u32..).zip(kept).filter(|(_, kept)| *kept == Some(true)).map(|(row, _)| row);
    batch.take(&UInt32Array::from_iter_values(rows)).map_err(failed)
}

fn project(rows: &RecordBatch, expressions: &[Arc<dyn PhysicalExpr>]) -> Result<Vec<ArrayRef>, TaskError> {
    let count = rows.num_rows();
    expressions
        .iter()
        .map(|expression| expression.evaluate(rows).and_then(|value| value.into_array(count)).map_err(failed))
        .collect()
}
