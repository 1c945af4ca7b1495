//! `headwater tap`: some of the records that leave a vertex.

use std::{
    io::{Write, stdout},
    ops::ControlFlow,
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_api::dto::{TapEnd, TapLost, TapRecord};

use super::{client::Query, jobs::client, output};
use crate::logging::render::printable;

pub(super) fn command(server: &Arg, json: &Arg) -> Command {
    Command::new("tap")
        .about("Look at some of the records that leave a vertex of a running job")
        .long_about(
            "Look at some of the records that leave a vertex of a running job.\n\nThe job is not slowed down: of many \
             records only some are shown. It ends with the job, after --limit records, or after a quarter of an hour.",
        )
        .arg(Arg::new("id").value_name("JOB").required(true).help("the job's id: 32 hex characters"))
        .arg(Arg::new("vertex").value_name("VERTEX").required(true).help("the vertex, e.g. v0"))
        .arg(
            Arg::new("per-second")
                .long("per-second")
                .value_name("N")
                .value_parser(value_parser!(u32).range(1..))
                .help("at most so many records a second, of each subtask [default: 20]"),
        )
        .arg(
            Arg::new("limit")
                .long("limit")
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..))
                .help("end after so many records [default: 100]"),
        )
        .arg(
            Arg::new("bytes")
                .long("bytes")
                .value_name("N")
                .value_parser(value_parser!(u32).range(16..))
                .help("cut longer records [default: 4096]"),
        )
        .arg(
            Arg::new("redact")
                .long("redact")
                .value_name("FIELD,…")
                .value_delimiter(',')
                .action(ArgAction::Append)
                .help("do not show these fields, at any depth"),
        )
        .arg(Arg::new("to").long("to").value_name("VERTEX").help("only what goes to this vertex"))
        .args([server.clone(), json.clone()])
}

pub(super) fn tap(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let text = |name: &str| args.get_one::<String>(name).expect("clap requires it");
    let redact = args.get_many::<String>("redact").map(|names| names.cloned().collect::<Vec<_>>().join(","));
    let query = Query::default()
        .with("limit", args.get_one::<u64>("limit"))
        .with("per_second", args.get_one::<u32>("per-second"))
        .with("bytes", args.get_one::<u32>("bytes"))
        .with("redact", redact)
        .with("to", args.get_one::<String>("to"));
    let path = format!("/jobs/{}/vertices/{}/tap", text("id"), text("vertex"));
    let mut out = stdout().lock();
    client(args).follow(&path, &query, |event, data| match output::is_json() {
        true => show_json(event, data, &mut out),
        false => show(event, data, &mut out),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each event: an object with its name and its data.
fn show_json(event: &str, data: &str, out: &mut impl Write) -> anyhow::Result<ControlFlow<()>> {
    writeln!(out, "{{\"event\":\"{event}\",\"data\":{data}}}")?;
    out.flush()?;
    Ok(if event == "end" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
}

/// Records as lines; what else there is to say goes to standard error.
fn show(event: &str, data: &str, out: &mut impl Write) -> anyhow::Result<ControlFlow<()>> {
    match event {
        "record" => {
            let record: TapRecord = serde_json::from_str(data)?;
            write!(out, "{}", record.subtask)?;
            if let Some(to) = &record.to {
                write!(out, " -> {to}")?;
            }
            if let Some(at_ms) = record.timestamp_ms {
                write!(out, " @{at_ms}")?;
            }
            if let Some(kind) = &record.kind {
                write!(out, " {kind}")?;
            }
            write!(out, " {}", printable(&serde_json::to_string(&record.value)?))?;
            if let Some(note) = &record.note {
                write!(out, " ({})", printable(note))?;
            }
            writeln!(out)?;
            out.flush()?;
        }
        "lost" => {
            let TapLost { lost } = serde_json::from_str(data)?;
            output::note(format_args!("{lost} records were lost: they came faster than they were read"));
        }
        "end" => {
            let TapEnd { reason, records, passed, .. } = serde_json::from_str(data)?;
            output::note(format_args!("end: {reason}; {records} records of {passed} that passed were shown"));
            return Ok(ControlFlow::Break(()));
        }
        _ => {}
    }
    Ok(ControlFlow::Continue(()))
}
