//! Nexmark in SQL: events per CPU second of each query, with exactly-once checkpoints every second, a sink that keeps nothing,
//! and the state on the heap; beside it what Apache Flink 2.3 does on a 2-core machine, and the ratio.
//!
//! `cargo run --release -p headwater-benchmarks --bin nexmark`
//!
//! Every run has a process of its own, so that its memory can be told.

use std::{fmt::Write, path::Path, process::Command};

use anyhow::{Context, bail};
use clap::Parser;
use headwater::{
    core::{
        job::{ArgValue, Args, JobSpec},
        options::{CheckpointOptions, JobOptions, StateBackend},
    },
    stream::ProgramRegistry,
};
use headwater_benchmarks::{median, peak_resident_bytes_of, run_spec};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SCHEMA: &str = include_str!("../../../sql/tests/nexmark/schema.sql");

/// Keys of q13's side input.
const SIDE_INPUT_KEYS: u32 = 10_000;

/// A query, and thousands of events per CPU second of Flink, where it runs it.
struct Query {
    name: &'static str,
    text: &'static str,
    flink: Option<f64>,
}

macro_rules! queries {
    ($($name:literal $flink:expr),* $(,)?) => {
        [$(Query {
            name: $name,
            text: include_str!(concat!("../../../sql/tests/nexmark/queries/", $name, ".sql")),
            flink: $flink,
        }),*]
    };
}

const QUERIES: [Query; 23] = queries![
    "q0" Some(507.0),
    "q1" Some(543.0),
    "q2" Some(613.0),
    "q3" Some(367.0),
    "q4" Some(89.0),
    "q5" Some(189.0),
    "q6" None,
    "q7" Some(61.0),
    "q8" Some(311.0),
    "q9" Some(67.0),
    "q10" None,
    "q11" Some(152.0),
    "q12" Some(286.0),
    "q13" Some(349.0),
    "q14" Some(462.0),
    "q15" Some(222.0),
    "q16" Some(59.0),
    "q17" Some(202.0),
    "q18" Some(147.0),
    "q19" Some(90.0),
    "q20" Some(91.0),
    "q21" Some(218.0),
    "q22" Some(317.0),
];

/// Nexmark: events per CPU second.
#[derive(Parser)]
struct Options {
    /// Only these queries, such as `q5`.
    #[arg(long, value_delimiter = ',')]
    query: Vec<String>,
    /// Events per run, of all kinds.
    #[arg(long, default_value_t = 10_000_000)]
    events: u64,
    /// Events per second of event time.
    #[arg(long, default_value_t = 1_000_000)]
    rate: u64,
    /// Runs per query; the median counts.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Subtasks.
    #[arg(long, default_value_t = 2)]
    parallelism: u32,
    /// Milliseconds between checkpoints; with a long time, what the operators cost by themselves.
    #[arg(long, default_value_t = 1_000)]
    checkpoint_interval_ms: u64,
    /// Runs the one query once, in this process.
    #[arg(long, hide = true)]
    here: bool,
}

/// What a run took: CPU and wall-clock seconds, completed checkpoints, and the most memory in MB.
struct Run {
    cpu: f64,
    wall: f64,
    checkpoints: f64,
    peak_mb: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(unknown) = options.query.iter().find(|name| QUERIES.iter().all(|query| query.name != **name))
    {
        bail!("unknown query `{unknown}`: expected q0 to q22");
    }
    let is_wanted =
        |query: &&Query| options.query.is_empty() || options.query.iter().any(|name| name == query.name);
    let queries: Vec<&Query> = QUERIES.iter().filter(is_wanted).collect();
    if options.here {
        let [query] = queries.as_slice() else { bail!("--here takes one --query") };
        let Run { cpu, wall, checkpoints, peak_mb } = run_here(&options, query)?;
        println!("{cpu} {wall} {checkpoints} {peak_mb}");
        return Ok(());
    }
    println!(
        "Nexmark, thousands of events per CPU second (median of {}), {} events, parallelism {}",
        options.runs, options.events, options.parallelism
    );
    println!(
        "{:<6} {:>10} {:>10} {:>7} {:>8} {:>8} {:>12} {:>9}",
        "query", "Headwater", "Flink 2.3", "ratio", "cpu s", "wall s", "checkpoints", "peak MB"
    );
    for query in queries {
        let runs: Vec<Run> =
            (0..options.runs).map(|_| run_apart(&options, query)).collect::<Result<_, _>>()?;
        let middle = |of: fn(&Run) -> f64| median(runs.iter().map(of).collect());
        let cpu = middle(|run| run.cpu);
        let rate = options.events as f64 / cpu / 1e3;
        let shown = |value: Option<f64>, digits| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        println!(
            "{:<6} {rate:>10.0} {:>10} {:>7} {cpu:>8.2} {:>8.2} {:>12.0} {:>9.0}",
            query.name,
            shown(query.flink, 0),
            shown(query.flink.map(|flink| rate / flink), 1),
            middle(|run| run.wall),
            middle(|run| run.checkpoints),
            middle(|run| run.peak_mb)
        );
    }
    Ok(())
}

/// Runs a query in a process of its own.
fn run_apart(options: &Options, query: &Query) -> anyhow::Result<Run> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--here", "--query", query.name])
        .args(["--events", &options.events.to_string()])
        .args(["--rate", &options.rate.to_string()])
        .args(["--parallelism", &options.parallelism.to_string()])
        .args(["--checkpoint-interval-ms", &options.checkpoint_interval_ms.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("{}: {}", query.name, String::from_utf8_lossy(&output.stderr).trim());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [cpu, wall, checkpoints, peak_mb] = numbers[..] else {
        bail!("{}: expected four numbers, found `{}`", query.name, text.trim());
    };
    Ok(Run { cpu, wall, checkpoints, peak_mb })
}

fn run_here(options: &Options, query: &Query) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir()?;
    let job_options = JobOptions {
        parallelism: options.parallelism,
        state_backend: StateBackend::HashMap,
        checkpointing: CheckpointOptions {
            interval_ms: Some(options.checkpoint_interval_ms),
            ..CheckpointOptions::default()
        },
        ..JobOptions::default()
    };
    let script = script_of(options, query, folder.path())?;
    let spec = JobSpec {
        name: query.name.to_owned(),
        program: "sql".to_owned(),
        args: Args::from([("script".to_owned(), ArgValue::Text(script))]),
        options: job_options,
    };
    let cost = run_spec(ProgramRegistry::new([]), spec)?;
    Ok(Run {
        cpu: cost.cpu.as_secs_f64(),
        wall: cost.wall.as_secs_f64(),
        checkpoints: cost.checkpoints as f64,
        peak_mb: peak_resident_bytes_of("self")? as f64 / 1e6,
    })
}

/// The tables and the query, with files below a folder.
fn script_of(options: &Options, query: &Query, folder: &Path) -> anyhow::Result<String> {
    let folder_text = folder.to_str().context("expected a temporary folder whose name is text")?;
    let side_input = folder.join("side_input.csv");
    let lines = (0..SIDE_INPUT_KEYS).fold(String::new(), |mut lines, key| {
        let _ = writeln!(lines, "{key},{key}");
        lines
    });
    std::fs::write(&side_input, lines)?;
    let text = query
        .text
        .replace("${side_input}", &format!("{folder_text}/side_input.csv"))
        .replace("${folder}", &format!("{folder_text}/out"));
    let (events, rate) = (options.events, options.rate);
    Ok(format!(
        "{SCHEMA}\nALTER TABLE nexmark SET ('events.num' = '{events}', 'first-event.rate' = '{rate}');\n{text}"
    ))
}
