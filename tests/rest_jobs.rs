//! What REST promises of jobs when the server is killed in between.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");

/// Every wait ends in a failure after this.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

struct Server {
    process: Child,
    address: String,
    folder: Option<TempDir>,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl Server {
    fn start(folder: TempDir) -> Self {
        let mut process = Command::new(HEADWATER)
            .args(["start", "--port", "0", "--data-dir"])
            .arg(folder.path().join("data"))
            .env("RUST_LOG", "off")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split([' ', ',']).find_map(|part| part.strip_prefix("http://"));
        let address = url.expect("the line names the address").trim().trim_end_matches('/').to_owned();
        Self { process, address, folder: Some(folder) }
    }

    /// Ends the process as `kill -9` does, and leaves its folder.
    fn kill(mut self) -> TempDir {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.folder.take().unwrap()
    }

    /// Sends a request, without waiting for its answer.
    fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let length = body.len();
        let host = &self.address;
        let request = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut text = String::new();
        self.send(method, path, headers, body).read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: serde_json::from_str(body).unwrap_or(Value::Null) }
    }

    fn jobs(&self) -> Vec<Value> {
        self.ask("GET", "/jobs", "", "").body["jobs"].as_array().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        sleep(POLL);
    }
}

#[test]
fn a_submission_whose_answer_was_lost_when_the_server_was_killed_is_one_job_even_once_it_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("words.txt");
    fs::write(&input, "to be or not to be\n").unwrap();
    let args = json!({ "input": input, "output": folder.path().join("counts") });
    let body = json!({ "program": "word_count", "args": args }).to_string();
    let key = "Idempotency-Key: nightly\r\n";

    let server = Server::start(folder);
    let unread = server.send("POST", "/jobs", key, &body);
    until("the job is there", || !server.jobs().is_empty());
    let folder = server.kill();
    drop(unread);

    let server = Server::start(folder);
    let [job] = &server.jobs()[..] else { panic!("expected one job, found {:?}", server.jobs()) };
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let again = server.ask("POST", "/jobs", key, &body);
    assert_eq!((again.status, &again.body["id"]), (201, &job["id"]));
    assert!(again.head.contains("idempotent-replayed: true"), "{}", again.head);
    until("the job has finished", || server.ask("GET", &path, "", "").body["state"] == "FINISHED");
    let deleted = server.ask("DELETE", &path, "", "");
    assert!([202, 204].contains(&deleted.status), "{}", deleted.head);
    until("the job is gone", || server.ask("GET", &path, "", "").status == 404);

    let server = Server::start(server.kill());
    let gone = server.ask("POST", "/jobs", key, &body);
    assert_eq!((gone.status, &gone.body["type"]), (410, &json!("urn:headwater:error:job-gone")));
    assert_eq!(server.jobs(), Vec::<Value>::new());
    let other = server.ask("POST", "/jobs", key, &body.replace("word_count", "generator"));
    assert_eq!(other.status, 422);
}
