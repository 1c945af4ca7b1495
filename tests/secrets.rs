//! A hunt for secrets: they are put wherever a user may put them, with the most verbose log there is, and then everything that the
//! server and the command line tell is searched for them, as they are, in base64 and in hex. This test's program is a whole
//! `headwater`, too, whose jobs log in and fail.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    thread::{self, sleep},
    time::{Duration, Instant},
};

use headwater::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Set for processes of this program that are to be a `headwater`.
const AS_HEADWATER: &str = "SECRETS_AS_HEADWATER";
/// Every secret begins with this.
const MARK: &str = "s3cr3t";

const LEAKY: Program = Program::new(
    "leaky",
    "Logs in somewhere, and tells how when that fails",
    &[text_arg("password"), text_arg("api_key"), text_arg("endpoint"), text_arg("input"), text_arg("how")],
    leaky,
);

const fn text_arg(name: &'static str) -> ArgSpec {
    ArgSpec { name, kind: ArgKind::Text, help: "", default: None, required: true }
}

fn leaky(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let text = |name: &str| args.required_text(name).map(str::to_owned);
    let (endpoint, how) = (text("endpoint")?, text("how")?);
    let failure = format!("cannot log in to {endpoint} as {} with {:?}", text("password")?, text("api_key")?);
    if how == "refuse" {
        return Err(ProgramError::Invalid(failure));
    }
    let source = FileSource::new(text("input")?).rate(50.0);
    let source = source.decode(move |line: &str| match how.as_str() {
        "panic" => panic!("{failure}"),
        "fail" => Err(failure.clone()),
        "decode" => Err(format!("expected a number, found `{line}`")),
        _ => Ok(Str::from(line)),
    });
    let lines = env.from_source(&format!("Feed of {endpoint}"), source);
    lines.key_by(|line: &Str| line.clone()).count().discard();
    env.execute("leaky")
}

fn main() -> ExitCode {
    if env::var_os(AS_HEADWATER).is_some() {
        return headwater::cli::main(headwater::stream::ProgramRegistry::new([LEAKY]));
    }
    for format in ["text", "json"] {
        println!("nothing tells secrets, with the log as {format}");
        nothing_tells_secrets(format);
    }
    ExitCode::SUCCESS
}

fn headwater(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(args).current_dir(folder).env(AS_HEADWATER, "1").stdin(Stdio::null());
    command.env("RUST_LOG", "trace").env_remove("RUST_BACKTRACE").env_remove("HEADWATER_TOKEN");
    command
}

struct Server {
    process: Child,
    address: String,
    token: String,
    /// What must be nowhere, besides marked secrets.
    hidden: Vec<String>,
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
    fn start(format: &str, collector: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("h.toml"), "[rest]\nport = 0\n[security]\nauthentication = \"token\"\n").unwrap();
        let made = headwater(path, &["token", "create", "me", "--role", "operate", "--data-dir", "data"]);
        let token = { made }.output().unwrap().stdout;
        let token = String::from_utf8(token).unwrap().trim().to_owned();
        let out = |name: &str| Stdio::from(File::create(path.join(name)).unwrap());
        let process = headwater(path, &["start", "--config", "h.toml", "--data-dir", "data", "--chaos"])
            .args(["--log-format", format])
            .env("HEADWATER_OTEL_ENDPOINT", format!("http://me:{MARK}-otel@{collector}"))
            .stdout(out("stdout"))
            .stderr(out("stderr"))
            .spawn()
            .unwrap();
        let mut server =
            Self { process, address: String::new(), token: token.clone(), hidden: vec![token], folder };
        until("the server listens", || {
            let line = server.written("stdout");
            let url = line.lines().next()?.split([' ', ',']).find_map(|part| part.strip_prefix("http://"));
            server.address = url?.trim_end_matches('/').to_owned();
            Some(())
        });
        server
    }

    fn written(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap()).into_owned()
    }

    /// Nothing in a text is a secret.
    fn check(&self, what: &str, text: &str) {
        for hidden in forms(MARK).iter().chain(&self.hidden) {
            if let Some(at) = text.find(hidden.as_str()) {
                let (from, to) = (at.saturating_sub(300), (at + 300).min(text.len()));
                let around = String::from_utf8_lossy(&text.as_bytes()[from..to]);
                panic!("{what} tells a secret (`{hidden}`): … {around} …");
            }
        }
    }

    /// Head and body of an answer; of a stream what comes first.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.address);
        head += &format!("Authorization: Bearer {}\r\nContent-Length: {}\r\n", self.token, body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 64 << 10];
        loop {
            let length = stream.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..length]);
            let text = String::from_utf8_lossy(&bytes);
            let is_first_of_stream = text.contains("text/event-stream") && text.contains("data:");
            if length == 0 || (is_first_of_stream && text.ends_with("\n\n\r\n")) {
                let (head, body) = text.split_once("\r\n\r\n").unwrap();
                return (head.to_owned(), body.to_owned());
            }
        }
    }

    fn get(&self, path: &str) -> Value {
        let (head, body) = self.send("GET", path, &[], "");
        self.check(path, &(head + &body));
        serde_json::from_str(&body).unwrap_or_default()
    }

    fn post(&self, path: &str, body: &Value) -> (String, Value) {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "s3cr3t-idempotency")];
        // Without the key nothing would be a submission of its own.
        let headers = if path == "/api/v1/jobs" { &headers[..1] } else { &headers[..] };
        let (head, answer) = self.send("POST", path, headers, &body.to_string());
        self.check(&format!("POST {path} {body}"), &(head.clone() + &answer));
        (head, serde_json::from_str(&answer).unwrap_or_default())
    }

    fn client(&self, args: &[&str]) -> String {
        let url = format!("http://{}", self.address);
        let mut command = headwater(self.folder.path(), args);
        let output = command.env("HEADWATER_TOKEN", &self.token).args(["--server", &url]).output().unwrap();
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = told(&output.stdout) + &told(&output.stderr);
        self.check(&format!("{args:?}"), &told);
        told
    }

    fn submit(&self, how: &str) -> String {
        let input = self.folder.path().join("data/files/input.txt");
        let args = json!({
            "password": format!("{MARK}-password of '{how}'"),
            "api_key": format!("{MARK}-\"key\"-{how}"),
            "endpoint": format!("db://me:{MARK}-of-address@db:1/{how}"),
            "input": input.to_str().unwrap(),
            "how": how,
        });
        let options = json!({ "execution.checkpointing.interval": "100 ms" });
        let (_, answer) =
            self.post("/api/v1/jobs", &json!({ "program": "leaky", "args": args, "options": options }));
        answer["id"].as_str().unwrap_or_default().to_owned()
    }
}

fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(POLL);
    }
}

/// How a text may be written: percent-encoding leaves ours as it is, base64 depends on what is before.
fn forms(text: &str) -> Vec<String> {
    let hex = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = (0..3).map(|before| {
        let bytes = [vec![b' '; before], text.as_bytes().to_vec()].concat();
        let whole = base64(&bytes[..bytes.len() / 3 * 3]);
        // The first digits depend on what is before.
        whole[if before == 0 { 0 } else { 4 }..].to_owned()
    });
    base64.chain([text.to_owned(), hex]).collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |three: &[u8]| {
        let number = three.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(DIGITS[number >> shift & 63]))
    };
    bytes.chunks_exact(3).flat_map(digits).collect()
}

/// An OpenTelemetry collector, and what it was sent.
fn collector() -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let collected = Arc::<Mutex<String>>::default();
    let collecting = collected.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let collecting = collecting.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(stream);
                while let Some(body) = body_of_request(&mut reader) {
                    collecting.lock().unwrap().push_str(&String::from_utf8_lossy(&body));
                    reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").ok()?;
                }
                Some(())
            });
        }
    });
    (address, collected)
}

/// The next request's body. Its head may have the password: it is the collector's own.
fn body_of_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            let mut body = vec![0; length];
            return reader.read_exact(&mut body).ok().map(|()| body);
        }
    }
}

/// Scripts that are wrong somewhere, with a secret in the place or near it.
fn wrong_scripts() -> Vec<String> {
    let table = |options: &str| {
        format!("CREATE TABLE t (a INT) WITH ('connector' = 'datagen', {options}); SELECT * FROM t;")
    };
    let wrong_table = [
        "'password' 's3cr3t-without-sign'",
        "'password' = s3cr3t_without_quotes",
        "'password' = 's3cr3t-unknown-option'",
        "'password' = 's3cr3t-twice', 'password' = 's3cr3t-twice-2'",
        "'rows-per-second' = 'postgres://me:s3cr3t-number@db/x'",
        "\"password\" = \"s3cr3t-in-other-quotes\"",
        "'rows-per-second' = '1' 'password' = 's3cr3t-behind'",
        "'password' = 's3cr3t-without-end",
        "password = 's3cr3t-bare-key'",
    ];
    let more = [
        "SET 'api.token' = 's3cr3t-set';".to_owned(),
        "SET 'api.token' 's3cr3t-set';".to_owned(),
        "CREATE TABLE t (a INT) WITH ('connector' = 'filesystem', 'format' = 'csv', 'path' = 'ftp://me:s3cr3t-ftp@h/x'); \
         INSERT INTO t SELECT a FROM t;"
            .to_owned(),
        "SELECT * FROM missing /*+ OPTIONS('secret' = 's3cr3t-hint') */;".to_owned(),
        "SELECT a FROM (VALUES (1)) AS t (a) WHERE password = 's3cr3t-literal';".to_owned(),
    ];
    wrong_table.map(table).into_iter().chain(more).collect()
}

