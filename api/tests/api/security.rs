//! Who may do what.

use std::{sync::Arc, time::Duration};

use headwater_api::{
    Settings,
    dto::ConfigEntry,
    security::{AuditLog, Authentication, Role, TokenFile},
};
use serde_json::json;
use tempfile::TempDir;

use crate::http::{Answer, TestServer, read_until, until};

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
