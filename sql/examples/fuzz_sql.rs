//! Random SQL, until it is stopped: scripts up to the compiled job, and queries compared with DataFusion's batch engine.
//!
//! `cargo run --release -p headwater-sql --example fuzz_sql -- [--seed N] [--statements N] [--compare N] [--output FOLDER] [--file FILE]`
//!
//! The scripts are executed in a process of their own, so that one that overflows the stack is found, too. What fails is made as small as
//! possible and written to a file of its own in the output folder. `--compare 10` compares one query for every ten scripts; `--file`
//! executes one script.

#![allow(clippy::unwrap_used, reason = "a program for tests")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/fuzz/compare/mod.rs"]
mod compare;
#[path = "../tests/fuzz/grammar/mod.rs"]
mod grammar;
#[path = "../tests/fuzz/minimize.rs"]
mod minimize;
#[path = "../tests/fuzz/mutate.rs"]
mod mutate;
#[path = "../tests/fuzz/target.rs"]
mod target;

use std::{
    collections::BTreeSet,
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, bail, ensure};
use grammar::Grammar;
use mutate::Corpus;
use target::{Taken, Target};

/// What a process that cannot go on tells its parent: a script took too long, and its thread still runs.
const EXIT_BUSY: i32 = 3;

struct Options {
    seed: u64,
    statements: u64,
    compare: u64,
    output: PathBuf,
    file: Option<PathBuf>,
    is_child: bool,
}

fn options() -> Result<Options> {
    let mut options = Options {
        seed: rand::random::<u32>().into(),
        statements: u64::MAX,
        compare: 20,
        output: env::temp_dir().join("fuzz-sql"),
        file: None,
        is_child: false,
    };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--child" {
            options.is_child = true;
            continue;
        }
        let value = arguments.next().with_context(|| format!("expected a value behind {name}"))?;
        match name.as_str() {
            "--seed" => options.seed = value.parse()?,
            "--statements" => options.statements = value.parse()?,
            "--compare" => options.compare = value.parse()?,
            "--output" => options.output = value.into(),
            "--file" => options.file = Some(value.into()),
            _ => bail!("unknown option {name}: expected --seed, --statements, --compare, --output or --file"),
        }
    }
    Ok(options)
}

/// Where a child says how far it has come: the seed, then the script.
fn running(output: &Path) -> PathBuf {
    output.join("running.sql")
}

fn main() -> Result<ExitCode> {
    let options = options()?;
    fs::create_dir_all(&options.output)?;
    if let Some(file) = &options.file {
        println!("{:?}", Target::start().judge(&fs::read_to_string(file)?));
        return Ok(ExitCode::SUCCESS);
    }
    if options.is_child {
        return child(&options);
    }
    println!("--seed {}, failures go to {}", options.seed, options.output.display());
    let (mut seed, mut left) = (options.seed, options.statements);
    let mut is_clean = true;
    while left > 0 {
        let status = Command::new(env::current_exe()?)
            .args(["--child", "--seed", &seed.to_string(), "--statements", &left.to_string()])
            .args(["--compare", &options.compare.to_string(), "--output"])
            .arg(&options.output)
            .status()?;
        if status.success() {
            break;
        }
        is_clean = false;
        let text = fs::read_to_string(running(&options.output))?;
        let (number, script) = text.split_once('\n').context("a seed and a script")?;
        let stopped: u64 = number.trim_start_matches("-- ").parse()?;
        if status.code().is_none() {
            report(&options.output, stopped, &format!("the process ended: {status}"), script)?;
        }
        let done = stopped.wrapping_sub(seed).saturating_add(1);
        (seed, left) = (stopped.wrapping_add(1), left.saturating_sub(done));
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(output: &Path, seed: u64, what: &str, script: &str) -> Result<()> {
    let path = output.join(format!("failure-{seed}.sql"));
    println!("seed {seed}: {what}: {}", path.display());
    Ok(fs::write(path, format!("-- seed {seed}: {}\n{script}\n", what.replace('\n', "\n-- ")))?)
}

fn child(options: &Options) -> Result<ExitCode> {
    let corpus = Corpus::read();
    let mut target = Target::start();
    let mut taken = Taken::default();
    let mut causes = BTreeSet::new();
    let (mut compared, mut failed) = (0u64, 0u64);
    for number in 0..options.statements {
        let seed = options.seed.wrapping_add(number);
        if options.compare > 0 && number % options.compare == 0 {
            fs::write(running(&options.output), format!("-- {seed}\n-- a comparison"))?;
            let result = panic::catch_unwind(AssertUnwindSafe(|| compare::compare(seed)));
            match result.unwrap_or_else(|_| bail!("a panic")) {
                Ok(is_compared) => compared += u64::from(is_compared),
                Err(error) => {
                    failed += 1;
                    report(&options.output, seed, &format!("{error:#}"), "")?;
                }
            }
        }
        let script = if seed % 2 == 0 { Grammar::new(seed).script() } else { corpus.mutant(seed) };
        fs::write(running(&options.output), format!("-- {seed}\n{script}"))?;
        match target.judge(&script) {
            Ok(more) => taken.add(more),
            Err(failure) => {
                failed += 1;
                let cause = failure.cause();
                if causes.insert(cause.clone()) {
                    let fails =
                        |script: &str| target.judge(script).is_err_and(|failure| failure.cause() == cause);
                    let script = minimize::minimize(&script, fails);
                    report(&options.output, seed, &format!("{failure:?}"), &script)?;
                }
                if failure == target::Failure::TookTooLong {
                    std::process::exit(EXIT_BUSY);
                }
            }
        }
        if number % 1_000 == 999 {
            println!(
                "seed {seed}: {} planned, {} refused, {compared} compared",
                taken.planned, taken.refused
            );
        }
    }
    println!("{} planned, {} refused, {compared} compared, {failed} failed", taken.planned, taken.refused);
    let mut internal: Vec<_> = taken.internal.iter().collect();
    internal.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    internal.iter().take(20).for_each(|(message, count)| println!("{count} times: {message}"));
    ensure!(failed == 0, "{failed} failures are in {}", options.output.display());
    Ok(ExitCode::SUCCESS)
}
