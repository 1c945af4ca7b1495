//! `headwater logs`: the log of a running server.

use std::{
    io::{self, IsTerminal, Write, stdout},
    process::ExitCode,
    thread::sleep,
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use headwater_api::dto::LogLines;

use super::{client::Query, jobs::client, output};
use crate::logging::render;

/// How often a follower asks for more.
const INTERVAL: Duration = Duration::from_millis(500);
/// Lines at most that a follower asks for at once.
const MORE: u32 = 1_000;

pub(super) fn command(server: &Arg, json: &Arg) -> Command {
    Command::new("logs")
        .about("Show the log of a server, or of one job")
        .arg(Arg::new("job").value_name("JOB").help("the job's id: 32 hex characters"))
        .arg(
            Arg::new("follow")
                .long("follow")
                .short('f')
                .action(ArgAction::SetTrue)
                .help("go on with what is logged from now on"),
        )
        .arg(
            Arg::new("level")
                .long("level")
                .value_parser(PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]))
                .default_value("info")
                .help("lines of this level and worse ones"),
        )
        .arg(
            Arg::new("lines")
                .long("lines")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..=10_000))
                .default_value("200")
                .help("lines at most to begin with"),
        )
        .arg(server.clone())
        .arg(json.clone().help("print each line as JSON"))
}

pub(super) fn logs(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let client = client(args);
    let level = args.get_one::<String>("level").expect("has a default");
    let job = args.get_one::<String>("job");
    let lines = args.get_one::<u32>("lines").expect("has a default");
    let query = |limit, after| {
        let filter = Query::default().with("level", Some(level)).with("job", job);
        filter.with("limit", Some(limit)).with("after", after)
    };
    let mut found: LogLines = client.query("/logs", &query(*lines, None))?;
    loop {
        print(&found)?;
        if !args.get_flag("follow") {
            return Ok(ExitCode::SUCCESS);
        }
        if found.lines.is_empty() {
            sleep(INTERVAL);
        }
        found = client.query("/logs", &query(MORE, Some(found.next)))?;
    }
}

fn print(found: &LogLines) -> io::Result<()> {
    let mut out = stdout().lock();
    let is_colored = out.is_terminal();
    for line in &found.lines {
        let text = if output::is_json() { render::json(line) } else { render::text(line, is_colored) };
        out.write_all(text.as_bytes())?;
    }
    out.flush()
}
