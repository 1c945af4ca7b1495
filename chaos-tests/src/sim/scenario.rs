//! What a simulated run is: a job, a way of passing the time, and faults, all of which follow from a seed.

use std::{collections::BTreeMap, fmt, time::Duration};

use headwater::core::{
    fault::{FaultPoint, Phase},
    job::{ArgValue, JobSpec},
    options::JobOptions,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::job::incremental_from;

/// Who or what can be made to die.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Victim {
    /// A subtask of a source.
    Source,
    /// A subtask of an operator.
    Operator,
    /// A subtask of a sink.
    Sink,
    /// The job's checkpoint coordinator.
    CheckpointCoordinator,
    /// The job's master.
    JobMaster,
    /// The dispatcher.
    Dispatcher,
    /// The process: what it wrote is still there.
    Process,
    /// The machine: what was not synced may be gone.
    Machine,
}

impl Victim {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Source,
        Self::Operator,
        Self::Sink,
        Self::CheckpointCoordinator,
        Self::JobMaster,
        Self::Dispatcher,
        Self::Process,
        Self::Machine,
    ];

    /// Its name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Operator => "operator",
            Self::Sink => "sink",
            Self::CheckpointCoordinator => "checkpoint-coordinator",
            Self::JobMaster => "job-master",
            Self::Dispatcher => "dispatcher",
            Self::Process => "process",
            Self::Machine => "machine",
        }
    }

    /// What dies of it, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Source => "source killed",
            Self::Operator => "operator killed",
            Self::Sink => "sink killed",
            Self::CheckpointCoordinator => "checkpoint coordinator killed",
            Self::JobMaster => "job master killed",
            Self::Dispatcher => "dispatcher killed",
            Self::Process => "process killed",
            Self::Machine => "power lost",
        }
    }
}

/// What happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Somebody dies.
    Kill(Victim),
    /// The process dies, and a bit of the newest checkpoint flips before the next one begins.
    Damage,
    /// Whoever is there panics.
    Panic,
    /// The operation there fails.
    Error,
    /// The disk takes nothing more for so many milliseconds.
    DiskFull(u64),
    /// The wall clock is set by so many milliseconds.
    ClockJump(i64),
    /// The process is asked to stop, and another one started.
    Stop,
    /// The job is cancelled.
    Cancel,
}

impl Act {
    /// The kind of fault that it is, for people.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill(victim) => victim.describe(),
            Self::Damage => "newest checkpoint damaged",
            Self::Panic => "panic",
            Self::Error => "error",
            Self::DiskFull(_) => "disk full",
            Self::ClockJump(_) => "wall clock set",
            Self::Stop => "orderly stop",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DiskFull(ms) => write!(f, "disk full for {ms} ms"),
            Self::ClockJump(ms) => write!(f, "wall clock set by {ms} ms"),
            act => f.write_str(act.kind()),
        }
    }
}

/// When it happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// So many virtual milliseconds after the run began.
    AfterMs(u64),
    /// When a fault point is reached for the nth time, counted from 1 over the whole run.
    At(FaultPoint, u32),
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AfterMs(ms) => write!(f, "after {ms} ms"),
            Self::At(point, nth) => write!(f, "at {point}, time {nth}"),
        }
    }
}

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// When.
    pub when: When,
    /// What.
    pub act: Act,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What everything follows from.
    pub seed: u64,
    /// The job's program.
    pub program: &'static str,
    /// How many sources it has, each with a seed of its own.
    pub sources: u64,
    /// Records per source.
    pub count: u64,
    /// Records per second and source subtask.
    pub rate: f64,
    /// The job's options.
    pub options: BTreeMap<String, String>,
    /// The longest that a message between coordinator and worker takes.
    pub message_ms_max: u64,
    /// The longest that an operation of the disk takes.
    pub disk_ms_max: u64,
    /// What is wrong with the program, of the sabotaged one.
    pub mistake: Option<&'static str>,
    /// Whether the disk says that it has synced without having done so.
    pub disk_lies: bool,
    /// The faults.
    pub faults: Vec<Planned>,
}

/// Where the output goes, and where everything else.
pub const OUTPUT: &str = "/output";
/// The data folder.
pub const DATA: &str = "/data";

