//! The connector `datagen`: rows made up at random or in sequence, with the options of Flink's.
//!
//! Two options are our own: `seed` makes runs repeat each other, but for columns that hold the time. Without it, a seed is drawn
//! and kept in the position, so that a restart goes on with the same rows.

mod settings;
mod values;

#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::SchemaRef,
};
use headwater_actors::{
    context::{TaskContext, TaskError},
    source::Pending,
};
use headwater_connectors::rate::RateLimit;
use headwater_core::{codec, ids::CheckpointId, random, time::Clock};
use serde::{Deserialize, Serialize};

use self::{
    settings::Settings,
    values::{Chance, Values},
};
use super::{Scan, TableDescriptor, TableReader, TableSource};
use crate::{error::SqlError, operator::failed};

/// The offsets of strings and collections are of 32 bits.
const BATCH_BYTES_MAX: u64 = 1 << 30;

/// Makes the source of a table.
pub fn source(table: &TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError> {
    Ok(Arc::new(DatagenSource { settings: Settings::read(table)?, schema: table.schema.clone() }))
}

struct DatagenSource {
    settings: Settings,
    schema: SchemaRef,
}

impl TableSource for DatagenSource {
    fn show_position(&self, position: &[u8]) -> Option<String> {
        headwater_actors::look::json_of::<Position>(position)
    }

    fn is_bounded(&self) -> bool {
        self.settings.rows.is_some()
    }

    fn parallelism(&self) -> Option<u32> {
        self.settings.parallelism
    }

    fn open(
        &self,
        scan: &Scan,
        task: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        let Settings { rows_per_second, rows, seed, ref columns, row_bytes_max, .. } = self.settings;
        let parallelism = task.vertex.parallelism;
        let position = match position {
            None => {
                Position { next: task.index().into(), parallelism, seed: seed.unwrap_or_else(random::number) }
            }
            Some(bytes) => codec::decode::<Position>(bytes)?.checked(parallelism)?,
        };
        Ok(Box::new(DatagenReader {
            position,
            first: position.next,
            end: rows.unwrap_or(u64::MAX),
            columns: scan.projection.iter().map(|column| columns[*column].clone()).collect(),
            schema: Arc::new(self.schema.project(&scan.projection).map_err(failed)?),
            rows_max: (BATCH_BYTES_MAX / row_bytes_max.max(1)) as usize,
            rate: RateLimit::new(rows_per_second as f64 / f64::from(parallelism))?,
            clock: task.clock.clone(),
        }))
    }

    fn read_all(&self, _: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        let message = "connector `datagen` cannot be looked up: its rows are made up anew for every reader";
        Err(TaskError::Connector(message.to_owned()))
    }
}

/// Subtask s of n makes the rows s, s + n, s + 2n, ….
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Position {
    next: u64,
    parallelism: u32,
    seed: u64,
}

impl Position {
    fn checked(self, parallelism: u32) -> Result<Self, TaskError> {
        if self.parallelism == parallelism {
            return Ok(self);
        }
        Err(TaskError::Connector(format!(
            "the datagen source was restored with parallelism {parallelism}: expected {}, by which its rows were dealt out",
            self.parallelism
        )))
    }
}

struct DatagenReader {
    position: Position,
    /// The first row of the last batch.
    first: u64,
    /// The row after the last one.
    end: u64,
    columns: Vec<Values>,
    schema: SchemaRef,
    rows_max: usize,
    rate: RateLimit,
    clock: Arc<dyn Clock>,
}

impl DatagenReader {
    /// How many rows this subtask has still to make.
    fn left(&self) -> u64 {
        self.end.saturating_sub(self.position.next).div_ceil(u64::from(self.position.parallelism))
    }

    fn make(&mut self, rows_max: usize) -> Result<RecordBatch, TaskError> {
        let stride = u64::from(self.position.parallelism);
        let count = self.left().min(rows_max.min(self.rows_max) as u64);
        self.first = self.position.next;
        let rows: Vec<u64> = (0..count).map(|index| self.first + index * stride).collect();
        self.position.next += count * stride;
        let chance = Chance { seed: self.position.seed, now_ms: self.clock.now_ms() };
        let arrays = self.columns.iter().map(|column| column.make(chance, &rows)).collect::<Result<_, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        arrays
            .and_then(|arrays| RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options))
            .map_err(failed)
    }
}

impl TableReader for DatagenReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
    ) -> Poll<Result<Option<RecordBatch>, TaskError>> {
        if self.position.next >= self.end {
            return Poll::Ready(Ok(None));
        }
        let granted = ready!(self.rate.poll_rows(context, rows_max));
        let batch = self.make(granted)?;
        self.rate.spend(batch.num_rows());
        Poll::Ready(Ok(Some(batch)))
    }

    fn pending(&self) -> Pending {
        Pending { records: (self.end != u64::MAX).then(|| self.left()), bytes: None }
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.position)?)
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        let index = self.first + row as u64 * u64::from(self.position.parallelism);
        Some(format!("datagen row {index}"))
    }
}
