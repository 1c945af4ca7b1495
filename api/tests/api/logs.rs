//! Reading and following the log.

use headwater_api::{NewLine, dto::LogLines};

use crate::http::{TestServer, read_until};

fn log(server: &TestServer, at_ms: i64, level: &'static str, message: &str, job: Option<String>) {
    let line = NewLine { at_ms, level, message: message.to_owned(), job, ..NewLine::default() };
    server.fake.logs.append(line);
}

fn messages(server: &TestServer, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/v1/logs?{query}"));
    let lines: LogLines =
        serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body));
    lines.lines.into_iter().map(|line| line.message).collect()
}

#[test]
fn lines_are_found_by_level_and_job() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    log(&server, 1, "info", "all is well", None);
    log(&server, 2, "warn", "a task failed", Some(running.to_string()));
    log(&server, 3, "debug", "a detail", Some(running.to_string()));
    assert_eq!(messages(&server, ""), ["all is well", "a task failed", "a detail"]);
    assert_eq!(messages(&server, "level=info"), ["all is well", "a task failed"]);
    assert_eq!(messages(&server, &format!("job={running}")), ["a task failed", "a detail"]);
    assert_eq!(messages(&server, "limit=1"), ["a detail"]);
    assert_eq!(messages(&server, "after=1000&limit=1"), ["a task failed"]);
    server.get("/api/v1/logs?level=loud").problem(400, "invalid-request");
    server.get("/api/v1/logs?limit=0").problem(400, "invalid-request");
    server.get("/api/v1/logs?job=mine").problem(404, "unknown-job");
}

#[test]
fn a_stream_begins_with_the_newest_lines_goes_on_and_is_taken_up_again() {
    let server = TestServer::start(false);
    log(&server, 1, "info", "before", None);
    log(&server, 2, "info", "just before", None);
    let mut stream = server.open("GET", "/api/v1/logs/stream?limit=1", &[], "");
    let began = read_until(&mut stream, |text| text.contains("just before"));
    assert!(!began.contains("\"before\"") && began.contains("id: 2000\nevent: line\n"), "{began}");
    log(&server, 3, "error", "now, with\na second line", None);
    let next = read_until(&mut stream, |text| text.contains("now"));
    assert!(next.contains(r#""message":"now, with\na second line""#), "{next}");
    drop(stream);

    log(&server, 4, "info", "meanwhile", None);
    let mut again = server.open("GET", "/api/v1/logs/stream", &[("Last-Event-ID", "3000")], "");
    let rest = read_until(&mut again, |text| text.contains("meanwhile"));
    assert!(!rest.contains("now, with"), "{rest}");
}

#[test]
fn streams_of_the_log_are_bounded() {
    let server = TestServer::start(false);
    let open = |_| {
        let mut stream = server.open("GET", "/api/v1/logs/stream", &[], "");
        read_until(&mut stream, |text| text.contains("retry"));
        stream
    };
    let streams: Vec<_> = (0..16).map(open).collect();
    server.get("/api/v1/logs/stream").problem(503, "too-many-streams");
    drop(streams);
}
