//! A server that wants tokens, its configuration, and attacks on a running job, as a shell and the network see them.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

struct Server {
    process: Child,
    url: String,
    token: Option<String>,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn headwater(args: &[&str]) -> Command {
    let mut command = Command::new(HEADWATER);
    command.args(args).env_remove("HEADWATER_TOKEN").env("RUST_LOG", "off").stdin(Stdio::null());
    command
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

impl Server {
    fn start(options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), "off", options)
    }

    fn start_in(folder: TempDir, log_level: &str, options: &[&str]) -> Self {
        fs::write(folder.path().join("h.toml"), "[rest]\nport = 0\n").unwrap();
        let mut process = headwater(&["start", "--config", "h.toml", "--data-dir", "data"])
            .args(options)
            .env("RUST_LOG", log_level)
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find(|part| part.starts_with("http://")).unwrap().to_owned();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let mut token = None;
        if options.iter().any(|option| option.contains("authentication=token")) {
            line.clear();
            errors.read_line(&mut line).unwrap();
            token = line.split_whitespace().last().map(str::to_owned);
        }
        // Nobody reads the rest; the pipe must not fill.
        thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
        Self { process, url, token, folder }
    }

    fn client(&self, args: &[&str], token: Option<&str>) -> Output {
        let mut command = headwater(args);
        if let Some(token) = token {
            command.env("HEADWATER_TOKEN", token);
        }
        command.args(["--server", &self.url]).current_dir(self.folder.path()).output().unwrap()
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches('/')
    }

    fn submit_sql(&self, script: &str, token: Option<&str>) -> Output {
        self.client(&["sql", "-e", script], token)
    }
}

#[test]
fn a_server_with_tokens_lets_in_who_has_one_and_exit_codes_tell_why_not() {
    let server = Server::start(&["-D", "security.authentication=token"]);
    let token = server.token.clone().unwrap();
    let refused = server.client(&["list"], None);
    assert!(code(&refused) == 4 && told(&refused).contains("HEADWATER_TOKEN"), "{refused:?}");
    assert_eq!(code(&server.client(&["list"], Some("hw_wrong"))), 4);
    assert_eq!(code(&server.client(&["list"], Some(&token))), 0);
    assert_eq!(code(&server.client(&["list", "--token", &token], None)), 0);
    let unknown = server.client(&["status", "00000000000000000000000000000000"], Some(&token));
    assert_eq!(code(&unknown), 3, "{unknown:?}");

    let of_folder = |args: &[&str]| {
        headwater(args).args(["--data-dir", "data"]).current_dir(server.folder.path()).output().unwrap()
    };
    let made = of_folder(&["token", "create", "grafana", "--role", "read"]);
    let reader = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    until("the server knows the new token", || code(&server.client(&["list"], Some(&reader))) == 0);
    assert_eq!(code(&server.client(&["stop"], Some(&reader))), 4, "to read is not to stop");
    assert_eq!(code(&of_folder(&["token", "remove", "nobody"])), 3);
    assert_eq!(code(&of_folder(&["token", "remove", "grafana"])), 0);
    until("the token is of no use any more", || code(&server.client(&["list"], Some(&reader))) == 4);

    let stopped = server.client(&["stop"], Some(&token));
    assert_eq!(code(&stopped), 0, "{stopped:?}");
    assert_eq!(code(&server.client(&["list"], Some(&token))), 5);
    assert_eq!(code(&of_folder(&["stop"])), 3);
    let audit = fs::read_to_string(server.folder.path().join("data/security/audit.log")).unwrap();
    assert!(audit.contains("POST /api/v1/shutdown") && !audit.contains(&token), "{audit}");
}

