//! The execution environment: where a program begins and ends.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use headwater_actors::source::Source;
use headwater_connectors::{Str, files::FileSource, generator::GeneratorSource, socket::SocketSource};
use headwater_core::{
    graph::VertexKind,
    ids::VertexId,
    options::{JobOptions, OptionError},
    time::TimestampMs,
};

use crate::{
    chain::Identity,
    graph::{StreamGraph, VertexPlan},
    program::ProgramError,
    sinks::SinkPlan,
    stream::{DataStream, Front, VertexBuilder},
};

/// What becomes of a program that calls [`execute`](StreamExecutionEnvironment::execute).
pub trait Executor {
    /// Runs the job to its end.
    fn execute(&self, name: &str, graph: StreamGraph, options: JobOptions) -> Result<(), ProgramError>;
}

/// Where a program makes its sources, and where it is executed.
#[derive(Clone)]
pub struct StreamExecutionEnvironment {
    plan: Rc<RefCell<Plan>>,
    executor: Option<Rc<dyn Executor>>,
}

#[derive(Default)]
pub(crate) struct Plan {
    options: JobOptions,
    vertices: Vec<VertexPlan>,
    sinks: Vec<SinkPlan>,
    executed: Option<(String, StreamGraph)>,
    first_error: Option<String>,
}

impl StreamExecutionEnvironment {
    /// An environment that only plans: `execute` takes note of the finished graph.
    pub(crate) fn planning(options: JobOptions) -> Self {
        Self { plan: Rc::new(RefCell::new(Plan { options, ..Plan::default() })), executor: None }
    }

    /// An environment whose programs are run by `executor`.
    pub fn with_executor(executor: Rc<dyn Executor>) -> Self {
        Self { plan: Rc::default(), executor: Some(executor) }
    }

    /// Sets the parallelism of operators that set none. Like the other options, for a program that runs by itself: a
    /// submission to a server brings the options that hold for it.
    pub fn set_parallelism(&self, parallelism: u32) -> &Self {
        self.plan.borrow_mut().options.parallelism = parallelism;
        self
    }

    /// Takes a checkpoint every so many milliseconds.
    pub fn enable_checkpointing(&self, interval_ms: u64) -> &Self {
        self.plan.borrow_mut().options.checkpointing.interval_ms = Some(interval_ms).filter(|ms| *ms > 0);
        self
    }

    /// Sets an option by its key, e.g. `state.backend.type` to `hashmap`.
    pub fn set_option(&self, key: &str, value: &str) -> Result<&Self, OptionError> {
        self.plan.borrow_mut().options.set(key, value)?;
        Ok(self)
    }

    /// A stream from a source connector.
    pub fn from_source<S: Source>(&self, name: &str, source: S) -> DataStream<Identity<S::Item>> {
        let source = Arc::new(source);
        let shown = source.clone();
        let show = Arc::new(move |position: &[u8]| shown.show_position(position));
        let open = Arc::new(move |context: &_, position: Option<&[u8]>| {
            let reader = source.open(context, position)?;
            Ok(Box::new(reader) as Box<_>)
        });
        let builder = VertexBuilder {
            environment: self.clone(),
            name: format!("Source: {name}"),
            uid: None,
            kind: VertexKind::Source,
            parallelism: None,
            inputs: Vec::new(),
            front: Front::Source(open, show),
        };
        DataStream::new(builder, Identity::new())
    }

    /// The lines that come from a TCP socket, one connection, kept in a journal so that none is processed twice or lost after
    /// it was read. A lost connection is made anew.
    pub fn socket_text_stream(&self, host: &str, port: u16) -> DataStream<Identity<Str>> {
        self.from_source(&format!("Socket Stream {host}:{port}"), SocketSource::new(host, port))
            .set_source_parallelism(1)
    }

    /// The lines of a file, or of all files in a folder. What becomes of a line that is not UTF-8 the job's option
    /// `source.malformed-records` says; to parse lines, and to say it yourself, make a [`FileSource`] and call
    /// [`from_source`](Self::from_source):
    ///
    /// ```no_run
    /// # use headwater_stream::*;
    /// # use headwater_connectors::files::FileSource;
    /// # fn program(env: &StreamExecutionEnvironment) -> Result<(), ProgramError> {
    /// let prices = FileSource::new("prices.csv")
    ///     .decode(|line| {
    ///         let (article, cents) = line.split_once(';').ok_or("expected `article;cents`")?;
    ///         Ok::<_, Box<dyn std::error::Error>>((Str::from(article), cents.parse::<u64>()?))
    ///     })
    ///     .on_malformed(MalformedRecords::DeadLetter("malformed-prices".into()));
    /// env.from_source("Prices", prices)
    ///     .key_by(|(article, _)| article.clone())
    ///     .max(|(_, cents)| cents)
    ///     .map(|(article, cents)| format!("{article} {cents}"))
    ///     .write_as_text("highest");
    /// env.execute("Highest prices")
    /// # }
    /// ```
    pub fn read_text_file(&self, path: impl Into<std::path::PathBuf>) -> DataStream<Identity<Str>> {
        let path = path.into();
        self.from_source(&format!("Files {}", path.display()), FileSource::new(path))
    }

    /// Made-up records: `make` is a pure function of the record's index. `count` bounds them.
    pub fn generate<T, F>(&self, count: Option<u64>, make: F) -> DataStream<Identity<T>>
    where
        T: Send + 'static,
        F: Fn(u64) -> (T, TimestampMs) + Clone + Send + Sync + 'static,
    {
        let source = GeneratorSource::new(make);
        let source = match count {
            Some(count) => source.count(count),
            None => source,
        };
        self.from_source("Generator", source)
    }

    /// Runs the program to its end, or registers its graph if it is only being planned.
    pub fn execute(&self, job_name: &str) -> Result<(), ProgramError> {
        if let Some(error) = self.plan.borrow_mut().first_error.take() {
            return Err(ProgramError::Invalid(error));
        }
        let sinks = std::mem::take(&mut self.plan.borrow_mut().sinks);
        for sink in sinks {
            sink.resolve(self);
        }
        let (vertices, options) = {
            let mut plan = self.plan.borrow_mut();
            (std::mem::take(&mut plan.vertices), plan.options.clone())
        };
        options.check()?;
        let graph = StreamGraph::new(vertices, &options)?;
        match &self.executor {
            Some(executor) => executor.execute(job_name, graph, options),
            None => {
                self.plan.borrow_mut().executed = Some((job_name.to_owned(), graph));
                Ok(())
            }
        }
    }

    /// Keeps the first thing that is wrong with the program, for `execute` to return.
    pub(crate) fn check(&self, result: Result<(), String>) {
        if let Err(error) = result {
            self.plan.borrow_mut().first_error.get_or_insert(error);
        }
    }

    pub(crate) fn take_executed(&self) -> Option<(String, StreamGraph)> {
        self.plan.borrow_mut().executed.take()
    }

    pub(crate) fn add_vertex(&self, vertex: VertexPlan) -> VertexId {
        let mut plan = self.plan.borrow_mut();
        plan.vertices.push(vertex);
        VertexId(plan.vertices.len() as u32 - 1)
    }

    pub(crate) fn add_sink(&self, sink: SinkPlan) {
        self.plan.borrow_mut().sinks.push(sink);
    }
}
