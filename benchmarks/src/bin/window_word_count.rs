//! Windowed word count from an in-process generator: words uniformly at random from 10 k and from 1 M distinct ones,
//! tumbling windows of 1 s of event time, discard sink, exactly-once checkpoints every second, both state backends.
//! Prints records per CPU second, and the ratio to what Apache Flink 2.3 does on a 2-core machine.
//!
//! `cargo run --release -p headwater-benchmarks --bin window_word_count`

use clap::Parser;
use headwater::{
    connectors::generator::random_at,
    core::{
        job::{ArgValue, Args},
        options::{JobOptions, StateBackend},
    },
    prelude::*,
};
use headwater_benchmarks::{Cost, median, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Records per second of event time: with 1 M words, ten of each per window.
const RECORDS_PER_EVENT_SECOND: u64 = 10_000_000;

const CELLS: [(StateBackend, u64, f64); 4] = [
    (StateBackend::HashMap, 10_000, 2.0),
    (StateBackend::HashMap, 1_000_000, 0.22),
    (StateBackend::RocksDb, 10_000, 0.19),
    (StateBackend::RocksDb, 1_000_000, 0.05),
];

const PROGRAM: Program = Program::new(
    "window_word_count",
    "Counts generated words in tumbling windows of a second of event time",
    &[
        integer("records", "records in all"),
        integer("words", "distinct words"),
        integer("seed", "of the generator"),
    ],
    window_word_count,
);

const fn integer(name: &'static str, help: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Integer, help, default: None, required: true }
}

fn window_word_count(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let records: u64 = args.required_in("records", 1..=i64::MAX)?;
    let words: u64 = args.required_in("words", 1..=i64::MAX)?;
    let seed: u64 = args.required_in("seed", 0..=i64::MAX)?;

    env.generate(Some(records), move |index| {
        let timestamp_ms = index / (RECORDS_PER_EVENT_SECOND / 1000);
        (word(choose(random_at(seed, index), words)), timestamp_ms as TimestampMs)
    })
    .assign_timestamps_and_watermarks(WatermarkStrategy::for_monotonous_timestamps())
    .map(|word| (word, 1u64))
    .key_by(|(word, _)| word.clone())
    .window(TumblingEventTimeWindows::of(Duration::from_secs(1)))
    .sum(|(_, count)| count)
    .discard();

    env.execute("Window WordCount")
}

/// The word with this number: eight letters.
#[inline]
fn word(number: u64) -> Str {
    let mut letters = [b'a'; 8];
    for (position, letter) in letters.iter_mut().enumerate() {
        *letter += (number >> (4 * position) & 15) as u8;
    }
    Str::from(std::str::from_utf8(&letters).expect("letters are ASCII"))
}

/// One of `choices`, uniformly at random. (Lemire: Fast random integer generation in an interval.)
#[inline]
fn choose(random: u64, choices: u64) -> u64 {
    ((u128::from(random) * u128::from(choices)) >> 64) as u64
}

/// Windowed word count: records per CPU second.
#[derive(Parser)]
struct Options {
    /// Records per run.
    #[arg(long, default_value_t = 60_000_000)]
    records: u64,
    /// Runs per cell; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: u64,
    /// Subtasks.
    #[arg(long, default_value_t = 2)]
    parallelism: u32,
    /// Only the cell with this number, from 0.
    #[arg(long)]
    cell: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let cells: Vec<_> = CELLS
        .iter()
        .enumerate()
        .filter(|(index, _)| options.cell.is_none_or(|cell| cell == *index))
        .collect();
    let mut rates = vec![Vec::new(); cells.len()];
    // Runs of the cells take turns, so that a noisy moment does not fall on one of them.
    for seed in 0..options.runs {
        for (rates, (_, (backend, words, _))) in rates.iter_mut().zip(&cells) {
            let cost = run_cell(&options, *backend, *words, seed)?;
            rates.push(options.records as f64 / cost.cpu.as_secs_f64() / 1e6);
            eprintln!(
                "{backend:?} {words} words: {:.2} s CPU, {:.2} s wall, {} checkpoints",
                cost.cpu.as_secs_f64(),
                cost.wall.as_secs_f64(),
                cost.checkpoints
            );
        }
    }
    println!(
        "windowed word count, M records per CPU second (median of {}), parallelism {}",
        options.runs, options.parallelism
    );
    println!("{:<10} {:>10} {:>12} {:>12} {:>8}", "backend", "words", "Headwater", "Flink 2.3", "ratio");
    for (rates, (_, (backend, words, flink))) in rates.into_iter().zip(&cells) {
        let rate = median(rates);
        let backend = format!("{backend:?}").to_lowercase();
        println!("{backend:<10} {words:>10} {rate:>12.2} {flink:>12.2} {:>8.1}", rate / flink);
    }
    Ok(())
}

fn run_cell(options: &Options, backend: StateBackend, words: u64, seed: u64) -> anyhow::Result<Cost> {
    let number = |value: u64| ArgValue::Integer(value as i64);
    let args = Args::from([
        ("records".to_owned(), number(options.records)),
        ("words".to_owned(), number(words)),
        ("seed".to_owned(), number(seed)),
    ]);
    let job_options =
        JobOptions { parallelism: options.parallelism, state_backend: backend, ..JobOptions::default() };
    run(PROGRAM, args, job_options)
}
