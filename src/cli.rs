//! The command line. A user's own binary with its own programs calls [`main`] as well, and so is a whole server.
#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "they panic if nobody reads them; `output` does not"
)]

mod chaos;
mod checkpoints;
mod client;
mod comeback;
mod config;
mod exceptions;
mod exit;
mod faults;
mod interrupt;
mod jobs;
mod logs;
mod output;
mod progress;
mod run;
mod sql;
mod start;
mod state;
mod stop;
mod table;
mod tap;
mod token;
mod verify;
mod wait;
mod why;

use std::{borrow::Cow, io::Write, path::PathBuf, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use headwater_core::secret::hide;
use headwater_stream::ProgramRegistry;

/// Where REST is unless something else is said.
const DEFAULT_SERVER: &str = "http://127.0.0.1:8081";

/// Runs the command line with these programs. Gives 0 for success, 1 for a failure, 2 for wrong usage, 3 if the server does
/// not have what was asked for, 4 if it does not let us, 5 if it does not answer.
pub fn main(programs: ProgramRegistry) -> ExitCode {
    if let Some(error) = run::taken_argument(&programs) {
        output::complain(format_args!("error: {error}"));
        return ExitCode::from(exit::USAGE);
    }
    let matches = match command(&programs).try_get_matches() {
        Ok(matches) => matches,
        Err(wrong_usage) => return tell_usage(&wrong_usage),
    };
    if wants_json(&matches) {
        output::use_json();
    }
    client::use_token(matches.get_one::<String>("token").cloned());
    let authorities = client::use_authorities(matches.get_one::<PathBuf>("ca"));
    let result = authorities.and_then(|()| match matches.subcommand() {
        Some(("start", args)) => start::start(args, programs),
        Some(("run", args)) => run::run(args, &programs),
        Some(("list", args)) => jobs::list(args),
        Some(("status", args)) => jobs::status(args),
        Some(("cancel", args)) => jobs::cancel(args),
        Some(("restart", args)) => jobs::restart(args),
        Some(("delete", args)) => jobs::delete(args),
        Some(("exceptions", args)) => exceptions::exceptions(args),
        Some(("checkpoints", args)) => checkpoints::checkpoints(args),
        Some(("checkpoint", args)) => checkpoints::checkpoint(args),
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
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(&programs), "headwater", &mut script);
            let printed = std::io::stdout().write_all(&script);
            printed.map(|()| ExitCode::SUCCESS).map_err(anyhow::Error::from)
        }
        _ => unreachable!("clap requires one of the subcommands"),
    });
    match result {
        Ok(code) => code,
        // Whoever read it, `head` say, has enough.
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::failure(&error);
            ExitCode::from(exit::code_of(&error))
        }
    }
}

/// Whether the command is to write for programs.
fn wants_json(matches: &ArgMatches) -> bool {
    matches!(matches.try_get_one::<bool>("json"), Ok(Some(true)))
        || matches.subcommand().is_some_and(|(_, matches)| wants_json(matches))
}

/// Help and the version are what was asked for; everything else is wrong.
fn tell_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        output::use_json();
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        output::failure(&exit::Coded::new(exit::USAGE, message).into());
    } else {
        let told = error.to_string();
        match hide(&told) {
            // Nobody may read it.
            Cow::Borrowed(_) => drop(error.print()),
            Cow::Owned(hidden) => output::complain(hidden.trim_end()),
        }
    }
    ExitCode::from(if error.use_stderr() { exit::USAGE } else { 0 })
}

fn server_of_environment() -> Option<String> {
    std::env::var("HEADWATER_SERVER").ok().filter(|server| !server.is_empty())
}

fn command(programs: &ProgramRegistry) -> Command {
    let default_server = server_of_environment().unwrap_or_else(|| DEFAULT_SERVER.to_owned());
    let server = Arg::new("server")
        .long("server")
        .value_name("URL")
        .value_parser(client::server_address)
        // An address may have a password in it.
        .hide_default_value(hide(&default_server) != default_server)
        .default_value(default_server)
        .help("the server's address; HEADWATER_SERVER");
    let json = Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("print JSON, and what goes wrong as JSON on standard error");
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
        .subcommand(start::command(&json))
        .subcommand(run::command(programs, &server, &json))
        .subcommand(jobs::list_command(&server, &json))
        .subcommand(jobs::status_command(&id, &server, &json))
        .subcommand(why::command(&id, &server, &json))
        .subcommand(exceptions::command(&id, &server, &json))
        .subcommand(checkpoints::list_command(&id, &server, &json))
        .subcommand(checkpoints::trigger_command(&id, &server, &json))
        .subcommand(jobs::restart_command(&id, &server, &json))
        .subcommand(jobs::cancel_command(&id, &server, &json))
        .subcommand(jobs::delete_command(&id, &server, &json))
        .subcommand(logs::command(&server, &json))
        .subcommand(sql::command(&server))
        .subcommand(tap::command(&server, &json))
        .subcommand(state::command(&server, &json))
        .subcommand(verify::command(programs, &server, &json))
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
