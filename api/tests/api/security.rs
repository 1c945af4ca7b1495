//! Who may do what, and attacks replayed.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use headwater_api::{
    Limits, Settings,
    dto::ConfigEntry,
    security::{AuditLog, Authentication, Role, TokenFile},
};
use serde_json::json;
use tempfile::TempDir;

use crate::http::{Answer, DEADLINE, TestServer, read_until};

/// A server that wants tokens, and one of each role.
struct Guarded {
    server: TestServer,
    operate: String,
    read: String,
    folder: TempDir,
}

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (tokens, operate) = TokenFile::open_or_create(&folder.path().join("tokens")).unwrap();
        let read = tokens.add("grafana", Role::Read).unwrap();
        let settings = Settings {
            authentication: Authentication::Tokens(Arc::new(tokens)),
            audit: Some(AuditLog::open(&folder.path().join("audit.log"), 1 << 20).unwrap()),
            ..Settings::default()
        };
        let server = TestServer::start_with(true, settings);
        Self { server, operate: operate.unwrap(), read, folder }
    }

    fn with(&self, token: &str, method: &str, path: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        self.server.send(method, path, &[("Authorization", &bearer)], "")
    }
}

#[test]
fn without_a_token_nothing_is_told_and_the_page_still_comes() {
    let Guarded { server, .. } = Guarded::start();
    for path in ["/api/v1/jobs", "/api/v1/events", "/api/v1/config", "/api/v1/nothing", "/api/v2/x"] {
        let answer = server.get(path);
        let told = answer.problem(401, "login-required");
        assert!(told.contains("HEADWATER_TOKEN") && answer.header("www-authenticate") == "Bearer", "{told}");
    }
    // However the path is written.
    for path in ["/%61pi/v1/jobs", "/api/%76%31/jobs", "/api/v1/%6a%6f%62%73"] {
        server.get(path).problem(401, "login-required");
    }
    for path in ["//api/v1/jobs", "/./api/v1/jobs", "/API/v1/jobs", "/static/../api/v1/jobs"] {
        let answer = server.get(path);
        assert!(answer.status == 404 && !answer.body.contains("Nightly"), "{path}: {}", answer.body);
    }
    for path in ["/", "/static/app.js", "/jobs/0123"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(
        server.get("/api/v1/session").json(),
        json!({"login_required": true, "name": null, "role": null})
    );
}

#[test]
fn a_role_allows_what_it_says() {
    let guarded = Guarded::start();
    let [running, ..] = guarded.server.fake.ids();
    let (read, operate) = (guarded.read.clone(), guarded.operate.clone());
    assert_eq!(guarded.with(&read, "GET", "/api/v1/jobs").status, 200);
    let cancel = format!("/api/v1/jobs/{running}?mode=cancel");
    for (method, path) in
        [("PATCH", cancel.as_str()), ("GET", "/api/v1/audit"), ("POST", "/api/v1/sql/preview")]
    {
        let told = guarded.with(&read, method, path).problem(403, "not-permitted");
        assert!(told.contains("`grafana`") && told.contains("`operate`"), "{told}");
    }
    let job = guarded.with(&read, "GET", &format!("/api/v1/jobs/{running}")).json();
    assert_eq!(job["state"], "RUNNING", "nothing was cancelled");
    assert_eq!(guarded.with(&operate, "PATCH", &cancel).status, 202);

    let entries = guarded.with(&operate, "GET", "/api/v1/audit?limit=2").json();
    let newest = &entries["entries"][0];
    assert_eq!(
        (&newest["who"], &newest["action"], &newest["outcome"], &newest["status"]),
        (&json!("admin"), &json!(format!("PATCH {}", cancel)), &json!("done"), &json!(202))
    );
    let denied = &entries["entries"][1];
    assert_eq!((&denied["outcome"], &denied["peer"]), (&json!("denied"), &json!("127.0.0.1")));
    let older = guarded.with(&operate, "GET", &format!("/api/v1/audit?before={}", entries["next"])).json();
    assert_eq!((older["entries"].as_array().unwrap().len(), &older["next"]), (2, &json!(null)));
    let written = std::fs::read_to_string(guarded.folder.path().join("audit.log")).unwrap();
    assert!(!written.contains(&operate) && !written.contains(&read), "{written}");
}

#[test]
fn what_is_quoted_of_a_record_is_for_whoever_may_see_records() {
    let guarded = Guarded::start();
    let [running, ..] = guarded.server.fake.ids();
    let message = headwater_core::malformed::message("`in.csv`, byte 5", "expected BIGINT, found `Smith`");
    guarded.server.fake.tell(running, &message);
    let path = format!("/api/v1/jobs/{running}/events");
    let told = |token: &str| guarded.with(token, "GET", &path).body;
    assert!(told(&guarded.operate).contains("found `Smith`"));
    let shown = told(&guarded.read);
    assert!(shown.contains("malformed record at `in.csv`, byte 5: ******; to go on"), "{shown}");
    assert!(!shown.contains("Smith") && serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{shown}");
    // The same in what is followed.
    let followed = |token: &str| {
        let headers = [("Authorization", format!("Bearer {token}")), ("Last-Event-ID", "0-0".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let mut stream = guarded.server.open("GET", "/api/v1/events", &headers, "");
        read_until(&mut stream, |text| text.contains("event: overview"));
        guarded.server.fake.tell(running, &message);
        read_until(&mut stream, |text| text.contains("to go on without such records"))
    };
    assert!(followed(&guarded.operate).contains("found `Smith`"));
    let shown = followed(&guarded.read);
    assert!(shown.contains("byte 5: ******; to go on") && !shown.contains("Smith"), "{shown}");
}

#[test]
fn the_page_logs_in_once_and_out_again() {
    let guarded = Guarded::start();
    let server = &guarded.server;
    let login = server.post("/api/v1/login", &json!({"token": guarded.read}).to_string());
    assert_eq!(login.json(), json!({"login_required": true, "name": "grafana", "role": "read"}));
    let cookie = login.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains(&guarded.read), "{cookie}");
    let cookie = format!("other=1; {}", cookie.split(';').next().unwrap());
    let with_cookie = [("Cookie", cookie.as_str())];
    assert_eq!(server.send("GET", "/api/v1/jobs", &with_cookie, "").status, 200);
    assert_eq!(server.send("GET", "/api/v1/session", &with_cookie, "").json()["role"], "read");
    server.send("POST", "/api/v1/sql/preview", &with_cookie, "").problem(403, "not-permitted");
    // A page of another site has the cookie sent if SameSite is not heeded; its origin is told nevertheless.
    let foreign = [("Cookie", cookie.as_str()), ("Origin", "http://evil.example")];
    server.send("POST", "/api/v1/logout", &foreign, "").problem(403, "cross-origin");
    assert_eq!(server.send("GET", "/api/v1/jobs", &with_cookie, "").status, 200);
    let out = server.send("POST", "/api/v1/logout", &with_cookie, "");
    assert!(out.status == 204 && out.header("set-cookie").contains("Max-Age=0"));
    server.send("GET", "/api/v1/jobs", &with_cookie, "").problem(401, "login-required");
}

#[test]
fn guessing_is_slowed_down_and_who_is_logged_in_goes_on() {
    let guarded = Guarded::start();
    let server = &guarded.server;
    let login = server.post("/api/v1/login", &json!({"token": guarded.operate}).to_string());
    let cookie = login.header("set-cookie").split(';').next().unwrap().to_owned();
    for _ in 0..5 {
        server.post("/api/v1/login", r#"{"token": "hw_guess"}"#).problem(401, "wrong-token");
        guarded.with("hw_guess", "GET", "/api/v1/jobs").problem(401, "wrong-token");
    }
    let answer = server.post("/api/v1/login", r#"{"token": "hw_guess"}"#);
    answer.problem(429, "too-many-logins");
    assert_eq!(answer.header("retry-after"), "60");
    assert_eq!(server.send("GET", "/api/v1/jobs", &[("Cookie", &cookie)], "").status, 200);
    // From the same address, as behind a proxy, others may go on.
    assert_eq!(guarded.with(&guarded.operate, "GET", "/api/v1/jobs").status, 200);
}

#[test]
fn nobody_without_a_token_fills_the_audit_log() {
    let guarded = Guarded::start();
    let server = &guarded.server;
    for _ in 0..100 {
        server.post("/api/v1/logout", "");
        server.post("/nowhere", "{}");
    }
    let audit = guarded.with(&guarded.operate, "GET", "/api/v1/audit?limit=1000").json();
    assert!(audit["entries"].as_array().unwrap().len() <= 61, "{audit}");
}

#[test]
fn a_server_without_tokens_says_that_no_login_is_needed() {
    let server = TestServer::start(false);
    assert_eq!(
        server.get("/api/v1/session").json(),
        json!({"login_required": false, "name": null, "role": "operate"})
    );
    server.post("/api/v1/login", r#"{"token": "x"}"#).problem(400, "invalid-request");
    server.get("/api/v1/login").problem(405, "method-not-allowed");
}

#[test]
fn the_configuration_is_shown() {
    let entry = ConfigEntry {
        key: "rest.port".to_owned(),
        r#type: "integer".to_owned(),
        value: "9000".to_owned(),
        origin: "--port".to_owned(),
        default: "8081".to_owned(),
        description: "port".to_owned(),
    };
    let server =
        TestServer::start_with(false, Settings { config: vec![entry.clone()], ..Settings::default() });
    assert_eq!(server.get("/api/v1/config").json(), json!({"entries": [entry]}));
}

#[test]
fn no_path_leads_out_of_what_is_embedded() {
    let server = TestServer::start(false);
    for path in [
        "/static/../../../../etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/static/..%252f..%252fetc%252fpasswd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/....//etc/passwd",
        "/static/..\\..\\etc\\passwd",
        "/static/app.js%00.html",
        "/api/v1/jobs/..%252f..%252foverview",
        "/api/v1/jobs/..%2f..%2foverview/checkpoints",
    ] {
        let answer = server.get(path);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        assert!(!answer.body.contains("root:"), "{path}");
    }
}

#[test]
fn a_form_of_another_site_changes_nothing() {
    let server = TestServer::start(true);
    let jobs = || server.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().len();
    let before = jobs();
    // What a browser can be made to send without asking the server first.
    let body = r#"{"program": "generator"}"#;
    for content_type in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
    {
        for origin in [Some("http://evil.example"), Some("null"), None] {
            let mut headers = vec![("Content-Type", content_type)];
            headers.extend(origin.map(|origin| ("Origin", origin)));
            let answer = server.send("POST", "/api/v1/jobs", &headers, body);
            assert!(matches!(answer.status, 403 | 415), "{}", answer.body);
        }
    }
    let preflight = [
        ("Origin", "http://evil.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = server.send("OPTIONS", "/api/v1/jobs", &preflight, "");
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (405, ""));
    let [running, ..] = server.fake.ids();
    for path in [format!("/api/v1/jobs/{running}?mode=cancel"), format!("/api/v1/jobs/{running}/actors/v0-0")]
    {
        server.get(&path);
        server.send("HEAD", &path, &[], "");
        let overriding = [("X-HTTP-Method-Override", "DELETE"), ("Content-Type", "application/json")];
        server.send("POST", &path, &overriding, "{}").problem(405, "method-not-allowed");
    }
    assert_eq!(jobs(), before);
    assert_eq!(server.get(&format!("/api/v1/jobs/{running}")).json()["state"], "RUNNING");
}

#[test]
fn a_page_of_another_site_makes_no_work_but_may_link_to_the_page() {
    let server = TestServer::start(false);
    for site in ["cross-site", "same-site"] {
        for path in
            ["/api/v1/jobs", "/api/v1/events", "/api/v1/logs/stream", "/%61pi/v1/overview", "/metrics"]
        {
            for method in ["GET", "HEAD"] {
                let answer = server.send(method, path, &[("Sec-Fetch-Site", site)], "");
                assert_eq!(answer.status, 403, "{method} {path}");
            }
        }
        let link = [("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
        for path in ["/", "/jobs/0123", "/static/app.js", "/healthz"] {
            assert_eq!(server.send("GET", path, &link, "").status, 200, "{path}");
        }
    }
    for site in ["same-origin", "none"] {
        assert_eq!(server.send("GET", "/api/v1/jobs", &[("Sec-Fetch-Site", site)], "").status, 200);
    }
}

#[test]
fn what_was_done_is_in_the_audit_log_even_if_its_client_did_not_wait() {
    let guarded = Guarded::start();
    let (server, operate) = (&guarded.server, guarded.operate.as_str());
    let [running, ..] = server.fake.ids();
    server.fake.hang();
    let path = format!("/api/v1/jobs/{running}");
    let bearer = format!("Bearer {operate}");
    let client = server.open("PATCH", &format!("{path}?mode=cancel"), &[("Authorization", &bearer)], "");
    until("the job is cancelled", || guarded.with(operate, "GET", &path).json()["state"] == "CANCELED");
    // Resets the connection.
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    until("it is written down", || {
        let audit = guarded.with(operate, "GET", "/api/v1/audit?limit=1").json();
        let newest = &audit["entries"][0];
        let action = format!("PATCH {path}?mode=cancel");
        newest["action"] == action && newest["who"] == "admin" && newest["outcome"] == "unanswered"
    });
}

#[test]
fn a_huge_body_is_refused_before_it_has_come() {
    let server = TestServer::start(false);
    let jobs = || server.get("/api/v1/jobs").json()["jobs"].as_array().unwrap().len();
    let before = jobs();
    for length in ["Content-Length: 1073741824", "Transfer-Encoding: chunked"] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let head = format!(
            "POST /api/v1/jobs HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{length}\r\n\r\n",
            server.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
        // A little more than the bound, of all that is to come.
        for _ in 0..20 {
            if stream.write_all(&chunk).is_err() {
                break;
            }
        }
        let answer = read_until(&mut stream, |text| text.contains("\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }
    assert_eq!((jobs(), server.get("/healthz").status), (before, 200));
}

#[test]
fn deep_json_is_refused() {
    let server = TestServer::start(false);
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let depth = 100_000;
        let deep = format!(r#"{{"program": {}1{}}}"#, open.repeat(depth), close.repeat(depth));
        for path in ["/api/v1/jobs", "/api/v1/sql/validate", "/api/v1/login"] {
            let answer = server.post(path, &deep);
            assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        }
    }
}

#[test]
fn a_head_that_does_not_come_costs_a_connection_for_seconds_only() {
    let limits = Limits { header_timeout: Duration::from_secs(1), ..Limits::default() };
    let server = TestServer::start_with(false, Settings { limits, ..Settings::default() });
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.write_all(b"GET /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
            stream
        })
        .collect();
    for stream in &mut slow {
        // Ends with 408, or without an answer.
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    until("others are served", || server.get("/healthz").status == 200);
}

#[test]
fn one_address_cannot_take_all_connections_and_streams() {
    let limits = Limits { connections_per_peer: 20, streams_per_peer: 3, ..Limits::default() };
    let server = TestServer::start_with(false, Settings { limits, ..Settings::default() });
    let mut streams: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = server.open("GET", "/api/v1/events", &[], "");
            read_until(&mut stream, |text| text.contains("event: overview"));
            stream
        })
        .collect();
    server.get("/api/v1/events").problem(503, "too-many-streams");
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    let is_closed = |mut stream: &TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        matches!(stream.read(&mut [0]), Ok(0)) || stream.take_error().is_ok_and(|error| error.is_some())
    };
    until("most are closed", || idle.iter().filter(|stream| is_closed(stream)).count() >= 180);
    drop(idle);
    drop(streams.pop());
    // What is given back can be taken again, once a heartbeat has found that nobody is there.
    until_within(4 * DEADLINE, "there is room", || {
        let mut stream = match TcpStream::connect(server.address) {
            Ok(stream) => stream,
            Err(_) => return false,
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
        let mut begin = [0; 15];
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_exact(&mut begin).is_ok()
            && begin.ends_with(b"200 OK")
    });
}

#[test]
fn names_come_back_as_text() {
    let server = TestServer::start(false);
    let name = "<img src=x onerror=alert(1)>";
    let created = server.post("/api/v1/jobs", &json!({"program": "generator", "name": name}).to_string());
    let job = server.get(created.header("location"));
    assert_eq!((job.json()["name"].as_str(), job.header("content-type")), (Some(name), "application/json"));
    assert_eq!(job.header("x-content-type-options"), "nosniff");
    let page = server.get(&format!("/jobs/{}", job.json()["id"].as_str().unwrap()));
    assert!(!page.body.contains("onerror"), "the page has no data in it");
}

fn until(what: &str, condition: impl Fn() -> bool) {
    until_within(DEADLINE, what, condition);
}

fn until_within(patience: Duration, what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}
