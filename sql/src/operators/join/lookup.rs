//! The lookup join: rows of a stream, each with the rows of a table that have its key.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use arrow::{array::RecordBatch, compute::concat_batches};
use hashbrown::{HashTable, hash_table};
use headwater_actors::context::TaskError;

use super::{
    JoinKind, JoinSpec, LEFT, RIGHT,
    assemble::{Assembler, Emission, NO_ROW, Picked},
    side::{RowKeys, Side},
};
use crate::{
    batch::{ChangeBatch, RowKind},
    connectors::{Scan, TableSource},
    operator::{Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed},
};

/// Makes lookup joins, inner and left ones.
///
/// The table is read as a whole when a task is opened; the subtasks of one process share it.
pub struct LookupJoinFactory {
    spec: JoinSpec,
    table: Arc<dyn TableSource>,
    scan: Scan,
    read: Mutex<Weak<Lookup>>,
}

impl LookupJoinFactory {
    /// Joins a stream with what this scan reads from a table.
    pub fn new(spec: JoinSpec, table: Arc<dyn TableSource>, scan: Scan) -> Self {
        Self { spec, table, scan, read: Mutex::default() }
    }

    fn lookup(&self) -> Result<Arc<Lookup>, TaskError> {
        // Whoever panicked in here has left the last table in place, or none.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lookup) = read.upgrade() {
            return Ok(lookup);
        }
        let lookup = Arc::new(Lookup::read(&self.spec, &*self.table, &self.scan)?);
        *read = Arc::downgrade(&lookup);
        Ok(lookup)
    }
}

impl OperatorFactory for LookupJoinFactory {
    fn reads_table(&self) -> bool {
        true
    }

    fn open(&self, _context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        if !matches!(self.spec.kind, JoinKind::Inner | JoinKind::Left) {
            return Err(TaskError::Function(format!(
                "a lookup join must be INNER or LEFT, found {:?}: swap the tables, or join with the table as a stream",
                self.spec.kind
            )));
        }
        Ok(Box::new(LookupJoin {
            kind: self.spec.kind,
            assembler: Assembler::new(&self.spec)?,
            side: Side::new(&self.spec, LEFT)?,
            lookup: self.lookup()?,
        }))
    }
}

/// A table with its rows by key.
struct Lookup {
    rows: RecordBatch,
    keys: RowKeys,
    /// The first row of each key.
    first: HashTable<u32>,
    /// The next row with the same key, or [`NO_ROW`].
    next: Vec<u32>,
}

impl Lookup {
    fn read(spec: &JoinSpec, table: &dyn TableSource, scan: &Scan) -> Result<Self, TaskError> {
        let rows = concat_batches(&spec.inputs[RIGHT], &table.read_all(scan)?).map_err(failed)?;
        let count = u32::try_from(rows.num_rows()).ok().filter(|count| *count < NO_ROW).ok_or_else(|| {
            let found = rows.num_rows();
            TaskError::Connector(format!(
                "a table to be looked up must have less than {NO_ROW} rows, found {found}"
            ))
        })?;
        let mut batch = ChangeBatch::insertions(rows);
        let keys = Side::new(spec, RIGHT)?.keys(&mut batch)?;
        let mut first: HashTable<u32> = HashTable::new();
        let mut next = vec![NO_ROW; batch.len()];
        // From the last to the first, so that the rows of a key are found in their order.
        for row in (0..count).rev().filter(|row| keys.can_match(*row as usize)) {
            let key = keys.get(row as usize);
            let is_same = |other: &u32| keys.get(*other as usize).bytes == key.bytes;
            match first.entry(key.hash, is_same, |other| keys.get(*other as usize).hash) {
                hash_table::Entry::Occupied(mut entry) => {
                    next[row as usize] = std::mem::replace(entry.get_mut(), row);
                }
                hash_table::Entry::Vacant(entry) => {
                    entry.insert(row);
                }
            }
        }
        Ok(Self { rows: batch.rows, keys, first, next })
    }

    /// The rows with the key of a row.
    fn find(&self, keys: &RowKeys, row: usize) -> impl Iterator<Item = u32> {
        let key = keys.get(row);
        let is_same = |other: &u32| self.keys.get(*other as usize).bytes == key.bytes;
        let first = if keys.can_match(row) { self.first.find(key.hash, is_same).copied() } else { None };
        std::iter::successors(first, |row| Some(self.next[*row as usize]).filter(|next| *next != NO_ROW))
    }
}

struct LookupJoin {
    kind: JoinKind,
    assembler: Assembler,
    side: Side,
    lookup: Arc<Lookup>,
}

impl StreamOperator for LookupJoin {
    fn process(
        &mut self,
        _input: usize,
        mut batch: ChangeBatch,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let keys = self.side.keys(&mut batch)?;
        let kinds = keys.output_kinds(&batch, !self.assembler.has_filter());
        let kind = |row: usize| kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row]);
        let (mut lefts, mut rights, mut has_match) = (Vec::new(), Vec::new(), vec![false; batch.len()]);
        let mut complete = 0;
        for row in 0..batch.len() {
            for found in self.lookup.find(&keys, row) {
                lefts.push(row as u32);
                rights.push(found);
                if lefts.len() >= STEP_ROWS {
                    self.look(&batch, (&mut lefts, &mut rights), complete..row, &mut has_match, &kind, emit)?;
                    complete = row;
                }
            }
        }
        self.look(&batch, (&mut lefts, &mut rights), complete..batch.len(), &mut has_match, &kind, emit)
    }
}

impl LookupJoin {
    /// Emits those pairs that match. The rows in `complete` have no further pairs.
    fn look(
        &self,
        batch: &ChangeBatch,
        (lefts, rights): (&mut Vec<u32>, &mut Vec<u32>),
        complete: std::ops::Range<usize>,
        has_match: &mut [bool],
        kind: &dyn Fn(usize) -> RowKind,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let left = Picked { columns: batch.rows.columns(), places: lefts };
        let right = Picked { columns: self.lookup.rows.columns(), places: rights };
        let mask = if lefts.is_empty() { None } else { self.assembler.matches(LEFT, left, right)? };
        let mut out = Emission::default();
        let mut next = complete.start;
        let mut pad = |until: usize, has_match: &[bool], out: &mut Emission| {
            let unmatched = (next..until).filter(|row| self.kind == JoinKind::Left && !has_match[*row]);
            unmatched.for_each(|row| out.push(row as u32, NO_ROW, kind(row)));
            next = next.max(until);
        };
        for pair in (0..lefts.len()).filter(|pair| mask.as_ref().is_none_or(|mask| mask.value(*pair))) {
            let row = lefts[pair] as usize;
            pad(row, has_match, &mut out);
            has_match[row] = true;
            out.push(lefts[pair], rights[pair], kind(row));
        }
        pad(complete.end, has_match, &mut out);
        lefts.clear();
        rights.clear();
        self.assembler.emit(LEFT, (batch.rows.columns(), self.lookup.rows.columns()), &out, emit)
    }
}
