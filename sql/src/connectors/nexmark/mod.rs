//! The connector `nexmark`: the events of an online auction, by which stream processors are compared.
//!
//! It is a generator: persons, auctions and bids in fixed proportions, with ids that refer to each other, some of them hot. Event
//! n is a pure function of the options and n, so every run of a query gives the same result, whatever its parallelism, and
//! however often it fails on the way. Columns and fields that a query does not read are not generated, nor are events of a kind
//! that it leaves out.
//!
//! The distributions are those of the benchmark's [generator for Flink](https://github.com/nexmark/nexmark).

mod columns;
mod model;
mod rows;
mod schema;
mod settings;
mod text;

#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use arrow::array::RecordBatch;
use headwater_actors::{
    context::{TaskContext, TaskError},
    source::Pending,
};
use headwater_connectors::rate::{self, RateLimit};
use headwater_core::{codec, ids::CheckpointId};
use serde::{Deserialize, Serialize};

use self::{
    columns::Builder,
    model::Model,
    rows::{Cursor, Kind, Rows},
    settings::Settings,
    text::Texts,
};
use super::{Scan, TableDescriptor, TableReader, TableSource};
use crate::{error::SqlError, operator::failed};

/// The offsets of strings are of 32 bits, and no string is longer than 20 KB.
const BATCH_ROWS_MAX: usize = 64 << 10;

/// Makes the source of a table.
pub fn source(table: &TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError> {
    let settings = Settings::read(table)?;
    schema::check(table)?;
    let model = Arc::new(Model::new(settings));
    Ok(Arc::new(NexmarkSource { table: table.clone(), model, texts: OnceLock::new() }))
}

struct NexmarkSource {
    table: TableDescriptor,
    model: Arc<Model>,
    /// Made when they are first needed.
    texts: OnceLock<Arc<Texts>>,
}

impl NexmarkSource {
    fn settings(&self) -> &Settings {
        &self.model.settings
    }

    fn end(&self) -> u64 {
        self.settings().events.unwrap_or(u64::MAX)
    }

    fn reader(
        &self,
        scan: &Scan,
        cursor: Cursor,
        rate: Option<RateLimit>,
    ) -> Result<NexmarkReader, TaskError> {
        let texts = self.texts.get_or_init(|| Arc::new(Texts::new(&self.model))).clone();
        let builder = Builder {
            model: self.model.clone(),
            texts,
            columns: schema::columns(&self.table, scan).into(),
            schema: Arc::new(self.table.schema.project(&scan.projection).map_err(failed)?),
            blanks: HashMap::new(),
        };
        let only = schema::only_kind(&self.table, scan);
        Ok(NexmarkReader { builder, only, cursor, parallelism: 1, last: Rows::default(), rate })
    }
}

impl TableSource for NexmarkSource {
    fn show_position(&self, position: &[u8]) -> Option<String> {
        headwater_actors::look::json_of::<Position>(position)
    }

    fn is_bounded(&self) -> bool {
        self.settings().events.is_some() && !self.settings().is_kept_alive
    }

    fn open(
        &self,
        scan: &Scan,
        task: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        let parallelism = task.vertex.parallelism;
        let cursor = match position {
            None => Cursor::new(task.index(), parallelism, self.end()),
            Some(bytes) => {
                let position: Position = codec::decode(bytes)?;
                position.check(parallelism)?;
                Cursor::at(position.next, parallelism, self.end())
            }
        };
        let rate = self.settings().emitted_per_second.map(|rate| rate as f64 / f64::from(parallelism));
        let rate = rate.map(RateLimit::new).transpose()?;
        Ok(Box::new(NexmarkReader { parallelism, ..self.reader(scan, cursor, rate)? }))
    }

    fn read_all(&self, scan: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        if !self.is_bounded() {
            return Err(TaskError::Connector(format!(
                "table `{}` cannot be looked up: expected a bounded table: set `events.num`",
                self.table.name
            )));
        }
        let mut reader = self.reader(scan, Cursor::new(0, 1, self.end()), None)?;
        let mut batches = Vec::new();
        while !reader.cursor.is_at_end() {
            batches.push(reader.read(crate::operator::STEP_ROWS, u64::MAX)?);
        }
        Ok(batches)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Position {
    next: u64,
    parallelism: u32,
}

impl Position {
    fn check(&self, parallelism: u32) -> Result<(), TaskError> {
        if self.parallelism == parallelism {
            return Ok(());
        }
        Err(TaskError::Connector(format!(
            "the nexmark source was restored with parallelism {parallelism}: expected {}, by which its events were dealt out",
            self.parallelism
        )))
    }
}

struct NexmarkReader {
    builder: Builder,
    only: Option<Kind>,
    cursor: Cursor,
    parallelism: u32,
    /// The rows of the last batch.
    last: Rows,
    rate: Option<RateLimit>,
}

impl NexmarkReader {
    fn read(&mut self, rows_max: usize, events_max: u64) -> Result<RecordBatch, TaskError> {
        let epochs = &self.builder.model.epochs;
        let rows_max = rows_max.min(BATCH_ROWS_MAX);
        self.last = Rows::take(&mut self.cursor, epochs, self.only, rows_max, events_max);
        self.builder.batch(&self.last).map_err(failed)
    }
}

impl TableReader for NexmarkReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
    ) -> Poll<Result<Option<RecordBatch>, TaskError>> {
        if self.cursor.is_at_end() {
            // With `keep-alive` there is nothing to wait for, so nobody wakes the task but its control messages.
            let is_kept_alive = self.builder.model.settings.is_kept_alive;
            return if is_kept_alive { Poll::Pending } else { Poll::Ready(Ok(None)) };
        }
        let events_max = ready!(rate::poll_rows(&mut self.rate, context, usize::MAX)) as u64;
        let batch = self.read(rows_max, events_max)?;
        if let Some(rate) = &mut self.rate {
            rate.spend(self.last.events() as usize);
        }
        Poll::Ready(Ok(Some(batch)))
    }

    fn pending(&self) -> Pending {
        let Model { epochs, settings, .. } = &*self.builder.model;
        let left = |_| {
            let events = self.cursor.left();
            // To an epoch: a kind's share of the events that are left.
            self.only.map_or(events, |kind| (events as f64 * epochs.share(kind)).ceil() as u64)
        };
        Pending { records: settings.events.map(left), bytes: None }
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&Position { next: self.cursor.next(), parallelism: self.parallelism })?)
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        self.last.event(row).map(|event| format!("nexmark event {event}"))
    }
}