fn nothing_tells_secrets(format: &str) {
    let (collector, collected) = collector();
    let mut server = Server::start(format, &collector);
    let record = "{\"password\": \"s3cr3t-in-a-record\", \"n\": 1}\n";
    fs::write(server.folder.path().join("data/files/input.txt"), record.repeat(100_000)).unwrap();

    let login = json!({ "token": server.token });
    let headers = [("Content-Type", "application/json")];
    let (head, _) = server.send("POST", "/api/v1/login", &headers, &login.to_string());
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: headwater-session=")).unwrap();
    server.hidden.push(cookie.split(';').next().unwrap().to_owned());
    let with_cookie = [("Cookie", format!("headwater-session={}", server.hidden[1]))];
    server.send(
        "GET",
        "/api/v1/overview?token=s3cr3t-query",
        &with_cookie.each_ref().map(|(n, v)| (*n, v.as_str())),
        "",
    );
    for wrong in [json!({ "token": 5 }), json!(server.token), json!({ "token": "hw_s3cr3t" })] {
        server.post("/api/v1/login", &wrong);
    }
    submissions_under_one_key(&server);

    for script in wrong_scripts() {
        server.post("/api/v1/jobs", &json!({ "sql": script }));
        server.post("/api/v1/sql/validate", &json!({ "sql": script }));
        server.post("/api/v1/sql/preview", &json!({ "sql": script }));
        assert!(server.client(&["sql", "-e", &script]).contains("error"), "{script}");
        assert!(server.client(&["sql", "--json", "-e", &script]).contains("error"), "{script}");
    }
    server.client(&[
        "sql",
        "-e",
        "CREATE TABLE t (a INT) WITH ('connector' = 'x', 'password' = 's3cr3t-shown'); SHOW CREATE TABLE t;",
    ]);
    let script = "CREATE TABLE g (password STRING) WITH ('connector' = 'datagen', 'rows-per-second' = '50'); \
                  CREATE TABLE o (password STRING, n BIGINT) WITH ('connector' = 'blackhole'); \
                  /* 'password' = 's3cr3t-in-a-comment' */ \
                  INSERT INTO o SELECT password, COUNT(*) FROM g GROUP BY password";
    let (_, sql) = server.post("/api/v1/jobs", &json!({ "sql": script }));

    server.submit("refuse");
    let jobs = ["run", "panic", "fail", "decode"].map(|how| (how, server.submit(how)));
    for (how, job) in &jobs {
        assert_eq!(job.len(), 32, "{how}");
    }
    for (how, job) in &jobs[1..] {
        until(&format!("{how} has failed twice"), || {
            let exceptions = server.get(&format!("/api/v1/jobs/{job}/exceptions"));
            (exceptions["exceptions"].as_array()?.len() > 1).then_some(())
        });
    }
    let running = &jobs[0].1;
    until("there is a checkpoint with state", || {
        let entries = server.get(&format!("/api/v1/jobs/{running}/state"));
        entries["vertices"].as_array().filter(|vertices| vertices.len() > 1).map(|_| ())
    });
    look_at_everything(&server);
    let sql = sql["id"].as_str().unwrap();
    for job in jobs.iter().map(|(_, job)| job.as_str()).chain([sql]) {
        for verb in ["status", "why", "logs", "state"] {
            server.client(&[verb, job]);
            server.client(&[verb, job, "--json"]);
        }
    }
    let told = server.client(&["tap", running, "v0", "--limit", "3"]);
    assert!(told.contains("******"), "{told}");
    server.client(&["list"]);
    server.client(&["logs", "--level", "trace", "-n", "10000"]);
    server.client(&[
        "run",
        "leaky",
        "--password",
        "s3cr3t-run",
        "--api_key",
        "s3cr3t-run",
        "--endpoint",
        "x",
        "--input",
        "x",
        "--how",
        "refuse",
    ]);
    without_a_server(&server);

    until("the collector has been sent the log and spans", || {
        let collected = collected.lock().unwrap();
        (collected.contains("panicked") && collected.contains("resourceSpans")).then_some(())
    });
    server.check("what the collector was sent", &collected.lock().unwrap());
    server.client(&["stop"]);
    server.process.wait().unwrap();
    for name in
        ["stdout", "stderr", "data/security/audit.log", "data/security/tokens", "data/logs/headwater.log"]
    {
        let text = server.written(name);
        server.check(name, &text);
        assert!(name == "stdout" || text.len() > 50, "{name}: {text}");
    }
    for entry in fs::read_dir(server.folder.path().join("data/logs")).unwrap() {
        let name = format!("data/logs/{}", entry.unwrap().file_name().into_string().unwrap());
        server.check(&name, &server.written(&name));
    }
    let log = server.written("stderr");
    assert!(
        log.contains("panicked: cannot log in to db://******@db:1/panic as ****** with \\\"******\\\"")
            || log.contains("panicked: cannot log in to db://******@db:1/panic as ****** with \"******\""),
        "the panic is logged"
    );
}

