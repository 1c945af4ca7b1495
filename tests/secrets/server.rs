//! A server whose answers are searched, and what secrets may look like.

use std::{
    env,
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Instant,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{AS_HEADWATER, DEADLINE, MARK, POLL};

pub fn headwater(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(args).current_dir(folder).env(AS_HEADWATER, "1").stdin(Stdio::null());
    command.env("RUST_LOG", "trace").env_remove("RUST_BACKTRACE").env_remove("HEADWATER_TOKEN");
    command
}

pub struct Server {
    pub process: Child,
    address: String,
    pub token: String,
    /// What must be nowhere, besides marked secrets.
    pub hidden: Vec<String>,
    pub folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    pub fn start(format: &str, collector: &str) -> Self {
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

    pub fn written(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join(name)).unwrap()).into_owned()
    }

    /// Nothing in a text is a secret.
    pub fn check(&self, what: &str, text: &str) {
        for hidden in forms(MARK).iter().chain(&self.hidden) {
            if let Some(at) = text.find(hidden.as_str()) {
                let (from, to) = (at.saturating_sub(300), (at + 300).min(text.len()));
                let around = String::from_utf8_lossy(&text.as_bytes()[from..to]);
                panic!("{what} tells a secret (`{hidden}`): … {around} …");
            }
        }
    }

    /// Head and body of an answer; of a stream what comes first.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
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

    pub fn get(&self, path: &str) -> Value {
        let (head, body) = self.send("GET", path, &[], "");
        self.check(path, &(head + &body));
        serde_json::from_str(&body).unwrap_or_default()
    }

    pub fn post(&self, path: &str, body: &Value) -> (String, Value) {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "s3cr3t-idempotency")];
        // Without the key nothing would be a submission of its own.
        let headers = if path == "/api/v1/jobs" { &headers[..1] } else { &headers[..] };
        let (head, answer) = self.send("POST", path, headers, &body.to_string());
        self.check(&format!("POST {path} {body}"), &(head.clone() + &answer));
        (head, serde_json::from_str(&answer).unwrap_or_default())
    }

    pub fn client(&self, args: &[&str]) -> String {
        let url = format!("http://{}", self.address);
        let mut command = headwater(self.folder.path(), args);
        let output = command.env("HEADWATER_TOKEN", &self.token).args(["--server", &url]).output().unwrap();
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let told = told(&output.stdout) + &told(&output.stderr);
        self.check(&format!("{args:?}"), &told);
        told
    }

    pub fn submit(&self, how: &str) -> String {
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

pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
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
