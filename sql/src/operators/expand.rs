//! GROUPING SETS: each row once for every set.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt64Array, new_null_array},
    compute::cast,
    datatypes::SchemaRef,
};
use datafusion::physical_expr::PhysicalExpr;
use headwater_actors::context::TaskError;

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
};

/// Gives each row once for every grouping set.
#[derive(Clone)]
pub struct ExpandFactory {
    /// What some sets are grouped by and others are not.
    pub keys: Vec<Arc<dyn PhysicalExpr>>,
    /// Which of the keys each set has.
    pub sets: Vec<Vec<bool>>,
    /// The number of each set.
    pub ids: Vec<u64>,
    /// The input's columns, the keys, the set's number.
    pub output: SchemaRef,
}

impl OperatorFactory for ExpandFactory {
    fn open(&self, _: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(Expand(self.clone())))
    }
}

struct Expand(ExpandFactory);

impl StreamOperator for Expand {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let Self(ExpandFactory { keys, sets, ids, output }) = self;
        let key = |key: &Arc<dyn PhysicalExpr>| -> Result<ArrayRef, TaskError> {
            key.evaluate(&batch.rows).and_then(|value| value.into_array(batch.len())).map_err(failed)
        };
        let keys = keys.iter().map(key).collect::<Result<Vec<_>, _>>()?;
        let id_type = output.field(output.fields().len() - 1).data_type();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
        for (set, id) in sets.iter().zip(ids) {
            let mut columns = batch.rows.columns().to_vec();
            columns.extend(keys.iter().zip(set).map(|(key, has)| {
                if *has { key.clone() } else { new_null_array(key.data_type(), batch.len()) }
            }));
            columns.push(cast(&UInt64Array::from(vec![*id; batch.len()]), id_type).map_err(failed)?);
            let rows =
                RecordBatch::try_new_with_options(output.clone(), columns, &options).map_err(failed)?;
            emit(batch.with_rows(rows))?;
        }
        Ok(())
    }
}
