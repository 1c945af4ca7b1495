//! `headwater verify` and `headwater chaos`, as a shell sees them.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, Output, Stdio},
};

use headwater_chaos_tests::{
    history::{items, text},
    server::Server,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const CHAOS_SERVER: &str = env!("CARGO_BIN_EXE_chaos_server");

/// A shell's command whose temporary folders are made in `folder`.
fn chaos_server(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(CHAOS_SERVER);
    command.args(args).env("TMPDIR", folder).stdin(Stdio::null());
    command
}

/// Verifies a program of sequences, with checkpoints so often that several are completed, and gives the report.
fn verify(folder: &Path, program: &str, args: &[&str]) -> (Output, Value) {
    let report = folder.join("report.json");
    let shape = ["--seed", "7", "--count", "6400", "--parallelism", "2", "--checkpoint-interval-ms", "50"];
    let of_verify = ["--report", report.to_str().unwrap()];
    let all = [&["verify", program], &shape[..], &of_verify, args].concat();
    let output = chaos_server(folder, &all).output().unwrap();
    (output, serde_json::from_slice(&fs::read(report).unwrap()).unwrap_or_default())
}

fn left_in(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "report.json").collect()
}

#[track_caller]
fn assert_ends_with(output: &Output, code: i32, says: &[&str]) {
    let shown =
        [&*String::from_utf8_lossy(&output.stdout), &*String::from_utf8_lossy(&output.stderr)].concat();
    assert_eq!(output.status.code(), Some(code), "{shown}");
    for part in says {
        assert!(shown.contains(part), "expected `{part}` in:\n{shown}");
    }
}

#[test]
fn a_correct_program_writes_the_same_with_faults_of_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let faults = ["--faults", "14", "--fault-seed", "3", "--rate", "500"];
    let (output, report) = verify(folder.path(), "keyed_sequences", &faults);
    assert_ends_with(&output, 0, &["equal: with", "kill -9 of the process", "--fault-seed 3"]);
    assert_eq!(text(&report, "verdict"), "equal");
    let kinds: Vec<&str> = items(&report, "faults").iter().map(|fault| text(fault, "kind")).collect();
    for kind in ["source", "operator", "sink", "checkpoint-coordinator", "job-master", "process", "sigterm"] {
        assert!(kinds.contains(&kind), "no fault of the kind {kind}: {report:#}");
    }
    let restored: Vec<u64> = items(&report, "faults")
        .iter()
        .filter_map(|fault| fault["recovery"]["restored_checkpoint"].as_u64())
        .collect();
    assert!(restored.is_sorted() && restored.len() > 1, "{report:#}");
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}

fn assert_is_found_out(mistake: &str, kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let args =
        ["--mistake", mistake, "--fault-kinds", "source,operator", "--fault-seed", "5", "--rate", "2000"];
    let (output, report) = verify(folder.path(), "sabotaged_sequences", &args);
    assert_ends_with(
        &output,
        1,
        &["different: ", &format!("{kind} in output/"), "outputs and logs are kept in"],
    );
    assert_eq!(text(&report, "verdict"), "different");
    assert!(report["differences"][kind].as_u64() > Some(0), "{report:#}");
    assert!(Path::new(text(&report, "kept")).join("disturbed/output").is_dir(), "{report:#}");
}

#[test]
fn a_source_whose_position_is_ahead_is_found_out() {
    assert_is_found_out("source", "missing");
}

#[test]
fn an_operator_with_state_outside_of_its_snapshot_is_found_out() {
    assert_is_found_out("operator", "missing");
}

#[test]
fn a_sink_that_publishes_before_the_checkpoint_is_found_out() {
    assert_is_found_out("sink", "duplicate");
}

#[test]
fn a_program_that_does_not_write_the_same_twice_cannot_be_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (output, report) = verify(folder.path(), "clocked_sequences", &["--baseline-runs", "2"]);
    assert_ends_with(&output, 1, &["not to be judged: without any fault", "`clocked_sequences`"]);
    assert_eq!((text(&report, "verdict"), &report["disturbed"]), ("nondeterministic", &Value::Null));
}

#[test]
fn equal_outputs_prove_nothing_if_the_job_never_went_back_to_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (output, report) =
        verify(folder.path(), "keyed_sequences", &["--fault-kinds", "checkpoint-coordinator"]);
    assert_ends_with(&output, 1, &["not verified: the outputs are equal"]);
    assert_eq!(text(&report, "verdict"), "unproven");
}

#[test]
fn a_program_that_fails_or_whose_input_does_not_end_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (output, report) =
        verify(folder.path(), "panicking_sequences", &["-D", "restart-strategy.type=none"]);
    assert_ends_with(&output, 1, &["FAILED", "cannot bear record", "failed: a run did not finish"]);
    assert_eq!(text(&report, "verdict"), "failed");
    let (output, _) = verify(folder.path(), "keyed_sequences", &["--rate", "1", "--run-timeout", "1 s"]);
    assert_ends_with(&output, 1, &["needs a program whose input ends", "--run-timeout", "logs are kept in"]);
}

