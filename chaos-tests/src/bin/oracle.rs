//! Judges the output of a finished (or cancelled) run: 0 if it is right, 1 with the first differences if it is not.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use headwater_chaos_tests::oracle::{Coverage, Multiset, compare, expected_records, expected_windows};

const DIFFERENCES_SHOWN_MAX: usize = 10;

/// Compares the committed output of a run with what its seeds say it must be
#[derive(Parser)]
struct Arguments {
    /// A source's seed; once per source
    #[arg(long, required = true)]
    seed: Vec<u64>,
    /// How many records each source makes
    #[arg(long)]
    count: u64,
    /// The folder that the records were written to
    #[arg(long)]
    records: PathBuf,
    /// The folder that the windows were written to
    #[arg(long)]
    windows: PathBuf,
    /// The job was cancelled: part of the output is enough
    #[arg(long)]
    part: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match judge(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn judge(arguments: &Arguments) -> anyhow::Result<usize> {
    let Arguments { seed, count, records, windows, part } = arguments;
    let coverage = if *part { Coverage::Part } else { Coverage::Whole };
    let check = |what: &str, expected: Multiset, folder: &PathBuf| {
        let differences = compare(&expected, folder, coverage)
            .with_context(|| format!("cannot read the {what} in {}", folder.display()))?;
        println!("{what}: {} distinct lines expected, {} differences", expected.len(), differences.len());
        for difference in differences.iter().take(DIFFERENCES_SHOWN_MAX) {
            println!("  {difference}");
        }
        anyhow::Ok(differences.len())
    };
    Ok(check("records", expected_records(seed, *count), records)?
        + check("windows", expected_windows(seed, *count), windows)?)
}
