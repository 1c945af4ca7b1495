//! What REST promises of lists, restarts, deletions, checkpoints, submissions that are sent again, and live streams.

use serde_json::{Value, json};

use crate::http::{TestServer, read_until};

const GENERATOR: &str = r#"{"program": "generator", "name": "Ticks"}"#;

fn names(jobs: &Value) -> Vec<&str> {
    jobs["jobs"].as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect()
}

#[test]
fn a_list_is_filtered_and_paged() {
    let server = TestServer::start(false);
    let list = |query: &str| server.get(&format!("/api/v1/jobs{query}")).json();
    assert_eq!(names(&list("?state=FINISHED,failed")), ["Nightly totals", "Clicks by region"]);
    assert_eq!(names(&list("?name=WORD")), ["Socket word count"]);
    let first = list("?limit=2");
    assert_eq!((names(&first).len(), &first["total"]), (2, &json!(3)));
    let next = first["next"].as_str().unwrap();
    let second = list(&format!("?limit=2&after={next}"));
    assert_eq!((names(&second), &second["next"]), (vec!["Clicks by region"], &Value::Null));
    let [running, ..] = server.fake.ids();
    assert_eq!(names(&list(&format!("?state=FAILED&after={running}"))), ["Clicks by region"]);
    for (query, part) in [
        ("?limit=0", "`limit`"),
        ("?limit=1001", "1 to 1000"),
        ("?limit=x", "invalid digit"),
        ("?state=RUNING", "RUNNING"),
        ("?nmae=x", "unknown field"),
    ] {
        let problem = server.get(&format!("/api/v1/jobs{query}")).problem(400, "invalid-request");
        assert!(problem.contains(part), "{query}: {problem}");
    }
    assert!(server.get("/api/v1/jobs?after=nonsense").problem(404, "unknown-job").contains("begin again"));
}

#[test]
fn a_restart_says_which_job_runs_and_from_where() {
    let server = TestServer::start(false);
    let [_, finished, failed] = server.fake.ids();
    let restart =
        |id: &dyn std::fmt::Display| server.send("POST", &format!("/api/v1/jobs/{id}/restart"), &[], "");
    let again = restart(&failed);
    assert_eq!((again.status, again.header("location")), (202, &*format!("/api/v1/jobs/{failed}")));
    assert_eq!(again.json(), json!({"id": failed.to_string(), "is_new_job": false, "checkpoint": 40}));
    assert_eq!(server.get(again.header("location")).json()["state"], "RUNNING");
    let anew = restart(&finished).json();
    assert_eq!((&anew["is_new_job"], &anew["checkpoint"]), (&json!(true), &Value::Null));
    assert_ne!(anew["id"], finished.to_string());
}

#[test]
fn only_an_ended_job_is_deleted() {
    let server = TestServer::start(false);
    let [running, finished, _] = server.fake.ids();
    let delete = |id| server.send("DELETE", &format!("/api/v1/jobs/{id}"), &[], "");
    assert!(delete(running).problem(409, "not-ended").contains("cancel it first"));
    assert_eq!((delete(finished).status, delete(finished).status), (204, 404));
}

#[test]
fn a_deletion_that_takes_long_is_polled_at_the_job() {
    let server = TestServer::start(false);
    let [_, finished, _] = server.fake.ids();
    server.fake.delete_slowly();
    let deleted = server.send("DELETE", &format!("/api/v1/jobs/{finished}"), &[], "");
    assert_eq!((deleted.status, &deleted.json()["id"]), (202, &json!(finished.to_string())));
    let job = server.get(deleted.header("location")).json();
    assert_eq!((&job["id"], &job["deletion"]["failure"]), (&json!(finished.to_string()), &Value::Null));
    assert!(job["deletion"]["since_ms"].is_i64());
}

#[test]
fn what_is_accepted_says_where_its_end_can_be_seen() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let cancelled = server.send("PATCH", &format!("/api/v1/jobs/{running}?mode=cancel"), &[], "");
    assert_eq!((cancelled.status, cancelled.header("location")), (202, &*format!("/api/v1/jobs/{running}")));
    assert_eq!(server.get(cancelled.header("location")).json()["state"], "CANCELED");
}

#[test]
fn a_checkpoint_is_triggered_and_looked_at() {
    let server = TestServer::start(false);
    let [running, finished, _] = server.fake.ids();
    let trigger = |id| server.send("POST", &format!("/api/v1/jobs/{id}/checkpoints"), &[], "");
    trigger(finished).problem(409, "not-running");
    let triggered = trigger(running);
    assert_eq!((triggered.status, &triggered.json()["id"]), (202, &json!(41)));
    let found = server.get(triggered.header("location")).json();
    assert_eq!((&found["id"], found["subtasks"].as_array().unwrap().len()), (&json!(41), 6));
    assert_eq!(found["subtasks"][0]["sync_us"], 1_000);
    let path = format!("/api/v1/jobs/{running}/checkpoints");
    let failed = server.get(&format!("{path}/31")).json();
    assert_eq!((&failed["status"], &failed["subtasks"][4]["sync_us"]), (&json!("FAILED"), &Value::Null));
    server.get(&format!("{path}/7000")).problem(404, "unknown-checkpoint");
    server.get(&format!("{path}/x")).problem(404, "unknown-checkpoint");
    let config = server.get(&format!("{path}/config")).json();
    assert_eq!((&config["mode"], &config["num_retained"]), (&json!("EXACTLY_ONCE"), &json!(2)));
}

