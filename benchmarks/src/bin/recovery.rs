//! From the death of an operator's actor to the first record: kills one again and again and looks at how the job comes back,
//! with little state and with a gigabyte in RocksDB.
//!
//! `cargo run --release -p headwater-benchmarks --bin recovery`

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Parser;
use headwater::{
    connectors::generator::random_at,
    core::{
        ids::JobId,
        job::{ArgValue, Args, JobStatus},
        options::{JobOptions, RestartOptions},
    },
    prelude::*,
    server::Server,
};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    sink::{Sink, SinkWriter},
};
use headwater_benchmarks::{Aim, load_average, on_server, print_header, print_row, spec_of, wait_for};
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const AIM_MS: Aim = Aim(100.0);

/// What an account takes on the disk: its history doesn't compress.
const BYTES_PER_KEY: u64 = 300;

/// Keys where there is to be little state.
const FEW_KEYS: u64 = 1000;

/// For the state to be built up, and for a job to come back.
const BUILD_DEADLINE: Duration = Duration::from_secs(600);
const RECOVERY_DEADLINE: Duration = Duration::from_secs(60);

const PROGRAM: Program = Program::new(
    "accounts",
    "Keeps an account per key: first one booking for each, at full speed, then bookings at random, at a rate",
    &[
        integer("keys", "accounts"),
        integer("rate", "bookings per second and subtask, once all accounts are there"),
    ],
    accounts,
);

const fn integer(name: &'static str, help: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Integer, help, default: None, required: true }
}

/// A booking, and what an account's bookings amount to.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Account {
    key: u64,
    bookings: u64,
    history: [u64; 30],
}

impl Account {
    fn booking(key: u64) -> Self {
        Self { key, bookings: 1, history: std::array::from_fn(|entry| random_at(key, entry as u64)) }
    }
}

fn accounts(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let keys: u64 = args.required_in("keys", 1..=i64::MAX)?;
    let rate: u32 = args.required_in("rate", 1..=i64::from(u32::MAX))?;
    let opening = GeneratorSource::new(|index| (Account::booking(index), index as TimestampMs)).count(keys);
    let business = GeneratorSource::new(move |index| {
        (Account::booking(random_at(0, index) % keys), index as TimestampMs)
    });

    env.from_source("Opening", opening)
        .union(env.from_source("Business", business.rate(f64::from(rate))))
        .key_by(|account| account.key)
        .sum(|account| &mut account.bookings)
        .sink_to("First results", FirstResultSink);
    env.execute("Accounts")
}

/// When each attempt at a sink wrote for the first time.
static FIRST_RESULTS: Mutex<Vec<Instant>> = Mutex::new(Vec::new());

struct FirstResultSink;

struct FirstResultWriter {
    has_written: bool,
}

impl Sink<Account> for FirstResultSink {
    type Writer = FirstResultWriter;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<FirstResultWriter, TaskError> {
        Ok(FirstResultWriter { has_written: false })
    }
}

impl SinkWriter<Account> for FirstResultWriter {
    fn write(&mut self, batch: &mut Batch<Account>) -> Result<(), TaskError> {
        if !self.has_written && !batch.is_empty() {
            self.has_written = true;
            FIRST_RESULTS.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        }
        batch.clear();
        Ok(())
    }
}

/// Time from the death of an operator to its first record.
#[derive(Parser)]
struct Options {
    /// Keyed state, in MB; 0 is little.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1024])]
    state_mb: Vec<u64>,
    /// Kills per amount of state.
    #[arg(long, default_value_t = 20)]
    kills: u32,
    /// Subtasks.
    #[arg(long, default_value_t = 2)]
    parallelism: u32,
    /// Records per second and subtask while actors are killed.
    #[arg(long, default_value_t = 5000)]
    rate: u32,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    for state_mb in &options.state_mb {
        run_cell(&options, *state_mb)?;
    }
    Ok(())
}

/// What came of the kills, in milliseconds from each.
#[derive(Default)]
struct Recoveries {
    state_bytes: u64,
    running: Vec<f64>,
    first_record: Vec<f64>,
    first_result: Vec<f64>,
    all_results: Vec<f64>,
}

