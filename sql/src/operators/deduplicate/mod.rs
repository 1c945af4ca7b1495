//! One row per key of an input that only grows: the first or the last, by arrival or by event time.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::{compute::SortOptions, datatypes::SchemaRef};
use headwater_actors::context::TaskError;

use super::rank::{Ties, TopOne, TopOnePlan};
use crate::operator::{OpenContext, OperatorFactory, StreamOperator};

/// Which row of a key stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// `ROW_NUMBER() OVER (PARTITION BY .. ORDER BY <time attribute> [ASC | DESC]) = 1`.
///
/// The first row by arrival stays once and for all, so that the output is append-only. Else a row may be replaced: the first
/// row by event time by an earlier one, the last one by any that is not earlier.
#[derive(Debug, Clone)]
pub struct DeduplicateFactory {
    /// The columns, of the input as of the output.
    pub input: SchemaRef,
    /// The key, by which the input is distributed.
    pub partition: Vec<usize>,
    /// The column of event time; without one, rows are in the order of their arrival.
    pub time: Option<usize>,
    /// Which row stays.
    pub keep: Keep,
    /// Whether those downstream have to be told what an updated row was before.
    pub update_before: bool,
    /// A key of which no row was kept for so long is forgotten.
    pub ttl_ms: Option<i64>,
}

impl DeduplicateFactory {
    /// Whether all that goes out are insertions.
    pub fn output_is_append_only(&self) -> bool {
        self.time.is_none() && self.keep == Keep::First
    }
}

impl OperatorFactory for DeduplicateFactory {
    fn without_update_before(&self) -> Option<Arc<dyn OperatorFactory>> {
        Some(Arc::new(Self { update_before: false, ..self.clone() }))
    }

    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        let (descending, ties) = match self.keep {
            Keep::First => (false, Ties::First),
            Keep::Last => (true, Ties::Last),
        };
        let order = self.time.map(|column| (column, SortOptions { descending, nulls_first: !descending }));
        let plan = TopOnePlan {
            input: self.input.clone(),
            output: self.input.clone(),
            partition: self.partition.clone(),
            order: order.into_iter().collect(),
            ties,
            update_before: self.update_before,
            ttl_ms: self.ttl_ms,
        };
        Ok(Box::new(TopOne::open(plan, context)?))
    }
}
