//! `headwater chaos`: a game day. Kills actors of a running job by a seeded schedule and shows how it comes back.

use std::{
    fmt::Display,
    io,
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::{Arg, ArgMatches, Command, value_parser};
use headwater_api::dto::JobDetails;
use headwater_core::options::parse_duration_ms;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde::Serialize;

use super::{
    client::Client,
    faults::{Fault, FaultKind, RecoveryTimes, kinds_in, observe, recovery_times, seconds, table, told},
    interrupt::Interrupt,
    output::{self, on_one_line},
    wait::has_ended,
};
use crate::logging::render::printable;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// How long the last recoveries are waited for.
const RECOVERY_DEADLINE: Duration = Duration::from_secs(60);

/// A task with nothing to read processes no first record: how long one is waited for once all tasks run.
const FIRST_RECORD_DEADLINE: Duration = Duration::from_secs(5);

pub(super) fn command(server: &Arg, json: &Arg) -> Command {
    Command::new("chaos")
        .about("Kill actors of a running job at random and watch it come back; the server needs --chaos")
        .arg(
            Arg::new("job")
                .long("job")
                .value_name("ID")
                .required(true)
                .help("the job's id: 32 hex characters"),
        )
        .arg(
            Arg::new("rate")
                .long("rate")
                .value_name("N/UNIT")
                .default_value("6/min")
                .value_parser(mean_interval)
                .help(
                    "mean rate of the kills, e.g. 6/min or 2/s; their times are those of a Poisson process",
                ),
        )
        .arg(
            Arg::new("duration")
                .long("duration")
                .value_name("DURATION")
                .default_value("60 s")
                .value_parser(duration)
                .help("how long kills go on, e.g. 5min"),
        )
        .arg(
            FaultKind::arg("kinds", FaultKind::ACTORS).help("what is killed [default: all that the job has]"),
        )
        .arg(
            Arg::new("seed")
                .long("seed")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("what the schedule follows from [default: random, and printed]"),
        )
        .arg(server.clone())
        .arg(json.clone())
}

/// A duration of the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration_ms(text)
        .filter(|ms| *ms > 0)
        .map(Duration::from_millis)
        .ok_or_else(|| format!("expected a duration such as `500 ms`, `10 s` or `5 min`, found `{text}`"))
}

/// The mean time between the events of a rate such as `6/min`.
fn mean_interval(text: &str) -> Result<Duration, String> {
    let parts = text.split_once('/').and_then(|(number, unit)| {
        let number =
            number.trim().parse::<f64>().ok().filter(|number| *number > 0.0 && number.is_finite())?;
        let unit_ms = parse_duration_ms(&format!("1 {}", unit.trim()))?;
        Duration::try_from_secs_f64(unit_ms as f64 / 1_000.0 / number).ok()
    });
    parts.ok_or_else(|| {
        format!("expected a number above 0 per unit, such as `6/min` or `0.5/s`, found `{text}`")
    })
}

#[derive(Serialize)]
struct Summary {
    job: String,
    seed: u64,
    duration_ms: u64,
    state: String,
    failure: Option<String>,
    kills: Vec<Fault>,
    /// Kills from which the job did not come back.
    failed_recoveries: usize,
    recovery_times: Vec<RecoveryTimes>,
}

