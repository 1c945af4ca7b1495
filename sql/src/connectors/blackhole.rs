//! The connector `blackhole`: takes all changes and keeps none, for benchmarks.

use std::sync::Arc;

use headwater_actors::context::{TaskContext, TaskError};

use super::{Accepts, TableDescriptor, TableSink, TableWriter, options::OptionReader, refuse_metadata};
use crate::{batch::ChangeBatch, error::SqlError};

/// Makes the sink of a table.
pub fn sink(table: &TableDescriptor) -> Result<Arc<dyn TableSink>, SqlError> {
    refuse_metadata(table)?;
    OptionReader::new(table).finish()?;
    Ok(Arc::new(Blackhole))
}

struct Blackhole;

impl TableSink for Blackhole {
    fn accepts(&self) -> Accepts {
        // Of an update the new row is enough, so that queries need not make the old one.
        Accepts::Upsert
    }

    fn open(
        &self,
        _: &TaskContext,
        _: Option<&[u8]>,
        _: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError> {
        Ok(Box::new(Self))
    }
}

impl TableWriter for Blackhole {
    fn write(&mut self, _: &ChangeBatch) -> Result<(), TaskError> {
        Ok(())
    }
}
