//! Tables that are looked up, with what is calculated of their rows.

use arrow::array::RecordBatch;
use headwater_actors::context::{TaskContext, TaskError};

use super::{Scan, TableReader, TableSource};
use crate::operators::calc::CalcFactory;
use std::sync::Arc;

/// A bounded table behind filters and projections.
pub struct CalculatedTable {
    table: Arc<dyn TableSource>,
    scan: Scan,
    steps: Vec<CalcFactory>,
}

impl CalculatedTable {
    /// What this scan reads from a table.
    pub fn new(table: Arc<dyn TableSource>, scan: Scan) -> Self {
        Self { table, scan, steps: Vec::new() }
    }

    /// The same, behind one more filter or projection.
    pub fn then(mut self, step: CalcFactory) -> Self {
        self.steps.push(step);
        self
    }
}

impl TableSource for CalculatedTable {
    fn is_bounded(&self) -> bool {
        true
    }

    fn open(&self, _: &Scan, _: &TaskContext, _: Option<&[u8]>) -> Result<Box<dyn TableReader>, TaskError> {
        Err(TaskError::Connector("a table that is looked up is read as a whole".to_owned()))
    }

    fn read_all(&self, _: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        let batches = self.table.read_all(&self.scan)?;
        batches
            .into_iter()
            .map(|rows| self.steps.iter().try_fold(rows, |rows, step| step.apply(rows)))
            .collect()
    }
}
