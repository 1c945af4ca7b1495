//! Watermarks, made from the rows of a source as the table's `WATERMARK FOR` says.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, RecordBatch},
    compute,
    datatypes::{DataType, Int64Type, TimestampMillisecondType},
};
use datafusion::physical_expr::PhysicalExpr;
use headwater_actors::{context::TaskError, operator::Step};
use headwater_core::{
    codec,
    time::{MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    time::to_millis,
};

/// How a table's watermarks are made.
#[derive(Clone)]
pub struct WatermarkSpec {
    /// The expression of `WATERMARK FOR … AS`, over the rows that pass. The watermark is its greatest value.
    pub expr: Arc<dyn PhysicalExpr>,
    /// Whether a later time never makes an earlier watermark: then the row with the latest time tells it.
    pub is_ascending: bool,
    /// Which of the columns is the time: rows in which it is null are refused, as Flink does.
    pub rowtime: usize,
    /// Its name, for messages.
    pub rowtime_name: String,
}

impl OperatorFactory for WatermarkSpec {
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let reached = context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK);
        Ok(Box::new(WatermarkAssigner { spec: self.clone(), reached, told: MIN_WATERMARK }))
    }
}

struct WatermarkAssigner {
    spec: WatermarkSpec,
    /// What the rows so far make it.
    reached: TimestampMs,
    /// What those downstream know.
    told: TimestampMs,
}

/// The row with the latest of these times, none of which is null.
fn latest(rows: &RecordBatch, times: &ArrayRef) -> Result<RecordBatch, TaskError> {
    let times = compute::cast(times, &DataType::Int64).map_err(failed)?;
    let times = times.as_primitive::<Int64Type>().values();
    let latest = (0..times.len()).max_by_key(|row| times[*row]);
    Ok(latest.map_or_else(|| rows.clone(), |row| rows.slice(row, 1)))
}

impl StreamOperator for WatermarkAssigner {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let times = batch.rows.column(self.spec.rowtime);
        if times.null_count() > 0 {
            return Err(TaskError::Function(format!(
                "the time attribute `{}` is null in a row: expected a time in every row, filter such rows out in the \
                 table's source or declare a computed column that gives one",
                self.spec.rowtime_name
            )));
        }
        let telling = if self.spec.is_ascending { latest(&batch.rows, times)? } else { batch.rows.clone() };
        let value = self.spec.expr.evaluate(&telling).map_err(failed)?;
        let values = to_millis(&value.into_array(telling.num_rows()).map_err(failed)?)?;
        if let Some(greatest) = compute::max(values.as_primitive::<TimestampMillisecondType>()) {
            self.reached = self.reached.max(greatest);
        }
        emit(batch)
    }

    fn output_watermark(&self, watermark: TimestampMs) -> TimestampMs {
        if watermark == MAX_WATERMARK { MAX_WATERMARK } else { self.told }
    }

    fn on_watermark(&mut self, _: TimestampMs, _: &mut Emit<'_>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    fn own_watermark(&mut self) -> Option<TimestampMs> {
        if self.reached <= self.told {
            return None;
        }
        self.told = self.reached;
        Some(self.told)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.reached)?)
    }
}
