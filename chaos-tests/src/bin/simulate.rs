//! Runs simulations: one seed, to see what happens, or very many, to see that nothing goes wrong.

use std::{process::ExitCode, time::Instant};

use clap::Parser;
use headwater_chaos_tests::sim::{
    campaign::{self, Kind},
    run::run_traced,
    trace::Trace,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Simulates the engine under faults that follow from seeds
#[derive(Parser)]
struct Arguments {
    /// The seed, or the first of several
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// The kind of runs: `random`, `calm`, or a victim and a phase, such as `job-master@P4`
    #[arg(long, default_value = "random")]
    kind: Kind,
    /// Prints everything that happens
    #[arg(long, short)]
    verbose: bool,
    /// How many run at once
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.verbose {
        let outcome = run_traced(arguments.kind.scenario(arguments.seed), &Trace::printed());
        println!("{outcome:#?}");
        return if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let began = Instant::now();
    let seeds = arguments.seed..arguments.seed + arguments.runs;
    let summary =
        campaign::run_all(arguments.kind, seeds, arguments.threads, |complaint| eprintln!("{complaint}"));
    println!("{summary}");
    println!("{:.1} runs a second", arguments.runs as f64 / began.elapsed().as_secs_f64());
    if summary.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
