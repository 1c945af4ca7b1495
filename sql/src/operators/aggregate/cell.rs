//! The state of one aggregate for one key.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use super::{AggregateFunction, call::Representation};
use crate::rows::RowBytes;

/// One aggregate's state. Which variant it is follows from the aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Cell {
    Count(i64),
    Integers { sum: i64, count: i64 },
    Floats { sum: f64, count: i64 },
    Decimals { sum: i128, count: i64 },
    Extreme(Option<i64>),
    Bytes(Option<RowBytes>),
    Sorted(BTreeMap<RowBytes, i64>),
    List(Vec<RowBytes>),
    Moments { count: f64, mean: f64, squares: f64 },
}

impl Cell {
    pub fn empty(representation: Representation) -> Self {
        match representation {
            Representation::Count => Self::Count(0),
            Representation::Integers => Self::Integers { sum: 0, count: 0 },
            Representation::Floats => Self::Floats { sum: 0.0, count: 0 },
            Representation::Decimals => Self::Decimals { sum: 0, count: 0 },
            Representation::Extreme => Self::Extreme(None),
            Representation::Bytes => Self::Bytes(None),
            Representation::Sorted => Self::Sorted(BTreeMap::new()),
            Representation::List => Self::List(Vec::new()),
            Representation::Moments => Self::Moments { count: 0.0, mean: 0.0, squares: 0.0 },
        }
    }

    /// Adds what a later part of the input made.
    pub fn merge(&mut self, later: Self, function: &AggregateFunction) {
        match (self, later) {
            (Self::Count(count), Self::Count(more)) => *count += more,
            (Self::Integers { sum, count }, Self::Integers { sum: more, count: others }) => {
                *sum = sum.wrapping_add(more);
                *count += others;
            }
            (Self::Floats { sum, count }, Self::Floats { sum: more, count: others }) => {
                *sum += more;
                *count += others;
            }
            (Self::Decimals { sum, count }, Self::Decimals { sum: more, count: others }) => {
                *sum = sum.wrapping_add(more);
                *count += others;
            }
            (Self::Extreme(best), Self::Extreme(other)) => *best = better(*best, other, function),
            (Self::Bytes(best), Self::Bytes(other)) => {
                let Some(other) = other else { return };
                let is_better = match (&*best, function) {
                    (None, _) | (Some(_), AggregateFunction::LastValue) => true,
                    (Some(_), AggregateFunction::FirstValue) => false,
                    (Some(best), AggregateFunction::Min) => other < *best,
                    (Some(best), _) => other > *best,
                };
                if is_better {
                    *best = Some(other);
                }
            }
            (Self::Sorted(values), Self::Sorted(changes)) => {
                for (value, change) in changes {
                    match values.entry(value) {
                        Entry::Vacant(place) => {
                            place.insert(change);
                        }
                        Entry::Occupied(place) if place.get() + change == 0 => {
                            place.remove();
                        }
                        Entry::Occupied(mut place) => *place.get_mut() += change,
                    }
                }
            }
            (Self::List(values), Self::List(more)) => values.extend(more),
            (
                Self::Moments { count, mean, squares },
                Self::Moments { count: others, mean: other_mean, squares: other_squares },
            ) => {
                // Chan, Golub and LeVeque's pairwise update; taking values back is the same with a negative count.
                let total = *count + others;
                if total == 0.0 {
                    (*count, *mean, *squares) = (0.0, 0.0, 0.0);
                    return;
                }
                let delta = other_mean - *mean;
                *squares += other_squares + delta * delta * *count * others / total;
                *mean += delta * others / total;
                *count = total;
            }
            (cell, later) => unreachable!("the states of one aggregate are of one kind: {cell:?}, {later:?}"),
        }
    }

    /// What the result is made of, without what only later changes need.
    pub fn for_result(&self, function: &AggregateFunction) -> Self {
        match self {
            Self::Sorted(values) => Self::Bytes(match function {
                AggregateFunction::Min => values.keys().next().cloned(),
                _ => values.keys().next_back().cloned(),
            }),
            cell => cell.clone(),
        }
    }

    /// Takes values of a list back, each once.
    pub fn retract_from_list(&mut self, gone: &RowBytes) {
        if let Self::List(values) = self
            && let Some(place) = values.iter().position(|value| value == gone)
        {
            values.remove(place);
        }
    }
}

/// The better of two values for a minimum or maximum.
#[inline]
pub(super) fn better(one: Option<i64>, other: Option<i64>, function: &AggregateFunction) -> Option<i64> {
    match (one, other, function) {
        (Some(a), Some(b), AggregateFunction::Min) => Some(a.min(b)),
        (Some(a), Some(b), _) => Some(a.max(b)),
        (a, b, _) => a.or(b),
    }
}
