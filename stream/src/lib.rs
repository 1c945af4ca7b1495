//! The DataStream API: jobs written in Rust, in the shape that users of Apache Flink know.
//!
//! A program takes an environment, makes streams from sources, transforms them, and ends them in sinks:
//!
//! ```no_run
//! # use headwater_stream::*;
//! # fn program(env: &StreamExecutionEnvironment) -> Result<(), ProgramError> {
//! env.socket_text_stream("localhost", 9000)
//!     .flat_map(|line, out| line.split_whitespace().for_each(|word| out.collect(Str::from(word))))
//!     .map(|word| (word, 1u64))
//!     .key_by(|(word, _)| word.clone())
//!     .window(SlidingProcessingTimeWindows::of(Duration::from_secs(5), Duration::from_secs(1)))
//!     .sum(|(_, count)| count)
//!     .map(|(word, count)| format!("{word} : {count}"))
//!     .print()
//!     .set_parallelism(1);
//! env.execute("Socket Window WordCount")
//! # }
//! ```
//!
//! Consecutive operators without a shuffle between them are fused by the compiler into one loop over each batch.

mod chain;
mod data;
mod environment;
mod graph;
mod head;
mod keyed;
mod look;
mod program;
mod rolling;
mod show;
mod sinks;
mod stream;
mod tail;
mod task;
mod watermarks;
mod window;

pub use std::time::Duration;

pub use chain::{Chain, Collector, Filter, FlatMap, Identity, Map, Then};
pub use data::Data;
pub use environment::{Executor, StreamExecutionEnvironment};
pub use graph::StreamGraph;
pub use headwater_connectors::{MalformedRecords, Str};
pub use headwater_core::time::TimestampMs;
pub use headwater_state::AggregateFunction;
pub use keyed::{KeyedStream, WindowedStream};
pub use program::{Program, ProgramArgs, ProgramError, ProgramRegistry};
pub use stream::{DataStream, DataStreamSink, ForkedStream};
pub use watermarks::WatermarkStrategy;
pub use window::{
    EndOfStreamWindows, SlidingEventTimeWindows, SlidingProcessingTimeWindows, TimeWindow,
    TumblingEventTimeWindows, TumblingProcessingTimeWindows, WindowAssigner,
};
