//! A source, an operator and a sink with a typical mistake, each of which works until something dies. If the oracle found
//! nothing wrong with what comes out of them then, it would be no oracle.

use std::{
    mem::{replace, take},
    path::PathBuf,
    task::{Context, Poll, ready},
};

use crate::{
    programs::{ARGS, Shape, event_time, windows},
    records::Record,
};
use headwater::{
    core::{fs::FileWriter, ids::CheckpointId},
    prelude::*,
};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    operator::SourceStatus,
    sink::{Sink, SinkWriter},
    source::{Source, SourceReader},
};

/// How many records the forgetful operator holds; the number of records per subtask must be a multiple of it.
const HELD_RECORDS: usize = 32;

const SABOTAGED_ARGS: &[ArgSpec] = &[
    ARGS[0],
    ARGS[1],
    ARGS[2],
    ARGS[3],
    ArgSpec {
        name: "mistake",
        kind: ArgKind::Text,
        help: "`source`: its position is ahead of what it has emitted; `operator`: keeps records that no snapshot \
                   holds; `sink`: publishes before the checkpoint",
        default: None,
        required: true,
    },
];

/// The program.
pub const PROGRAM: Program = Program::new(
    "sabotaged_sequences",
    "As keyed_sequences, with a mistake in it that shows after a failure",
    SABOTAGED_ARGS,
    sabotaged,
);

fn sabotaged(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let source = shape.source(shape.seed);
    match args.required_text("mistake")? {
        "source" => write(env.from_source("Ahead", ReadAhead(source)), &shape, None),
        "operator" => write(env.from_source("Sequences", source).flat_map(holding()), &shape, None),
        "sink" => {
            let sink = PublishAtOnce { folder: shape.records_folder().into() };
            write(env.from_source("Sequences", source), &shape, Some(sink));
        }
        found => {
            let reason = format!("expected `source`, `operator` or `sink`, found `{found}`");
            return Err(ProgramError::Argument { name: "mistake".to_owned(), reason });
        }
    }
    env.execute("Sabotaged sequences")
}

fn write<C: Chain<Out = Record>>(records: DataStream<C>, shape: &Shape, sink: Option<PublishAtOnce>) {
    let records = records.assign_timestamps_and_watermarks(event_time()).fork();
    match sink {
        Some(sink) => records.stream().sink_to("At once", sink),
        None => records.stream().write_as_text(shape.records_folder()),
    };
    windows(records.stream()).write_as_text(shape.windows_folder()).set_parallelism(2);
}

/// An operator with state of its own, outside of what is snapshotted: it hands its records on in dozens.
fn holding() -> impl FnMut(Record, &mut Collector<'_, Record>) + Clone {
    let mut held = Vec::new();
    move |record, out| {
        held.push(record);
        if held.len() == HELD_RECORDS {
            held.drain(..).for_each(|record| out.collect(record));
        }
    }
}

/// A source whose position lies behind a batch that it has not yet emitted.
struct ReadAhead<S>(S);

struct ReadAheadReader<T, R> {
    reader: R,
    next: Batch<T>,
}

impl<S: Source> Source for ReadAhead<S> {
    type Item = S::Item;
    type Reader = ReadAheadReader<S::Item, S::Reader>;

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<Self::Reader, TaskError> {
        Ok(ReadAheadReader { reader: self.0.open(context, position)?, next: Batch::default() })
    }
}

impl<T: 'static, R: SourceReader<T>> SourceReader<T> for ReadAheadReader<T, R> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<T>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        let mut read = Batch::default();
        let status = ready!(self.reader.poll_read(context, rows_max, &mut read))?;
        let mut due = replace(&mut self.next, read);
        due.drain().for_each(|(row, timestamp)| batch.push(row, timestamp));
        if status == SourceStatus::End {
            take(&mut self.next).drain().for_each(|(row, timestamp)| batch.push(row, timestamp));
        }
        Poll::Ready(Ok(status))
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        self.reader.snapshot(checkpoint)
    }
}

/// A sink whose rows can be seen as soon as they are written.
#[derive(Clone)]
struct PublishAtOnce {
    folder: PathBuf,
}

impl Sink<Record> for PublishAtOnce {
    type Writer = PublishedFile;

    fn open(&self, context: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<PublishedFile, TaskError> {
        let path = self.folder.join(format!("part-{}", context.attempt));
        let fs = context.fs();
        let file = fs
            .create_folder(&self.folder)
            .and_then(|()| fs.create_new(&path))
            .map_err(|error| TaskError::io(format_args!("cannot make {}", path.display()), error))?;
        Ok(PublishedFile(file))
    }
}

struct PublishedFile(Box<dyn FileWriter>);

impl SinkWriter<Record> for PublishedFile {
    fn write(&mut self, batch: &mut Batch<Record>) -> Result<(), TaskError> {
        let lines: String = batch.drain().map(|(record, _)| format!("{record}\n")).collect();
        self.0
            .write_all(lines.as_bytes())
            .map_err(|error| TaskError::io("cannot write to a published file", error))
    }
}
