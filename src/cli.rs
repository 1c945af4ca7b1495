//! The command line. A user's own binary with its own programs calls [`main`] as well, and so is a whole server.

mod chaos;
mod client;
mod config;
mod exit;
mod faults;
mod interrupt;
mod jobs;
mod logs;
mod sql;
mod start;
mod state;
mod stop;
mod tap;
mod token;
mod verify;
mod why;

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;
use headwater_stream::ProgramRegistry;

/// Where REST is unless something else is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8081";

/// Runs the command line with these programs. Gives 0 for success, 1 for a failure, 2 for wrong usage, 3 if the server does
/// not have what was asked for, 4 if it does not let us, 5 if it does not answer.
pub fn main(programs: ProgramRegistry) -> ExitCode {
    if let Some(error) = jobs::taken_argument(&programs) {
        eprintln!("error: {error}");
        return ExitCode::from(2);
    }
    let matches = command(&programs).get_matches();
    client::use_token(matches.get_one::<String>("token").cloned());
    let authorities = client::use_authorities(matches.get_one::<PathBuf>("ca"));
    let result = authorities.and_then(|()| match matches.subcommand() {
        Some(("start", args)) => start::start(args, programs),
        Some(("run", args)) => jobs::run(args, &programs),
        Some(("list", args)) => jobs::list(args),
        Some(("status", args)) => jobs::status(args),
        Some(("cancel", args)) => jobs::cancel(args),
        Some(("why", args)) => why::why(args),
        Some(("logs", args)) => logs::logs(args),
        Some(("sql", args)) => sql::sql(args),
        Some(("tap", args)) => tap::tap(args),
        Some(("state", args)) => state::state(args),
        Some(("verify", args)) => verify::verify(args, &programs),
        Some(("chaos", args)) => chaos::chaos(args),
        Some(("config", args)) => config::config(args),
        Some(("stop", args)) => stop::stop(args),
        Some(("token", args)) => token::token(args),
        Some(("completions", args)) => {
            let shell = *args.get_one::<Shell>("shell").expect("is required");
            clap_complete::generate(shell, &mut command(&programs), "headwater", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        _ => unreachable!("clap requires one of the subcommands"),
    });
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::from(exit::code_of(&error))
    })
}

fn command(programs: &ProgramRegistry) -> Command {
    let server = Arg::new("server")
        .long("server")
        .value_name("URL")
        .default_value(std::env::var("HEADWATER_SERVER").unwrap_or_else(|_| DEFAULT_SERVER.to_owned()))
        .help("the server's address; HEADWATER_SERVER");
    let json = Arg::new("json").long("json").action(ArgAction::SetTrue).help("print JSON");
    let id = Arg::new("id").value_name("ID").required(true).help("the job's id: 32 hex characters");
    Command::new("headwater")
        .about("Fault-tolerant stream processing in one binary")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .arg(
            Arg::new("token")
                .long("token")
                .value_name("TOKEN")
                .global(true)
                .help("the token for the server; HEADWATER_TOKEN keeps it out of lists of processes"),
        )
        .arg(
            Arg::new("ca")
                .long("ca")
                .value_name("FILE")
                .global(true)
                .value_parser(value_parser!(PathBuf))
                .help("the only authorities (PEM) to trust for an https server, not the machine's; HEADWATER_CA"),
        )
        .subcommand(start::command())
        .subcommand(jobs::run_command(programs, &server, &json))
        .subcommand(
            Command::new("list").about("List all jobs, newest first").arg(server.clone()).arg(json.clone()),
        )
        .subcommand(
            Command::new("status")
                .about("Show one job: its state, tasks and actors")
                .arg(id.clone())
                .arg(server.clone())
                .arg(json.clone()),
        )
        .subcommand(why::command(&id, &server, &json))
        .subcommand(
            Command::new("cancel").about("Cancel a job").arg(id).arg(server.clone()).arg(json.clone()),
        )
        .subcommand(logs::command(&server, &json))
        .subcommand(sql::command(&server))
        .subcommand(tap::command(&server, &json))
        .subcommand(state::command(&server, &json))
        .subcommand(verify::command(programs, &server))
        .subcommand(chaos::command(&server, &json))
        .subcommand(config::command(&json))
        .subcommand(stop::command(&server, &json))
        .subcommand(token::command(&json))
        .subcommand(
            Command::new("completions")
                .about("Print what completes commands in a shell")
                .arg(Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell))),
        )
}

/// Ends when the process is asked to stop: by Ctrl-C or SIGTERM.
pub(crate) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(error) => {
            tracing::warn!("SIGTERM cannot be listened for: {error}");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
