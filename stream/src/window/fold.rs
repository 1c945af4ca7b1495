//! How records become an accumulator, and accumulators one.

use std::marker::PhantomData;

use headwater_state::AggregateFunction;

use crate::data::Data;

/// An aggregation whose partial results merge in any order.
pub(crate) trait Fold<T>: Clone + Send + Sync + 'static {
    /// What records amount to.
    type Acc: Data;

    /// One record's accumulator.
    fn lift(&self, value: T) -> Self::Acc;

    /// Takes one more record in.
    fn add(&self, accumulator: &mut Self::Acc, value: T);

    /// Takes another accumulator in.
    fn merge(&self, accumulator: &mut Self::Acc, other: Self::Acc);
}

/// A record that takes others in.
#[derive(Clone)]
pub(crate) struct ReduceFold<F>(pub F);

impl<T: Data, F: Fn(&mut T, T) + Clone + Send + Sync + 'static> Fold<T> for ReduceFold<F> {
    type Acc = T;

    #[inline]
    fn lift(&self, value: T) -> T {
        value
    }

    #[inline]
    fn add(&self, accumulator: &mut T, value: T) {
        (self.0)(accumulator, value);
    }

    #[inline]
    fn merge(&self, accumulator: &mut T, other: T) {
        (self.0)(accumulator, other);
    }
}

/// The number of records.
#[derive(Clone)]
pub(crate) struct CountFold;

impl<T: Data> Fold<T> for CountFold {
    type Acc = u64;

    #[inline]
    fn lift(&self, _: T) -> u64 {
        1
    }

    #[inline]
    fn add(&self, accumulator: &mut u64, _: T) {
        *accumulator += 1;
    }

    #[inline]
    fn merge(&self, accumulator: &mut u64, other: u64) {
        *accumulator += other;
    }
}

/// A user's aggregate function.
pub(crate) struct AggregateFold<A, T> {
    pub function: A,
    pub records: PhantomData<fn(T)>,
}

impl<A: Clone, T> Clone for AggregateFold<A, T> {
    fn clone(&self) -> Self {
        Self { function: self.function.clone(), records: PhantomData }
    }
}

impl<T, A> Fold<T> for AggregateFold<A, T>
where
    T: Data,
    A: AggregateFunction<In = T> + Clone + Send + Sync + 'static,
    A::Acc: Data,
{
    type Acc = A::Acc;

    #[inline]
    fn lift(&self, value: T) -> A::Acc {
        let mut accumulator = self.function.create();
        self.function.add(&mut accumulator, value);
        accumulator
    }

    #[inline]
    fn add(&self, accumulator: &mut A::Acc, value: T) {
        self.function.add(accumulator, value);
    }

    #[inline]
    fn merge(&self, accumulator: &mut A::Acc, other: A::Acc) {
        self.function.merge(accumulator, other);
    }
}