pub(super) fn chaos(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let client = Client::new(args.get_one::<String>("server").expect("has a default"));
    let id = args.get_one::<String>("job").expect("is required");
    let job = client.job(id)?;
    ensure!(
        client.overview()?.chaos,
        "actors can only be killed on a server that was started with --chaos: start it anew with that, its jobs go on"
    );
    ensure!(
        !has_ended(&job.summary.state),
        "job {id} is {} already: expected one that runs",
        job.summary.state
    );
    let wanted: Vec<FaultKind> = args.get_many("kinds").into_iter().flatten().copied().collect();
    let seed = args.get_one("seed").copied().unwrap_or_else(headwater_core::random::number);
    let mut day = GameDay {
        kinds: kinds_in(&job, &wanted, FaultKind::ACTORS)?,
        client,
        id: id.clone(),
        mean_interval: *args.get_one("rate").expect("has a default"),
        duration: *args.get_one("duration").expect("has a default"),
        random: StdRng::seed_from_u64(seed),
        interrupt: Interrupt::listen()?,
        began: Instant::now(),
        kills: Vec::new(),
        untold: Vec::new(),
    };
    day.say(format_args!("killing actors of {} ({id}), seed {seed}", on_one_line(&job.summary.name)))?;
    day.kill_until_the_end()?;
    let job = day.await_recoveries()?;
    let summary = day.summary(seed, job);
    if output::is_json() {
        output::document(&summary)?;
    } else {
        print(&summary)?;
    }
    let is_well = matches!(summary.state.as_str(), "RUNNING" | "FINISHED") && summary.failed_recoveries == 0;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct GameDay {
    client: Client,
    id: String,
    kinds: Vec<FaultKind>,
    mean_interval: Duration,
    duration: Duration,
    random: StdRng,
    interrupt: Interrupt,
    began: Instant,
    kills: Vec<Fault>,
    /// The kills, by index, of whose recovery nothing was told yet.
    untold: Vec<usize>,
}

impl GameDay {
    fn kill_until_the_end(&mut self) -> anyhow::Result<()> {
        let mut due = self.pause();
        while self.began.elapsed() < self.duration && !self.interrupt.is_set() {
            let job = self.watch()?;
            if has_ended(&job.summary.state) {
                self.say(format_args!("the job is {}", job.summary.state))?;
                break;
            }
            // A victim that is just being rebuilt is passed over for another one, a moment later.
            if self.began.elapsed() >= due && self.kill(&job)? {
                due += self.pause();
            }
            sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    /// The time between two events of a Poisson process.
    fn pause(&mut self) -> Duration {
        let uniform: f64 = self.random.random();
        self.mean_interval.mul_f64(-(1.0 - uniform).ln())
    }

    fn kill(&mut self, job: &JobDetails) -> anyhow::Result<bool> {
        let kind = *self.kinds.choose(&mut self.random).expect("the job has some of them");
        let victims = kind.victims(job);
        let victim = victims.choose(&mut self.random).expect("the job's actors stay the same");
        let fault = Fault::of_actor(self.elapsed_ms(), kind, &victim.id, job.now_ms);
        if !self.client.kill_actor(&self.id, &victim.id)? {
            return Ok(false);
        }
        self.say(format_args!("{}: {}", fault.what(), on_one_line(&victim.name)))?;
        self.untold.push(self.kills.len());
        self.kills.push(fault);
        Ok(true)
    }

    /// Looks at the job and its failures, and tells of recoveries.
    fn watch(&mut self) -> anyhow::Result<JobDetails> {
        let job = self.client.job(&self.id)?;
        observe(&mut self.kills, &self.client.exceptions(&self.id)?);
        let (settled, untold) = self.untold.iter().partition(|kill| self.kills[**kill].is_settled());
        self.untold = untold;
        self.tell(settled)?;
        Ok(job)
    }

    fn tell(&self, kills: Vec<usize>) -> io::Result<()> {
        for kill in kills.into_iter().map(|index| &self.kills[index]) {
            match &kill.recovery {
                Some(recovery) => self.say(format_args!("  {}: {}", kill.victim, told(recovery)))?,
                None => self.say(format_args!("  {}: no recovery on record", kill.victim))?,
            }
        }
        Ok(())
    }

    /// Waits for what was killed last; returns the job as it is then.
    fn await_recoveries(&mut self) -> anyhow::Result<JobDetails> {
        let since = Instant::now();
        let job = loop {
            let job = self.watch()?;
            let is_running = job.summary.state == "RUNNING" && self.kills.iter().all(Fault::is_recovered);
            let has_first_records = self.untold.is_empty() || since.elapsed() > FIRST_RECORD_DEADLINE;
            if has_ended(&job.summary.state)
                || (is_running && has_first_records)
                || since.elapsed() > RECOVERY_DEADLINE
            {
                break job;
            }
            sleep(POLL_INTERVAL);
        };
        self.tell(self.untold.clone())?;
        Ok(job)
    }

    fn summary(self, seed: u64, job: JobDetails) -> Summary {
        // Who has finished has come back, whatever could still be put on record of it.
        let is_finished = job.summary.state == "FINISHED";
        let is_lost = |kill: &&Fault| !is_finished && !kill.is_recovered();
        Summary {
            failed_recoveries: self.kills.iter().filter(is_lost).count(),
            recovery_times: recovery_times(&self.kills),
            duration_ms: self.elapsed_ms(),
            job: self.id,
            seed,
            state: job.summary.state,
            failure: job.summary.failure,
            kills: self.kills,
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Programs get all of it in the end.
    fn say(&self, what: impl Display) -> io::Result<()> {
        if output::is_json() {
            return Ok(());
        }
        output::line(format_args!("{:>9}  {what}", seconds(self.elapsed_ms())))
    }
}

fn print(summary: &Summary) -> io::Result<()> {
    let (kills, lost) = (summary.kills.len(), summary.failed_recoveries);
    let took = seconds(summary.duration_ms);
    output::line(format_args!(
        "\n{kills} kills in {took}, {lost} failed recoveries; the job is {}",
        summary.state
    ))?;
    if let Some(failure) = &summary.failure {
        output::line(format_args!("it failed of: {}", printable(failure)))?;
    }
    if !summary.recovery_times.is_empty() {
        output::line("")?;
        table(&summary.recovery_times).print()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_unit() {
        assert_eq!(mean_interval("6/min"), Ok(Duration::from_secs(10)));
        assert_eq!(mean_interval("0.5 / s"), Ok(Duration::from_secs(2)));
        for wrong in ["6", "/min", "0/min", "-1/s", "6/fortnight", "nan/s"] {
            assert!(mean_interval(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }
}
