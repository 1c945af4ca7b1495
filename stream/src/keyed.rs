//! Keyed streams, with and without windows.

use std::{hash::Hash, marker::PhantomData, ops::AddAssign, sync::Arc};

use headwater_core::graph::VertexKind;
use headwater_state::AggregateFunction;

use crate::{
    chain::{Chain, Identity},
    data::Data,
    graph::EdgeKind,
    head::Head,
    rolling::RollingHead,
    show,
    stream::{DataStream, Front, VertexBuilder},
    tail::{CombineTailFactory, KeyedTailFactory},
    window::{
        AggregateFold, CountFold, Fold, ReduceFold, SliceAssigner, TimeWindow, WindowAssigner, WindowHead,
    },
};

/// A stream divided by key.
#[must_use = "a stream does nothing until it ends in a sink"]
pub struct KeyedStream<C: Chain, K, F> {
    stream: DataStream<C>,
    key_of: F,
    keys: PhantomData<fn() -> K>,
}

impl<C, K, F> KeyedStream<C, K, F>
where
    C: Chain,
    C::Out: Data,
    K: Data + Hash + Eq,
    F: Fn(&C::Out) -> K + Clone + Send + Sync + 'static,
{
    /// Divides every key's records into windows.
    pub fn window(self, assigner: WindowAssigner) -> WindowedStream<C, K, F> {
        WindowedStream { keyed: self, assigner }
    }

    /// Every record yields what its key's records amount to so far: `function` takes a record into the sum.
    pub fn reduce<G>(self, function: G) -> DataStream<Identity<C::Out>>
    where
        G: Fn(&mut C::Out, C::Out) + Clone + Send + Sync + 'static,
    {
        self.roll("Keyed Reduce", ReduceFold(function), |_, sum| sum.clone())
    }

    /// Every record yields its key's first record with the sum so far in `field`.
    pub fn sum<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: AddAssign + Copy + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.roll("Keyed Sum", ReduceFold(adding(field)), |_, sum| sum.clone())
    }

    /// Every record yields its key's first record with the least value so far in `field`.
    pub fn min<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: PartialOrd + Clone + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.roll("Keyed Min", ReduceFold(keeping(field, |new, old| new < old)), |_, min| min.clone())
    }

    /// Every record yields its key's first record with the greatest value so far in `field`.
    pub fn max<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: PartialOrd + Clone + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.roll("Keyed Max", ReduceFold(keeping(field, |new, old| new > old)), |_, max| max.clone())
    }

    /// Every record yields its key and how many records it has had.
    pub fn count(self) -> DataStream<Identity<(K, u64)>> {
        show::with_fields::<(K, u64)>();
        self.roll("Keyed Count", CountFold, |key, count| (key.clone(), *count))
    }

    fn roll<A, R, O>(self, name: &str, fold: A, result: R) -> DataStream<Identity<O>>
    where
        A: Fold<C::Out>,
        R: Fn(&K, &A::Acc) -> O + Clone + Send + Sync + 'static,
        O: Send + 'static,
    {
        let key_of = self.key_of.clone();
        let open = Arc::new(move |context: &_, _: Option<&[u8]>| {
            let head = RollingHead::open(key_of.clone(), fold.clone(), result.clone(), context)?;
            Ok(Box::new(head) as Box<dyn Head<O>>)
        });
        show::with_fields::<C::Out>();
        let environment = self.stream.builder.environment.clone();
        let tail = KeyedTailFactory { key_of: self.key_of, keys: PhantomData };
        let upstream = self.stream.builder.finish(self.stream.chain, tail, None);
        DataStream::new(
            VertexBuilder {
                environment,
                name: name.to_owned(),
                uid: None,
                kind: VertexKind::Operator,
                parallelism: None,
                inputs: vec![(upstream, EdgeKind::Hash)],
                front: Front::Operator(open),
            },
            Identity::new(),
        )
    }
}

impl<C: Chain, K, F> KeyedStream<C, K, F> {
    pub(crate) fn new(stream: DataStream<C>, key_of: F) -> Self {
        Self { stream, key_of, keys: PhantomData }
    }
}

/// A keyed stream divided into windows.
#[must_use = "a stream does nothing until it ends in a sink"]
pub struct WindowedStream<C: Chain, K, F> {
    keyed: KeyedStream<C, K, F>,
    assigner: WindowAssigner,
}

