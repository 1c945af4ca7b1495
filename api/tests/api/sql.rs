//! What REST and the page promise about SQL.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    http::{DEADLINE, TestServer, read_until},
    page::play,
};

const POLL: Duration = Duration::from_millis(5);

fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(POLL);
    }
}

fn open_preview(server: &TestServer, sql: &str) -> std::net::TcpStream {
    let body = json!({ "sql": sql, "rows": 5 }).to_string();
    server.open("POST", "/api/v1/sql/preview", &[("Content-Type", "application/json")], &body)
}

#[test]
fn a_script_is_validated_with_the_place_of_what_is_wrong() {
    let server = TestServer::start(false);
    let right = server.post("/api/v1/sql/validate", r#"{"sql": "SELECT 1"}"#).json();
    assert_eq!(right["valid"], true);
    assert_eq!(right["statements"][0]["location"], json!({"line": 1, "column": 1}));
    assert_eq!(right["statements"][0]["columns"][1], json!({"name": "number", "type": "BIGINT"}));
    let wrong = server.post("/api/v1/sql/validate", r#"{"sql": "SELECT 'ü'\n FROM oops"}"#).json();
    let error = json!({
        "message": "table `oops` does not exist", "line": 2, "column": 7, "hint": "did you mean `loops`?"
    });
    assert_eq!(wrong, json!({"valid": false, "errors": [error]}));
    server.post("/api/v1/sql/validate", "{}").problem(400, "invalid-request");
    server.post("/api/v1/sql/validate", "{").problem(400, "malformed-json");
    server.send("GET", "/api/v1/sql/validate", &[], "").problem(405, "method-not-allowed");
}

#[test]
fn a_job_whose_script_is_wrong_is_refused_with_the_place() {
    let server = TestServer::start(false);
    let refused = server.post("/api/v1/jobs", r#"{"sql": "INSERT INTO a\nSELECT * FROM oops"}"#);
    assert!(refused.problem(400, "invalid-sql").contains("did you mean"));
    assert_eq!((&refused.json()["line"], &refused.json()["column"]), (&json!(2), &json!(15)));
    assert_eq!(server.post("/api/v1/jobs", r#"{"sql": "INSERT INTO a SELECT 1"}"#).status, 201);
}

#[test]
fn a_preview_streams_its_schema_rows_and_end() {
    let server = TestServer::start(false);
    let answer = server.post("/api/v1/sql/preview", r#"{"sql": "SELECT 1"}"#);
    assert_eq!(answer.header("content-type"), "text/event-stream");
    let events: Vec<&str> = answer.body.lines().filter(|line| line.contains(": ")).collect();
    assert!(events[0].ends_with("event: schema"), "{events:?}");
    assert!(answer.body.contains(r#"{"op":"+U","row":[null,"2"]}"#), "{}", answer.body);
    assert!(answer.body.contains(r#"{"rows":3,"reason":"finished"}"#), "{}", answer.body);
    let enough = server.post("/api/v1/sql/preview", r#"{"sql": "many", "rows": 2}"#).body;
    assert!(enough.contains(r#"{"rows":2,"reason":"rows"}"#), "{enough}");
    let late = server.post("/api/v1/sql/preview", r#"{"sql": "waiting", "timeout_ms": 50}"#).body;
    assert!(late.contains(r#"{"rows":3,"reason":"timeout"}"#), "{late}");
    until("the query whose time is over stops", || server.fake.sql.running() == 0);
}

#[test]
fn what_goes_wrong_in_a_preview_is_told() {
    let server = TestServer::start(false);
    let wrong = server.post("/api/v1/sql/preview", r#"{"sql": "SELECT oops"}"#).body;
    assert!(wrong.contains("event: error") && wrong.contains(r#""line":1,"column":8"#), "{wrong}");
    let died = server.post("/api/v1/sql/preview", r#"{"sql": "panic"}"#).body;
    assert!(died.contains("event: error") && died.contains("thread died"), "{died}");
    for (body, part) in [
        (r#"{"sql": "SELECT 1", "rows": 0}"#, "expected 1 to"),
        (r#"{"sql": "SELECT 1", "timeout_ms": 99999999}"#, "`timeout_ms`"),
        (r#"{"sql": "SELECT 1", "row": 1}"#, "unknown field `row`"),
    ] {
        let detail = server.post("/api/v1/sql/preview", body).problem(400, "invalid-request");
        assert!(detail.contains(part), "{detail}");
    }
}

#[test]
fn a_query_stops_when_its_client_goes_and_their_number_is_bounded() {
    let server = TestServer::start(false);
    let mut clients: Vec<_> = (0..4).map(|_| open_preview(&server, "waiting")).collect();
    for client in &mut clients {
        read_until(client, |text| text.contains("event: rows"));
    }
    until("four run", || server.fake.sql.running() == 4);
    let refused = server.post("/api/v1/sql/preview", r#"{"sql": "SELECT 1"}"#);
    refused.problem(503, "too-many-streams");
    drop(clients);
    until("all stop", || server.fake.sql.running() == 0);
    until("there is room again", || {
        server.post("/api/v1/sql/preview", r#"{"sql": "SELECT 1"}"#).status == 200
    });
}

#[test]
fn the_editor_marks_what_is_wrong_and_leads_there() {
    let server = TestServer::start(false);
    play("editor-fault", &server.address.to_string(), |_| {});
}

#[test]
fn the_editor_previews_by_keyboard_without_moving_anything_and_stops() {
    let server = TestServer::start(false);
    play("editor-preview", &server.address.to_string(), |_| {});
    until("the query stops", || server.fake.sql.running() == 0);
}

#[test]
fn the_editor_submits_a_job() {
    let server = TestServer::start(false);
    play("editor-submit", &server.address.to_string(), |_| {});
    let jobs = server.get("/api/v1/jobs").json();
    let job = server.get(&format!("/api/v1/jobs/{}", jobs["jobs"][0]["id"].as_str().unwrap())).json();
    assert_eq!(job["options"]["parallelism.default"], "3");
    assert_eq!(job["args"]["script"], "INSERT INTO a SELECT 1");
}
