//! A whole run: as many processes as it takes for the job to end, and the verdict.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fmt::Write,
    panic,
    path::Path,
    sync::{Arc, Once},
};

use headwater::{
    core::{
        fault::{self, FaultPoint},
        ids::CheckpointId,
        job::JobStatus,
        random,
        supervision::panic_message,
    },
    stream::ProgramRegistry,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    disk::Disk,
    gateway::Watch,
    injector::{Faults, Fired},
    process::{LifeEnd, World, live},
    scenario::{OUTPUT, Scenario},
    stores::SimClock,
    trace::Trace,
};
use crate::{
    oracle::{self, Coverage, Difference},
    programs, sabotage,
};

/// A run has so many processes at most, or the faults keep it from ever ending.
const LIVES_MAX: u32 = 100;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was run.
    pub scenario: Scenario,
    /// Whether the job finished, rather than being cancelled or having no checkpoint left.
    pub has_finished: bool,
    /// The hash of all that happened.
    pub trace_hash: u64,
    /// What went wrong on purpose.
    pub fired: Vec<Fired>,
    /// The fault points that were reached.
    pub reached: BTreeSet<FaultPoint>,
    /// For each deployment of tasks, how many faults had happened before, and the checkpoint gone back to.
    pub restores: Vec<(usize, Option<CheckpointId>)>,
    /// How many processes there were.
    pub lives: u32,
    /// The virtual time that it took, in milliseconds.
    pub took_ms: u64,
    /// What went wrong otherwise.
    pub violations: Vec<String>,
}

impl Outcome {
    /// What someone needs who is to find out why; `None` if all is well.
    pub fn complaint(&self) -> Option<String> {
        if self.violations.is_empty() {
            return None;
        }
        let mut text = format!("seed {}: {}\n", self.scenario.seed, self.violations.join("\n  "));
        for fired in &self.fired {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  fault: {} {}", fired.planned.act, fired.planned.when);
        }
        Some(text)
    }
}

/// Runs a scenario to its end and judges it.
pub fn run(scenario: Scenario) -> Outcome {
    run_traced(scenario, &Trace::default())
}

/// As [`run`], with a trace that the caller may look at.
pub fn run_traced(scenario: Scenario, trace: &Trace) -> Outcome {
    quiet_planned_panics();
    let _is_simulating = Simulating::begin();
    let _seeded = random::seed_thread(scenario.seed);
    let faults = Faults::new(scenario.faults.clone(), trace);
    let _injector = fault::install_for_thread(Arc::new(faults.clone()));
    let disk = Disk::default();
    disk.set_lying(scenario.disk_lies);
    let world = World {
        watch: Watch::new(&disk, trace, &faults),
        values: Arc::default(),
        trace: trace.clone(),
        clock: SimClock::new(trace),
        faults,
        disk,
        programs: Arc::new(ProgramRegistry::new([
            programs::KEYED,
            programs::UNION,
            programs::TICKING,
            sabotage::PROGRAM,
        ])),
        scenario,
    };
    let mut random = StdRng::seed_from_u64(world.scenario.seed);
    let mut lives = 0;
    let end = loop {
        lives += 1;
        match live(&world, random.random()) {
            LifeEnd::Died(_) | LifeEnd::Stopped if lives < LIVES_MAX => world.disk.set_full(false),
            end => break end,
        }
    };
    judge(&world, end);
    Outcome {
        has_finished: end == LifeEnd::JobEnded(JobStatus::Finished),
        trace_hash: trace.hash(),
        fired: world.faults.fired(),
        reached: world.faults.reached(),
        restores: world.watch.restores(),
        lives,
        took_ms: trace.now_ms(),
        violations: world.watch.violations(),
        scenario: world.scenario,
    }
}

fn judge(world: &World, end: LifeEnd) {
    let coverage = match end {
        LifeEnd::JobEnded(JobStatus::Finished) => Coverage::Whole,
        LifeEnd::JobEnded(JobStatus::Canceled) if world.scenario.cancels() => Coverage::Part,
        LifeEnd::JobEnded(JobStatus::Failed) if world.scenario.damages() => Coverage::Part,
        end => return world.watch.violated(format!("the job did not end well: {end:?}")),
    };
    let (seeds, count) = (world.scenario.data_seeds(), world.scenario.count);
    let records =
        oracle::compare_files(&oracle::expected_records(&seeds, count), files(world, "records"), coverage);
    report(world, "records", records);
    let windows = files(world, "windows");
    // A cancelled job's windows in processing time may lack a part of any key.
    if world.scenario.program != programs::TICKING.info.name {
        report(
            world,
            "windows",
            oracle::compare_files(&oracle::expected_windows(&seeds, count), windows, coverage),
        );
    } else if coverage == Coverage::Whole {
        let (expected, found) = (oracle::expected_totals(&seeds, count), oracle::added_up(windows));
        report(world, "windows", oracle::compare_files(&expected, found.into_iter(), coverage));
    }
}

/// The files of an output folder, by name and text.
fn files(world: &World, what: &str) -> impl Iterator<Item = (String, String)> {
    let folder = Path::new(OUTPUT).join(what);
    let disk = world.disk.clone();
    // What was withdrawn for want of its checkpoint is kept for a look.
    let is_output = |name: &String| !name.ends_with(".withdrawn");
    world.disk.names(&folder).into_iter().filter(is_output).map(move |name| {
        let bytes = disk.read(&folder.join(&name)).unwrap_or_default();
        (name, String::from_utf8_lossy(&bytes).into_owned())
    })
}

fn report(world: &World, what: &str, differences: Vec<Difference>) {
    const SHOWN_MAX: usize = 5;
    let shown: Vec<String> = differences.iter().take(SHOWN_MAX).map(ToString::to_string).collect();
    if !differences.is_empty() {
        world.watch.violated(format!(
            "{} differences in the {what}: {}",
            differences.len(),
            shown.join("; ")
        ));
    }
}

thread_local! {
    static IS_SIMULATING: Cell<bool> = const { Cell::new(false) };
}

struct Simulating;

impl Simulating {
    fn begin() -> Self {
        IS_SIMULATING.set(true);
        Self
    }
}

impl Drop for Simulating {
    fn drop(&mut self) {
        IS_SIMULATING.set(false);
    }
}

/// A run panics as it is planned to, thousands of times; its supervisors report each.
fn quiet_planned_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = panic_message(info.payload());
            if !(IS_SIMULATING.get() && message.contains("(injected at ")) {
                usual(info);
            }
        }));
    });
}
