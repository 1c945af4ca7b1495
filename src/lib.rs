//! Headwater: fault-tolerant stream processing in one binary.
//!
//! A program reads like one for Apache Flink:
//!
//! ```no_run
//! use headwater::prelude::*;
//!
//! fn main() -> Result<(), ProgramError> {
//!     let env = headwater::execution_environment();
//!     env.socket_text_stream("localhost", 9000)
//!         .flat_map(|line, out| line.split_whitespace().for_each(|word| out.collect(Str::from(word))))
//!         .map(|word| (word, 1u64))
//!         .key_by(|(word, _)| word.clone())
//!         .window(TumblingProcessingTimeWindows::of(Duration::from_secs(5)))
//!         .sum(|(_, count)| count)
//!         .map(|(word, count)| format!("{word} : {count}"))
//!         .print();
//!     env.execute("Window WordCount")
//! }
//! ```
//!
//! It runs on a worker of its own, with REST and the web page. Registered as a [`Program`](stream::Program), it can also be
//! submitted to a server; a binary whose `main` is [`cli::main`] is such a server with its programs.

// The programs below `examples` are compiled into this library, too, and name it as their users do.
extern crate self as headwater;

pub mod cli;
pub mod config;
mod embedded;
mod inspect;
mod logging;
pub mod programs;
mod security;
pub mod server;
mod sql;
mod telemetry;

pub use embedded::{execution_environment, run_program};
pub use headwater_actors as actors;
pub use headwater_connectors as connectors;
pub use headwater_coordinator as coordinator;
pub use headwater_core as core;
pub use headwater_state as state;
pub use headwater_stream as stream;

/// The README, so that its program is compiled when documentation is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a program needs.
pub mod prelude {
    pub use headwater_actors::{
        batch::Batch,
        context::{TaskContext, TaskError},
        operator::SourceStatus,
        sink::{Sink, SinkWriter},
        source::{Source, SourceReader},
    };
    pub use headwater_connectors::{
        discard::DiscardSink, file_sink::FileSink, files::FileSource, generator::GeneratorSource,
        print::PrintSink, socket::SocketSource,
    };
    pub use headwater_core::job::{ArgKind, ArgSpec};
    pub use headwater_stream::*;
}
