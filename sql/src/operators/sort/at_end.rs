//! Sorts all rows of a bounded input.

use std::collections::HashMap;

use headwater_actors::{context::TaskError, operator::Step};
use headwater_state::{AnyTable, Namespace, Table};
use serde::{Deserialize, Serialize};

use super::Ready;
use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, STEP_ROWS, StreamOperator, failed},
    operators::{
        ordered::{OrderedCodec, StoredRow},
        rank::Ranks,
    },
    rows::{RowBytes, hash_bytes},
};

/// The operator. Its state is the input, cut into chunks, each of which is a namespace with one value.
pub(super) struct SortAtEnd {
    codec: OrderedCodec,
    range: Option<Ranks>,
    table: Table<RowBytes, Vec<KeptRow>>,
    /// The chunk that is being filled.
    chunk: Namespace,
    ready: Ready,
}

#[derive(Clone, Serialize, Deserialize)]
struct KeptRow {
    row: StoredRow,
    is_addition: bool,
}

impl SortAtEnd {
    pub fn open(
        codec: OrderedCodec,
        range: Option<Ranks>,
        context: &mut OpenContext<'_>,
    ) -> Result<Self, TaskError> {
        let table: Table<RowBytes, Vec<KeptRow>> = context.table("rows")?;
        let chunk = table.namespaces().last().map_or(0, |last| last + 1);
        Ok(Self { codec, range, table, chunk, ready: Ready::default() })
    }

    /// All rows that were not taken back, in their order.
    fn sorted(&mut self) -> Result<Vec<StoredRow>, TaskError> {
        let mut rows: Vec<StoredRow> = Vec::new();
        let mut removed: HashMap<StoredRow, usize> = HashMap::new();
        for chunk in self.table.namespaces() {
            for group in self.table.key_groups() {
                self.table.scan(chunk, group, |_, _, kept| {
                    for KeptRow { row, is_addition } in kept {
                        if *is_addition {
                            rows.push(row.clone());
                        } else {
                            *removed.entry(row.clone()).or_default() += 1;
                        }
                    }
                })?;
            }
        }
        if !removed.is_empty() {
            rows.retain(|row| match removed.get_mut(row) {
                Some(count) if *count > 0 => {
                    *count -= 1;
                    false
                }
                _ => true,
            });
        }
        rows.sort_by(|a, b| a.order().cmp(b.order()));
        if let Some(range) = self.range {
            rows.truncate(range.end);
            rows.drain(..range.start.min(rows.len()));
        }
        Ok(rows)
    }
}

impl StreamOperator for SortAtEnd {
    fn process(&mut self, _: usize, batch: ChangeBatch, _: &mut Emit<'_>) -> Result<(), TaskError> {
        let rows = self.codec.encode(&batch.rows).map_err(failed)?;
        let mut table = self.table.select(self.chunk)?;
        let kept = table.get_or_insert_borrowed(hash_bytes(&[]), [].as_slice(), Vec::new)?;
        kept.extend(
            (0..batch.len())
                .map(|row| KeptRow { row: rows.stored(row), is_addition: batch.kind(row).is_addition() }),
        );
        if kept.len() >= STEP_ROWS {
            self.chunk += 1;
        }
        Ok(())
    }

    fn end_of_input(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        self.ready = Ready::new(self.sorted()?);
        for chunk in self.table.namespaces() {
            self.table.drop_namespace(chunk)?;
        }
        self.resume(emit)
    }

    fn resume(&mut self, emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        let Some(batch) = self.ready.next_batch(&self.codec)? else { return Ok(Step::Done) };
        emit(ChangeBatch::insertions(batch))?;
        Ok(Step::More)
    }

    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        vec![&mut self.table]
    }
}