#[test]
fn jobs_of_a_server_with_tokens_reach_only_what_is_allowed() {
    let server = Server::start(&["-D", "security.authentication=token"]);
    let token = server.token.as_deref();
    let outside = server.folder.path().join("secret.csv");
    fs::write(&outside, "1\n").unwrap();
    let files = server.folder.path().join("data/files");
    fs::create_dir(files.join("in")).unwrap();
    fs::write(files.join("in/a.csv"), "1\n2\n").unwrap();
    let table = |name: &str, path: &Path| {
        format!(
            "CREATE TABLE {name} (a INT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = '{}');",
            path.display()
        )
    };
    let copy = |from: &Path, to: &Path| {
        format!(
            "{} {} SET 'table.dml-sync' = 'true'; INSERT INTO o SELECT a FROM i;",
            table("i", from),
            table("o", to)
        )
    };
    let good = server.submit_sql(&copy(&files.join("in"), &files.join("out")), token);
    assert_eq!(code(&good), 0, "{good:?}");
    let reserved = server.folder.path().join("data/security/tokens");
    let link = files.join("link.csv");
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    for from in [&outside, Path::new("/etc/passwd"), &reserved, &link, &files.join("../security/tokens")] {
        let refused = server.submit_sql(&copy(from, &files.join("out2")), token);
        assert!(
            code(&refused) == 1 && told(&refused).contains("security.allowed-paths"),
            "{from:?}: {refused:?}"
        );
    }
    let refused = server.submit_sql(&copy(&files.join("in"), server.folder.path()), token);
    assert!(told(&refused).contains("jobs may not use the path"), "{refused:?}");
    let (input, output) = (outside.to_str().unwrap(), files.join("out3"));
    let program =
        server.client(&["run", "word_count", "--input", input, "--output", output.to_str().unwrap()], token);
    assert!(code(&program) == 1 && told(&program).contains("jobs may not use the path"), "{program:?}");
    let socket = "CREATE TABLE s (a STRING) WITH ('connector' = 'socket', 'hostname' = '169.254.169.254', 'port' = '80', \
                  'format' = 'raw'); CREATE TABLE p (a STRING) WITH ('connector' = 'print'); INSERT INTO p SELECT a FROM s;";
    let refused = server.submit_sql(socket, token);
    assert!(told(&refused).contains("security.allowed-outbound-hosts"), "{refused:?}");
}

#[test]
fn folders_of_older_data_are_closed_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for name in ["security", "checkpoints", "files", "elsewhere"] {
        fs::create_dir_all(data.join(name)).unwrap();
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::os::unix::fs::symlink("elsewhere", data.join("journal")).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    let server = Server::start_in(folder, "warn", &[]);
    let mode = |name: &str| {
        fs::metadata(server.folder.path().join("data").join(name)).unwrap().permissions().mode() & 0o777
    };
    for own in ["security", "checkpoints", "journal", "elsewhere", "jobs", "work", "metrics", "logs"] {
        assert_eq!(mode(own), 0o700, "{own}");
    }
    assert_eq!((mode("files"), mode("")), (0o755, 0o755), "others may fetch what jobs write");
    let logged = |what: &str| {
        let log = fs::read_to_string(server.folder.path().join("data/logs/headwater.log"));
        log.unwrap_or_default().lines().any(|line| line.contains("its mode was 755") && line.contains(what))
    };
    until("the log tells", || ["data/security", "data/checkpoints", "data/journal"].into_iter().all(logged));
    assert!(!logged("data/files") && !logged("data/jobs"));
}

#[test]
fn a_wrong_log_level_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = |option: &str, variable: &str| {
        let mut command = headwater(&["start", "--port", "0", "-D", option]);
        command.env("RUST_LOG", variable).current_dir(folder.path()).output().unwrap()
    };
    for (told_of, output) in [
        ("log.level`: expected a level", start("log.level=wran", "off")),
        ("RUST_LOG: expected a level", start("log.level=warn", "headwater=wran")),
        ("found `headwater=wran`", start("log.level=warn", "headwater=wran")),
    ] {
        assert!(code(&output) == 2 && told(&output).contains(told_of), "{output:?}");
    }
    assert!(!folder.path().join("headwater-data").exists());
}

#[test]
fn a_wrong_configuration_starts_nothing_and_says_which_line_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("headwater.toml"), "[rest]\nprot = 1\n").unwrap();
    for verb in ["start", "config"] {
        let output = headwater(&[verb]).current_dir(folder.path()).output().unwrap();
        assert_eq!(code(&output), 2);
        assert!(
            told(&output).contains("headwater.toml:2: unknown option `rest.prot`: did you mean `rest.port`?")
        );
    }
    assert!(!folder.path().join("headwater-data").exists());
    fs::write(folder.path().join("headwater.toml"), "[rest]\nport = 1\n").unwrap();
    let output = headwater(&["config", "--json", "-D", "chaos.enabled=true"])
        .env("HEADWATER_REST_BIND_ADDRESS", "127.0.0.3")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let origin = |key: &str| {
        let entries = shown["entries"].as_array().unwrap();
        entries.iter().find(|entry| entry["key"] == key).unwrap()["origin"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        ["rest.port", "rest.bind-address", "chaos.enabled", "data.dir"].map(origin),
        ["headwater.toml:2", "HEADWATER_REST_BIND_ADDRESS", "-D chaos.enabled", "default"]
    );
}

