//! Records by key and their totals by window, both written exactly once, in several shapes.

use crate::records::{OUT_OF_ORDER_MS, Record, WINDOW_MS, WindowTotal, record_at};
use headwater::prelude::*;

/// What all of these programs take.
pub const ARGS: &[ArgSpec] = &[
    ArgSpec {
        name: "seed",
        kind: ArgKind::Integer,
        help: "what the records follow from",
        default: None,
        required: true,
    },
    ArgSpec {
        name: "count",
        kind: ArgKind::Integer,
        help: "records per source",
        default: None,
        required: true,
    },
    ArgSpec {
        name: "rate",
        kind: ArgKind::Float,
        help: "records per second and source subtask",
        default: Some("4000"),
        required: false,
    },
    ArgSpec {
        name: "output",
        kind: ArgKind::Text,
        help: "folder to write into",
        default: None,
        required: true,
    },
    ArgSpec {
        name: "padding",
        kind: ArgKind::Text,
        help: "makes the job's record larger, and nothing else",
        default: None,
        required: false,
    },
];

/// One source; every vertex has the job's parallelism.
pub const KEYED: Program = Program::new(
    "keyed_sequences",
    "Writes a seed's records, and their totals by key and window",
    ARGS,
    keyed,
);

/// Two sources, one of which ends before the other, and the windows' parallelism is 1.
pub const UNION: Program = Program::new(
    "union_sequences",
    "As keyed_sequences, of the records of this seed and, more slowly, the next one; the windows in one subtask",
    ARGS,
    union,
);

/// Windows by the clock: what is in which follows from chance, but not what all of a key have together.
pub const TICKING: Program =
    Program::new("ticking_sequences", "As keyed_sequences, with windows in processing time", ARGS, ticking);

/// Panics, whenever it comes to a certain record.
pub const PANICKING: Program =
    Program::new("panicking_sequences", "Reads a seed's records and panics at one of them", ARGS, panicking);

/// The second source's share of the first one's rate.
const SLOWER: f64 = 0.75;

/// The size of the windows in processing time.
const TICK_MS: u64 = 30;

/// The record that the panicking program panics at.
const PANICS_AT: (u64, u64) = (7, 20);

/// The arguments, read.
pub struct Shape {
    /// What the records follow from.
    pub seed: u64,
    /// Records per source.
    pub count: u64,
    /// Records per second and source subtask.
    pub rate: f64,
    /// The folder to write into.
    pub output: String,
}

impl Shape {
    /// Reads them.
    pub fn of(args: &ProgramArgs) -> Result<Self, ProgramError> {
        Ok(Self {
            seed: args.required_in("seed", 0..=i64::MAX)?,
            count: args.required_in("count", 0..=i64::MAX)?,
            rate: args.float("rate").expect("has a default"),
            output: args.required_text("output")?.to_owned(),
        })
    }

    /// Where records go.
    pub fn records_folder(&self) -> String {
        format!("{}/records", self.output)
    }

    /// Where windows' totals go.
    pub fn windows_folder(&self) -> String {
        format!("{}/windows", self.output)
    }

    /// The source of a seed's records.
    pub fn source(
        &self,
        seed: u64,
    ) -> GeneratorSource<impl Fn(u64) -> (Record, TimestampMs) + Clone + Send + Sync + 'static> {
        let make = move |index| {
            let record = record_at(seed, index);
            (record, record.at_ms)
        };
        GeneratorSource::new(make).count(self.count).rate(self.rate)
    }
}

/// The stream's event time.
pub fn event_time() -> WatermarkStrategy<Record, impl Fn(&Record) -> TimestampMs + Clone + Send + Sync> {
    WatermarkStrategy::for_bounded_out_of_orderness(Duration::from_millis(OUT_OF_ORDER_MS as u64))
        .with_timestamp_assigner(|record: &Record| record.at_ms)
}

fn keyed(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let records = env
        .from_source("Sequences", shape.source(shape.seed))
        .assign_timestamps_and_watermarks(event_time())
        .fork();
    records.stream().write_as_text(shape.records_folder());
    windows(records.stream()).write_as_text(shape.windows_folder()).set_parallelism(2);
    env.execute("Keyed sequences")
}

fn union(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let from = |source| env.from_source("Sequences", source).assign_timestamps_and_watermarks(event_time());
    let slower = shape.source(shape.seed + 1).rate(shape.rate * SLOWER);
    let records = from(shape.source(shape.seed)).union(from(slower)).fork();
    records.stream().write_as_text(shape.records_folder());
    windows(records.stream()).set_parallelism(1).write_as_text(shape.windows_folder()).set_parallelism(2);
    env.execute("Union of sequences")
}

fn ticking(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    let records = env.from_source("Sequences", shape.source(shape.seed)).fork();
    records.stream().write_as_text(shape.records_folder());
    totals(
        records
            .stream()
            .key_by(|record| record.key)
            .window(TumblingProcessingTimeWindows::of(Duration::from_millis(TICK_MS))),
    )
    .write_as_text(shape.windows_folder())
    .set_parallelism(2);
    env.execute("Ticking sequences")
}

fn panicking(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    env.from_source("Sequences", shape.source(shape.seed))
        .map(|record| {
            let place = (record.key, record.sequence);
            assert!(place != PANICS_AT, "the function cannot bear record {place:?}");
            record
        })
        .write_as_text(shape.records_folder());
    env.execute("Panicking sequences")
}

/// The totals by key and window.
pub fn windows<C: Chain<Out = Record>>(records: DataStream<C>) -> DataStream<Identity<WindowTotal>> {
    totals(
        records
            .key_by(|record| record.key)
            .window(TumblingEventTimeWindows::of(Duration::from_millis(WINDOW_MS as u64))),
    )
}

fn totals<C, F>(records: WindowedStream<C, u64, F>) -> DataStream<Identity<WindowTotal>>
where
    C: Chain<Out = Record>,
    F: Fn(&Record) -> u64 + Clone + Send + Sync + 'static,
{
    records.aggregate(Totals, |key, window, (count, sum)| WindowTotal {
        key: *key,
        start_ms: window.start_ms,
        count,
        sum,
    })
}

/// How many records, and the sum of their sequence numbers.
#[derive(Clone)]
struct Totals;

impl AggregateFunction for Totals {
    type In = Record;
    type Acc = (u64, u64);
    type Out = (u64, u64);

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, (count, sum): &mut (u64, u64), record: Record) {
        *count += 1;
        *sum += record.sequence;
    }

    fn merge(&self, (count, sum): &mut (u64, u64), (other_count, other_sum): (u64, u64)) {
        *count += other_count;
        *sum += other_sum;
    }

    fn result(&self, totals: &(u64, u64)) -> (u64, u64) {
        *totals
    }
}
