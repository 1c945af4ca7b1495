//! The connector `filesystem`: files in a folder, which may be partitioned, in the formats csv, json, raw and parquet.
//!
//! A source reads what there is, or with `source.monitor-interval` also what comes. Positions are byte offsets, or rows of a
//! row group, so every row is read exactly once. Files must not change while they are read; those in the making are to have
//! names that begin with `.` or `_`.
//!
//! A sink writes through the two-phase commit of [`headwater_connectors::file_sink`]: files become visible when the
//! checkpoint is complete that covers them.

mod layout;
mod lines;
mod listing;
mod options;
mod parquet;
mod partition;
mod reader;
mod sink;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{TableDescriptor, TableSink, TableSource};
use crate::error::SqlError;
use options::FileTable;

/// Makes the source of a table.
pub(super) fn source(table: &TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError> {
    Ok(Arc::new(source::FileTableSource::new(FileTable::read(table)?)?))
}

/// Makes the sink of a table.
pub(super) fn sink(table: &TableDescriptor) -> Result<Arc<dyn TableSink>, SqlError> {
    Ok(Arc::new(sink::FileTableSink::new(table, FileTable::read(table)?)?))
}
