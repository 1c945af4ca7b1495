//! Filters and projections: DataFusion's expressions over each batch.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, RecordBatch, RecordBatchOptions, UInt32Array},
    datatypes::SchemaRef,
};
use datafusion::physical_expr::PhysicalExpr;
use headwater_actors::context::TaskError;

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
};

/// A filter, a projection, or one behind the other.
#[derive(Clone)]
pub struct CalcFactory {
    /// Rows for which it is not true are dropped.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The new columns; all as they are if there is none.
    pub projection: Option<Vec<Arc<dyn PhysicalExpr>>>,
    /// What is emitted.
    pub output: SchemaRef,
}

impl OperatorFactory for CalcFactory {
    fn open(&self, _: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(Calc(self.clone())))
    }
}

struct Calc(CalcFactory);

impl StreamOperator for Calc {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let CalcFactory { filter, projection, output } = &self.0;
        let batch = match filter {
            Some(filter) => filtered(batch, filter.as_ref())?,
            None => batch,
        };
        if batch.is_empty() {
            return Ok(());
        }
        let columns = match projection {
            Some(expressions) => project(&batch.rows, expressions)?,
            None => batch.rows.columns().to_vec(),
        };
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        let rows = RecordBatch::try_new_with_options(output.clone(), columns, &options).map_err(failed)?;
        emit(batch.with_rows(rows))
    }
}

fn filtered(batch: ChangeBatch, filter: &dyn PhysicalExpr) -> Result<ChangeBatch, TaskError> {
    let kept =
        filter.evaluate(&batch.rows).and_then(|value| value.into_array(batch.len())).map_err(failed)?;
    let kept = kept.as_boolean();
    if kept.null_count() == 0 && kept.true_count() == batch.len() {
        return Ok(batch);
    }
    if batch.kinds.is_none() {
        let rows = arrow::compute::filter_record_batch(&batch.rows, kept).map_err(failed)?;
        return Ok(ChangeBatch::insertions(rows));
    }
    let rows = (0u32..).zip(kept).filter(|(_, kept)| *kept == Some(true)).map(|(row, _)| row);
    batch.take(&UInt32Array::from_iter_values(rows)).map_err(failed)
}

fn project(
    rows: &RecordBatch,
    expressions: &[Arc<dyn PhysicalExpr>],
) -> Result<Vec<arrow::array::ArrayRef>, TaskError> {
    let count = rows.num_rows();
    expressions
        .iter()
        .map(|expression| expression.evaluate(rows).and_then(|value| value.into_array(count)).map_err(failed))
        .collect()
}
