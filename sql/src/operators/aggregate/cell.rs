//! The state of one aggregate for one key.

use std::collections::{BTreeMap, btree_map::Entry};

use serde::{Deserialize, Serialize};

use super::{AggregateFunction, call::Representation};
use crate::rows::RowBytes;

/// One aggregate's state. Which variant it is follows from the aggregate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Cell {
    Count(i64),
    Integers {
        sum: i64,
        count: i64,
    },
    Floats {
        sum: f64,
        count: i64,
    },
    Decimals {
        sum: i128,
        count: i64,
    },
    Extreme(Option<i64>),
    Bytes(Option<RowBytes>),
    Sorted(BTreeMap<RowBytes, i64>),
    List(Vec<RowBytes>),
    /// `gone` holds what was taken back and cannot be taken out of `came` yet, since that has fewer values.
    Moments {
        came: Moments,
        gone: Option<Box<Moments>>,
    },
}

/// Count, mean and squared deviations of values, which are exact enough where sums of squares are not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Moments {
    pub count: f64,
    pub mean: f64,
    pub squares: f64,
}

impl Moments {
    pub fn of(value: f64) -> Self {
        Self { count: 1.0, mean: value, squares: 0.0 }
    }

    /// Adds other values: Chan, Golub and LeVeque's pairwise update.
    pub fn add(&mut self, other: &Self) {
        let total = self.count + other.count;
        if total > 0.0 {
            let delta = other.mean - self.mean;
            self.squares += other.squares + delta * delta * self.count * other.count / total;
            self.mean += delta * other.count / total;
            self.count = total;
        }
    }

    /// Takes out some of the values, but not all: the same update, backwards.
    fn remove(&mut self, other: &Self) {
        let total = self.count - other.count;
        let delta = other.mean - self.mean;
        self.squares -= other.squares + delta * delta * self.count * other.count / total;
        self.mean -= delta * other.count / total;
        self.count = total;
        if total <= 1.0 {
            // One value does not deviate from itself, whatever rounding has left.
            self.squares = 0.0;
        }
    }
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
            Representation::Moments => Self::Moments { came: Moments::default(), gone: None },
        }
    }

    /// Adds what a later part of the input made.
    pub fn merge(&mut self, later: Self, function: &AggregateFunction) {
        match (&mut *self, later) {
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
                // A value that came and went between two results is there with a change of 0.
                for (value, change) in changes.into_iter().filter(|(_, change)| *change != 0) {
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
            (Self::Moments { came, gone }, Self::Moments { came: more, gone: less }) => {
                came.add(&more);
                if let Some(less) = less {
                    gone.get_or_insert_default().add(&less);
                }
                self.settle();
            }
            (cell, later) => unreachable!("the states of one aggregate are of one kind: {cell:?}, {later:?}"),
        }
    }

    /// Takes out what was taken back, if there are more values than that.
    pub fn settle(&mut self) {
        if let Self::Moments { came, gone } = self
            && let Some(less) = gone.take_if(|less| less.count < came.count)
        {
            came.remove(&less);
        }
    }

    /// What the result is made of, without what only later changes need.
    pub fn for_result(&self, function: &AggregateFunction) -> Self {
        match self {
            Self::Sorted(values) => {
                // What is taken back before it comes does not count.
                let mut there = values.iter().filter(|(_, count)| **count > 0).map(|(value, _)| value);
                Self::Bytes(match function {
                    AggregateFunction::Min => there.next().cloned(),
                    _ => there.next_back().cloned(),
                })
            }
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
