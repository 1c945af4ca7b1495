//! Many runs.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    panic::catch_unwind,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use headwater::core::fault::Phase;

use super::{
    run::{Outcome, run},
    scenario::{Scenario, Victim},
};

/// A kind of runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Without faults.
    Calm,
    /// With any faults.
    Random,
    /// With one death in a phase of a checkpoint.
    Death(Victim, Phase),
}

impl Kind {
    /// The run of a seed.
    pub fn scenario(self, seed: u64) -> Scenario {
        match self {
            Self::Calm => Scenario::calm(seed),
            Self::Random => Scenario::random(seed),
            Self::Death(victim, phase) => Scenario::death_in_phase(seed, victim, phase),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm => f.write_str("calm"),
            Self::Random => f.write_str("random"),
            Self::Death(victim, phase) => write!(f, "{}@{phase:?}", victim.name()),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let deaths = Victim::ALL
            .into_iter()
            .flat_map(|victim| Phase::ALL.into_iter().map(move |phase| Self::Death(victim, phase)));
        let all: Vec<Self> = [Self::Calm, Self::Random].into_iter().chain(deaths).collect();
        all.iter().copied().find(|kind| kind.to_string() == text).ok_or_else(|| {
            let known: Vec<String> = all.iter().map(ToString::to_string).collect();
            format!("expected one of {}", known.join(", "))
        })
    }
}

/// What came of many runs.
#[derive(Clone, Default, Debug)]
pub struct Summary {
    /// How many.
    pub runs: u64,
    /// How many with a violation.
    pub violations: u64,
    /// How many processes.
    pub lives: u64,
    /// What went wrong on purpose, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Virtual time, in milliseconds.
    pub virtual_ms: u64,
}

impl Summary {
    fn add(&mut self, outcome: &Outcome) {
        self.runs += 1;
        self.violations += u64::from(!outcome.violations.is_empty());
        self.lives += u64::from(outcome.lives);
        self.virtual_ms += outcome.took_ms;
        for fired in outcome.fired.iter().filter(|fired| fired.has_struck) {
            *self.faults.entry(fired.planned.act.kind().to_owned()).or_default() += 1;
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: u64 = self.faults.values().sum();
        writeln!(
            f,
            "{} runs with {} processes and {faults} faults in {} virtual seconds: {} with a violation",
            self.runs,
            self.lives,
            self.virtual_ms / 1_000,
            self.violations
        )?;
        self.faults.iter().try_for_each(|(fault, times)| writeln!(f, "  {times:>7} {fault}"))
    }
}

/// Runs all seeds on so many threads; complaints are reported as they come.
pub fn run_all(kind: Kind, seeds: Range<u64>, threads: usize, complain: impl Fn(String) + Sync) -> Summary {
    let next = AtomicU64::new(seeds.start);
    let summary = Mutex::new(Summary::default());
    let work = || {
        while let seed = next.fetch_add(1, Ordering::SeqCst)
            && seed < seeds.end
        {
            let Ok(outcome) = catch_unwind(|| run(kind.scenario(seed))) else {
                complain(format!("seed {seed}: the simulation panicked; again with: {}", replay(kind, seed)));
                let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                summary.runs += 1;
                summary.violations += 1;
                continue;
            };
            if let Some(complaint) = outcome.complaint() {
                complain(format!("{complaint}  again with: {}", replay(kind, seed)));
            }
            summary.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome);
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(work);
        }
    });
    summary.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The command that runs a seed again and shows what happens.
pub fn replay(kind: Kind, seed: u64) -> String {
    format!(
        "cargo run --release -p headwater-chaos-tests --bin simulate -- --kind {kind} --seed {seed} --verbose"
    )
}
