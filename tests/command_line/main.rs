//! The `headwater` binary and the example programs, as a shell sees them.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod json;
mod shell;
mod verbs;

use std::{fs, thread::sleep, time::Instant};

use serde_json::Value;
use shell::{DEADLINE, POLL, Server, assert_fails, example, finish, headwater, start_command, stdout};

#[test]
fn a_program_is_run_to_its_end_and_shown_by_list_and_status() {
    let server = Server::start();
    assert_eq!(stdout(&server.client(&["list"])), "no jobs\n");
    let (input, output) = (server.path("input.txt"), server.path("counts"));
    fs::write(&input, "to be or not to be\n").unwrap();
    let run = server.client(&[
        "run",
        "word_count",
        "--name",
        "hamlet",
        "--parallelism",
        "2",
        "--input",
        input.to_str().unwrap(),
        "--output",
        output.to_str().unwrap(),
    ]);
    assert!(run.status.success(), "{run:?}");
    assert!(stdout(&run).contains("FINISHED"), "{run:?}");

    let files = fs::read_dir(&output).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let mut counts: Vec<String> =
        files.flat_map(|file| file.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    counts.sort_unstable();
    assert_eq!(counts, ["be : 2", "not : 1", "or : 1", "to : 2"]);

    let listed = server.json(&["list"]);
    let job = &listed["jobs"][0];
    assert_eq!((&job["name"], &job["state"]), (&"hamlet".into(), &"FINISHED".into()));
    let id = job["id"].as_str().unwrap();
    let text = stdout(&server.client(&["status", id]));
    assert!(text.contains(&format!("\n{id}  FINISHED")), "{text}");
    assert!(text.contains("checkpoint-coordinator") && text.contains("v1-1"), "{text}");
    assert_fails(&server.client(&["cancel", id]), 1, &["is FINISHED already"]);
}

#[test]
fn a_detached_job_is_cancelled_by_its_id() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    assert!(server.client(&["cancel", &id]).status.success());
    server.until_state(&id, "CANCELED");
}

#[test]
fn a_failed_job_ends_the_run_with_its_cause() {
    let server = Server::start();
    let (input, output) = (server.path("input.txt"), server.path("not-a-folder"));
    fs::write(&input, "words\n").unwrap();
    fs::write(&output, "a file").unwrap();
    let run = server.client(&[
        "run",
        "word_count",
        "-D",
        "restart-strategy.type=none",
        "--input",
        input.to_str().unwrap(),
        "--output",
        output.join("below-a-file").to_str().unwrap(),
    ]);
    assert_eq!(run.status.code(), Some(1));
    let text = stdout(&run);
    assert!(text.contains("FAILED") && text.contains("not-a-folder"), "{text}");
}

