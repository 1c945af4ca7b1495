//! Repeats a test with several seeds.

use crate::{
    job::Backend,
    run::{Binaries, Run},
};

/// The variable with the one seed to run with.
pub const SEED: &str = "HEADWATER_CHAOS_SEED";
const RUNS: &str = "HEADWATER_CHAOS_RUNS";
const RUNS_DEFAULT: u64 = 3;

/// Runs `body` with each backend and as many seeds as the environment asks for: `HEADWATER_CHAOS_RUNS` new ones, or the one
/// in `HEADWATER_CHAOS_SEED`.
///
/// # Panics
/// If `body` fails, after having told how to replay it and what was seen.
pub fn promise(binaries: &Binaries, backends: &[Backend], body: impl Fn(&mut Run) -> anyhow::Result<()>) {
    promise_with(binaries, seeds(RUNS_DEFAULT), backends, body);
}

/// As [`promise`], with one seed if the environment asks for nothing: for what has a test per fault point.
///
/// # Panics
/// As [`promise`].
pub fn promise_once(
    binaries: &Binaries,
    backends: &[Backend],
    body: impl Fn(&mut Run) -> anyhow::Result<()>,
) {
    promise_with(binaries, seeds(1), backends, body);
}

fn promise_with(
    binaries: &Binaries,
    seeds: Vec<u64>,
    backends: &[Backend],
    body: impl Fn(&mut Run) -> anyhow::Result<()>,
) {
    for seed in seeds {
        for backend in backends {
            let mut run = Run::new(binaries, seed, *backend).expect("a temporary folder can be made");
            if let Err(error) = body(&mut run) {
                let report = run.into_report(&error);
                panic!("{report}");
            }
        }
    }
}

/// The seeds to run with, so many if the environment asks for nothing.
fn seeds(runs_default: u64) -> Vec<u64> {
    let number = |name| {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}: expected a whole number, found `{text}`")))
    };
    match (number(SEED), number(RUNS)) {
        (Some(seed), _) => vec![seed],
        // As JSON numbers are read, they must fit into 53 bits.
        (None, runs) => {
            (0..runs.unwrap_or(runs_default)).map(|_| headwater::core::random::number() >> 32).collect()
        }
    }
}