fn run_cell(options: &Options, state_mb: u64) -> anyhow::Result<()> {
    let keys = if state_mb == 0 { FEW_KEYS } else { (state_mb << 20) / BYTES_PER_KEY };
    let args = Args::from([
        ("keys".to_owned(), ArgValue::Integer(keys as i64)),
        ("rate".to_owned(), ArgValue::Integer(i64::from(options.rate))),
    ]);
    let mut job_options = JobOptions { parallelism: options.parallelism, ..JobOptions::default() };
    if let RestartOptions::ExponentialDelay { reset_backoff_threshold_ms, .. } = &mut job_options.restart {
        // Every kill counts as a first failure, although the next one comes soon.
        *reset_backoff_threshold_ms = 1;
    }
    let recoveries = on_server(PROGRAM, options.parallelism as usize, async |server| {
        let job = server.dispatcher.submit(spec_of(&PROGRAM, args, job_options)).await?;
        build_up(server, job, keys).await?;
        let mut recoveries = Recoveries::default();
        for kill in 0..options.kills {
            recoveries.state_bytes = next_checkpoint(server, job).await?;
            recover(server, job, kill % options.parallelism, &mut recoveries).await?;
        }
        server.dispatcher.cancel(job, None).await?;
        server.dispatcher.wait_for_end(job).await?;
        Ok(recoveries)
    })?;

    let state = recoveries.state_bytes as f64 / f64::from(1 << 20);
    print_header(&format!("{state:.0} MB of state, ms (load average {:.1})", load_average()?));
    print_row("death to all tasks running", &recoveries.running, None);
    print_row("death to the first record of any task", &recoveries.first_record, Some(AIM_MS));
    print_row("kill to the first result at a sink", &recoveries.first_result, Some(AIM_MS));
    print_row("kill to the first result at every sink", &recoveries.all_results, None);
    Ok(())
}

/// Waits until all accounts are in the state.
async fn build_up(server: &Server, job: JobId, keys: u64) -> anyhow::Result<()> {
    let started = Instant::now();
    wait_for(server, "the state", BUILD_DEADLINE, async || {
        let details = server.dispatcher.job(job).await?;
        check_alive(details.summary.status, details.summary.failure.as_deref())?;
        let stateful = details.vertices.last().context("the job has no tasks")?;
        let records: u64 = stateful.iter().map(|subtask| subtask.metrics.records_in).sum();
        Ok((records >= keys).then_some(()))
    })
    .await?;
    eprintln!("{keys} accounts opened in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn check_alive(status: JobStatus, failure: Option<&str>) -> anyhow::Result<()> {
    if status.is_terminal() {
        bail!("the job ended as {}: {}", status.as_str(), failure.unwrap_or("no reason"));
    }
    Ok(())
}

/// Waits until a checkpoint that is triggered from now on is completed; how much state it holds.
async fn next_checkpoint(server: &Server, job: JobId) -> anyhow::Result<u64> {
    let newest = server.dispatcher.checkpoints(job).await?.first().map(|checkpoint| checkpoint.id);
    wait_for(server, "a checkpoint", RECOVERY_DEADLINE, async || {
        let checkpoints = server.dispatcher.checkpoints(job).await?;
        let completed = server.dispatcher.job(job).await?.last_completed_checkpoint;
        Ok(checkpoints
            .iter()
            .find(|checkpoint| Some(checkpoint.id) > newest && completed >= Some(checkpoint.id))
            .map(|checkpoint| checkpoint.state_bytes))
    })
    .await
}

/// Kills the actor of one subtask of the stateful operator and waits until the job is back.
async fn recover(server: &Server, job: JobId, index: u32, recoveries: &mut Recoveries) -> anyhow::Result<()> {
    let details = server.dispatcher.job(job).await?;
    let stateful = details.vertices.last().context("the job has no tasks")?;
    let actor = stateful[index as usize].subtask.to_string();
    let failures = server.dispatcher.exceptions(job).await?.len();
    FIRST_RESULTS.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let killed = Instant::now();
    server.dispatcher.kill_actor(job, &actor, None).await?;
    let (running_us, first_record_us) = wait_for(server, "the recovery", RECOVERY_DEADLINE, async || {
        let details = server.dispatcher.job(job).await?;
        check_alive(details.summary.status, details.summary.failure.as_deref())?;
        let exceptions = server.dispatcher.exceptions(job).await?;
        if exceptions.len() <= failures || details.summary.status != JobStatus::Running {
            return Ok(None);
        }
        let recovery = exceptions.first().and_then(|exception| exception.recovery.as_ref());
        let times = recovery.map(|recovery| (recovery.running_after_us, recovery.first_record_after_us));
        Ok(times.and_then(|(running, first)| running.zip(first)))
    })
    .await?;
    let results = wait_for(server, "results", RECOVERY_DEADLINE, async || {
        let results = FIRST_RESULTS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok((results.len() == stateful.len()).then_some(results))
    })
    .await?;
    let millis = |micros: u64| micros as f64 / 1e3;
    let after_ms = |at: Option<&Instant>| at.map(|at| (*at - killed).as_secs_f64() * 1e3);
    recoveries.running.push(millis(running_us));
    recoveries.first_record.push(millis(first_record_us));
    recoveries.first_result.extend(after_ms(results.iter().min()));
    recoveries.all_results.extend(after_ms(results.iter().max()));
    Ok(())
}