#[test]
fn a_job_s_submitter_says_what_becomes_of_malformed_records() {
    let server = Server::start();
    let (input, output, letters) = (server.path("input.txt"), server.path("counts"), server.path("letters"));
    fs::write(&input, b"good line\nM\xFCnchen\ngood line\n").unwrap();
    let run = |options: &[&str]| {
        let (input, output) = (input.to_str().unwrap(), output.to_str().unwrap());
        server.client(&[&["run", "word_count", "--input", input, "--output", output], options].concat())
    };
    let failed = run(&["-D", "restart-strategy.type=none"]);
    assert_eq!(failed.status.code(), Some(1));
    let (text, place) = (stdout(&failed), format!("malformed record at `{}`, byte 10: ", input.display()));
    assert!(text.contains(&place), "{text}");

    assert_fails(
        &run(&["-D", "source.malformed-records=dead-letter"]),
        1,
        &["`source.dead-letter.path` is not set"],
    );
    let path = format!("source.dead-letter.path={}", letters.display());
    assert_fails(&run(&["-D", &path]), 1, &["expected `source.malformed-records` to be `dead-letter`"]);

    let finished = run(&["-D", "source.malformed-records=dead-letter", "-D", &path]);
    assert!(finished.status.success(), "{finished:?}");
    let letter = fs::read_dir(&letters).unwrap().next().expect("a dead letter").unwrap().path();
    let letter: Value = serde_json::from_str(&fs::read_to_string(letter).unwrap()).unwrap();
    assert_eq!((&letter["text"], &letter["hex"]), (&"M\u{FFFD}nchen".into(), &"4dfc6e6368656e".into()));
    let listed = server.json(&["list"]);
    let id = listed["jobs"][0]["id"].as_str().unwrap();
    let status = stdout(&server.client(&["status", id]));
    // Numbers end where the names of their columns do.
    let line = |begin: &str| status.lines().find(|line| line.starts_with(begin)).unwrap();
    let end = line("SUBTASK").find("MALFORMED").unwrap() + "MALFORMED".len();
    assert!(line("v0-0")[..end].ends_with(" 1"), "{status}");
    assert_eq!(server.json(&["status", id])["vertices"][0]["subtasks"][0]["malformed_records"], 1);
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_would_be_right() {
    assert_fails(&headwater(&[]), 2, &["Usage: headwater [OPTIONS] <COMMAND>"]);
    assert_fails(&headwater(&["strat"]), 2, &["similar subcommand", "'start'"]);
    assert_fails(&headwater(&["verify", "word_count"]), 2, &["--input is required"]);
    let no_folder = ["verify", "socket_window_word_count", "--port", "9000"];
    assert_fails(&headwater(&no_folder), 2, &["takes no folder `output`", "--output-arg", "host, port"]);
    let other_folder = ["verify", "word_count", "--input", "x", "--output-arg", "rate"];
    assert_fails(&headwater(&other_folder), 2, &["takes no folder `rate`"]);
    let no_kind = ["verify", "word_count", "--input", "x", "--fault-kinds", "disk"];
    assert_fails(&headwater(&no_kind), 2, &["'disk'", "checkpoint-coordinator"]);
    let no_rate = ["chaos", "--job", "x", "--rate", "6"];
    assert_fails(&headwater(&no_rate), 2, &["such as `6/min`", "found `6`"]);
    let process = ["chaos", "--job", "x", "--kinds", "process"];
    assert_fails(&headwater(&process), 2, &["'process'", "job-master"]);
    assert_fails(&headwater(&["start", "--slots", "0"]), 2, &["--slots", "1..=1024"]);
    assert_fails(&headwater(&["status"]), 2, &["<ID>"]);
    assert_fails(&headwater(&["run", "word_cuont"]), 2, &["word_count"]);
    assert_fails(&headwater(&["run", "word_count", "--input", "x"]), 2, &["--output <PATH>"]);
    let misspelled = ["run", "word_count", "--inputt", "x", "--output", "y"];
    assert_fails(&headwater(&misspelled), 2, &["unexpected argument '--inputt'", "'--input'"]);
    let no_value = ["run", "word_count", "--input", "x", "--output", "y", "-D", "state.backend.type"];
    assert_fails(&headwater(&no_value), 2, &["expected KEY=VALUE, found `state.backend.type`"]);
}

#[test]
fn what_the_server_refuses_is_told_in_its_words() {
    let server = Server::start();
    let nobody = "0123456789abcdef0123456789abcdef";
    assert_fails(&server.client(&["status", nobody]), 3, &["no job has the id", nobody]);
    assert_fails(&server.client(&["cancel", nobody]), 3, &["no job has the id", nobody]);
    assert_fails(&server.client(&["status", "17"]), 3, &["`17` is not a job id", "32 hex characters"]);
    let run = |option| {
        let input = env!("CARGO_MANIFEST_DIR");
        let args = ["run", "word_count", "--input", input, "--output", "never-made", "-D", option];
        server.client(&args)
    };
    assert_fails(&run("state.backend.typ=hashmap"), 1, &["did you mean `state.backend.type`?"]);
    assert_fails(&run("state.backend.type=memory"), 1, &["expected `rocksdb` or `hashmap`, found `memory`"]);
    let refused = |input, rate| {
        let args = ["run", "word_count", "--input", input, "--output", "never-made", "--rate", rate];
        server.client(&args)
    };
    assert_fails(&refused("/no/such/file", "1"), 1, &["argument `input`", "/no/such/file"]);
    let here = env!("CARGO_MANIFEST_DIR");
    assert_fails(&refused(here, "0"), 1, &["argument `rate`", "expected a number above 0, found 0"]);
}

#[test]
fn a_game_day_needs_a_server_that_allows_it_and_a_job_that_runs() {
    let server = Server::start();
    let nobody = "0123456789abcdef0123456789abcdef";
    assert_fails(&server.client(&["chaos", "--job", nobody]), 3, &["no job has the id", nobody]);
    let id = server.submit_endless_job();
    assert_fails(&server.client(&["chaos", "--job", &id]), 1, &["started with --chaos"]);
}

#[test]
fn a_client_without_a_server_says_so() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let list = headwater(&["list", "--server", &format!("http://127.0.0.1:{port}")]);
    assert_fails(&list, 5, &["no answer from", "is it running?"]);
}

