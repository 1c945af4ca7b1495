//! Attacks, replayed.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use headwater_api::{Limits, Settings};
use serde_json::json;

use crate::http::{DEADLINE, TestServer, read_until, until, until_within};

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
