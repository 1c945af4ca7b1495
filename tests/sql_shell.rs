//! `headwater sql` and REST's endpoints for SQL, as users see them: with a server, files and signals.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

/// Counts as long as it is let.
const ENDLESS: &str = "CREATE TABLE n (i INT) WITH ('connector' = 'datagen', 'rows-per-second' = '20'); SELECT COUNT(*) AS c FROM n;";
const THREE: &str = "CREATE TABLE n (i INT) WITH ('connector' = 'datagen', 'fields.i.kind' = 'sequence', \
     'fields.i.start' = '1', 'fields.i.end' = '3');\n";

/// A process that does not outlive the test.
struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server with folders of its own, for temporary files, too.
struct Server {
    _process: Stopped,
    url: String,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut process = Command::new(HEADWATER)
            .args(["start", "--port", "0", "--data-dir"])
            .arg(folder.path().join("data"))
            .env("TMPDIR", folder.path().join("tmp"))
            .env("RUST_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let is_address = |part: &&str| part.starts_with("http://");
        let url = line.split([' ', ',']).find(is_address).expect("the line names the address").to_owned();
        Self { _process: Stopped(process), url, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sql(&self, args: &[&str]) -> Command {
        let mut command = sql(args);
        command.args(["--server", &self.url]).env("TMPDIR", self.path("tmp"));
        command
    }

    fn jobs(&self) -> Vec<Value> {
        let mut command = Command::new(HEADWATER);
        let listed = finish(command.args(["list", "--json", "--server", &self.url]));
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        listed["jobs"].as_array().unwrap().clone()
    }

    fn until_no_temporary_file_is_left(&self) {
        let left = || fs::read_dir(self.path("tmp")).unwrap().count();
        until("temporary files are gone", || left() == 0);
    }

    /// Opens a POST and leaves its answer to be read.
    fn post(&self, path: &str, body: &Value) -> TcpStream {
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        let body = body.to_string();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!(
            "POST /api/v1{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }
}

fn sql(args: &[&str]) -> Command {
    let mut command = Command::new(HEADWATER);
    command.arg("sql").args(args);
    command
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(POLL);
    }
}

fn finish(command: &mut Command) -> Output {
    finish_with(command, "")
}

/// Runs a command with this input to its end.
fn finish_with(command: &mut Command, input: &str) -> Output {
    let process =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut process = Stopped(process);
    // It may end before it has read everything.
    let _ = process.0.stdin.take().unwrap().write_all(input.as_bytes());
    let deadline = Instant::now() + DEADLINE;
    let (mut stdout, mut stderr) = (process.0.stdout.take().unwrap(), process.0.stderr.take().unwrap());
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "{command:?} does not end");
        sleep(POLL);
    };
    let mut output = Output { status, stdout: Vec::new(), stderr: Vec::new() };
    stdout.read_to_end(&mut output.stdout).unwrap();
    stderr.read_to_end(&mut output.stderr).unwrap();
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_query_runs_without_a_server_and_shows_its_rows() {
    let script = format!("{THREE} SELECT i, 'ü' AS u FROM n");
    let output = finish(&mut sql(&["-e", &script]));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("|           i |") && text.contains("|           3 |"), "{text}");
    assert!(text.ends_with("Received a total of 3 rows\n") && !text.contains("+I"), "{text}");
    let output = finish(&mut sql(&["--json", "-e", &format!("{THREE} SELECT COUNT(*) AS c FROM n")]));
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0], json!({"columns": [{"name": "c", "type": "BIGINT"}], "updating": true}));
    assert_eq!(lines.last().unwrap()["row"], json!(["3"]), "{lines:?}");
}

