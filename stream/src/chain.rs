//! Chains: operators fused into one loop. Each hands its results on by a call that the compiler inlines, so a chain
//! costs what the same code in one function would.

use std::marker::PhantomData;

use headwater_core::time::TimestampMs;

use crate::watermarks::Watermarks;

/// A chain of operators from `In` to `Out`. Each subtask runs its own clone.
pub trait Chain: Clone + Send + Sync + 'static {
    /// What it takes.
    type In: Send + 'static;
    /// What it gives.
    type Out: Send + 'static;

    /// Takes one record and emits what comes of it.
    fn push(
        &mut self,
        value: Self::In,
        timestamp: TimestampMs,
        emit: &mut impl FnMut(Self::Out, TimestampMs),
    );

    /// The last operator in the chain that makes watermarks, if any does.
    fn watermarks(&mut self) -> Option<&mut Watermarks> {
        None
    }

    /// Appends the names of its operators.
    fn names(&self, names: &mut Vec<String>);
}

/// The empty chain.
pub struct Identity<T>(PhantomData<fn() -> T>);

impl<T> Identity<T> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Identity<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<T: Send + 'static> Chain for Identity<T> {
    type In = T;
    type Out = T;

    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs, emit: &mut impl FnMut(T, TimestampMs)) {
        emit(value, timestamp);
    }

    fn names(&self, _: &mut Vec<String>) {}
}

/// One chain after another.
#[derive(Clone)]
pub struct Then<A, B> {
    pub(crate) first: A,
    pub(crate) second: B,
}

impl<A: Chain, B: Chain<In = A::Out>> Chain for Then<A, B> {
    type In = A::In;
    type Out = B::Out;

    #[inline]
    fn push(&mut self, value: A::In, timestamp: TimestampMs, emit: &mut impl FnMut(B::Out, TimestampMs)) {
        let second = &mut self.second;
        self.first.push(value, timestamp, &mut |value, timestamp| second.push(value, timestamp, emit));
    }

    fn watermarks(&mut self) -> Option<&mut Watermarks> {
        self.second.watermarks().or_else(|| self.first.watermarks())
    }

    fn names(&self, names: &mut Vec<String>) {
        self.first.names(names);
        self.second.names(names);
    }
}

macro_rules! operator {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<F, T, U> {
            pub(crate) function: F,
            pub(crate) name: String,
            types: PhantomData<fn(T) -> U>,
        }

        impl<F, T, U> $name<F, T, U> {
            pub(crate) fn new(function: F, name: &str) -> Self {
                Self { function, name: name.to_owned(), types: PhantomData }
            }
        }

        impl<F: Clone, T, U> Clone for $name<F, T, U> {
            fn clone(&self) -> Self {
                Self { function: self.function.clone(), name: self.name.clone(), types: PhantomData }
            }
        }
    };
}

operator! {
    /// One record for each.
    Map
}
operator! {
    /// Only some records.
    Filter
}
operator! {
    /// Any number of records for each.
    FlatMap
}

impl<F, T, U> Chain for Map<F, T, U>
where
    F: FnMut(T) -> U + Clone + Send + Sync + 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    type In = T;
    type Out = U;

    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs, emit: &mut impl FnMut(U, TimestampMs)) {
        emit((self.function)(value), timestamp);
    }

    fn names(&self, names: &mut Vec<String>) {
        names.push(self.name.clone());
    }
}

impl<F, T> Chain for Filter<F, T, T>
where
    F: FnMut(&T) -> bool + Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    type In = T;
    type Out = T;

    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs, emit: &mut impl FnMut(T, TimestampMs)) {
        if (self.function)(&value) {
            emit(value, timestamp);
        }
    }

    fn names(&self, names: &mut Vec<String>) {
        names.push(self.name.clone());
    }
}

/// Takes what a [`FlatMap`]'s function emits.
pub struct Collector<'a, U> {
    emit: &'a mut dyn FnMut(U),
}

impl<U> Collector<'_, U> {
    /// Emits a record, with the timestamp of the one that it comes from.
    #[inline]
    pub fn collect(&mut self, value: U) {
        (self.emit)(value);
    }
}

impl<F, T, U> Chain for FlatMap<F, T, U>
where
    F: FnMut(T, &mut Collector<'_, U>) + Clone + Send + Sync + 'static,
    T: Send + 'static,
    U: Send + 'static,
{
    type In = T;
    type Out = U;

    #[inline]
    fn push(&mut self, value: T, timestamp: TimestampMs, emit: &mut impl FnMut(U, TimestampMs)) {
        (self.function)(value, &mut Collector { emit: &mut |value| emit(value, timestamp) });
    }

    fn names(&self, names: &mut Vec<String>) {
        names.push(self.name.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_applies_its_operators_in_order_to_every_record() {
        let split = FlatMap::new(
            |line: String, out: &mut Collector<'_, String>| {
                line.split(' ').for_each(|word| out.collect(word.to_owned()));
            },
            "Flat Map",
        );
        let long = Filter::<_, String, String>::new(|word: &String| word.len() > 1, "Filter");
        let length = Map::new(|word: String| word.len(), "Map");
        let mut chain = Then { first: Then { first: split, second: long }, second: length };
        let mut results = Vec::new();
        chain.push("lorem x ipsum do".to_owned(), 7, &mut |length, at| results.push((length, at)));
        assert_eq!(results, [(5, 7), (5, 7), (2, 7)]);
        let mut names = Vec::new();
        chain.names(&mut names);
        assert_eq!(names, ["Flat Map", "Filter", "Map"]);
    }
}
