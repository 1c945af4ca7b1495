//! Streams and what can be done with any of them.

use std::{fmt::Display, hash::Hash, marker::PhantomData, path::PathBuf, sync::Arc};

use headwater_actors::{
    context::{TaskContext, TaskError},
    operator::Invokable,
    sink::Sink,
    source::SourceReader,
};
use headwater_connectors::{discard::DiscardSink, file_sink::FileSink, print::PrintSink};
use headwater_core::{graph::VertexKind, ids::VertexId, time::TimestampMs};
use serde::Serialize;

pub use crate::sinks::DataStreamSink;
use crate::{
    chain::{Chain, Collector, Filter, FlatMap, Identity, Map, Then},
    data::Data,
    environment::StreamExecutionEnvironment,
    graph::{EdgeKind, VertexPlan},
    head::{Head, PassHead},
    keyed::KeyedStream,
    look, show, sinks,
    tail::{ForkTailFactory, PassTailFactory, TailFactory},
    task::{OperatorTask, Pipe, SourceTask, TaskState},
    watermarks::{AssignTimestamps, WatermarkStrategy},
};

/// Opens what stands at the beginning of a vertex.
type Open<X> = Arc<dyn Fn(&TaskContext, Option<&[u8]>) -> Result<Box<X>, TaskError> + Send + Sync>;

/// A source's position as JSON.
pub(crate) type ShowPosition = Arc<dyn Fn(&[u8]) -> Option<String> + Send + Sync>;

/// The beginning of a vertex: a source, or an operator with inputs.
pub(crate) enum Front<A> {
    Source(Open<dyn SourceReader<A>>, ShowPosition),
    Operator(Open<dyn Head<A>>),
}

impl<A> Clone for Front<A> {
    fn clone(&self) -> Self {
        match self {
            Self::Source(open, show) => Self::Source(open.clone(), show.clone()),
            Self::Operator(open) => Self::Operator(open.clone()),
        }
    }
}

/// A vertex under construction: operators can still be fused to its end.
pub(crate) struct VertexBuilder<A> {
    pub environment: StreamExecutionEnvironment,
    pub name: String,
    pub uid: Option<String>,
    pub kind: VertexKind,
    pub parallelism: Option<u32>,
    pub inputs: Vec<(VertexId, EdgeKind)>,
    pub front: Front<A>,
}

impl<A> Clone for VertexBuilder<A> {
    fn clone(&self) -> Self {
        Self {
            environment: self.environment.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            kind: self.kind,
            parallelism: self.parallelism,
            inputs: self.inputs.clone(),
            front: self.front.clone(),
        }
    }
}

impl<A: Send + 'static> VertexBuilder<A> {
    /// A vertex that hands its inputs on.
    pub(crate) fn pass(
        environment: StreamExecutionEnvironment,
        inputs: Vec<(VertexId, EdgeKind)>,
        parallelism: Option<u32>,
    ) -> Self {
        let open =
            Arc::new(|_: &_, _: Option<&[u8]>| Ok(Box::new(PassHead(PhantomData)) as Box<dyn Head<A>>));
        Self {
            environment,
            name: String::new(),
            uid: None,
            kind: VertexKind::Operator,
            parallelism,
            inputs,
            front: Front::Operator(open),
        }
    }

    /// Ends the vertex: its chain and tail are known.
    pub(crate) fn finish<C, L>(self, chain: C, tail: L, tail_name: Option<&str>) -> VertexId
    where
        C: Chain<In = A>,
        L: TailFactory<C::Out>,
    {
        let mut names = Vec::from([self.name]);
        chain.names(&mut names);
        names.extend(tail_name.map(str::to_owned));
        names.retain(|name| !name.is_empty());
        if names.is_empty() {
            // Between a fork or a change of parallelism and a shuffle there may be no operator at all.
            names.push("Pass".to_owned());
        }
        let front = self.front;
        let tail = Arc::new(tail);
        let look = look::of_vertex(front.clone(), tail.clone());
        let code = Arc::new(move |context: TaskContext| {
            let state = TaskState::restored(&context)?;
            let state = state.as_ref();
            let tail = tail.open(&context, state.map(|state| state.tail.as_slice()))?;
            let pipe = Pipe::new(chain.clone(), tail, &context, state);
            let front_state = state.map(|state| state.front.as_slice());
            Ok(match &front {
                Front::Source(open, _) => {
                    Invokable::Source(Box::new(SourceTask::new(open(&context, front_state)?, pipe)))
                }
                Front::Operator(open) => {
                    Invokable::Operator(Box::new(OperatorTask::new(open(&context, front_state)?, pipe)))
                }
            })
        });
        self.environment.add_vertex(VertexPlan {
            name: names.join(" -> "),
            uid: self.uid,
            kind: self.kind,
            parallelism: self.parallelism,
            inputs: self.inputs,
            code,
            look,
        })
    }
}