/// A server with a job that goes on for hours, and the job's id.
fn endless_job(folder: &TempDir) -> (Server, String) {
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(CHAOS_SERVER.as_ref(), &path("data"), &path("server.log")).unwrap();
    let args = json!({ "seed": 7, "count": 100_000_000, "rate": 1000, "output": path("output") });
    let options = json!({
        "parallelism.default": "2",
        "execution.checkpointing.interval": "100 ms",
        "restart-strategy.exponential-delay.max-backoff": "100 ms",
        "restart-strategy.exponential-delay.attempts-before-reset-backoff": "1000",
    });
    let job = json!({ "program": "keyed_sequences", "args": args, "options": options });
    let id = text(&server.rest.post("/jobs", &job).unwrap(), "id").to_owned();
    (server, id)
}

#[test]
fn a_job_that_a_server_knows_is_verified_by_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(CHAOS_SERVER.as_ref(), &path("data"), &path("server.log")).unwrap();
    let args = json!({ "seed": 7, "count": 6400, "rate": 1000, "output": path("of-the-user") });
    let options = json!({ "execution.checkpointing.interval": "50 ms" });
    let job = json!({ "program": "keyed_sequences", "args": args, "options": options });
    let id = text(&server.rest.post("/jobs", &job).unwrap(), "id").to_owned();
    let verify =
        ["verify", "--job", &id, "--server", &server.url, "--faults", "3", "--fault-kinds", "source"];
    assert_ends_with(&chaos_server(folder.path(), &verify).output().unwrap(), 0, &["equal: with 3 faults"]);
    let jobs = server.rest.get("/jobs").unwrap();
    assert_eq!(items(&jobs, "jobs").len(), 1, "the server itself has run nothing more");
    server.kill().unwrap();
}

#[test]
fn a_game_day_shows_every_kill_and_its_recovery() {
    let folder = tempfile::tempdir().unwrap();
    let (server, id) = endless_job(&folder);
    let chaos = |args: &[&str]| {
        let all = [&["chaos", "--job", &id, "--server", &server.url, "--seed", "3"], args].concat();
        chaos_server(folder.path(), &all)
    };
    let output = chaos(&["--rate", "8/s", "--duration", "2 s", "--json"]).output().unwrap();
    assert_ends_with(&output, 0, &[]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((text(&summary, "state"), &summary["failed_recoveries"]), ("RUNNING", &json!(0)));
    assert!(!items(&summary, "kills").is_empty());
    for kill in items(&summary, "kills") {
        assert!(kill["recovery"]["running_after_us"].is_u64(), "{kill:#}");
    }

    // One that would go on for hours ends with its summary when it is asked to.
    let mut process = chaos(&["--rate", "8/s", "--duration", "2 h"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("running after") {
        line.clear();
        assert_ne!(shown.read_line(&mut line).unwrap(), 0, "it ended before anything was killed");
    }
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut rest = String::new();
    shown.read_to_string(&mut rest).unwrap();
    assert!(process.wait().unwrap().success(), "{rest}");
    assert!(rest.contains("0 failed recoveries; the job is RUNNING"), "{rest}");
}

#[test]
fn a_game_day_from_which_the_job_does_not_come_back_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let server = Server::start(CHAOS_SERVER.as_ref(), &path("data"), &path("server.log")).unwrap();
    let args = json!({ "seed": 7, "count": 100_000_000, "rate": 1000, "output": path("output") });
    let options = json!({ "restart-strategy.type": "none" });
    let job = json!({ "program": "keyed_sequences", "args": args, "options": options });
    let id = text(&server.rest.post("/jobs", &job).unwrap(), "id").to_owned();
    let day = ["chaos", "--job", &id, "--server", &server.url, "--rate", "20/s", "--kinds", "source"];
    let output = chaos_server(folder.path(), &day).output().unwrap();
    assert_ends_with(&output, 1, &["1 failed recoveries; the job is FAILED", "it failed of: "]);
    let again = chaos_server(folder.path(), &day).output().unwrap();
    assert_ends_with(&again, 1, &["is FAILED already: expected one that runs"]);
}

#[test]
fn an_interrupted_verification_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let args =
        ["verify", "keyed_sequences", "--seed", "7", "--count", "1000000", "--rate", "1", "--faults", "1"];
    let mut process = chaos_server(folder.path(), &args).stderr(Stdio::piped()).spawn().unwrap();
    let mut shown = BufReader::new(process.stderr.take().unwrap());
    let mut line = String::new();
    shown.read_line(&mut line).unwrap();
    assert!(line.contains("undisturbed run"), "{line}");
    let pid = process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(process.wait().unwrap().code(), Some(1));
    shown.read_to_string(&mut line).unwrap();
    assert!(line.contains("interrupted"), "{line}");
    assert_eq!(left_in(folder.path()), Vec::<String>::new());
}
