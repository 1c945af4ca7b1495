//! `headwater why`: what holds a job back, in sentences.

use std::process::ExitCode;

use clap::{Arg, ArgMatches, Command};
use headwater_api::dto;

use super::jobs::client;
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
    let id = args.get_one::<String>("id").expect("is required");
    let path = format!("/jobs/{id}/why");
    if args.get_flag("json") {
        println!("{}", serde_json::to_string_pretty(&client.get(&path)?)?);
        return Ok(ExitCode::SUCCESS);
    }
    let why: dto::Why = client.read(&path)?;
    why.findings.iter().for_each(print);
    Ok(ExitCode::SUCCESS)
}

fn print(finding: &dto::Finding) {
    println!("{:<9} {:<20} {}", finding.severity, finding.kind, printable(&finding.sentence));
    if let Some(advice) = &finding.advice {
        println!("{:<30} -> {advice}", "");
    }
}