/// An idempotency key is what lets someone else take an answer for his own.
fn submissions_under_one_key(server: &Server) {
    let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "s3cr3t-idempotency")];
    for password in ["s3cr3t-1", "s3cr3t-2"] {
        let args =
            json!({ "password": password, "api_key": "", "endpoint": "x", "input": "x", "how": "run" });
        let body = json!({ "program": "leaky", "args": args }).to_string();
        let (head, answer) = server.send("POST", "/api/v1/jobs", &headers, &body);
        server.check("a submission with a key", &(head + &answer));
    }
}

/// Whatever OpenAPI's document says can be read, of every job.
fn look_at_everything(server: &Server) {
    let document = server.get("/api/v1/openapi.json");
    let jobs = server.get("/api/v1/jobs");
    let ids: Vec<&str> =
        jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    let mut looked_at = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        if item.get("get").is_none() {
            continue;
        }
        for id in if path.contains("{id}") { &ids[..] } else { &ids[..1] } {
            let checkpoints = server.get(&format!("/api/v1/jobs/{id}/checkpoints"));
            let path = path.replace("{id}", id).replace("{subtask}", "0");
            let path = path.replace("{checkpoint}", &checkpoints["checkpoints"][0]["id"].to_string());
            for (vertex, state) in states(server, id) {
                server.get(&path.replace("{vertex}", &vertex).replace("{state}", &state));
                looked_at += 1;
                if !path.contains("{vertex}") {
                    break;
                }
            }
        }
    }
    assert!(looked_at > 80, "{looked_at}");
    for id in ids {
        server.get(&format!("/api/v1/events?job={id}"));
    }
}

/// The vertices of a job with their states, as far as there are any.
fn states(server: &Server, id: &str) -> Vec<(String, String)> {
    let answer = server.get(&format!("/api/v1/jobs/{id}/state"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vertices = answer["vertices"].as_array().into_iter().flatten();
    let states = vertices.flat_map(|vertex| {
        let states = vertex["states"].as_array().unwrap();
        states.iter().map(|state| (text(&vertex["vertex"]), text(&state["name"])))
    });
    states.chain(["v0", "v1"].map(|vertex| (vertex.to_owned(), "none".to_owned()))).collect()
}

/// What the command line says where it has no server.
fn without_a_server(server: &Server) {
    let told = |mut command: Command| {
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        server.check(&format!("{command:?}").replace(MARK, "…"), &told);
        told
    };
    let folder = server.folder.path();
    let address = "http://me:s3cr3t-address@127.0.0.1:9";
    let mut help = headwater(folder, &["list", "--help"]);
    help.env("HEADWATER_SERVER", address);
    assert!(told(help).contains("HEADWATER_SERVER"));
    for args in
        [["list", "--server", address], ["sql", "-e", "CREATE TABLE t (a INT) WITH ('token' = s3cr3t)"]]
    {
        told(headwater(folder, &args));
    }
    for (name, value) in [
        ("HEADWATER_OTEL_ENDPOINT", "http://me:s3cr3t-otel@h:1"),
        ("HEADWATER_OTEL_ENDPOINT", "ftp://me:s3cr3t-otel@h:1"),
        ("HEADWATER_SECURITY_ALLOWED_PATHS", "s3://me:s3cr3t-path@h/a"),
    ] {
        for args in [&["config"][..], &["config", "--json"], &["start", "--port", "99999"]] {
            let mut command = headwater(folder, args);
            command.env(name, value);
            told(command);
        }
    }
    fs::write(folder.join("wrong.toml"), "[rest]\nport = 0\npassword = \"s3cr3t-toml\n").unwrap();
    fs::write(folder.join("wrong2.toml"), "[rest]\nport = 0\npassword = \"s3cr3t-toml\"\n").unwrap();
    for file in ["wrong.toml", "wrong2.toml"] {
        assert!(told(headwater(folder, &["config", "--config", file])).contains("error"));
    }
    assert!(told(headwater(folder, &["token", "list", "--data-dir", "data"])).contains("operate"));
}
