//! `headwater run`, `list`, `status` and `cancel`: jobs on a running server.

use std::{ffi::OsString, path::PathBuf, process::ExitCode, thread::sleep, time::Duration};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_core::{job::ArgValue, options::DEAD_LETTER_PATH};
use headwater_stream::ProgramRegistry;
use serde_json::{Map, Value, json};

use super::{client::Client, verify};
use crate::logging::render::printable;

/// How often an attached `run` asks how its job is.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn run_command(programs: &ProgramRegistry, server: &Arg, json: &Arg) -> Command {
    let of_run = [
        Arg::new("name").long("name").help("the job's name [default: the one that the program gives it]"),
        Arg::new("detached")
            .long("detached")
            .short('d')
            .action(ArgAction::SetTrue)
            .help("do not wait for the job's end"),
    ];
    let command = Command::new("run")
        .about("Submit a program to a running server")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("PROGRAM")
        .subcommand_help_heading("Programs");
    programs.iter().fold(command, |command, program| {
        let shared = [server.clone(), json.clone()];
        let options = of_run.iter().cloned().chain(job_options()).chain(shared);
        let with_options = program.command().args(options.map(|option| option.help_heading("Job options")));
        command.subcommand(with_options)
    })
}

/// How a job is to run, whatever its program.
pub(super) fn job_options() -> [Arg; 3] {
    [
        Arg::new("parallelism")
            .long("parallelism")
            .value_name("N")
            .value_parser(value_parser!(u32).range(1..))
            .help("subtasks of operators that set none"),
        Arg::new("checkpoint-interval-ms")
            .long("checkpoint-interval-ms")
            .value_name("MS")
            .value_parser(value_parser!(u64))
            .help("time between checkpoints; 0 takes only the one that commits the end of the input"),
        Arg::new("option")
            .long("option")
            .short('D')
            .value_name("KEY=VALUE")
            .value_parser(key_and_value)
            .action(ArgAction::Append)
            .help("a configuration option, e.g. -D state.backend.type=hashmap"),
    ]
}

/// The names that `run` gives a meaning of its own.
const TAKEN: [&str; 9] = [
    "name",
    "parallelism",
    "checkpoint-interval-ms",
    "option",
    "detached",
    "server",
    "token",
    "json",
    "help",
];

/// What is wrong with a program whose argument has the name of one of `run`'s own.
pub(super) fn taken_argument(programs: &ProgramRegistry) -> Option<String> {
    let args =
        programs.iter().flat_map(|program| program.info.args.iter().map(|arg| (program.info.name, arg.name)));
    let mut clashing = args.filter(|(_, arg)| TAKEN.contains(arg) || verify::is_taken(arg));
    let (program, arg) = clashing.next()?;
    Some(format!(
        "program `{program}` takes an argument `{arg}`, which the command line uses itself: expected another name"
    ))
}

