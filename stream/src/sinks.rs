//! Ends of streams. Whether a sink is fused to the chain before it is decided when the program is complete: setting a
//! parallelism of its own makes it a vertex of its own.

use std::{cell::Cell, rc::Rc, sync::Arc};

use headwater_actors::sink::Sink;
use headwater_core::graph::VertexKind;

use crate::{
    chain::{Chain, Identity},
    environment::StreamExecutionEnvironment,
    graph::EdgeKind,
    stream::{DataStream, VertexBuilder},
    tail::{PassTailFactory, SinkTailFactory},
};

/// A stream's end, to be configured.
pub struct DataStreamSink {
    parallelism: Rc<Cell<Option<u32>>>,
}

impl DataStreamSink {
    /// Sets the number of subtasks that write.
    pub fn set_parallelism(self, parallelism: u32) -> Self {
        self.parallelism.set(Some(parallelism));
        self
    }
}

/// Adds a sink to the program, with a parallelism of its own if it was given one.
type Place = Box<dyn FnOnce(&StreamExecutionEnvironment, Option<u32>)>;

/// A sink that is still to be placed.
pub(crate) struct SinkPlan {
    parallelism: Rc<Cell<Option<u32>>>,
    place: Place,
}

impl SinkPlan {
    pub(crate) fn resolve(self, environment: &StreamExecutionEnvironment) {
        (self.place)(environment, self.parallelism.get());
    }
}

pub(crate) fn attach<C: Chain, S: Sink<C::Out>>(
    stream: DataStream<C>,
    name: &str,
    sink: S,
) -> DataStreamSink {
    let parallelism = Rc::new(Cell::new(None));
    let sink = SinkTailFactory { sink: Arc::new(sink) };
    let name = format!("Sink: {name}");
    let environment = stream.builder.environment.clone();
    let place = Box::new(move |environment: &StreamExecutionEnvironment, own: Option<u32>| {
        let DataStream { mut builder, chain } = stream;
        if own.is_none() || own == builder.parallelism {
            // A chain without a head of its own that ends in a sink is that sink.
            if builder.kind == VertexKind::Operator && builder.name.is_empty() {
                builder.kind = VertexKind::Sink;
            }
            builder.finish(chain, sink, Some(&name));
            return;
        }
        let upstream = builder.finish(chain, PassTailFactory, None);
        let mut builder = VertexBuilder::pass(environment.clone(), vec![(upstream, EdgeKind::Pass)], own);
        builder.kind = VertexKind::Sink;
        builder.finish(Identity::new(), sink, Some(&name));
    });
    environment.add_sink(SinkPlan { parallelism: parallelism.clone(), place });
    DataStreamSink { parallelism }
}