#[test]
fn the_first_mistake_of_a_file_ends_it_with_its_place_before_anything_is_submitted() {
    let server = Server::start();
    let file = server.path("jobs.sql");
    let sink = "CREATE TABLE s (i INT) WITH ('connector' = 'blackhole');\n";
    fs::write(&file, format!("{THREE}{sink}INSERT INTO s SELECT i FROM n;\n  SELEKT 1;\n")).unwrap();
    let output = finish(&mut server.sql(&["-f", file.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("jobs.sql:4:3: ") && told.contains("\n 4 |   SELEKT 1;\n   |   ^"), "{told}");
    assert_eq!(server.jobs(), [] as [Value; 0]);
    fs::write(&file, format!("{THREE}{sink}INSERT INTO s\nSELECT j FROM n;\n")).unwrap();
    let output = finish(&mut server.sql(&["--json", "-f", file.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!((&told["error"]["line"], &told["error"]["column"]), (&json!(4), &json!(8)), "{told}");
}

#[test]
fn inserts_become_jobs_that_are_waited_for_on_demand() {
    let server = Server::start();
    let out = server.path("out");
    let sink = format!(
        "CREATE TABLE s (i INT) WITH ('connector' = 'filesystem', 'path' = '{}', 'format' = 'csv');\n",
        out.display()
    );
    let script = format!("{THREE}{sink}SET 'pipeline.name' = 'three';\nINSERT INTO s SELECT i FROM n;\n");
    let output = finish_with(&mut server.sql(&["--wait"]), &script);
    assert!(output.status.success(), "{}", stderr(&output));
    let jobs = server.jobs();
    assert_eq!((&jobs[0]["state"], &jobs[0]["name"]), (&json!("FINISHED"), &json!("three")));
    assert!(stdout(&output).contains(jobs[0]["id"].as_str().unwrap()));
    assert!(fs::read_dir(out).unwrap().count() > 0, "the rows are there when the shell has waited");
}

#[test]
fn statements_from_standard_input_are_executed_as_they_come() {
    let input =
        "-- what there is\nCREATE VIEW v AS\nSELECT 1 AS one;\nSHOW VIEWS; DESCRIBE v;\nQUIT;\nSELECT oops;";
    let output = finish_with(&mut sql(&["--json"]), input);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains(r#""rows":[["v"]]"#) && text.contains(r#"["one",""#), "{text}");
    let output = finish_with(&mut sql(&[]), "SELECT 1;\nSELECT\n  oops");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("<stdin>:3:3: "), "{}", stderr(&output));
}

/// What a process writes, read with a deadline.
struct Reader {
    chunks: Receiver<Vec<u8>>,
    unread: String,
}

impl Reader {
    fn new(mut output: ChildStdout) -> Self {
        let (sender, chunks) = channel();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut chunk) {
                if sender.send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { chunks, unread: String::new() }
    }

    /// Reads up to where `text` ends.
    fn until(&mut self, text: &str) {
        let mut bytes = std::mem::take(&mut self.unread).into_bytes();
        loop {
            let seen = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(at) = seen.find(text) {
                self.unread = seen[at + text.len()..].to_owned();
                return;
            }
            match self.chunks.recv_timeout(DEADLINE) {
                Ok(chunk) => bytes.extend(chunk),
                Err(error) => panic!("{error} before `{text}` came: {seen}"),
            }
        }
    }

    /// Reads to the end.
    fn rest(&mut self) -> String {
        let mut bytes = std::mem::take(&mut self.unread).into_bytes();
        loop {
            match self.chunks.recv_timeout(DEADLINE) {
                Ok(chunk) => bytes.extend(chunk),
                Err(RecvTimeoutError::Disconnected) => return String::from_utf8(bytes).unwrap(),
                Err(RecvTimeoutError::Timeout) => panic!("the output does not end"),
            }
        }
    }
}

/// Starts a query that does not end, and waits for its first rows.
fn start_endless(command: &mut Command) -> (Stopped, Reader) {
    let mut process = Stopped(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap());
    let mut output = Reader::new(process.0.stdout.take().unwrap());
    output.until("+U");
    (process, output)
}

#[test]
fn ctrl_c_stops_a_query_which_leaves_nothing_behind() {
    let server = Server::start();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (mut process, mut output) = start_endless(&mut server.sql(&["-e", ENDLESS]));
        let id = process.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let rest = output.rest();
        assert_eq!(process.0.wait().unwrap().code(), Some(code));
        assert!(rest.contains("Received a total of"), "{rest}");
        server.until_no_temporary_file_is_left();
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_query() {
    let (mut process, output) = start_endless(&mut sql(&["-e", ENDLESS]));
    drop(output);
    until("the query ends", || process.0.try_wait().unwrap().is_some_and(|status| status.success()));
}

#[test]
fn rest_previews_a_query_without_a_job_and_stops_it_when_its_client_goes() {
    let server = Server::start();
    let mut stream = server.post("/sql/preview", &json!({ "sql": ENDLESS, "rows": 3 }));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(r#"{"columns":[{"name":"c","type":"BIGINT"}],"updating":true}"#), "{answer}");
    assert!(answer.contains(r#"{"op":"+I","row":["1"]}"#), "{answer}");
    assert!(answer.contains(r#"{"rows":3,"reason":"rows"}"#), "{answer}");
    let mut stream = server.post("/sql/preview", &json!({ "sql": ENDLESS, "rows": 10_000 }));
    let mut chunk = [0; 4096];
    let mut seen = String::new();
    while !seen.contains("+U") {
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "{seen}");
        seen += &String::from_utf8_lossy(&chunk[..length]);
    }
    drop(stream);
    server.until_no_temporary_file_is_left();
    assert_eq!(server.jobs(), [] as [Value; 0]);
}

#[test]
fn rest_tells_what_a_script_is_and_what_is_wrong_with_it() {
    let server = Server::start();
    let ask = |path: &str, sql: &str| -> Value {
        let mut answer = String::new();
        server.post(path, &json!({ "sql": sql })).read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        // The body may be in chunks; JSON is what is between the first brace and the last.
        serde_json::from_str(&body[body.find('{').unwrap()..=body.rfind('}').unwrap()]).unwrap()
    };
    let valid = ask("/sql/validate", &format!("{THREE}SELECT COUNT(*) AS c FROM n;"));
    let kinds: Vec<&Value> =
        valid["statements"].as_array().unwrap().iter().map(|each| &each["kind"]).collect();
    assert_eq!(kinds, ["CREATE TABLE", "SELECT"]);
    let query = &valid["statements"][1];
    assert_eq!(query["location"], json!({"line": 2, "column": 1}));
    assert_eq!((&query["updating"], &query["columns"][0]["type"]), (&json!(true), &json!("BIGINT")));
    assert!(query["plan"].as_str().unwrap().contains("changelogMode"), "{query}");
    let wrong = ask("/sql/validate", &format!("{THREE}SELECT\n  ii FROM n"));
    assert_eq!((&wrong["valid"], &wrong["errors"][0]["line"]), (&json!(false), &json!(3)), "{wrong}");
    assert_eq!(wrong["errors"][0]["column"], 3, "{wrong}");
    let refused = ask("/jobs", &format!("{THREE}INSERT INTO nowhere SELECT i FROM n"));
    assert_eq!(refused["type"], "urn:headwater:error:invalid-sql");
    assert_eq!((&refused["line"], &refused["column"]), (&json!(2), &json!(13)), "{refused}");
}

/// The shell in a terminal, which `script` makes.
struct Terminal {
    process: Stopped,
    output: Reader,
}

impl Terminal {
    fn open(history: &Path) -> Self {
        // Told by the terminal's shell, since `script` may fail by itself. Its own end by Ctrl-C is kept off.
        let command =
            format!("trap : INT; {HEADWATER} sql --history {}; echo left with $?", history.display());
        let mut in_terminal = Command::new("script");
        in_terminal.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let process = in_terminal.spawn().expect("`script` of util-linux is needed for a terminal");
        let mut process = Stopped(process);
        let output = Reader::new(process.0.stdout.take().unwrap());
        let mut terminal = Self { process, output };
        terminal.output.until("headwater> ");
        terminal
    }

    /// Types, and reads until something is shown.
    fn type_until(&mut self, keys: &str, shown: &str) {
        self.process.0.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        self.output.until(shown);
    }
}

#[test]
fn a_terminal_completes_recalls_and_goes_on_after_mistakes_and_ctrl_c() {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    let mut terminal = Terminal::open(&history);
    terminal.type_until("CREATE VIEW töne AS\rSELECT 'a' AS lied;\r", "done");
    terminal.type_until("SELE\tlie\t FROM tö\t;\r", "Received a total of 1 row\r\n");
    terminal.type_until("SELECT nope FROM töne;\r", "|        ^");
    terminal.type_until("never mind", "never mind");
    terminal.type_until("\u{3}", "headwater> ");
    // Ctrl-C ends a query, and neither the shell nor the session.
    let endless = ENDLESS.replace("; ", ";\r");
    terminal.type_until(&format!("{endless}\r"), "+U");
    terminal.type_until("\u{3}", "Received a total of");
    terminal.output.until("headwater> ");
    // Up: the last statement but three.
    terminal.type_until("\u{1b}[A\u{1b}[A\u{1b}[A\u{1b}[A\r", "Received a total of 1 row\r\n");
    terminal.type_until("quit\r", "left with ");
    let rest = terminal.output.rest();
    assert_eq!(rest.trim(), "0");
    let kept = fs::read_to_string(history).unwrap();
    assert_eq!(kept.lines().next(), Some("CREATE VIEW töne AS\\nSELECT 'a' AS lied;"));
    assert!(kept.contains("SELECT lied  FROM töne ;"), "{kept}");
}
