//! A server on a free port, and a plain HTTP client whose every header the test decides.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use actix_web::dev::ServerHandle;
use headwater_api::{BuildInfo, HistoryConfig, ServerConfig, Settings, serve};
use serde_json::Value;

use crate::fake::Fake;

pub const DEADLINE: Duration = Duration::from_secs(30);

/// A server over a [`Fake`], for as long as the test's process lives or until it is stopped.
pub struct TestServer {
    pub address: SocketAddr,
    pub fake: Fake,
    server: ServerHandle,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl TestServer {
    pub fn start(chaos: bool) -> Self {
        Self::of(Fake::new(chaos), None)
    }

    /// Serves this control plane, and keeps a history of it.
    pub fn of(fake: Fake, history: Option<HistoryConfig>) -> Self {
        Self::with(fake, history, Settings::default())
    }

    /// Serves as the settings say.
    pub fn start_with(chaos: bool, settings: Settings) -> Self {
        Self::with(Fake::new(chaos), None, settings)
    }

    fn with(fake: Fake, history: Option<HistoryConfig>, settings: Settings) -> Self {
        let (address, server) = listen(([127, 0, 0, 1], 0).into(), fake.clone(), history, settings);
        Self { address, fake, server }
    }

    /// Cuts every connection.
    pub fn stop(&mut self) {
        actix_web::rt::System::new().block_on(self.server.stop(false));
    }

    /// Serves again, at the same address.
    pub fn start_again(&mut self) {
        self.server = listen(self.address, self.fake.clone(), None, Settings::default()).1;
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("Content-Type", "application/json")], body)
    }

    /// Sends a request with these headers, and with our own `Host` unless there is one among them.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = self.open(method, path, headers, body);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Answer::parse(&String::from_utf8(bytes).unwrap())
    }

    /// Sends a request and leaves its answer to be read.
    pub fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(self.request(method, path, headers, body).as_bytes()).unwrap();
        stream
    }

    /// A connection whose reads have a deadline.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// What is sent for a request.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        format!("{head}\r\n{body}")
    }
}

fn listen(
    bind: SocketAddr,
    handle: Fake,
    history: Option<HistoryConfig>,
    settings: Settings,
) -> (SocketAddr, ServerHandle) {
    let (report, listening) = std::sync::mpsc::channel();
    thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let sql = std::sync::Arc::new(handle.sql.clone());
            let inspector = std::sync::Arc::new(handle.clone());
            let logs = handle.logs.clone();
            let build = BuildInfo { version: "1.2.3".to_owned(), commit: None };
            let listener = headwater_api::listen(bind, false).unwrap();
            let (server, bound) =
                serve(ServerConfig { listener, sql, inspector, handle, build, history, logs, settings })
                    .unwrap();
            report.send((bound, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    listening.recv_timeout(DEADLINE).unwrap()
}

impl Answer {
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {text:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        Self { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Checks that this is the problem of this status and kind, and gives its detail and hint.
    pub fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:headwater:error:{kind}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(problem["title"].is_string());
        format!("{} {}", problem["detail"].as_str().unwrap(), problem["hint"].as_str().unwrap_or_default())
    }
}

/// Reads until `enough` of what has come.
pub fn read_until(stream: &mut TcpStream, enough: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    let mut text = String::new();
    let mut chunk = [0; 64 << 10];
    while !enough(&text) {
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {text}");
        let length = stream.read(&mut chunk).unwrap();
        assert!(length > 0, "the stream ended: {text}");
        text += &String::from_utf8_lossy(&chunk[..length]);
    }
    text
}

/// Waits for something that nothing announces.
pub fn until(what: &str, condition: impl Fn() -> bool) {
    until_within(DEADLINE, what, condition);
}

pub fn until_within(patience: Duration, what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::yield_now();
    }
}