/// Submits, and waits for the end unless it is told not to. Ends with 1 if the job doesn't finish.
pub(super) fn run(args: &ArgMatches, programs: &ProgramRegistry) -> anyhow::Result<ExitCode> {
    let (name, args) = args.subcommand().expect("clap requires a program");
    let program = programs.get(name).expect("the subcommands are the programs");
    let client = client(args);
    let mut submission = submission(name, program.args_of(args), args);
    if let Some(name) = args.get_one::<String>("name") {
        submission["name"] = json!(name);
    }
    let answer = client.post("/jobs", &submission)?;
    let id = text(&answer, "id").to_owned();
    let as_json = args.get_flag("json");
    if args.get_flag("detached") {
        if as_json {
            print_json(&answer)?;
        } else {
            println!("{id}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !as_json {
        eprintln!("submitted job {id}; Ctrl-C leaves it running, `headwater cancel {id}` ends it");
    }
    let job = loop {
        let job = client.get(&format!("/jobs/{id}"))?;
        if matches!(text(&job, "state").as_str(), "FINISHED" | "FAILED" | "CANCELED") {
            break job;
        }
        sleep(POLL_INTERVAL);
    };
    if as_json {
        print_json(&job)?
    } else {
        print_summary(&job)
    }
    Ok(if text(&job, "state") == "FINISHED" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A program with its arguments, and the [`job_options`] that were given.
pub(super) fn submission(program: &str, program_args: headwater_core::job::Args, args: &ArgMatches) -> Value {
    let program_args: Map<String, Value> = program_args
        .into_iter()
        .filter_map(|(name, value)| match value {
            ArgValue::Text(text) => Some((name, Value::from(text))),
            _ => None,
        })
        .collect();
    let mut body = json!({ "program": program, "args": program_args });
    if let Some(parallelism) = args.get_one::<u32>("parallelism") {
        body["parallelism"] = json!(parallelism);
    }
    if let Some(interval) = args.get_one::<u64>("checkpoint-interval-ms") {
        body["checkpoint_interval_ms"] = json!(interval);
    }
    for (key, value) in args.get_many::<(String, String)>("option").into_iter().flatten() {
        body["options"][key] = json!(value);
    }
    body
}

fn key_and_value(option: &str) -> Result<(String, String), String> {
    let (key, value) =
        option.split_once('=').ok_or_else(|| format!("expected KEY=VALUE, found `{option}`"))?;
    let (key, value) = (key.trim(), value.trim());
    // As with a program's paths: a server has another working folder. What cannot be made absolute is refused as it is.
    let value = match std::path::absolute(value).map(PathBuf::into_os_string).map(OsString::into_string) {
        Ok(Ok(absolute)) if key == DEAD_LETTER_PATH => absolute,
        _ => value.to_owned(),
    };
    Ok((key.to_owned(), value))
}

pub(super) fn list(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let client = client(args);
    let mut answer = client.get("/jobs?limit=1000")?;
    while let Some(last) = answer["next"].as_str() {
        let mut page = client.get(&format!("/jobs?limit=1000&after={last}"))?;
        let jobs = [&mut answer, &mut page].map(|page| page["jobs"].take());
        page["jobs"] = jobs.into_iter().filter_map(|jobs| jobs.as_array().cloned()).flatten().collect();
        answer = page;
    }
    if args.get_flag("json") {
        print_json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    for job in items(&answer, "unreadable_jobs") {
        eprintln!("job {} cannot be read and does not run: {}", text(job, "id"), text(job, "reason"));
    }
    let jobs = items(&answer, "jobs");
    if jobs.is_empty() {
        println!("no jobs");
    }
    jobs.iter().for_each(print_summary);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn status(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let job = client(args).get(&format!("/jobs/{}", id(args)))?;
    if args.get_flag("json") {
        print_json(&job)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_summary(&job);
    if let Some(checkpoint) = job["last_completed_checkpoint"].as_u64() {
        println!("  last completed checkpoint: {checkpoint}");
    }
    for vertex in items(&job, "vertices") {
        println!("  {}: {}", text(vertex, "id"), text(vertex, "name"));
        for subtask in items(vertex, "subtasks") {
            let malformed = match &subtask["malformed_records"] {
                count if count.as_u64() > Some(0) => format!("  malformed {count}"),
                _ => String::new(),
            };
            println!(
                "    {:<8} {:<12} attempt {:<3} in {:>12}  out {:>12}{malformed}",
                text(subtask, "id"),
                text(subtask, "state"),
                subtask["attempt"],
                subtask["records_in"],
                subtask["records_out"],
            );
        }
    }
    println!("  actors:");
    for actor in items(&job, "actors") {
        let failure =
            actor["last_failure"].as_str().map_or_else(String::new, |why| format!("  last failure: {why}"));
        println!(
            "    {:<24} {:<12} restarts {:<3}{failure}",
            text(actor, "id"),
            text(actor, "state"),
            actor["restarts"]
        );
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn cancel(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let id = id(args);
    let answer = client(args).patch(&format!("/jobs/{id}?mode=cancel"))?;
    if args.get_flag("json") {
        print_json(&answer)?;
    } else {
        println!("job {id} is being cancelled");
    }
    Ok(ExitCode::SUCCESS)
}

fn print_summary(job: &Value) {
    println!(
        "{}  {:<12} restarts {:<3} {}",
        text(job, "id"),
        text(job, "state"),
        job["restarts"],
        text(job, "name")
    );
    if job["failure"].is_string() {
        println!("  failed of: {}", text(job, "failure"));
    }
}

fn print_json(value: &Value) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

pub(super) fn client(args: &ArgMatches) -> Client {
    Client::new(args.get_one::<String>("server").expect("has a default"))
}

fn id(args: &ArgMatches) -> &str {
    args.get_one::<String>("id").expect("is required")
}

/// A text for a terminal: names and messages may be someone else's.
fn text(value: &Value, field: &str) -> String {
    printable(value[field].as_str().unwrap_or_default())
}

fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use headwater_core::job::{ArgKind, ArgSpec};
    use headwater_stream::Program;

    use super::*;

    #[test]
    fn a_program_cannot_take_an_argument_that_run_uses_itself() {
        const ARGS: &[ArgSpec] =
            &[ArgSpec { name: "json", kind: ArgKind::Text, help: "", default: None, required: false }];
        let clashing = ProgramRegistry::new([Program::new("clashing", "", ARGS, |_, _| Ok(()))]);
        assert!(taken_argument(&clashing).unwrap().contains("`json`"));
        const OF_VERIFY: &[ArgSpec] = &[ArgSpec { name: "faults", ..ARGS[0] }];
        let clashing = ProgramRegistry::new([Program::new("clashing", "", OF_VERIFY, |_, _| Ok(()))]);
        assert!(taken_argument(&clashing).unwrap().contains("`faults`"));
        assert_eq!(taken_argument(&crate::programs::registry()), None);
    }

    #[test]
    fn every_option_of_run_is_among_the_names_that_are_taken() {
        let arg = |name: &'static str| Arg::new(name).long(name);
        let command = run_command(&crate::programs::registry(), &arg("server"), &arg("json"));
        let of_programs: Vec<&str> = crate::programs::registry()
            .iter()
            .flat_map(|program| program.info.args)
            .map(|arg| arg.name)
            .collect();
        for program in command.get_subcommands() {
            for option in program.get_arguments().map(|option| option.get_id().as_str()) {
                assert!(TAKEN.contains(&option) || of_programs.contains(&option), "{option}");
            }
        }
    }
}
