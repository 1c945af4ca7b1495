//! `headwater run`: submits a program to a running server.

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_api::dto;
use headwater_core::{job::ArgValue, options::DEAD_LETTER_PATH};
use headwater_stream::ProgramRegistry;
use serde_json::{Map, Value, json};

use super::{
    jobs::{self, client},
    output,
    progress::Progress,
    verify,
    wait::{has_ended, wait_until},
};

pub(super) fn command(programs: &ProgramRegistry, server: &Arg, json: &Arg) -> Command {
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
    let submitted: dto::Submitted = client.submit(&submission)?;
    if args.get_flag("detached") {
        if output::is_json() {
            output::document(&submitted)?;
        } else {
            output::line(&submitted.id)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let id = &submitted.id;
    let mut progress = Progress::new();
    progress.note(&format!("submitted job {id}; Ctrl-C leaves it running, `headwater cancel {id}` ends it"));
    let job = wait_until(&client, id, &mut progress, |job| has_ended(&job.summary.state))?;
    drop(progress);
    if output::is_json() {
        output::document(&client.get(&format!("/jobs/{id}"))?)?;
    } else {
        jobs::print_list(std::slice::from_ref(&job.summary))?;
    }
    Ok(if job.summary.state == "FINISHED" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
        let command = command(&crate::programs::registry(), &arg("server"), &arg("json"));
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
