//! A hunt for secrets: they are put wherever a user may put them, with the most verbose log there is, and then everything that the
//! server and the command line tell is searched for them, as they are, in base64 and in hex. This test's program is a whole
//! `headwater`, too, whose jobs log in and fail.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod collector;
mod scripts;
mod server;

use std::{
    env, fs,
    process::{Command, ExitCode},
    time::Duration,
};

use headwater::prelude::*;
use serde_json::{Value, json};

use self::{
    collector::collector,
    scripts::wrong_scripts,
    server::{Server, headwater, until},
};

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