impl Scenario {
    /// A run without faults.
    pub fn calm(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (program, sources) = *[("keyed_sequences", 1), ("union_sequences", 2), ("ticking_sequences", 1)]
            .choose(&mut random)
            .expect("there are some");
        let mut options = BTreeMap::new();
        let mut set = |key: &str, value: String| options.insert(key.to_owned(), value);
        set("state.backend.type", "hashmap".to_owned());
        set("state.backend.incremental-from", incremental_from(seed).to_owned());
        set("parallelism.default", random.random_range(1..=3).to_string());
        set("pipeline.max-parallelism", "16".to_owned());
        set(
            "execution.checkpointing.interval",
            [5, 20, 50, 150].choose(&mut random).expect("some").to_string(),
        );
        set("execution.checkpointing.min-pause", [0, 0, 10].choose(&mut random).expect("some").to_string());
        set(
            "execution.checkpointing.timeout",
            [1_000, 600_000].choose(&mut random).expect("some").to_string(),
        );
        set("execution.checkpointing.num-retained", random.random_range(1..=3).to_string());
        let tolerable = [0, 0, 2, 1_000].choose(&mut random).expect("some").to_string();
        set("execution.checkpointing.tolerable-failed-checkpoints", tolerable);
        set("restart-strategy.exponential-delay.max-backoff", "100 ms".to_owned());
        set("restart-strategy.exponential-delay.attempts-before-reset-backoff", "100000".to_owned());
        Self {
            seed,
            program,
            sources,
            count: *[640, 1_280, 2_560].choose(&mut random).expect("some"),
            rate: *[2_000.0, 4_000.0, 20_000.0].choose(&mut random).expect("some"),
            options,
            message_ms_max: *[0, 2, 10].choose(&mut random).expect("some"),
            disk_ms_max: *[0, 3, 20].choose(&mut random).expect("some"),
            mistake: None,
            disk_lies: false,
            faults: Vec::new(),
        }
    }

    /// A run with any number of any faults.
    pub fn random(seed: u64) -> Self {
        let mut scenario = Self::calm(seed);
        // Another stream of chance than the job's.
        let mut random = StdRng::seed_from_u64(!seed);
        for _ in 0..random.random_range(1..=6) {
            let when = if random.random_bool(0.7) {
                let point = *FaultPoint::ALL.choose(&mut random).expect("there are some");
                let often = [3, 12, 60].choose(&mut random).expect("there are some");
                When::At(point, random.random_range(1..=*often))
            } else {
                When::AfterMs(random.random_range(0..1_200))
            };
            scenario.faults.push(Planned { when, act: any_act(when, &mut random) });
        }
        if random.random_bool(0.05) {
            let when = When::AfterMs(random.random_range(0..1_500));
            scenario.faults.push(Planned { when, act: Act::Cancel });
        }
        scenario
    }

    /// A run in which somebody dies in a phase of a checkpoint. In [`Phase::P0`] it is at any time.
    pub fn death_in_phase(seed: u64, victim: Victim, phase: Phase) -> Self {
        let mut scenario = Self::calm(seed);
        let mut random = StdRng::seed_from_u64(!seed ^ victim as u64);
        let points: Vec<FaultPoint> =
            FaultPoint::ALL.iter().copied().filter(|point| point.phase() == Some(phase)).collect();
        let point = *points.choose(&mut random).expect("every phase has a point");
        // A job prunes for the first time when it has completed more checkpoints than it keeps.
        let often = if phase == Phase::P7 { 3 } else { 8 };
        let when = When::At(point, random.random_range(1..=often));
        scenario.faults.push(Planned { when, act: Act::Kill(victim) });
        scenario
    }

    /// The job, as it is submitted.
    pub fn spec(&self) -> JobSpec {
        let mut options = JobOptions::default();
        options.set_all(&self.options).expect("a scenario has only options that there are");
        let whole = |number: u64| ArgValue::Text(number.to_string());
        let args = [
            ("seed", whole(self.data_seed())),
            ("count", whole(self.count)),
            ("rate", ArgValue::Text(self.rate.to_string())),
            ("output", ArgValue::Text(OUTPUT.to_owned())),
        ];
        let mistake = self.mistake.map(|mistake| ("mistake", ArgValue::Text(mistake.to_owned())));
        JobSpec {
            name: String::new(),
            program: self.program.to_owned(),
            args: args.into_iter().chain(mistake).map(|(name, value)| (name.to_owned(), value)).collect(),
            options,
        }
    }

    /// What the records follow from: a number that fits where arguments are read.
    pub fn data_seed(&self) -> u64 {
        self.seed >> 16
    }

    /// The seeds of the sources' records.
    pub fn data_seeds(&self) -> Vec<u64> {
        (self.data_seed()..self.data_seed() + self.sources).collect()
    }

    /// Whether the job may end as FAILED: no checkpoint may be left.
    pub fn damages(&self) -> bool {
        self.faults.iter().any(|fault| fault.act == Act::Damage)
    }

    /// Whether the job may end as CANCELED.
    pub fn cancels(&self) -> bool {
        self.faults.iter().any(|fault| fault.act == Act::Cancel)
    }

    /// The longest delay of this many milliseconds, by chance.
    pub fn delay(ms_max: u64, random: &mut StdRng) -> Duration {
        Duration::from_millis(random.random_range(0..=ms_max))
    }
}

fn any_act(when: When, random: &mut StdRng) -> Act {
    if matches!(when, When::At(..)) && random.random_bool(0.4) {
        return if random.random_bool(0.5) { Act::Panic } else { Act::Error };
    }
    match random.random_range(0..20) {
        0 => Act::DiskFull(random.random_range(1..500)),
        1 => Act::ClockJump(*[-3_600_000, 3_600_000].choose(random).expect("there are two")),
        2 => Act::Stop,
        3 => Act::Damage,
        4 | 5 => Act::Kill(Victim::Process),
        6 | 7 => Act::Kill(Victim::Machine),
        _ => Act::Kill(*Victim::ALL.choose(random).expect("there are some")),
    }
}
