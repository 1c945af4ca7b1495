//! `headwater state`: what a job keeps, as a checkpoint has it.

use std::{io, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_api::dto::{JobState, StateEntries, StateEntry};
use headwater_core::shown::Json;

use super::{
    client::{Client, Query},
    jobs::client,
    output,
    table::{Table, known},
};
use crate::logging::render::printable;

/// How many entries are asked for at once.
const PAGE: usize = 1_000;

pub(super) fn command(server: &Arg, json: &Arg) -> Command {
    Command::new("state")
        .about("Look at what a job keeps, as a checkpoint has it")
        .long_about(
            "Look at what a job keeps, as a checkpoint has it.\n\nWith a job alone, its states are listed; with a vertex and \
             a state, their entries; with a key, those of the key. The checkpoint's files are read, and the job is not \
             disturbed.",
        )
        .arg(Arg::new("id").value_name("JOB").required(true).help("the job's id: 32 hex characters"))
        .arg(Arg::new("vertex").value_name("VERTEX").requires("state").help("the vertex, e.g. v1"))
        .arg(Arg::new("state").value_name("STATE").help("the state's name"))
        .arg(Arg::new("key").value_name("KEY").help("only this key: in JSON, or as plain text"))
        .arg(
            Arg::new("checkpoint")
                .long("checkpoint")
                .value_name("N")
                .value_parser(value_parser!(u64))
                .help("the checkpoint's number [default: the last one]"),
        )
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(usize))
                .default_value("50")
                .conflicts_with("all")
                .help("at most so many entries"),
        )
        .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("all entries"))
        .args([server.clone(), json.clone()])
}

pub(super) fn state(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let text = |name: &str| args.get_one::<String>(name);
    let client = client(args);
    let job = text("id").expect("clap requires it");
    let checkpoint = args.get_one::<u64>("checkpoint");
    match text("vertex").zip(text("state")) {
        None => {
            let query = Query::default().with("checkpoint", checkpoint);
            let states: JobState = client.query(&format!("/jobs/{job}/state"), &query)?;
            if output::is_json() {
                output::document(&states)?;
            } else {
                print_states(&states)?;
            }
        }
        Some((vertex, state)) => {
            let path = format!("/jobs/{job}/state/{vertex}/{state}");
            print_entries(&client, &path, args)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_states(states: &JobState) -> io::Result<()> {
    let kept = states.checkpoints.iter().map(|checkpoint| checkpoint.id.to_string()).collect::<Vec<_>>();
    output::line(format_args!("checkpoint {} (kept: {})", states.checkpoint, kept.join(", ")))?;
    if states.vertices.is_empty() {
        return output::line("no vertex keeps anything");
    }
    let mut table = Table::new(["VERTEX", "STATE", "KIND", "KEY", "VALUE", "OF"]);
    for vertex in &states.vertices {
        for state in &vertex.states {
            let (key, value) = (known(state.key_type.as_ref()), known(state.value_type.as_ref()));
            table.row([&vertex.vertex, &state.name, &state.kind, &key, &value, &vertex.name]);
            if let Some(note) = &state.note {
                table.below(printable(note));
            }
        }
    }
    table.print()
}

/// Page by page, so that a large state does not have to fit into memory.
fn print_entries(client: &Client, path: &str, args: &ArgMatches) -> anyhow::Result<()> {
    let mut left = match args.get_flag("all") {
        true => usize::MAX,
        false => *args.get_one::<usize>("limit").expect("it has a default"),
    };
    let mut after: Option<String> = None;
    while left > 0 {
        let query = Query::default()
            .with("checkpoint", args.get_one::<u64>("checkpoint"))
            .with("key", args.get_one::<String>("key"))
            .with("limit", Some(left.min(PAGE)))
            .with("after", after.as_ref());
        let page: StateEntries = client.query(path, &query)?;
        if after.is_none() {
            output::note(format_args!("checkpoint {}", page.checkpoint));
        }
        for entry in &page.entries {
            if output::is_json() {
                output::json_line(entry)?;
            } else {
                print_entry(entry)?;
            }
        }
        left = left.saturating_sub(page.entries.len());
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
    output::note("there are more entries: see them with --all, or with a larger --limit");
    Ok(())
}

fn print_entry(entry: &StateEntry) -> anyhow::Result<()> {
    let shown = |json: &Json| serde_json::to_string(json).map(|text| printable(&text));
    let mut line = shown(&entry.key)?;
    if entry.namespace != Json::Null {
        line += &format!(" {}", shown(&entry.namespace)?);
    }
    line += &format!(" -> {}", shown(&entry.value)?);
    if let Some(note) = &entry.note {
        line += &format!(" ({})", printable(note));
    }
    Ok(output::line(line)?)
}
