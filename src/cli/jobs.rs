//! `headwater list`, `status`, `restart`, `cancel` and `delete`: jobs on a running server.

use std::{io, process::ExitCode, slice, thread::sleep, time::Duration};

use anyhow::bail;
use clap::{Arg, ArgAction, ArgMatches, Command};
use headwater_api::dto::{self, JobDetails, JobSummary};
use serde_json::{Value, json};

use super::{
    client::{Client, Query},
    exit::{NOT_FOUND, code_of},
    output,
    progress::Progress,
    table::{Table, known, percent, span},
    wait::{has_ended, is_up, wait_until},
};
use crate::logging::render::printable;

/// How many jobs are asked for at once.
const PAGE: u32 = 1_000;
const POLL_INTERVAL: Duration = Duration::from_millis(200);

pub(super) fn list_command(server: &Arg, json: &Arg) -> Command {
    Command::new("list").about("List all jobs, newest first").args([
        Arg::new("state")
            .long("state")
            .value_name("STATE,…")
            .help("only jobs in one of these states, e.g. RUNNING,FAILED"),
        Arg::new("name").long("name").value_name("TEXT").help("only jobs with this in their names"),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn status_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("status").about("Show one job: its state, tasks and actors").args([
        id.clone(),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn restart_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("restart")
        .about(
            "Restart a job from its newest checkpoint, one that has failed too; what has finished runs anew",
        )
        .args([id.clone(), wait_arg("wait until all its tasks run"), server.clone(), json.clone()])
}

pub(super) fn cancel_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("cancel").about("Cancel a job").args([
        id.clone(),
        wait_arg("wait for its end"),
        server.clone(),
        json.clone(),
    ])
}

pub(super) fn delete_command(id: &Arg, server: &Arg, json: &Arg) -> Command {
    Command::new("delete")
        .about("Delete a job that has ended, and all that is kept of it but its output")
        .args([id.clone(), server.clone(), json.clone()])
}

pub(super) fn wait_arg(help: &'static str) -> Arg {
    Arg::new("wait").long("wait").action(ArgAction::SetTrue).help(help)
}

pub(super) fn list(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let client = client(args);
    let page = |after: Option<&str>| {
        let query = Query::default()
            .with("limit", Some(PAGE))
            .with("state", args.get_one::<String>("state"))
            .with("name", args.get_one::<String>("name"))
            .with("after", after);
        client.query::<Value>("/jobs", &query)
    };
    let mut answer = page(None)?;
    while let Some(last) = answer["next"].as_str() {
        let mut next = page(Some(last))?;
        let jobs = [&mut answer, &mut next].map(|page| page["jobs"].take());
        next["jobs"] = jobs.into_iter().filter_map(|jobs| jobs.as_array().cloned()).flatten().collect();
        answer = next;
    }
    if output::is_json() {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let jobs: dto::Jobs = client.read_as("/jobs", answer)?;
    for job in &jobs.unreadable_jobs {
        let reason = printable(&job.reason);
        output::note(format_args!("job {} cannot be read and does not run: {reason}", printable(&job.id)));
    }
    if jobs.jobs.is_empty() {
        output::line("no jobs")?;
    } else {
        print_list(&jobs.jobs)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each job, and for those that failed a second one with the cause.
pub(super) fn print_list(jobs: &[JobSummary]) -> io::Result<()> {
    let mut table = Table::new(["ID", "STATE", ">FOR", ">RESTARTS", "TASKS", "NAME"]);
    for job in jobs {
        let tasks = job.tasks.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>();
        table.row([&job.id, &job.state, &span(job.duration_ms), &job.restarts, &tasks.join(", "), &job.name]);
        if let Some(failure) = &job.failure {
            table.below(format_args!("failed of: {}", printable(failure)));
        }
    }
    table.print()
}

pub(super) fn status(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, path) = (client(args), format!("/jobs/{}", id(args)));
    let answer = client.get(&path)?;
    if output::is_json() {
        output::document(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let job: JobDetails = client.read_as(&path, answer)?;
    print_list(slice::from_ref(&job.summary))?;
    if let Some(checkpoint) = job.last_completed_checkpoint {
        output::line(format_args!("  last completed checkpoint: {checkpoint}"))?;
    }
    output::line("")?;
    subtasks(&job).print()?;
    output::line("")?;
    let mut actors = Table::new(["ACTOR", "STATE", ">RESTARTS", "LAST FAILURE"]);
    for actor in &job.actors {
        actors.row([&actor.id, &actor.state, &actor.restarts, &known(actor.last_failure.as_ref())]);
    }
    actors.print()?;
    Ok(ExitCode::SUCCESS)
}

fn subtasks(job: &JobDetails) -> Table {
    let mut table = Table::new([
        "SUBTASK",
        "STATE",
        ">ATTEMPT",
        ">IN",
        ">OUT",
        ">IN/S",
        ">BUSY",
        ">BLOCKED",
        ">LATE",
        ">MALFORMED",
        "VERTEX",
    ]);
    for vertex in &job.vertices {
        for subtask in &vertex.subtasks {
            table.row([
                &subtask.id,
                &subtask.state,
                &subtask.attempt,
                &subtask.records_in,
                &subtask.records_out,
                &known(subtask.records_in_per_second.map(|rate| format!("{rate:.0}"))),
                &known(subtask.busy_share.map(percent)),
                &known(subtask.backpressured_share.map(percent)),
                &subtask.late_records,
                &subtask.malformed_records,
                &vertex.name,
            ]);
        }
    }
    table
}

pub(super) fn restart(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, asked) = (client(args), id(args));
    let path = format!("/jobs/{asked}/restart");
    let answer = client.post(&path, &json!({}))?;
    let restarted: dto::Restarted = client.read_as(&path, answer.clone())?;
    let id = printable(&restarted.id);
    if restarted.is_new_job {
        output::note(format_args!(
            "nothing was kept of job {asked}: its submission runs as the new job {id}"
        ));
    }
    if !args.get_flag("wait") {
        let from = restarted
            .checkpoint
            .map_or_else(|| "the beginning".to_owned(), |checkpoint| format!("checkpoint {checkpoint}"));
        return done(&answer, format!("job {id} is being restarted from {from}"));
    }
    let is_back = |job: &JobDetails| is_up(job) || has_ended(&job.summary.state);
    let job = wait_until(&client, &restarted.id, &mut Progress::new(), is_back)?;
    ended_well(&client, &job, |state| matches!(state, "RUNNING" | "FINISHED"))
}

pub(super) fn cancel(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, id) = (client(args), id(args));
    let answer = client.patch(&format!("/jobs/{id}?mode=cancel"))?;
    if !args.get_flag("wait") {
        return done(&answer, format!("job {id} is being cancelled"));
    }
    let job = wait_until(&client, id, &mut Progress::new(), |job| has_ended(&job.summary.state))?;
    ended_well(&client, &job, |state| state == "CANCELED")
}

pub(super) fn delete(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (client, id) = (client(args), id(args));
    let path = format!("/jobs/{id}");
    let mut progress = Progress::new();
    let mut answer = client.delete(&path)?;
    // With nothing to say it is gone; else it takes longer, and the job tells how that ends.
    while !answer.is_null() {
        if let Some(failure) = answer["deletion"]["failure"].as_str() {
            bail!("job {id} could not be deleted: {failure}");
        }
        progress.show(|| "what was kept of the job is being removed".to_owned());
        sleep(POLL_INTERVAL);
        answer = match client.get(&path) {
            Err(error) if code_of(&error) == NOT_FOUND => Value::Null,
            answer => answer?,
        };
    }
    drop(progress);
    done(&json!({ "deleted": id }), format!("job {id} is deleted"))
}

/// Shows the job that was waited for; 1 if it did not come to what was asked for.
fn ended_well(client: &Client, job: &JobDetails, is_well: fn(&str) -> bool) -> anyhow::Result<ExitCode> {
    if output::is_json() {
        output::document(&client.get(&format!("/jobs/{}", job.summary.id))?)?;
    } else {
        print_list(slice::from_ref(&job.summary))?;
    }
    Ok(if is_well(&job.summary.state) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was done, for programs and for people.
pub(super) fn done(answer: &Value, told: String) -> anyhow::Result<ExitCode> {
    if output::is_json() {
        output::document(answer)?;
    } else {
        output::line(told)?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn client(args: &ArgMatches) -> Client {
    Client::new(args.get_one::<String>("server").expect("has a default"))
}

pub(super) fn id(args: &ArgMatches) -> &str {
    args.get_one::<String>("id").expect("is required")
}