#[test]
fn a_second_server_on_the_same_data_folder_is_refused() {
    let server = Server::start();
    let second = finish(&mut start_command(server.folder.path()));
    assert_fails(&second, 1, &["is used by another headwater process", "--data-dir"]);
    assert_eq!(stdout(&server.client(&["list"])), "no jobs\n", "the first one doesn't mind");
}

#[test]
fn the_jobs_of_a_stopped_server_go_on_with_the_next_one() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    let (status, folder) = server.stop();
    assert!(status.success(), "a stop that was asked for is no failure: {status}");
    Server::start_in(folder).until_state(&id, "RUNNING");
}

#[test]
fn an_example_with_wrong_arguments_prints_its_usage() {
    let name = "socket_window_word_count";
    assert_fails(&example(name, &[]), 2, &["--port <INTEGER>", "Usage: "]);
    assert_fails(&example(name, &["--prot", "9000"]), 2, &["'--prot'", "'--port'"]);
    assert_fails(&example(name, &["--port", "many"]), 2, &["argument `port`", "found `many`", "Usage: "]);
    assert_fails(&example(name, &["--port", "70000"]), 2, &["from 1 to 65535, found 70000", "Usage: "]);
}

#[test]
fn an_example_runs_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("input.txt"), folder.path().join("counts"));
    fs::write(&input, "ipsum\nlorem ipsum\n").unwrap();
    let run =
        example("word_count", &["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()]);
    assert!(run.status.success(), "{run:?}");
    let file = fs::read_dir(&output).unwrap().next().unwrap().unwrap().path();
    let mut counts: Vec<String> = fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect();
    counts.sort_unstable();
    assert_eq!(counts, ["ipsum : 2", "lorem : 1"]);
}

#[test]
fn a_server_does_not_start_on_a_damaged_or_lost_job_store_and_says_what_to_do() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    let checkpoints = server.path("checkpoints").join(&id);
    let deadline = Instant::now() + DEADLINE;
    while !checkpoints.exists() {
        assert!(Instant::now() < deadline, "waited in vain for a checkpoint");
        sleep(POLL);
    }
    let (_, folder) = server.stop();
    let (jobs, current) = (folder.path().join("jobs"), folder.path().join("jobs/CURRENT"));
    let whole = fs::read(&current).unwrap();
    fs::write(&current, &whole[..3]).unwrap();
    let named = jobs.to_str().unwrap();
    assert_fails(&finish(&mut start_command(folder.path())), 1, &[named, "cannot be opened", "from a copy"]);
    fs::remove_file(&current).unwrap();
    assert_fails(&finish(&mut start_command(folder.path())), 1, &[named, "`CURRENT` is missing"]);
    fs::rename(&jobs, folder.path().join("aside")).unwrap();
    assert_fails(&finish(&mut start_command(folder.path())), 1, &[named, "is missing", "from a copy"]);
    fs::rename(folder.path().join("aside"), &jobs).unwrap();
    fs::write(&current, &whole).unwrap();
    Server::start_in(folder).until_state(&id, "RUNNING");
}