impl<C, K, F> WindowedStream<C, K, F>
where
    C: Chain,
    C::Out: Data,
    K: Data + Hash + Eq,
    F: Fn(&C::Out) -> K + Clone + Send + Sync + 'static,
{
    /// Every key and window yields what its records amount to: `function` takes a record into the sum. Partial results are merged in
    /// any order.
    pub fn reduce<G>(self, function: G) -> DataStream<Identity<C::Out>>
    where
        G: Fn(&mut C::Out, C::Out) + Clone + Send + Sync + 'static,
    {
        self.fold(ReduceFold(function), |_, _, sum| sum.clone())
    }

    /// Every key and window yields one of its records with the sum in `field`.
    pub fn sum<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: AddAssign + Copy + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.fold(ReduceFold(adding(field)), |_, _, sum| sum.clone())
    }

    /// Every key and window yields one of its records with the least value in `field`.
    pub fn min<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: PartialOrd + Clone + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.fold(ReduceFold(keeping(field, |new, old| new < old)), |_, _, min| min.clone())
    }

    /// Every key and window yields one of its records with the greatest value in `field`.
    pub fn max<N, G>(self, field: G) -> DataStream<Identity<C::Out>>
    where
        N: PartialOrd + Clone + 'static,
        G: Fn(&mut C::Out) -> &mut N + Clone + Send + Sync + 'static,
    {
        self.fold(ReduceFold(keeping(field, |new, old| new > old)), |_, _, max| max.clone())
    }

    /// Every key and window yields its key and the number of its records.
    pub fn count(self) -> DataStream<Identity<(K, u64)>> {
        show::with_fields::<(K, u64)>();
        self.fold(CountFold, |key, _, count| (key.clone(), *count))
    }

    /// Every key and window yields the aggregate of its records, as `result` makes it up with the key and the window.
    pub fn aggregate<A, R, O>(self, function: A, result: R) -> DataStream<Identity<O>>
    where
        A: AggregateFunction<In = C::Out> + Clone + Send + Sync + 'static,
        A::Acc: Data,
        R: Fn(&K, &TimeWindow, A::Out) -> O + Clone + Send + Sync + 'static,
        O: Send + 'static,
    {
        let finish = function.clone();
        self.fold(
            AggregateFold { function, records: PhantomData },
            move |key, window, accumulator: &A::Acc| result(key, window, finish.result(accumulator)),
        )
    }

    fn fold<A, R, O>(self, fold: A, result: R) -> DataStream<Identity<O>>
    where
        A: Fold<C::Out>,
        R: Fn(&K, &TimeWindow, &A::Acc) -> O + Clone + Send + Sync + 'static,
        O: Send + 'static,
    {
        show::with_fields::<C::Out>();
        let Self { keyed: KeyedStream { stream, key_of, .. }, assigner } = self;
        let tail = CombineTailFactory {
            key_of,
            fold: fold.clone(),
            slices: SliceAssigner::new(assigner.plan),
            time: assigner.time,
            types: PhantomData,
        };
        let environment = stream.builder.environment.clone();
        let upstream = stream.builder.finish(stream.chain, tail, None);
        let name = assigner.name.clone();
        environment.check(assigner.plan.validate());
        let open = Arc::new(move |context: &_, state: Option<&[u8]>| {
            let head =
                WindowHead::<C::Out, K, A, R>::open(&assigner, fold.clone(), result.clone(), context, state)?;
            Ok(Box::new(head) as Box<dyn Head<O>>)
        });
        DataStream::new(
            VertexBuilder {
                environment,
                name,
                uid: None,
                kind: VertexKind::Operator,
                parallelism: None,
                inputs: vec![(upstream, EdgeKind::Hash)],
                front: Front::Operator(open),
            },
            Identity::new(),
        )
    }
}

fn adding<T, N, G>(field: G) -> impl Fn(&mut T, T) + Clone + Send + Sync + 'static
where
    N: AddAssign + Copy + 'static,
    G: Fn(&mut T) -> &mut N + Clone + Send + Sync + 'static,
{
    move |sum, mut value| *field(sum) += *field(&mut value)
}

fn keeping<T, N, G>(
    field: G,
    is_better: impl Fn(&N, &N) -> bool + Clone + Send + Sync + 'static,
) -> impl Fn(&mut T, T) + Clone + Send + Sync + 'static
where
    N: PartialOrd + Clone + 'static,
    G: Fn(&mut T) -> &mut N + Clone + Send + Sync + 'static,
{
    move |best, mut value| {
        let candidate = field(&mut value);
        if is_better(candidate, field(best)) {
            *field(best) = candidate.clone();
        }
    }
}
