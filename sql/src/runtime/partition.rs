//! How rows leave a task: as they are, in turn, or by the hash of their key.

use std::mem::take;

use arrow::{array::UInt32Array, compute::concat_batches};
use headwater_actors::{
    context::{TaskContext, TaskError},
    output::Output,
};
use headwater_core::{
    graph::Partitioning,
    key_group::{key_group, subtask_of},
};

use super::graph::Distribution;
use crate::{
    batch::{ChangeBatch, RowKind},
    operator::failed,
    rows::KeyExtractor,
};

/// Smaller parts of batches wait for more.
const ROWS_MIN: usize = 1024;

/// One outgoing edge.
pub(super) enum Partitioner {
    /// To the only target.
    Forward,
    /// To each in turn.
    Rebalance,
    /// By key group.
    Hash(HashPartitioner),
}

pub(super) struct HashPartitioner {
    columns: Vec<usize>,
    /// Made for the schema of the first batch.
    keys: Option<KeyExtractor>,
    /// What waits, by target.
    waiting: Vec<Waiting>,
    max_parallelism: u16,
    /// Scratch: the rows of a batch by target.
    rows: Vec<Vec<u32>>,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<ChangeBatch>,
    rows: usize,
}

impl Partitioner {
    pub fn new(
        partitioning: Partitioning,
        distribution: &Distribution,
        targets: u32,
        context: &TaskContext,
    ) -> Self {
        match (partitioning, distribution) {
            (Partitioning::Hash, Distribution::Hash(columns)) => Self::Hash(HashPartitioner {
                columns: columns.clone(),
                keys: None,
                waiting: (0..targets).map(|_| Waiting::default()).collect(),
                max_parallelism: context.options.max_parallelism,
                rows: vec![Vec::new(); targets as usize],
            }),
            (Partitioning::Rebalance, _) => Self::Rebalance,
            _ => Self::Forward,
        }
    }

    pub fn send(
        &mut self,
        edge: usize,
        mut batch: ChangeBatch,
        output: &mut Output,
    ) -> Result<(), TaskError> {
        match self {
            Self::Forward => {
                batch.hashes = Vec::new();
                output.send(edge, 0, Box::new(batch));
            }
            Self::Rebalance => {
                batch.hashes = Vec::new();
                output.send_to_next(edge, Box::new(batch));
            }
            Self::Hash(hash) => hash.send(edge, batch, output)?,
        }
        Ok(())
    }

    pub fn flush(&mut self, edge: usize, output: &mut Output) -> Result<(), TaskError> {
        if let Self::Hash(hash) = self {
            for target in 0..hash.waiting.len() {
                hash.send_waiting(edge, target, output)?;
            }
        }
        Ok(())
    }
}

impl HashPartitioner {
    fn send(&mut self, edge: usize, mut batch: ChangeBatch, output: &mut Output) -> Result<(), TaskError> {
        let keys = match &self.keys {
            Some(keys) => keys,
            None => {
                let keys =
                    KeyExtractor::new(batch.rows.schema_ref(), self.columns.clone()).map_err(failed)?;
                self.keys.insert(keys)
            }
        };
        // Hashes that came with the batch are of the key before this one.
        batch.hashes = keys.keys(&batch.rows, Vec::new()).map_err(failed)?.into_hashes();
        let targets = self.waiting.len();
        if targets == 1 {
            return self.enqueue(edge, 0, batch, output);
        }
        self.rows.iter_mut().for_each(Vec::clear);
        for (row, hash) in (0u32..).zip(&batch.hashes) {
            let group = key_group(*hash, self.max_parallelism);
            let target = subtask_of(group, targets as u32, self.max_parallelism);
            self.rows[target as usize].push(row);
        }
        for target in 0..targets {
            let rows = take(&mut self.rows[target]);
            if rows.is_empty() {
                continue;
            }
            let part = if rows.len() == batch.len() {
                batch.clone()
            } else {
                batch.take(&UInt32Array::from(rows)).map_err(failed)?
            };
            self.enqueue(edge, target, part, output)?;
        }
        Ok(())
    }

    fn enqueue(
        &mut self,
        edge: usize,
        target: usize,
        batch: ChangeBatch,
        output: &mut Output,
    ) -> Result<(), TaskError> {
        let waiting = &mut self.waiting[target];
        waiting.rows += batch.len();
        waiting.batches.push(batch);
        if waiting.rows >= ROWS_MIN { self.send_waiting(edge, target, output) } else { Ok(()) }
    }

    fn send_waiting(&mut self, edge: usize, target: usize, output: &mut Output) -> Result<(), TaskError> {
        let Waiting { mut batches, rows } = take(&mut self.waiting[target]);
        let batch = match batches.len() {
            0 => return Ok(()),
            1 => batches.remove(0),
            _ => concat(&batches, rows)?,
        };
        output.send(edge, target, Box::new(batch));
        Ok(())
    }
}

/// Several batches of one schema in one.
fn concat(batches: &[ChangeBatch], rows: usize) -> Result<ChangeBatch, TaskError> {
    let schema = batches[0].rows.schema();
    let columns = concat_batches(&schema, batches.iter().map(|batch| &batch.rows)).map_err(failed)?;
    let is_updating = batches.iter().any(|batch| batch.kinds.is_some());
    let kinds = is_updating.then(|| {
        let mut kinds: Vec<RowKind> = Vec::with_capacity(rows);
        for batch in batches {
            match &batch.kinds {
                Some(known) => kinds.extend_from_slice(known),
                None => kinds.resize(kinds.len() + batch.len(), RowKind::Insert),
            }
        }
        kinds
    });
    let hashes = batches.iter().flat_map(|batch| batch.hashes.iter().copied()).collect();
    Ok(ChangeBatch { rows: columns, kinds, hashes, is_late: false })
}
