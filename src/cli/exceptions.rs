//! `headwater exceptions`: what a job died of, and how it came back.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use headwater_api::dto::Restarts;

use super::{
    faults::told,
    jobs::{client, id},
    output,
    table::{Table, known, time},
};
use crate::logging::render::printable;

pub(super) fn command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("exceptions")
        .about("List a job's failures, newest first: who died, of what, and how the job came back")
        .args([id.clone(), server.clone(), json.clone()])
}

pub(super) fn exceptions(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, path) = (client(args), format!("/jobs/{}/restarts", id(args)));
    let answer = client.get(&path)?;
    if output::is_json() {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Restarts { restarts } = client.read_as(&path, answer)?;
    if restarts.is_empty() {
        output::line("no failures")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["AT", "ACTOR", ">ATTEMPT", "KIND", "PHASE"]);
    for restart in &restarts {
        let failure = &restart.failure;
        let phase = serde_json::to_value(restart.phase)?;
        table.row([
            &time(failure.at_ms),
            &failure.actor,
            &known(failure.attempt),
            &failure.kind,
            &phase.as_str().unwrap_or_default(),
        ]);
        table.below(printable(&failure.message));
        if let Some(recovery) = &failure.recovery {
            table.below(told(recovery));
        }
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