/// A stream of records of the type `C::Out`. `C` is the chain of operators that are fused so far.
#[must_use = "a stream does nothing until it ends in a sink"]
pub struct DataStream<C: Chain> {
    pub(crate) builder: VertexBuilder<C::In>,
    pub(crate) chain: C,
}

#[expect(clippy::type_complexity, reason = "a stream's type spells its chain out, so that it is fused")]
impl<C: Chain> DataStream<C> {
    pub(crate) fn new(builder: VertexBuilder<C::In>, chain: C) -> Self {
        Self { builder, chain }
    }

    fn then<B: Chain<In = C::Out>>(self, operator: B) -> DataStream<Then<C, B>> {
        DataStream::new(self.builder, Then { first: self.chain, second: operator })
    }

    /// One record for each.
    pub fn map<U, F>(self, function: F) -> DataStream<Then<C, Map<F, C::Out, U>>>
    where
        U: Send + 'static,
        F: FnMut(C::Out) -> U + Clone + Send + Sync + 'static,
    {
        self.then(Map::new(function, "Map"))
    }

    /// The records for which `predicate` is true.
    pub fn filter<F>(self, predicate: F) -> DataStream<Then<C, Filter<F, C::Out, C::Out>>>
    where
        F: FnMut(&C::Out) -> bool + Clone + Send + Sync + 'static,
    {
        self.then(Filter::new(predicate, "Filter"))
    }

