//! Continuous Top-N: the first rows of each partition in some order, as a changelog.
//!
//! There are three ways to it. Of an input that only grows, the N best rows of a partition are all that is ever needed
//! (`append`); if N is 1, that is one row (`top_one`, which de-duplication is a case of). If rows of the input may go,
//! others take their places, so all rows are kept (`retract`).
//!
//! What has changed is given out for many rows at once: one that comes and goes meanwhile is never seen.

mod append;
mod best;
mod held;
mod retract;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
mod top_one;

use std::{ops::RangeInclusive, sync::Arc};

use arrow::{
    compute::SortOptions,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use headwater_actors::context::TaskError;

use self::{append::AppendRank, retract::RetractRank};
pub(crate) use self::{
    best::Best,
    top_one::{Ties, TopOne, TopOnePlan},
};
use super::ordered::{OrderedCodec, describe_rows};
use crate::{
    operator::{OpenContext, OperatorFactory, StreamOperator, failed},
    rows::KeyExtractor,
};

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY ..)` with a condition on the number; `ORDER BY .. LIMIT`; `LIMIT`.
#[derive(Debug, Clone)]
pub struct RankFactory {
    /// The columns that come in.
    pub input: SchemaRef,
    /// The partition's columns, by which the input is distributed. If there are none, there must be one subtask only.
    pub partition: Vec<usize>,
    /// The order. Without one, rows are in the order of their arrival, as rows are that are sorted alike.
    pub order: Vec<(usize, SortOptions)>,
    /// The ranks that are wanted, the first row's being 1.
    pub range: RangeInclusive<usize>,
    /// The name of a column of the rank, if the rank is asked for.
    pub rank_name: Option<String>,
    /// Whether all that comes in are insertions.
    pub input_is_append_only: bool,
    /// Whether those downstream have to be told what an updated row was before.
    pub update_before: bool,
    /// A partition to which nothing was written for so long is forgotten.
    pub ttl_ms: Option<i64>,
}

impl RankFactory {
    /// The columns that go out.
    pub fn output(&self) -> SchemaRef {
        with_rank(&self.input, self.rank_name.as_deref())
    }

    /// Whether all that goes out are insertions: the first rows as they come stay the first.
    pub fn output_is_append_only(&self) -> bool {
        self.input_is_append_only && self.order.is_empty()
    }
}

impl OperatorFactory for RankFactory {
    fn without_update_before(&self) -> Option<Arc<dyn OperatorFactory>> {
        Some(Arc::new(Self { update_before: false, ..self.clone() }))
    }

    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        if self.input_is_append_only && self.range == (1..=1) {
            let plan = TopOnePlan {
                input: self.input.clone(),
                output: self.output(),
                partition: self.partition.clone(),
                order: self.order.clone(),
                ties: Ties::First,
                update_before: self.update_before,
                ttl_ms: self.ttl_ms,
            };
            return Ok(Box::new(TopOne::open(plan, context)?));
        }
        let plan = RankPlan {
            keys: KeyExtractor::new(&self.input, self.partition.clone()).map_err(failed)?,
            codec: OrderedCodec::new(&self.input, &self.order).map_err(failed)?,
            output: self.output(),
            range: Ranks::of(&self.range),
            has_rank: self.rank_name.is_some(),
            update_before: self.update_before,
        };
        Ok(if self.input_is_append_only {
            let rank = Box::new(AppendRank::open(plan, self.ttl_ms, context)?);
            context.describe("best-rows", |state| {
                describe_rows(state, &self.input, &self.partition, &self.order, |best: Best| best.rows);
            });
            rank
        } else {
            Box::new(RetractRank::open(plan, self.ttl_ms, context)?)
        })
    }
}

/// What an operator was opened for.
struct RankPlan {
    keys: KeyExtractor,
    codec: OrderedCodec,
    output: SchemaRef,
    range: Ranks,
    has_rank: bool,
    update_before: bool,
}

/// The places, counted from 0, that are wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranks {
    pub start: usize,
    pub end: usize,
}

impl Ranks {
    /// From ranks, which are counted from 1.
    pub fn of(range: &RangeInclusive<usize>) -> Self {
        let end = *range.end();
        Self { start: range.start().saturating_sub(1).min(end), end }
    }

    /// Whether a place is wanted.
    pub fn contains(self, place: usize) -> bool {
        (self.start..self.end).contains(&place)
    }
}

/// A schema followed by a rank of this name.
pub(crate) fn with_rank(input: &SchemaRef, name: Option<&str>) -> SchemaRef {
    let Some(name) = name else { return input.clone() };
    let rank = Arc::new(Field::new(name, DataType::Int64, false));
    Arc::new(Schema::new(input.fields().iter().cloned().chain([rank]).collect::<Vec<_>>()))
}
