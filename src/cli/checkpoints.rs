//! `headwater checkpoints` and `headwater checkpoint`: looks at a job's checkpoints, and takes one.

use std::{io, process::ExitCode, slice, thread::sleep, time::Duration};

use clap::{Arg, ArgMatches, Command};
use headwater_api::dto::{Checkpoint, CheckpointDetails, Checkpoints, Triggered};
use serde_json::json;

use super::{
    faults::millis,
    jobs::{client, done, id, wait_arg},
    output,
    progress::Progress,
    table::{Table, known, size, time},
};
use crate::logging::render::printable;

const POLL_INTERVAL: Duration = Duration::from_millis(100);
const IN_PROGRESS: &str = "IN_PROGRESS";

pub(super) fn list_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("checkpoints").about("List a job's checkpoints, newest first").args([
        id.clone(),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn trigger_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("checkpoint").about("Take a checkpoint of a running job now").args([
        id.clone(),
        wait_arg("wait for its end; 1 if it fails"),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn checkpoints(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, path) = (client(args), format!("/jobs/{}/checkpoints", id(args)));
    let answer = client.get(&path)?;
    if output::is_json() {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Checkpoints { checkpoints } = client.read_as(&path, answer)?;
    if checkpoints.is_empty() {
        output::line("no checkpoints")?;
        return Ok(ExitCode::SUCCESS);
    }
    print(&checkpoints)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn checkpoint(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, path) = (client(args), format!("/jobs/{}/checkpoints", id(args)));
    let answer = client.post(&path, &json!({}))?;
    let Triggered { id, was_under_way } = client.read_as(&path, answer.clone())?;
    if was_under_way {
        output::note(format_args!("checkpoint {id} was under way already"));
    }
    if !args.get_flag("wait") {
        return done(&answer, format!("checkpoint {id} is being taken"));
    }
    let path = format!("{path}/{id}");
    let mut progress = Progress::new();
    let (answer, ended) = loop {
        let answer = client.get(&path)?;
        let CheckpointDetails { checkpoint, .. } = client.read_as(&path, answer.clone())?;
        if checkpoint.status != IN_PROGRESS {
            break (answer, checkpoint);
        }
        let Checkpoint { acknowledged, expected, .. } = checkpoint;
        progress.show(|| format!("checkpoint {id}: {acknowledged} of {expected} tasks have acknowledged it"));
        sleep(POLL_INTERVAL);
    };
    drop(progress);
    if output::is_json() {
        output::document(&answer)?;
    } else {
        print(slice::from_ref(&ended))?;
    }
    Ok(if ended.status == "COMPLETED" { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for each, and for those that failed a second one with the cause.
fn print(checkpoints: &[Checkpoint]) -> io::Result<()> {
    let columns =
        [">ID", "STATUS", "TRIGGERED", ">TOOK", ">ACKNOWLEDGED", ">STATE", ">WRITTEN", ">ALIGNMENT"];
    let mut table = Table::new(columns);
    for checkpoint in checkpoints {
        table.row([
            &checkpoint.id,
            &checkpoint.status,
            &time(checkpoint.triggered_at_ms),
            &known(checkpoint.duration_us.map(millis)),
            &format_args!("{}/{}", checkpoint.acknowledged, checkpoint.expected),
            &size(checkpoint.state_bytes),
            &size(checkpoint.new_bytes),
            &millis(checkpoint.alignment_us_max),
        ]);
        if let Some(failure) = &checkpoint.failure {
            table.below(format_args!("failed of: {}", printable(failure)));
        }
    }
    table.print()
}
