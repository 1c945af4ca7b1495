//! One batch, aggregated by itself.

use arrow::array::{ArrayRef, BooleanArray};
use hashbrown::HashMap;
use headwater_actors::context::TaskError;

use super::{
    AggregateCall,
    call::Representation,
    cell::Cell,
    distinct::{Distinct, filter_of},
    partial,
    rows::{Rows, accumulate},
};
use crate::{
    batch::ChangeBatch,
    operator::failed,
    operators::groups::Groups,
    rows::{Keys, RowBytes},
};

/// The aggregates of an operator, and how their states are kept.
#[derive(Clone)]
pub(super) struct Aggregates {
    pub calls: Vec<AggregateCall>,
    pub representations: Vec<Representation>,
    /// The first column of each aggregate's part, if the input was aggregated before; then comes how many rows there were.
    pub partials: Option<Vec<usize>>,
}

/// What a batch made of the states of its groups.
pub(super) struct Delta {
    pub groups: Groups,
    /// The group of each row.
    pub ids: Vec<u32>,
    /// By aggregate, then group.
    pub cells: Vec<Vec<Cell>>,
    /// By group: how many more rows there are.
    pub rows: Vec<i64>,
    /// By group: what was taken back from lists, with the aggregate.
    pub gone: HashMap<u32, Vec<(usize, RowBytes)>>,
}

impl Aggregates {
    /// `first_partial` is where the parts begin if the input was aggregated before.
    pub fn new(calls: Vec<AggregateCall>, is_retracting: bool, first_partial: Option<usize>) -> Self {
        let representations = calls.iter().map(|call| call.representation(is_retracting)).collect();
        let partials = first_partial.map(|first| {
            let mut next = first;
            let mut starts: Vec<usize> = Vec::new();
            for (index, call) in calls.iter().enumerate() {
                starts.push(next);
                next += partial::fields(call, index).len();
            }
            starts.push(next);
            starts
        });
        Self { calls, representations, partials }
    }

    /// A state for each aggregate, before any row.
    pub fn empty(&self) -> Vec<Cell> {
        self.representations.iter().map(|representation| Cell::empty(*representation)).collect()
    }

    /// How many rows stand behind each row of a batch, if it was aggregated before.
    pub fn row_counts<'a>(&self, batch: &'a ChangeBatch) -> Option<&'a [i64]> {
        let starts = self.partials.as_ref()?;
        Some(super::finish::counts(batch.rows.column(*starts.last()?)))
    }

    /// Aggregates a batch. `spaces` has the window of each row, or is empty.
    pub fn aggregate(
        &self,
        batch: &ChangeBatch,
        keys: &Keys,
        spaces: &[i64],
        distinct: &mut Distinct,
        delta: &mut Delta,
    ) -> Result<(), TaskError> {
        let Delta { groups, ids, cells, rows, gone } = delta;
        groups.assign(keys, spaces, ids);
        rows.resize(groups.len(), 0);
        cells.resize_with(self.calls.len(), Vec::new);
        for (cells, representation) in cells.iter_mut().zip(&self.representations) {
            cells.resize_with(groups.len(), || Cell::empty(*representation));
        }
        match self.row_counts(batch) {
            Some(counts) => ids.iter().zip(counts).for_each(|(id, count)| rows[*id as usize] += count),
            None => ids.iter().enumerate().for_each(|(row, id)| {
                rows[*id as usize] += if batch.kind(row).is_addition() { 1 } else { -1 };
            }),
        }
        if let Some(starts) = &self.partials {
            for (index, call) in self.calls.iter().enumerate() {
                let columns: Vec<ArrayRef> = batch.rows.columns()[starts[index]..starts[index + 1]].to_vec();
                partial::merge(call, &columns, ids, &mut cells[index]).map_err(failed)?;
            }
            return Ok(());
        }
        let mut novelties: Vec<Option<BooleanArray>> = vec![None; self.calls.len()];
        for (call, novel) in distinct.novelties(batch, keys, spaces, groups, ids)? {
            novelties[call] = Some(novel);
        }
        for (index, call) in self.calls.iter().enumerate() {
            let filter = call.filter.map(|filter| filter_of(&batch.rows, filter));
            let rows = Rows {
                groups: ids,
                kinds: batch.kinds.as_deref(),
                active: novelties[index].as_ref().or(filter),
            };
            let column = call.argument.map(|argument| batch.rows.column(argument));
            let taken_back = accumulate(call, self.representations[index], column, &rows, &mut cells[index])
                .map_err(failed)?;
            for (group, value) in taken_back {
                gone.entry(group).or_default().push((index, value));
            }
        }
        Ok(())
    }

    /// Merges what a batch made of group `id` into the group's state.
    pub fn merge(&self, state: &mut [Cell], delta: &mut Delta, id: usize) {
        for (index, call) in self.calls.iter().enumerate() {
            let empty = Cell::Count(0);
            let change = std::mem::replace(&mut delta.cells[index][id], empty);
            state[index].merge(change, &call.function);
        }
        for (index, value) in delta.gone.remove(&(id as u32)).unwrap_or_default() {
            state[index].retract_from_list(&value);
        }
    }
}

impl Delta {
    pub fn new() -> Self {
        Self {
            groups: Groups::default(),
            ids: Vec::new(),
            cells: Vec::new(),
            rows: Vec::new(),
            gone: HashMap::new(),
        }
    }

    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.ids.clear();
        self.cells.iter_mut().for_each(Vec::clear);
        self.rows.clear();
        self.gone.clear();
    }
}
