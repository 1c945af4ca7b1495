//! `--json`: documents on standard output and nothing else, and what goes wrong as JSON on standard error, for all commands.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    process::{Command, Output, Stdio},
};

use serde_json::{Deserializer, Value};

use crate::shell::{HEADWATER, Server, Stopped, finish, headwater, start_command, stdout};

/// Everything on a stream, which must be JSON.
#[track_caller]
fn documents(text: &[u8]) -> Vec<Value> {
    let read: Result<Vec<Value>, _> = Deserializer::from_slice(text).into_iter().collect();
    read.unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(text)))
}

/// The commands that have been tried.
struct Walk<'a> {
    server: &'a Server,
    walked: BTreeSet<&'static str>,
}

impl Walk<'_> {
    /// What a command of the client prints.
    #[track_caller]
    fn client(&mut self, args: &[&'static str], further: &[&str]) -> Vec<Value> {
        self.take(args, further, &["--server", &self.server.url])
    }

    /// What a command prints that knows no server.
    #[track_caller]
    fn local(&mut self, args: &[&'static str], further: &[&str]) -> Vec<Value> {
        self.take(args, further, &[])
    }

    #[track_caller]
    fn take(&mut self, args: &[&'static str], further: &[&str], server: &[&str]) -> Vec<Value> {
        self.walked.insert(args[0]);
        let all = [args, further, server, &["--json"]].concat();
        let output = finish(Command::new(HEADWATER).args(&all));
        documents(&output.stderr);
        assert!(output.status.success(), "{all:?}: {output:?}");
        documents(&output.stdout)
    }
}

/// The names below `Commands:` in the help.
fn commands() -> BTreeSet<String> {
    let help = stdout(&headwater(&["--help"]));
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = listed.take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

#[test]
fn every_command_writes_json_and_nothing_else() {
    let server = Server::start_with(&["--chaos"]);
    let id = server.submit_endless_job();
    let id = id.as_str();
    server.until_state(id, "RUNNING");
    let mut walk = Walk { server: &server, walked: BTreeSet::new() };

    assert_eq!(walk.client(&["list"], &[])[0]["jobs"][0]["id"], id);
    assert_eq!(walk.client(&["status"], &[id])[0]["state"], "RUNNING");
    assert_eq!(walk.client(&["why"], &[id])[0]["job"], id);
    assert_eq!(walk.client(&["checkpoint"], &[id, "--wait"])[0]["status"], "COMPLETED");
    assert!(walk.client(&["checkpoint"], &[id])[0]["id"].is_u64());
    assert!(
        walk.client(&["checkpoints"], &[id])[0]["checkpoints"].as_array().is_some_and(|all| !all.is_empty())
    );
    let states = &walk.client(&["state"], &[id])[0];
    let (vertex, state) = (&states["vertices"][1]["vertex"], &states["vertices"][1]["states"][0]["name"]);
    let entries = walk.client(&["state"], &[id, vertex.as_str().unwrap(), state.as_str().unwrap(), "--all"]);
    assert!(entries.iter().all(|entry| entry["key"].is_string()), "{entries:?}");
    let tapped = walk.client(&["tap"], &[id, "v0", "--limit", "2"]);
    assert_eq!(tapped.last().unwrap()["event"], "end");
    assert!(walk.client(&["logs"], &[])[0]["message"].is_string());
    let day = walk.client(&["chaos"], &["--job", id, "--rate", "20/s", "--duration", "200 ms"]);
    assert_eq!(day[0]["failed_recoveries"], 0, "{day:?}");
    assert!(walk.client(&["exceptions"], &[id])[0]["restarts"].is_array());
    assert_eq!(walk.client(&["restart"], &[id])[0]["is_new_job"], false);
    assert_eq!(walk.client(&["restart"], &[id, "--wait"])[0]["state"], "RUNNING");
    assert_eq!(walk.client(&["cancel"], &[id, "--wait"])[0]["state"], "CANCELED");
    assert_eq!(walk.client(&["delete"], &[id])[0]["deleted"], id);
    assert_eq!(walk.client(&["list"], &[])[0]["jobs"].as_array().map(Vec::len), Some(0));

    let input = server.path("short.txt");
    fs::write(&input, "lorem ipsum\n".repeat(1_000)).unwrap();
    let input = ["--input", input.to_str().unwrap()];
    let output = server.path("short");
    let to = ["--output", output.to_str().unwrap()];
    assert_eq!(walk.client(&["run", "word_count"], &[input, to].concat())[0]["state"], "FINISHED");
    let detached = [&input[..], &["--output", "elsewhere", "--detached", "--rate", "1"]].concat();
    assert!(walk.client(&["run", "word_count"], &detached)[0]["id"].is_string());
    assert_eq!(walk.client(&["sql", "-e", "SELECT 1 AS one"], &[])[1]["row"], serde_json::json!(["1"]));
    let verified = ["--faults", "1", "--fault-kinds", "operator", "--checkpoint-interval-ms", "5"];
    let slowly = ["--rate", "2000"];
    let verified = walk.local(&["verify", "word_count"], &[&input[..], &slowly, &verified].concat());
    assert_eq!(verified[0]["verdict"], "equal", "{verified:?}");

    let data_dir = ["--data-dir", server.folder.path().to_str().unwrap()];
    assert!(walk.local(&["token", "create", "ci"], &data_dir)[0]["token"].is_string());
    assert_eq!(walk.local(&["token", "list"], &data_dir)[0]["tokens"][0]["name"], "ci");
    assert_eq!(walk.local(&["token", "remove", "ci"], &data_dir)[0]["removed"], "ci");
    assert!(walk.local(&["config"], &[])[0]["entries"].is_array());
    let url = server.url.clone();
    assert_eq!(walk.client(&["stop"], &[])[0]["stopped"], url.trim_end_matches('/'));

    // `start` does not end, and is tried below; a completion is a script.
    let apart = ["start", "completions", "help"].map(str::to_owned);
    let walked = walk.walked.iter().map(|name| (*name).to_owned()).chain(apart).collect();
    assert_eq!(commands(), walked, "the commands there are, and those that were tried");
}

#[test]
fn a_server_tells_programs_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = start_command(folder.path()).arg("--json").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _process = Stopped(process);
    let told: Value = serde_json::from_str(&line).unwrap();
    let list = headwater(&["list", "--json", "--server", told["url"].as_str().unwrap()]);
    assert!(list.status.success(), "{list:?}");
    assert_eq!(told["data_dir"], folder.path().to_str().unwrap());
    let second = finish(start_command(folder.path()).arg("--json"));
    assert_eq!(second.status.code(), Some(1));
    let why = documents(&second.stderr).pop().unwrap();
    assert!(why["error"]["message"].as_str().unwrap().contains("another headwater process"), "{why}");
}

#[test]
fn what_goes_wrong_is_json_too_and_has_its_exit_code() {
    let server = Server::start();
    let id = server.submit_endless_job();
    server.until_state(&id, "RUNNING");
    #[track_caller]
    fn wrong(output: &Output, code: i32) -> Value {
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{output:?}");
        documents(&output.stderr).pop().unwrap()["error"].clone()
    }
    let refused = wrong(&server.client(&["delete", &id, "--json"]), 1);
    assert_eq!(refused["type"], "urn:headwater:error:not-ended");
    assert!(refused["message"].is_string() && refused["hint"].is_string(), "{refused}");
    assert_eq!(wrong(&server.client(&["list", "--jsno", "--json"]), 2)["type"], Value::Null);
    for address in ["nowhere", "ftp://127.0.0.1", "http://", "127.0.0.1:8081"] {
        let error = wrong(&headwater(&["list", "--json", "--server", address]), 2);
        assert!(error["message"].as_str().unwrap().contains("expected an address such as"), "{error}");
    }
    let nobody = "0123456789abcdef0123456789abcdef";
    for verb in
        ["status", "why", "exceptions", "checkpoints", "checkpoint", "restart", "cancel", "delete", "state"]
    {
        let error = wrong(&server.client(&[verb, nobody, "--json"]), 3);
        assert_eq!(error["type"], "urn:headwater:error:unknown-job", "{verb}");
    }
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = format!("http://127.0.0.1:{port}");
    let error = wrong(&headwater(&["list", "--json", "--server", &gone]), 5);
    assert!(error["message"].as_str().unwrap().contains("is it running?"), "{error}");
}

#[test]
fn who_has_no_token_or_a_wrong_one_is_told_so() {
    let server = Server::start_with(&["-D", "security.authentication=token"]);
    for verb in ["list", "sql"] {
        let insert = "CREATE TABLE t (n INT) WITH ('connector' = 'blackhole'); INSERT INTO t SELECT 1";
        let script: &[&str] = if verb == "sql" { &["-e", insert] } else { &[] };
        for token in ["", "hw_wrong"] {
            let mut command = Command::new(HEADWATER);
            command
                .arg(verb)
                .args(script)
                .args(["--json", "--server", &server.url])
                .env("HEADWATER_TOKEN", token);
            let refused = finish(&mut command);
            assert_eq!(refused.status.code(), Some(4), "{refused:?}");
            let kind = if token.is_empty() { "login-required" } else { "wrong-token" };
            let error = documents(&refused.stderr).pop().unwrap()["error"].clone();
            assert_eq!(error["type"], format!("urn:headwater:error:{kind}"), "{error}");
        }
    }
}