/// What a job that goes on for ever has emitted.
fn emitted(server: &Server, id: &str) -> u64 {
    let job = server.client(&["status", id, "--json"], None);
    let job: Value = serde_json::from_slice(&job.stdout).unwrap_or_default();
    let subtasks = job["vertices"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|vertex| vertex["subtasks"].as_array().cloned().unwrap_or_default());
    subtasks
        .map(|subtask| {
            subtask["records_in"].as_u64().unwrap_or(0) + subtask["records_out"].as_u64().unwrap_or(0)
        })
        .sum()
}

/// Records a second, over some time. The status must be answered at last, whatever goes on.
fn rate(server: &Server, id: &str) -> f64 {
    let counted = || {
        let deadline = Instant::now() + DEADLINE;
        loop {
            match emitted(server, id) {
                0 => assert!(Instant::now() < deadline, "the server does not answer"),
                count => return (count, Instant::now()),
            }
            sleep(POLL);
        }
    };
    let (first, began) = counted();
    sleep(Duration::from_secs(2));
    let (last, ended) = counted();
    (last - first) as f64 / (ended - began).as_secs_f64()
}

#[test]
fn attacks_on_the_server_hardly_slow_a_job_down() {
    let server = Server::start(&["-D", "rest.header-timeout=1 s"]);
    let script = "CREATE TABLE g (a BIGINT) WITH ('connector' = 'datagen'); \
                  CREATE TABLE b (a BIGINT) WITH ('connector' = 'blackhole'); INSERT INTO b SELECT a FROM g;";
    let submitted = server.submit_sql(script, None);
    assert_eq!(code(&submitted), 0, "{submitted:?}");
    let jobs: Value = serde_json::from_slice(&server.client(&["list", "--json"], None).stdout).unwrap();
    let id = jobs["jobs"][0]["id"].as_str().unwrap().to_owned();
    let calm = rate(&server, &id);
    let (is_over, address) = (AtomicBool::new(false), server.address());
    let attacked = thread::scope(|scope| {
        let attack = scope.spawn(|| attack(address, &is_over));
        let attacked = rate(&server, &id);
        is_over.store(true, Ordering::Relaxed);
        let connections = attack.join().unwrap();
        assert!(connections > 100, "{connections} connections are no attack");
        attacked
    });
    assert!(attacked > calm / 3.0, "{attacked} records a second under attack, {calm} without");
    let job: Value = serde_json::from_slice(&server.client(&["status", &id, "--json"], None).stdout).unwrap();
    assert_eq!((&job["state"], &job["restarts"]), (&"RUNNING".into(), &0.into()), "{job}");
}

/// Ten thousand connections, of which some send slow heads, some ask for events and read nothing, and some send bodies without
/// an end. How many there were.
fn attack(address: &str, is_over: &AtomicBool) -> u32 {
    let mut open = Vec::new();
    let mut connections = 0;
    for number in 0..10_000 {
        if is_over.load(Ordering::Relaxed) {
            return connections;
        }
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        connections += 1;
        let _ = stream.set_write_timeout(Some(POLL));
        let _ = stream.set_read_timeout(Some(POLL));
        let head = match number % 4 {
            0 => "GET /api/v1/jobs HTTP/1.1\r\nX-Slow: ".to_owned(),
            1 => format!("GET /api/v1/events HTTP/1.1\r\nHost: {address}\r\n\r\n"),
            2 => format!(
                "POST /api/v1/jobs HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 1073741824\r\n\r\n{}",
                "[".repeat(100_000)
            ),
            _ => String::new(),
        };
        let _ = stream.write_all(head.as_bytes());
        let _ = stream.read(&mut [0; 64]);
        open.push(stream);
        // As many as a process may have open, with room for others.
        if open.len() > 500 {
            open.drain(..250);
        }
    }
    while !is_over.load(Ordering::Relaxed) {
        sleep(POLL);
    }
    connections
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(POLL);
    }
}
