//! What whoever looks at a running job sees of its rows.

use arrow::datatypes::SchemaRef;
use headwater_actors::{output::Output, tap::TappedRow};
use headwater_core::time::NO_TIMESTAMP;

use crate::{batch::ChangeBatch, shown::show_row};

/// Lets whoever looks see some of a batch that leaves by an edge, or into the sink, with these names of its columns. Times are columns of the rows.
#[inline]
pub(super) fn tap(output: &Output, edge: Option<usize>, batch: &ChangeBatch, names: &SchemaRef) {
    output.tap(edge, batch.len(), &mut |row, redaction, bytes_max| TappedRow {
        value: show_row(&batch.rows, names, row, redaction, bytes_max),
        timestamp: NO_TIMESTAMP,
        kind: Some(batch.kind(row).short()),
    });
}