#[test]
fn plan_vertices_subtasks_attempts_and_slots_are_there() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let get = |path: &str| server.get(&format!("/api/v1/jobs/{running}{path}"));
    let plan = get("/plan").json();
    assert_eq!(plan["nodes"][1]["inputs"], json!([{"from": "v0", "partitioning": "HASH"}]));
    assert_eq!(get("/vertices").json()["vertices"].as_array().unwrap().len(), 3);
    assert_eq!(get("/vertices/v1").json()["name"], "window count");
    assert!(get("/vertices/v9").problem(404, "unknown-vertex").contains("v0, v1, v2"));
    let subtask = get("/vertices/v1/subtasks/1").json();
    assert_eq!((&subtask["id"], &subtask["attempts"][1]["state"]), (&json!("v1-1"), &json!("FAILED")));
    assert!(get("/vertices/v1/subtasks/2").problem(404, "unknown-subtask").contains("0 to 1"));
    let slots = server.get("/api/v1/slots").json();
    let sizes: Vec<usize> = slots["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| slot["tasks"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [3, 3, 0, 0]);
}

#[test]
fn a_submission_that_is_sent_again_under_its_key_is_the_same_job() {
    let server = TestServer::start(false);
    let post = |key: &str, body: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        server.send("POST", "/api/v1/jobs", &headers, body)
    };
    let first = post("a-1", GENERATOR);
    // The same in other words.
    let again = post("a-1", r#"{ "name":"Ticks",  "program":"generator" }"#);
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!((first.json(), first.header("location")), (again.json(), again.header("location")));
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), ("", "true"));
    let other = post("a-1", r#"{"program": "generator", "name": "Tocks"}"#);
    assert!(other.problem(422, "idempotency-key-reused").contains("another submission"));
    assert_ne!(post("a-2", GENERATOR).json()["id"], first.json()["id"]);
    for wrong in ["", "with space", &"x".repeat(256)] {
        post(wrong, GENERATOR).problem(400, "invalid-request");
    }
}

#[test]
fn readiness_is_not_health() {
    let server = TestServer::start(false);
    server.fake.set_ready(false);
    server.get("/readyz").problem(503, "not-ready");
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    server.fake.set_ready(true);
    assert_eq!(server.get("/readyz").json()["status"], "ready");
}

#[test]
fn a_job_s_events_are_told_newest_first() {
    let server = TestServer::start(false);
    let id = server.post("/api/v1/jobs", GENERATOR).json()["id"].as_str().unwrap().to_owned();
    server.send("PATCH", &format!("/api/v1/jobs/{id}?mode=cancel"), &[], "");
    let events = server.get(&format!("/api/v1/jobs/{id}/events")).json();
    let kinds: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["cancel-requested", "submitted"]);
    let later = server.get(&format!("/api/v1/jobs/{id}/events?after=1")).json();
    assert_eq!(later["events"].as_array().unwrap().len(), 1);
}

fn last_id(text: &str) -> &str {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap()
}

#[test]
fn a_client_that_was_cut_off_gets_what_it_has_missed() {
    let server = TestServer::start(false);
    let [running, finished, _] = server.fake.ids();
    let mut stream = server.open("GET", "/api/v1/events", &[], "");
    let began = read_until(&mut stream, |text| text.contains("event: overview"));
    assert!(!began.contains("event: resume") && !began.contains("event: log"), "{began}");
    server.fake.tell(running, "first");
    let seen = read_until(&mut stream, |text| text.contains("first") && text.contains("event: overview"));
    let id = last_id(&seen).to_owned();
    drop(stream);

    server.fake.tell(running, "second");
    server.fake.tell(finished, "third");
    let resume = |path: &str, id: &str| {
        let mut stream = server.open("GET", path, &[("Last-Event-ID", id)], "");
        read_until(&mut stream, |text| text.contains("event: overview") || text.contains("event: job"))
    };
    let again = resume("/api/v1/events", &id);
    assert!(again.contains("\"is_complete\":true"), "{again}");
    assert!(!again.contains("first") && again.contains("second") && again.contains("third"), "{again}");
    let of_job = resume(&format!("/api/v1/events?job={running}"), &id);
    assert!(of_job.contains("second") && !of_job.contains("third"), "{of_job}");

    for (id, reason) in [("nonsense", "none of a server's"), ("1-1", "started anew")] {
        let anew = resume("/api/v1/events", id);
        assert!(anew.contains("\"is_complete\":false") && anew.contains(reason), "{anew}");
        assert!(!anew.contains("event: log"), "{anew}");
    }
    server.fake.forget_what_was_told();
    assert!(resume("/api/v1/events", &id).contains("too much has happened"));
}
