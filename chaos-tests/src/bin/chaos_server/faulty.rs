//! As keyed_sequences, with an operator or a sink that misbehaves in ways that no error tells of.

use std::{
    fmt,
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    thread,
};

use headwater::{core::ids::CheckpointId, prelude::*};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    sink::{Sink, SinkWriter},
};
use headwater_chaos_tests::{
    programs::{ARGS, Shape, event_time, windows},
    records::Record,
};
use serde::{Deserialize, Serialize};

/// Hangs at one record in its first life, until it is let go.
pub const HANGING: Program = Program::new(
    "hanging_sequences",
    "As keyed_sequences; a function hangs at one record, once, until there is a file `release` in the output folder",
    ARGS,
    hanging,
);

/// Its sink takes its time.
pub const SLOW: Program = Program::new(
    "slow_sequences",
    "As keyed_sequences; the records' sink pauses before each batch",
    ARGS,
    slow,
);

/// Takes more memory than there is, in its first life.
pub const GREEDY: Program = Program::new(
    "greedy_sequences",
    "As keyed_sequences; a function keeps all memory that it can get at one record, once",
    ARGS,
    greedy,
);

/// Has timers.
pub const TIMED: Program = Program::new(
    "timed_sequences",
    "As keyed_sequences; beside it, windows in processing time, which nobody sees",
    ARGS,
    timed,
);

/// The record at which something happens.
const AT: (u64, u64) = (7, 20);

const LOOK_INTERVAL: Duration = Duration::from_millis(5);
const PAUSE: Duration = Duration::from_millis(10);
const TIMED_WINDOWS: Duration = Duration::from_millis(20);
const GREED_BYTES: usize = 16 << 20;

fn hanging(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let output = shape.output.clone();
    run(env, &shape, move |record| {
        if is_first(record, &output, "hung") {
            while !Path::new(&output).join("release").exists() {
                thread::sleep(LOOK_INTERVAL);
            }
        }
    })
}

fn greedy(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let output = shape.output.clone();
    run(env, &shape, move |record| {
        if is_first(record, &output, "greedy") {
            let mut kept = Vec::new();
            loop {
                // Not zeros, which would take no memory before they are written to.
                kept.push(vec![1u8; GREED_BYTES]);
                std::hint::black_box(&kept);
            }
        }
    })
}

/// Whether this is the record, and for the first time in all lives; a file says so to later ones.
fn is_first(record: &Record, output: &str, name: &str) -> bool {
    if (record.key, record.sequence) != AT {
        return false;
    }
    fs::create_dir_all(output).expect("the output's folder can be made");
    match File::create_new(Path::new(output).join(name)) {
        Ok(_) => true,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
        Err(error) => panic!("cannot make the file `{name}`: {error}"),
    }
}

fn run(
    env: &StreamExecutionEnvironment,
    shape: &Shape,
    visit: impl Fn(&Record) + Clone + Send + Sync + 'static,
) -> Result<(), ProgramError> {
    let records = env
        .from_source("Sequences", shape.source(shape.seed))
        .map(move |record| {
            visit(&record);
            record
        })
        .assign_timestamps_and_watermarks(event_time())
        .fork();
    records.stream().write_as_text(shape.records_folder());
    windows(records.stream()).write_as_text(shape.windows_folder()).set_parallelism(2);
    env.execute("Faulty sequences")
}

fn slow(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let records = env
        .from_source("Sequences", shape.source(shape.seed))
        .assign_timestamps_and_watermarks(event_time())
        .fork();
    // Not chained to the source: there is to be a channel that fills up.
    let wide = records.stream().map(|record| Wide { record, width: [record.sequence; 32] });
    let apart = wide.key_by(|wide| wide.record.key).reduce(|last, wide| *last = wide);
    apart.sink_to("Slow", Slow(FileSink::new(shape.records_folder())));
    windows(records.stream()).write_as_text(shape.windows_folder()).set_parallelism(2);
    env.execute("Slow sequences")
}

fn timed(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let records = env
        .from_source("Sequences", shape.source(shape.seed))
        .assign_timestamps_and_watermarks(event_time())
        .fork();
    records.stream().write_as_text(shape.records_folder());
    windows(records.stream()).write_as_text(shape.windows_folder()).set_parallelism(2);
    let timed =
        records.stream().key_by(|record| record.key).window(TumblingProcessingTimeWindows::of(TIMED_WINDOWS));
    timed.reduce(|last, record| *last = record).sink_to("Discard", DiscardSink);
    env.execute("Timed sequences")
}

/// A record that takes much memory, for there to be much when it is not bounded.
#[derive(Clone, Serialize, Deserialize)]
struct Wide {
    record: Record,
    width: [u64; 32],
}

impl fmt::Display for Wide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

/// A sink that pauses before each batch.
#[derive(Clone)]
struct Slow(FileSink);

struct SlowWriter<W>(W);

impl<T, S> Sink<T> for Slow
where
    FileSink: Sink<T, Writer = S>,
    S: SinkWriter<T>,
{
    type Writer = SlowWriter<S>;

    fn open(
        &self,
        context: &TaskContext,
        state: Option<&[u8]>,
        prepared: &[&[u8]],
    ) -> Result<SlowWriter<S>, TaskError> {
        self.0.open(context, state, prepared).map(SlowWriter)
    }
}

impl<T, W: SinkWriter<T>> SinkWriter<T> for SlowWriter<W> {
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError> {
        thread::sleep(PAUSE);
        self.0.write(batch)
    }

    fn flush(&mut self) -> Result<(), TaskError> {
        self.0.flush()
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<Option<Vec<u8>>, TaskError> {
        self.0.prepare(checkpoint)
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        self.0.snapshot()
    }

    fn commit(&mut self, prepared: &[u8]) -> Result<(), TaskError> {
        self.0.commit(prepared)
    }
}
