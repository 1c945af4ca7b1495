//! `headwater why`: what holds a job back, in sentences.

use std::{io, process::ExitCode};

use clap::{Arg, ArgMatches, Command};
use headwater_api::dto;

use super::{
    jobs::{client, id as job_id},
    output,
};
use crate::logging::render::printable;

pub(super) fn command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("why").about("Say what holds a job back, and what it last recovered from").args([
        id.clone(),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn why(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let client = client(args);
    let id = job_id(args);
    let path = format!("/jobs/{id}/why");
    if output::is_json() {
        output::document(&client.get(&path)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let why: dto::Why = client.read(&path)?;
    why.findings.iter().try_for_each(print)?;
    Ok(ExitCode::SUCCESS)
}

fn print(finding: &dto::Finding) -> io::Result<()> {
    let sentence = printable(&finding.sentence);
    output::line(format_args!("{:<9} {:<20} {sentence}", finding.severity, finding.kind))?;
    match &finding.advice {
        Some(advice) => output::line(format_args!("{:<30} -> {}", "", printable(advice))),
        None => Ok(()),
    }
}
