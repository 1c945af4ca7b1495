//! What commands do to jobs, and what becomes of what they print.

use std::{
    fs,
    io::pipe,
    process::{Command, Stdio},
};

use crate::shell::{HEADWATER, Server, assert_fails, finish, headwater, start_command, stdout, wait};

#[test]
fn a_job_is_restarted_checkpointed_cancelled_and_deleted_by_its_id() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    assert_eq!(stdout(&server.client(&["exceptions", &id])), "no failures\n");
    let taken = stdout(&server.client(&["checkpoint", &id, "--wait"]));
    assert!(taken.contains("COMPLETED"), "{taken}");
    let checkpoints = stdout(&server.client(&["checkpoints", &id]));
    assert!(checkpoints.contains("STATUS") && checkpoints.contains("COMPLETED"), "{checkpoints}");
    assert_fails(&server.client(&["delete", &id]), 1, &["is RUNNING and cannot be deleted", "cancel"]);

    let restarted = server.client(&["restart", &id, "--wait"]);
    assert!(restarted.status.success() && stdout(&restarted).contains("RUNNING"), "{restarted:?}");
    assert_eq!(server.json(&["status", &id])["restarts"], 1);
    assert_eq!(stdout(&server.client(&["list", "--state", "FAILED,CANCELED"])), "no jobs\n");
    assert_eq!(stdout(&server.client(&["list", "--name", "count&limit=0"])), "no jobs\n");
    assert!(stdout(&server.client(&["list", "--state", "RUNNING", "--name", "count"])).contains(&id));
    assert_fails(
        &server.client(&["list", "--state", "BROKEN"]),
        1,
        &["`state`", "RUNNING", "found `BROKEN`"],
    );
    let cancelled = server.client(&["cancel", &id, "--wait"]);
    assert!(cancelled.status.success() && stdout(&cancelled).contains("CANCELED"), "{cancelled:?}");
    assert_fails(&server.client(&["checkpoint", &id]), 1, &["CANCELED"]);
    let anew = server.client(&["restart", &id]);
    assert!(anew.status.success() && String::from_utf8_lossy(&anew.stderr).contains("new job"), "{anew:?}");
    assert_eq!(stdout(&server.client(&["delete", &id])), format!("job {id} is deleted\n"));
    assert_fails(&server.client(&["status", &id]), 3, &["no job has the id", &id]);
}

#[test]
fn what_a_job_failed_of_is_listed_below_it() {
    let server = Server::start();
    let input = server.path("input.txt");
    fs::write(&input, b"M\xFCnchen\n").unwrap();
    let to = server.path("counts");
    let (input, to) = (input.to_str().unwrap(), to.to_str().unwrap());
    let never_again = ["-D", "restart-strategy.type=none"];
    let run =
        server.client(&[&["run", "word_count", "--input", input, "--output", to], &never_again[..]].concat());
    assert_eq!(run.status.code(), Some(1));
    let id = server.json(&["list"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let told = stdout(&server.client(&["exceptions", &id]));
    assert!(told.contains("v0-0") && told.contains("malformed record at"), "{told}");
    let listed = stdout(&server.client(&["list"]));
    assert!(listed.lines().nth(2).is_some_and(|line| line.contains("failed of: ")), "{listed}");
    // Without its cause mended, it fails again: that is no success.
    assert_eq!(server.client(&["restart", &id, "--wait"]).status.code(), Some(1));
}

#[test]
fn what_others_have_named_cannot_drive_the_terminal() {
    let server = Server::start();
    // It is in what the job fails of.
    let input = server.path("\u{1b}[2J\r\u{7}.txt");
    fs::write(&input, b"M\xFCnchen\n").unwrap();
    let to = server.path("counts");
    let (input, to) = (input.to_str().unwrap(), to.to_str().unwrap());
    let options = ["--name", "日本語", "-D", "restart-strategy.type=none"];
    let run =
        server.client(&[&["run", "word_count", "--input", input, "--output", to], &options[..]].concat());
    let id = server.json(&["list"])["jobs"][0]["id"].as_str().unwrap().to_owned();
    let listed = server.client(&["list"]);
    let text = stdout(&listed);
    assert!(text.contains("  日本語\n") && text.contains(r"\u{1b}[2J\r\u{7}.txt"), "{text}");
    let mut outputs = vec![run, listed, server.client(&["logs"]), server.client(&["status", input])];
    outputs.extend(["status", "why", "exceptions", "logs"].map(|verb| server.client(&[verb, &id])));
    for output in outputs {
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            assert!(!text.contains(['\u{1b}', '\r', '\u{7}']), "{text:?}");
        }
    }
}

#[test]
fn who_stops_reading_ends_a_command_without_a_word() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    let commands: [&[&str]; 10] = [
        &["list"],
        &["list", "--json"],
        &["status", &id],
        &["why", &id],
        &["logs", "--follow"],
        &["checkpoints", &id],
        &["state", &id],
        &["tap", &id, "v0"],
        &["sql", "-e", "SELECT 1"],
        &["config"],
    ];
    for command in commands {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let server: &[&str] = if command[0] == "config" { &[] } else { &["--server", &server.url] };
        let mut process = Command::new(HEADWATER)
            .args(command)
            .args(server)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let status = wait(&mut process);
        let complaint = std::io::read_to_string(process.stderr.unwrap()).unwrap();
        assert!(status.success() && complaint.is_empty(), "{command:?}: {status}, {complaint}");
    }
}

#[test]
fn a_server_tells_of_the_jobs_that_it_brings_back() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    let (_, folder) = server.stop();
    let log = folder.path().join("told.log");
    let file = fs::File::create(&log).unwrap();
    let server = Server::spawn(start_command(folder.path()).env("RUST_LOG", "info").stderr(file), folder);
    server.until("the log tells that it is back", || {
        fs::read_to_string(&log).unwrap().contains("jobs that are back, or have ended: 1 of 1 after")
    });
    assert!(fs::read_to_string(&log).unwrap().contains("jobs that come back: 1, with "));
}

#[test]
fn bash_completes_commands_options_and_programs() {
    let completions = stdout(&headwater(&["completions", "bash"]));
    // What bash does when Tab is typed behind these words.
    let completed = |words: &str| {
        let script = format!(
            "{completions}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()\n\
             _headwater headwater \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        stdout(&finish(Command::new("bash").args(["--norc", "-c", &script])))
    };
    for (words, expected) in [
        ("headwater che", &["checkpoint", "checkpoints"][..]),
        ("headwater run ''", &["word_count", "socket_window_word_count"]),
        ("headwater run word_count --in", &["--input"]),
        ("headwater restart --w", &["--wait"]),
        ("headwater verify word_count --fault-k", &["--fault-kinds"]),
        ("headwater logs --level ''", &["error", "warn", "info", "debug", "trace"]),
    ] {
        let offered = completed(words);
        for word in expected {
            assert!(offered.lines().any(|line| line == *word), "`{words}`: expected `{word}` in\n{offered}");
        }
    }
}
