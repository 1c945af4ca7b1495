//! The REST API against its own OpenAPI document: schemathesis makes up requests, fitting ones and others, and checks that
//! every answer has a status, a content type, headers and a body that the document tells of, and that none is a 5xx.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");
const REQUIREMENTS: &str = include_str!("schemathesis/requirements.txt");
const CONFIG: &str = include_str!("schemathesis/schemathesis.toml");
/// For each of the two runs.
const FUZZ_S: &str = "25";
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

struct Server {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Command::new(HEADWATER)
            .args(["start", "--port", "0", "--chaos", "--data-dir"])
            .arg(folder.path().join("data"))
            .env("RUST_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let is_address = |part: &&str| part.starts_with("http://");
        let url = line.split([' ', ',']).find(is_address).expect("the line names the address").to_owned();
        Self { process, url: url.trim_end_matches('/').trim().to_owned(), folder }
    }

    /// Submits a word count and waits until it has this state; returns its id.
    fn word_count(&self, name: &str, lines: usize, more: &[&str], state: &str) -> String {
        let path = |suffix: &str| self.folder.path().join(format!("{name}{suffix}"));
        fs::write(path(".txt"), "lorem ipsum\n".repeat(lines)).unwrap();
        let (input, output) = (path(".txt"), path(""));
        let io = ["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap(), "--name", name];
        let submitted = self.client(&[&["run", "word_count", "--detached"], &io[..], more].concat());
        let id = submitted["id"].as_str().unwrap().to_owned();
        let deadline = Instant::now() + DEADLINE;
        while self.client(&["status", &id])["state"] != state {
            assert!(Instant::now() < deadline, "`{name}` is not {state}");
            sleep(POLL);
        }
        id
    }

    fn client(&self, args: &[&str]) -> Value {
        let output =
            Command::new(HEADWATER).args(args).args(["--json", "--server", &self.url]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Fuzzes for a while; `known` are values of path parameters.
    fn fuzz(&self, seed: u32, known: &[(&str, &str)], excluded: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let parameters: String =
            known.iter().map(|(name, value)| format!("\"path.{name}\" = \"{value}\"\n")).collect();
        let config = folder.path().join("schemathesis.toml");
        fs::write(&config, format!("[parameters]\n{parameters}\n{CONFIG}")).unwrap();
        let mut fuzzer = Command::new(schemathesis());
        fuzzer.current_dir(folder.path()).arg("--config-file").arg(&config);
        fuzzer.args(["run", &format!("{}/api/v1/openapi.json", self.url), "--seed", &seed.to_string()]);
        fuzzer.args(["--phases", "coverage,fuzzing", "--max-time", FUZZ_S, "--max-examples", "20"]);
        fuzzer.args(["--continue-on-failure", "--no-shrink", "--request-timeout", "20"]);
        // These do not end, or end the server, or need one that has tokens. They are tested where their server is.
        for path in ["events", "logs/stream", "jobs/{id}/vertices/{vertex}/tap", "shutdown", "login"] {
            fuzzer.args(["--exclude-path", &format!("/api/v1/{path}")]);
        }
        for name in excluded {
            fuzzer.args(["--exclude-name", name]);
        }
        let output = fuzzer.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "seed {seed}, with {known:?}:\n{text}");
        println!(
            "{}",
            text.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        );
    }
}

fn schemathesis() -> PathBuf {
    let version = REQUIREMENTS.lines().find_map(|line| line.strip_prefix("schemathesis==")).unwrap();
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => Path::new(&env::var_os("HOME").unwrap()).join(".cache"),
    };
    let program = cache.join(format!("headwater/schemathesis-{version}/bin/schemathesis"));
    assert!(program.is_file(), "{} is missing: run scripts/setup --tests", program.display());
    program
}

fn seed() -> u32 {
    let seed = match env::var("HEADWATER_SEED") {
        Ok(seed) => seed.parse().expect("HEADWATER_SEED is a whole number"),
        Err(_) => rand::random(),
    };
    println!("seed: {seed}");
    seed
}

#[test]
fn the_server_answers_as_its_openapi_document_says() {
    let seed = seed();
    let server = Server::start();
    let running = server.word_count(
        "endless",
        100_000,
        &["--rate", "10", "--checkpoint-interval-ms", "100"],
        "RUNNING",
    );
    server.word_count("short", 10, &[], "FINISHED");
    // What would end the job that the rest is tried on.
    let endings = ["PATCH /api/v1/jobs/{id}", "DELETE /api/v1/jobs/{id}"];
    let known = [
        ("id", running.as_str()),
        ("vertex", "v0"),
        ("subtask", "0"),
        ("checkpoint", "1"),
        ("actor", "v0-0"),
    ];
    server.fuzz(seed, &known, &endings);
    // The job is none the worse for it, though it may just have been restarted.
    let deadline = Instant::now() + DEADLINE;
    while server.client(&["status", &running])["state"] != "RUNNING" {
        assert!(Instant::now() < deadline, "the job does not run any more");
        sleep(POLL);
    }
    // Now with ids that are made up, or that earlier answers had.
    server.fuzz(seed, &[], &[]);
    server.client(&["list"]);
}