    /// Any number of records for each: what `function` gives to the collector.
    pub fn flat_map<U, F>(self, function: F) -> DataStream<Then<C, FlatMap<F, C::Out, U>>>
    where
        U: Send + 'static,
        F: FnMut(C::Out, &mut Collector<'_, U>) + Clone + Send + Sync + 'static,
    {
        self.then(FlatMap::new(function, "Flat Map"))
    }

    /// Gives records timestamps and the stream its watermarks. Put it as near to the source as possible.
    pub fn assign_timestamps_and_watermarks<F>(
        self,
        strategy: WatermarkStrategy<C::Out, F>,
    ) -> DataStream<Then<C, AssignTimestamps<C::Out, F>>>
    where
        F: Fn(&C::Out) -> TimestampMs + Clone + Send + Sync + 'static,
    {
        self.then(strategy.into_operator())
    }

    /// Divides the stream by key: what follows keeps state per key.
    pub fn key_by<K, F>(self, key_of: F) -> KeyedStream<C, K, F>
    where
        K: Data + Hash + Eq,
        F: Fn(&C::Out) -> K + Clone + Send + Sync + 'static,
    {
        KeyedStream::new(self, key_of)
    }

    /// The records of both streams. Event time is the slower one's.
    pub fn union<D: Chain<Out = C::Out>>(self, other: DataStream<D>) -> DataStream<Identity<C::Out>> {
        let environment = self.builder.environment.clone();
        let inputs = vec![(self.finish_passing(), EdgeKind::Pass), (other.finish_passing(), EdgeKind::Pass)];
        let mut builder = VertexBuilder::pass(environment, inputs, None);
        builder.name = "Union".to_owned();
        DataStream::new(builder, Identity::new())
    }

    /// Ends the chain so that several consumers can each get every record.
    pub fn fork(self) -> ForkedStream<C::Out>
    where
        C::Out: Data,
    {
        let environment = self.builder.environment.clone();
        let parallelism = self.builder.parallelism;
        show::with_fields::<C::Out>();
        let vertex = self.builder.finish(self.chain, ForkTailFactory, None);
        ForkedStream { environment, vertex, parallelism, records: PhantomData }
    }

    /// Sets the number of subtasks of what was added last and of what is fused to it: a shuffle comes before it.
    pub fn rebalance(self, parallelism: u32) -> DataStream<Identity<C::Out>> {
        let environment = self.builder.environment.clone();
        let inputs = vec![(self.finish_passing(), EdgeKind::Pass)];
        DataStream::new(VertexBuilder::pass(environment, inputs, Some(parallelism)), Identity::new())
    }

    /// Says that whoever looks at the running job may see records of this type with their fields, wherever they leave a vertex. Types
    /// of records that are divided by key or forked are known anyway, and so are texts, numbers, and pairs of them.
    pub fn shown(self) -> Self
    where
        C::Out: Serialize,
    {
        show::with_fields::<C::Out>();
        self
    }

    /// Names the vertex that the stream comes from so that its state is found again by that name, whatever else changes.
    pub fn uid(mut self, uid: &str) -> Self {
        self.builder.uid = Some(uid.to_owned());
        self
    }

    /// Ends the stream in a sink.
    pub fn sink_to<S: Sink<C::Out>>(self, name: &str, sink: S) -> DataStreamSink {
        sinks::attach(self, name, sink)
    }

    /// Writes every record to standard output, a line each. With several subtasks a line begins with `n> `.
    pub fn print(self) -> DataStreamSink
    where
        C::Out: Display,
    {
        show::as_text::<C::Out>();
        self.sink_to("Print to Std. Out", PrintSink)
    }

    /// Drops every record.
    pub fn discard(self) -> DataStreamSink {
        self.sink_to("Discard", DiscardSink)
    }

    /// Writes every record as a line into files in this folder, exactly once: a file appears as a whole when a checkpoint
    /// completes.
    pub fn write_as_text(self, folder: impl Into<PathBuf>) -> DataStreamSink
    where
        C::Out: Display,
    {
        show::as_text::<C::Out>();
        let folder = folder.into();
        let name = format!("Files {}", folder.display());
        self.sink_to(&name, FileSink::new(folder))
    }

    fn finish_passing(self) -> VertexId {
        self.builder.finish(self.chain, PassTailFactory, None)
    }
}

impl<T: Send + 'static> DataStream<Identity<T>> {
    pub(crate) fn set_source_parallelism(mut self, parallelism: u32) -> Self {
        self.builder.parallelism = Some(parallelism);
        self
    }

    /// Sets the number of subtasks of the source or window operator that the stream comes from.
    pub fn set_parallelism(self, parallelism: u32) -> Self {
        self.set_source_parallelism(parallelism)
    }
}

impl<A: Chain, B: Chain<In = A::Out>> DataStream<Then<A, B>> {
    /// Sets the number of subtasks of the operator that was added last, and of what follows it. It is no longer fused
    /// to what comes before.
    pub fn set_parallelism(self, parallelism: u32) -> DataStream<B> {
        let environment = self.builder.environment.clone();
        let Then { first, second } = self.chain;
        let inputs = vec![(self.builder.finish(first, PassTailFactory, None), EdgeKind::Pass)];
        DataStream::new(VertexBuilder::pass(environment, inputs, Some(parallelism)), second)
    }
}

/// The end of a chain that several consumers read from.
pub struct ForkedStream<T> {
    environment: StreamExecutionEnvironment,
    vertex: VertexId,
    parallelism: Option<u32>,
    records: PhantomData<fn() -> T>,
}

impl<T: Data> ForkedStream<T> {
    /// A stream of all records, for one more consumer.
    pub fn stream(&self) -> DataStream<Identity<T>> {
        let inputs = vec![(self.vertex, EdgeKind::Pass)];
        DataStream::new(
            VertexBuilder::pass(self.environment.clone(), inputs, self.parallelism),
            Identity::new(),
        )
    }
}
