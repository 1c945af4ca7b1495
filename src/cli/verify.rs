//! `headwater verify`: runs a program on its own input without and with faults, and compares what it has written.

mod compare;
mod report;
mod run;
mod schedule;
mod server;
mod spec;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_stream::ProgramRegistry;

use self::{
    compare::{Differences, compare},
    report::{Report, RunReport, Verdict, command_line},
    run::Conditions,
    schedule::schedule,
    spec::Spec,
};
use super::{
    chaos::duration,
    client::Client,
    exit::{Coded, USAGE},
    faults::{FaultKind, kinds_in, recovery_times, seconds},
    interrupt::Interrupt,
    output,
    run::job_options,
};

/// Whether no program's argument can have this name, since verify has an option of that name.
pub(super) fn is_taken(name: &str) -> bool {
    options().iter().any(|option| option.get_id() == name)
}

pub(super) fn command(programs: &ProgramRegistry, server: &Arg, json: &Arg) -> Command {
    let command = Command::new("verify")
        .about("Run a program without and with faults, and compare what it writes")
        .long_about(
            "Runs a program on its own input, once undisturbed and once with faults, each on a server of its own, and \
             compares the lines that it has committed. The program's input must end, and it must write through \
             exactly-once file sinks into a folder that an argument names. The folder is another one in each run.",
        )
        .arg_required_else_help(true)
        .args_conflicts_with_subcommands(true)
        .subcommand_value_name("PROGRAM")
        .subcommand_help_heading("Programs")
        .arg(
            Arg::new("job")
                .long("job")
                .value_name("ID")
                .required(true)
                .help("verify the program, arguments and options of this job instead"),
        )
        .arg(server.clone().help("the address of the server that knows the job"))
        .args(options())
        .arg(json.clone());
    programs.iter().fold(command, |command, program| {
        let of_program = program.command().mut_args(|arg| arg.required(false));
        let further = job_options().into_iter().map(|option| option.help_heading("Job options"));
        let of_verify = options().into_iter().chain([json.clone()]);
        let of_verify = of_verify.map(|option| option.help_heading("Verification"));
        command.subcommand(of_program.args(further).args(of_verify))
    })
}

fn options() -> [Arg; 7] {
    [
        Arg::new("faults")
            .long("faults")
            .value_name("N")
            .value_parser(value_parser!(u16).range(1..=1000))
            .default_value("10")
            .help("how many faults, spread over the time that the undisturbed run took"),
        FaultKind::arg("fault-kinds", FaultKind::ALL).help("what dies [default: all that the job has]"),
        Arg::new("fault-seed")
            .long("fault-seed")
            .value_name("N")
            .value_parser(value_parser!(u64))
            .help("what the faults follow from [default: random, and printed]"),
        Arg::new("baseline-runs")
            .long("baseline-runs")
            .value_name("N")
            .value_parser(value_parser!(u8).range(1..=10))
            .default_value("1")
            .help("undisturbed runs; with 2 it is seen whether the program writes the same twice at all"),
        Arg::new("output-arg")
            .long("output-arg")
            .value_name("NAME")
            .action(ArgAction::Append)
            .default_value("output")
            .help("the program's argument that names a folder to write into; may be given several times"),
        Arg::new("run-timeout")
            .long("run-timeout")
            .value_name("DURATION")
            .value_parser(duration)
            .default_value("10 min")
            .help("how long one run may take"),
        Arg::new("report")
            .long("report")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("also write the report to this file, as JSON"),
    ]
}

