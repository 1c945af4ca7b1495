//! Rows that wait for the watermark, by partition and second.

use std::{sync::Arc, vec};

use arrow::array::RecordBatch;
use headwater_actors::{context::TaskError, metrics::TaskCounters};
use headwater_core::{
    codec,
    key_group::KeyGroup,
    time::{MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, Namespace, Table};
use serde::{Deserialize, Serialize};

use super::{OrderedCodec, StoredRow, due_namespaces, in_namespace_order, second_of};
use crate::{
    operator::{OpenContext, STEP_ROWS, failed},
    rows::{Keys, RowBytes},
};

/// The rows of all partitions that the watermark has not reached.
pub(crate) struct Pending {
    table: Table<RowBytes, Vec<PendingRow>>,
    watermark: TimestampMs,
    counters: Arc<TaskCounters>,
    firing: Option<Firing>,
}

/// A row with its event time.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PendingRow {
    pub time_ms: TimestampMs,
    pub row: StoredRow,
}

/// Rows of one partition and second that have become due.
pub(crate) struct DuePartition {
    pub hash: u64,
    pub key: RowBytes,
    /// In the order of their arrival.
    pub rows: Vec<PendingRow>,
}

/// How far the rows that are due have been taken.
struct Firing {
    /// Those to come after `current`.
    namespaces: vec::IntoIter<(Namespace, bool)>,
    current: Option<(Namespace, bool)>,
    next_group: KeyGroup,
}

impl Pending {
    /// Opens the state.
    pub fn open(context: &mut OpenContext<'_>) -> Result<Self, TaskError> {
        Ok(Self {
            table: context.table("pending-rows")?,
            watermark: context.restored.map(codec::decode).transpose()?.unwrap_or(MIN_WATERMARK),
            counters: context.task.counters.clone(),
            firing: None,
        })
    }

    /// Takes rows in. Those that the watermark has passed are late: they are counted, and that is all.
    pub fn add(
        &mut self,
        rows: &RecordBatch,
        times_ms: &[TimestampMs],
        keys: &Keys,
        codec: &OrderedCodec,
    ) -> Result<(), TaskError> {
        let encoded = codec.encode(rows).map_err(failed)?;
        let mut late = 0;
        let namespaces: Vec<Namespace> = times_ms.iter().map(|time_ms| second_of(*time_ms)).collect();
        for (namespace, run) in in_namespace_order(&namespaces) {
            let mut pending = self.table.select(namespace)?;
            for row in run.into_iter().map(|row| row as usize) {
                let time_ms = times_ms[row];
                if time_ms <= self.watermark {
                    late += 1;
                    continue;
                }
                pending
                    .get_or_insert_borrowed(keys.hash(row), keys.bytes(row), Vec::new)?
                    .push(PendingRow { time_ms, row: encoded.stored(row) });
            }
        }
        if late > 0 {
            self.counters.add_late(late);
        }
        Ok(())
    }

    /// From now on what is up to `watermark` is due.
    pub fn advance(&mut self, watermark: TimestampMs) {
        if watermark <= self.watermark {
            return;
        }
        self.watermark = watermark;
        let mut namespaces = due_namespaces(self.table.namespaces(), watermark).into_iter();
        let current = namespaces.next();
        self.firing = Some(Firing { namespaces, current, next_group: self.table.key_groups().start });
    }

    /// Takes out some of the rows that are due: of one second, with no partition twice; those of later seconds later.
    /// `None` if no more is due.
    pub fn take_due(&mut self) -> Result<Option<Vec<DuePartition>>, TaskError> {
        let groups = self.table.key_groups();
        let Some(mut firing) = self.firing.take() else { return Ok(None) };
        while let Some((namespace, is_whole)) = firing.current {
            let (mut due, mut count) = (Vec::new(), 0);
            while firing.next_group < groups.end && count < STEP_ROWS {
                let partitions = self.take_group(namespace, is_whole, firing.next_group)?;
                count += partitions.iter().map(|partition| partition.rows.len()).sum::<usize>();
                due.extend(partitions);
                firing.next_group += 1;
            }
            if firing.next_group >= groups.end {
                if is_whole {
                    self.table.drop_namespace(namespace)?;
                }
                firing.current = firing.namespaces.next();
                firing.next_group = groups.start;
            }
            if !due.is_empty() {
                self.firing = Some(firing);
                return Ok(Some(due));
            }
        }
        Ok(None)
    }

    /// What is due of a key group of a second. If that is the whole second, it stays until the namespace is dropped.
    fn take_group(
        &mut self,
        namespace: Namespace,
        is_whole: bool,
        group: KeyGroup,
    ) -> Result<Vec<DuePartition>, TaskError> {
        let watermark = self.watermark;
        let mut due = Vec::new();
        self.table.scan(namespace, group, |hash, key, rows| {
            let rows: Vec<PendingRow> = rows.iter().filter(|row| row.time_ms <= watermark).cloned().collect();
            if !rows.is_empty() {
                due.push(DuePartition { hash, key: key.clone(), rows });
            }
        })?;
        // The order in a hash table is not the same after a restart.
        due.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        if !is_whole && !due.is_empty() {
            let mut pending = self.table.select(namespace)?;
            for partition in &due {
                let Some(rows) = pending.get_mut(partition.hash, &partition.key)? else { continue };
                rows.retain(|row| row.time_ms > watermark);
                if rows.is_empty() {
                    pending.remove(partition.hash, &partition.key)?;
                }
            }
        }
        Ok(due)
    }

    /// The watermark at which the first of the rows is due; it is known to a second.
    pub fn first_due_ms(&self) -> Option<TimestampMs> {
        let second = self.table.iter_namespaces().next()?;
        Some(second.max(self.watermark.saturating_add(1)))
    }

    /// The watermark, for a snapshot.
    pub fn snapshot(&self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.watermark)?)
    }

    /// For a snapshot.
    pub fn table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }
}
