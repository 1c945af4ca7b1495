//! Taps and the state browser.

use crate::http::{TestServer, read_until};

#[test]
fn a_tap_shows_records_without_what_is_redacted_and_ends_when_it_was_told_to() {
    let server = TestServer::start(false);
    let [running, ended, _] = server.fake.ids();
    let path = format!("/api/v1/jobs/{running}/vertices/v0/tap?limit=3&redact=email");
    let mut stream = server.open("GET", &path, &[], "");
    let events = read_until(&mut stream, |text| text.contains("event: end"));
    assert!(events.contains("content-type: text/event-stream"), "{events}");
    assert_eq!(events.matches("event: record").count(), 3, "{events}");
    assert!(events.contains("event: lost\ndata: {\"lost\":3}"), "{events}");
    assert!(
        events.contains(r#""value":{"word":"lorem","count":1,"token":"******","email":"******"}"#),
        "{events}"
    );
    assert!(events.contains(r#""reason":"3 records were asked for","records":3"#), "{events}");

    server.get(&format!("/api/v1/jobs/{ended}/vertices/v0/tap")).problem(409, "job-has-ended");
    for (vertex, status, kind) in
        [("v99", 404, "unknown-vertex"), ("x", 404, "unknown-vertex"), ("v0?limit=0", 400, "invalid-request")]
    {
        let (vertex, query) = vertex.split_once('?').unwrap_or((vertex, ""));
        server.get(&format!("/api/v1/jobs/{running}/vertices/{vertex}/tap?{query}")).problem(status, kind);
    }
}

#[test]
fn states_are_listed_paged_and_looked_up() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let states = server.get(&format!("/api/v1/jobs/{running}/state")).json();
    assert_eq!(states["checkpoint"], 40);
    assert_eq!(states["vertices"][0]["states"][0]["name"], "counts");

    let of_state = format!("/api/v1/jobs/{running}/state/v1/counts");
    let first = server.get(&format!("{of_state}?limit=100")).json();
    assert_eq!(first["entries"].as_array().unwrap().len(), 100);
    let next = first["next"].as_str().unwrap();
    let second = server.get(&format!("{of_state}?limit=100&after={next}")).json();
    assert_eq!((second["entries"].as_array().unwrap().len(), second["next"].is_null()), (20, true));
    let found = server.get(&format!("{of_state}?key=word-7")).json();
    assert_eq!(found["entries"][0]["key"], "word-7");

    server.get(&format!("{of_state}?limit=1001")).problem(400, "invalid-request");
    server.get(&format!("{of_state}?checkpoint=1")).problem(404, "unknown-checkpoint");
    server.get(&format!("/api/v1/jobs/{running}/state/v1/other")).problem(404, "unknown-state");
}