/// Ends with 0 if the outputs are equal, with 1 if not or if that could not be found out.
pub(super) fn verify(args: &ArgMatches, programs: &ProgramRegistry) -> anyhow::Result<ExitCode> {
    let (program, args) = args.subcommand().map_or((None, args), |(name, args)| (Some(name), args));
    let output_args: Vec<String> = args.get_many("output-arg").into_iter().flatten().cloned().collect();
    let spec = match program {
        Some(name) => {
            let program = programs.get(name).expect("the subcommands are the programs");
            Spec::of_program(program, args, output_args)
        }
        None => {
            let client = Client::new(args.get_one::<String>("server").expect("has a default"));
            let job = client.job(args.get_one::<String>("job").expect("is required"))?;
            Spec::of_job(job, programs, output_args)
        }
    };
    let spec = match spec {
        Ok(spec) => spec,
        Err(wrong_usage) => return Err(Coded::new(USAGE, wrong_usage).into()),
    };
    let report_path = args.get_one::<PathBuf>("report");
    if let Some(path) = report_path {
        // Better now than after the runs.
        fs::File::create(path).with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    let interrupt = Interrupt::listen()?;
    let verification = Verification {
        conditions: Conditions {
            spec: &spec,
            timeout: *args.get_one::<Duration>("run-timeout").expect("has a default"),
            interrupt: &interrupt,
        },
        faults: usize::from(*args.get_one::<u16>("faults").expect("has a default")),
        kinds: args.get_many("fault-kinds").into_iter().flatten().copied().collect(),
        seed: args.get_one("fault-seed").copied().unwrap_or_else(headwater_core::random::number),
        baseline_runs: *args.get_one("baseline-runs").expect("has a default"),
    };
    let folder = tempfile::Builder::new()
        .prefix("headwater-verify-")
        .tempdir()
        .context("cannot make a temporary folder; TMPDIR says where they are made")?;
    let report = verification.verify_in(folder.path());
    let mut report = match report {
        // What went wrong may be in the logs.
        Err(error) if !interrupt.is_set() => {
            bail!("{error:#}\nnothing verified; the servers' logs are kept in {}", folder.keep().display());
        }
        report => report?,
    };
    if report.is_suspicious() {
        report.kept = Some(folder.keep().display().to_string());
    }
    if output::is_json() {
        output::document(&report)?;
    } else {
        output::line(&report)?;
    }
    if let Some(path) = report_path {
        fs::write(path, serde_json::to_string_pretty(&report)?)
            .with_context(|| format!("cannot write the report to {}", path.display()))?;
    }
    Ok(if report.verdict == Verdict::Equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Verification<'a> {
    conditions: Conditions<'a>,
    faults: usize,
    /// Those that were asked for; empty for all.
    kinds: Vec<FaultKind>,
    seed: u64,
    baseline_runs: u8,
}

impl Verification<'_> {
    fn verify_in(&self, folder: &Path) -> anyhow::Result<Report> {
        let mut report = Report {
            verdict: Verdict::Failed,
            program: self.conditions.spec.program.clone(),
            fault_seed: self.seed,
            command: command_line(self.seed),
            faults_planned: self.faults,
            faults_injected: 0,
            faults: Vec::new(),
            recovery_times: Vec::new(),
            undisturbed: Vec::new(),
            disturbed: None,
            differences: Differences::default(),
            kept: None,
        };
        output::note(format_args!("undisturbed run of {}", report.program));
        let first = self.conditions.run(&folder.join("undisturbed-1"), &[])?;
        let kinds = kinds_in(&first.job, &self.kinds, FaultKind::ALL)?;
        report.undisturbed.push(RunReport::of(&first)?);
        for nth in 2..=self.baseline_runs {
            if !report.judge_undisturbed() {
                break;
            }
            output::note(format_args!("undisturbed run {nth}"));
            let again =
                RunReport::of(&self.conditions.run(&folder.join(format!("undisturbed-{nth}")), &[])?)?;
            report.differences = compare(&report.undisturbed[0].output, &again.output)?;
            report.undisturbed.push(again);
        }
        if !report.judge_undisturbed() {
            return Ok(report);
        }
        let took = seconds(first.duration_ms());
        output::note(format_args!("it took {took}; now with faults, seed {}", self.seed));
        let plan = schedule(self.seed, self.faults, &kinds, first.duration_ms());
        let disturbed = self.conditions.run(&folder.join("disturbed"), &plan)?;
        let run = RunReport::of(&disturbed)?;
        report.faults_injected = disturbed.faults.iter().filter(|fault| fault.took_effect).count();
        report.recovery_times = recovery_times(&disturbed.faults);
        report.faults = disturbed.faults;
        if run.is_finished() {
            report.differences = compare(&report.undisturbed[0].output, &run.output)?;
        }
        report.disturbed = Some(run);
        report.judge();
        Ok(report)
    }
}
