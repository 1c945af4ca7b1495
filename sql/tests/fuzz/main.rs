//! Random scripts, up to the compiled job: each is refused with an error or planned, and nothing panics, hangs or overflows the stack.
//! Random queries over bounded tables, to their results: they are those of DataFusion's batch engine.
//!
//! Both are bounded here. `cargo run --release -p headwater-sql --example fuzz_sql` goes on until it is stopped.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod grammar;
mod minimize;
mod mutate;
mod target;

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use grammar::Grammar;
use minimize::minimize;
use mutate::Corpus;
use target::{Taken, Target};

/// The tests are over after this many scripts or this long, whichever comes first.
const SCRIPTS: u64 = 1_500;
const EFFORT: Duration = Duration::from_secs(25);

/// `HEADWATER_FUZZ_SEED`, or one that is different each time.
fn seed() -> u64 {
    let given = env::var("HEADWATER_FUZZ_SEED").ok();
    let seed =
        given.map_or_else(rand::random, |given| given.parse().expect("HEADWATER_FUZZ_SEED is a number"));
    println!("HEADWATER_FUZZ_SEED={seed} does the same again");
    seed
}

/// Judges scripts that a seed makes. A stack that overflows ends the process: what was executed then is in a file.
fn survive(name: &str, script_of: impl Fn(u64) -> String) {
    let first = seed();
    let begin = Instant::now();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.sql"));
    let mut target = Target::start();
    let mut taken = Taken::default();
    for seed in (0..SCRIPTS).map(|number| first.wrapping_add(number)) {
        if begin.elapsed() > EFFORT {
            break;
        }
        let script = script_of(seed);
        fs::write(&path, &script).unwrap();
        match target.judge(&script) {
            Ok(more) => taken.add(more),
            Err(failure) => {
                let cause = failure.cause();
                let script = minimize(&script, |script| {
                    target.judge(script).is_err_and(|failure| failure.cause() == cause)
                });
                panic!("HEADWATER_FUZZ_SEED={seed}: {failure:?}, for\n{script}");
            }
        }
    }
    assert!(taken.planned > taken.refused / 50, "hardly anything is planned: {taken:?}");
    println!("{} statements planned, {} refused", taken.planned, taken.refused);
}

#[test]
fn generated_scripts_are_planned_or_refused() {
    survive("fuzz_generated", |seed| Grammar::new(seed).script());
}

#[test]
fn mutated_scripts_are_planned_or_refused() {
    let corpus = Corpus::read();
    survive("fuzz_mutated", |seed| corpus.mutant(seed));
}

#[test]
fn generated_queries_give_what_the_batch_engine_gives() {
    let first = seed();
    let begin = Instant::now();
    let (mut compared, mut tried) = (0, 0);
    for seed in (0..SCRIPTS).map(|number| first.wrapping_add(number)) {
        if begin.elapsed() > EFFORT {
            break;
        }
        tried += 1;
        match compare::compare(seed) {
            Ok(is_compared) => compared += u64::from(is_compared),
            Err(error) => panic!("HEADWATER_FUZZ_SEED={seed}: {error:#}"),
        }
    }
    assert!(compared > tried / 2, "few of the queries could be compared: {compared} of {tried}");
    println!("{compared} of {tried} queries compared");
}
