//! Kills of real actors and processes, and how long it takes to recover from them.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::{
    job::{Backend, Job},
    run::{Binaries, Run},
};

/// Who is killed, in turn.
pub const VICTIMS: [&str; 6] =
    ["source", "operator", "sink", "checkpoint-coordinator", "job-master", "process"];

/// So many kills per job.
const KILLS_PER_JOB: usize = 12;

/// How long a recovery took, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Recovery {
    /// From the kill until it was known; for a process, until the next one listened.
    pub detect_ms: f64,
    /// From the death, or from the next process's start, until all tasks were running.
    pub restore_ms: f64,
    /// From then on until the first record; none for an actor that holds no data.
    pub first_record_ms: Option<f64>,
}

/// What came of many kills.
#[derive(Default, Debug)]
pub struct Kills {
    /// By victim.
    pub recoveries: BTreeMap<String, Vec<Recovery>>,
    /// What went wrong.
    pub violations: Vec<String>,
    /// Jobs whose output was judged.
    pub jobs: usize,
}

/// Kills until there were so many kills, on so many servers at once; each job's output is judged at its end.
pub fn kill(binaries: &Binaries, kills: usize, servers: usize, first_seed: u64) -> Kills {
    let left = AtomicUsize::new(kills.div_ceil(KILLS_PER_JOB));
    let seeds = AtomicUsize::new(0);
    let all = Mutex::new(Kills::default());
    let work = || {
        while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            let number = seeds.fetch_add(1, Ordering::SeqCst);
            let mut recoveries = Vec::new();
            let outcome = one_job(binaries, first_seed + number as u64, number, &mut recoveries);
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.jobs += 1;
            all.violations.extend(outcome.err());
            for (victim, recovery) in recoveries {
                all.recoveries.entry(victim.to_owned()).or_default().push(recovery);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..servers.max(1) {
            scope.spawn(work);
        }
    });
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn one_job(
    binaries: &Binaries,
    seed: u64,
    number: usize,
    recoveries: &mut Vec<(&'static str, Recovery)>,
) -> Result<(), String> {
    let backend = if number.is_multiple_of(2) { Backend::RocksDb } else { Backend::HashMap };
    let mut run = Run::new(binaries, seed, backend).map_err(|error| error.to_string())?;
    kill_and_judge(&mut run, number, recoveries).map_err(|error| run.into_report(&error))
}

fn kill_and_judge(
    run: &mut Run,
    number: usize,
    recoveries: &mut Vec<(&'static str, Recovery)>,
) -> anyhow::Result<()> {
    run.start_server()?;
    run.submit(Job { count: 38_400, ..Job::new("keyed_sequences") })?;
    let mut killed_in_process: BTreeMap<String, usize> = BTreeMap::new();
    for kill in 0..KILLS_PER_JOB {
        let victim = VICTIMS[(number + kill) % VICTIMS.len()];
        run.wait_until_running()?;
        run.wait_for_checkpoints_or_end(1)?;
        run.pause(0..120);
        if run.state()? == "FINISHED" {
            break;
        }
        let recovery = if victim == "process" {
            killed_in_process.clear();
            kill_process(run)?
        } else {
            let actor = run.any_actor(&[victim])?;
            let nth = killed_in_process.entry(actor.clone()).or_default();
            *nth += 1;
            let nth = *nth;
            let killed_at = now_ms();
            if !run.kill(&actor)? {
                break;
            }
            recovery_of(run, &actor, nth, killed_at)?
        };
        recoveries.push((victim, recovery));
    }
    run.finish()
}

fn kill_process(run: &mut Run) -> anyhow::Result<Recovery> {
    run.kill_server()?;
    let killed = Instant::now();
    run.start_server()?;
    let detect_ms = killed.elapsed().as_secs_f64() * 1e3;
    let recovery = recovery_of(run, "process", 1, now_ms())?;
    Ok(Recovery { detect_ms, ..recovery })
}

fn recovery_of(run: &mut Run, actor: &str, nth: usize, killed_at_ms: f64) -> anyhow::Result<Recovery> {
    let exception = run.wait_for_recovery(actor, nth)?;
    let recovery = &exception["recovery"];
    let ms = |field: &str| recovery[field].as_f64().map(|us| us / 1e3);
    let at_ms = exception["at_ms"].as_f64().context("an exception has a time")?;
    let restore_ms = ms("running_after_us").context("it was waited for")?;
    Ok(Recovery {
        detect_ms: (at_ms - killed_at_ms).max(0.0),
        restore_ms,
        first_record_ms: ms("first_record_after_us").map(|first| (first - restore_ms).max(0.0)),
    })
}

fn now_ms() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

/// A share of sorted values lies below this one.
pub fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let rank = (share * values.len() as f64).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied()
}
