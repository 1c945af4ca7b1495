//! What REST promises, over real connections.

use headwater_api::{ApiError, dto, listen};
use serde_json::json;

use crate::http::{TestServer, read_until};

const NO_JOB: &str = "/api/v1/jobs/00000000000000000000000000000000";

#[test]
fn a_submitted_job_is_found_where_the_answer_says() {
    let server = TestServer::start(false);
    let body =
        json!({"program": "socket-word-count", "name": "Mine", "args": {"port": 9000}, "parallelism": 3});
    let created = server.post("/api/v1/jobs", &body.to_string());
    assert_eq!(created.status, 201, "{}", created.body);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(created.header("location"), format!("/api/v1/jobs/{id}"));
    let job: dto::JobDetails = serde_json::from_str(&server.get(created.header("location")).body).unwrap();
    assert_eq!((job.summary.id, job.summary.name.as_str()), (id, "Mine"));
    assert_eq!((&job.args["port"], job.options["parallelism.default"].as_str()), (&json!(9000), "3"));
}

#[test]
fn a_job_shows_its_graph_subtasks_and_supervision_tree() {
    let server = TestServer::start(false);
    let [running, _, failed] = server.fake.ids();
    let job = server.get(&format!("/api/v1/jobs/{running}")).json();
    assert_eq!((&job["state"], &job["tasks"]), (&json!("RUNNING"), &json!({"RUNNING": 6})));
    assert!(job["duration_ms"].as_i64().unwrap() >= 754_000 - 14, "{job}");
    assert_eq!(job["edges"][0], json!({"from": "v0", "to": "v1", "partitioning": "HASH"}));
    let subtask = &job["vertices"][1]["subtasks"][1];
    assert_eq!(
        (&subtask["id"], &subtask["attempt"], &subtask["state"]),
        (&json!("v1-1"), &json!(2), &json!("RUNNING"))
    );
    assert!((0.0..=1.0).contains(&subtask["busy_share"].as_f64().unwrap()));
    assert_eq!(job["actors"][1]["parent"], "job-master");
    assert_eq!(job["actors"][5]["restarts"], 2);
    let failure = &server.get(&format!("/api/v1/jobs/{failed}")).json()["failure"];
    assert!(failure.as_str().unwrap().contains("no space left"), "{failure}");
}

#[test]
fn checkpoints_and_exceptions_are_told_newest_first() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let checkpoints = server.get(&format!("/api/v1/jobs/{running}/checkpoints")).json();
    assert_eq!(checkpoints["checkpoints"][0]["id"], 40);
    let failed = &checkpoints["checkpoints"][9];
    assert_eq!((&failed["status"], &failed["failure"]), (&json!("FAILED"), &json!("a task failed")));
    let exceptions = server.get(&format!("/api/v1/jobs/{running}/exceptions")).json();
    let newest = &exceptions["exceptions"][0];
    assert_eq!((&newest["actor"], &newest["kind"]), (&json!("v1-1"), &json!("panic")));
    assert_eq!(newest["recovery"]["restored_checkpoint"], 30);
}

#[test]
fn lists_programs_overview_and_health_answer_get_and_head() {
    let server = TestServer::start(true);
    let jobs = server.get("/api/v1/jobs").json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 3);
    assert_eq!(jobs["unreadable_jobs"][0]["reason"], "the checksum does not match");
    let overview = server.get("/api/v1/overview").json();
    assert_eq!(overview["jobs_by_state"], json!({"RUNNING": 1, "FINISHED": 1, "FAILED": 1}));
    assert_eq!((&overview["chaos"], &overview["version"]), (&json!(true), &json!("1.2.3")));
    let port = &server.get("/api/v1/programs").json()["programs"][0]["args"][1];
    assert_eq!(
        (&port["name"], &port["kind"], &port["required"]),
        (&json!("port"), &json!("integer"), &json!(true))
    );
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    let head = server.send("HEAD", "/api/v1/overview", &[], "");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(head.header("cache-control"), "no-store");
    assert_eq!(head.header("x-content-type-options"), "nosniff");
    assert_eq!(head.header("access-control-allow-origin"), "");
}

#[test]
fn cancelling_takes_effect_once() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let path = format!("/api/v1/jobs/{running}");
    let patch = |query: &str| server.send("PATCH", &format!("{path}{query}"), &[], "");
    assert!(patch("?mode=stop").problem(400, "invalid-request").contains("`stop`"));
    assert!(patch("").problem(400, "invalid-request").contains("`mode`"));
    assert_eq!(patch("?mode=cancel").status, 202);
    assert_eq!(server.get(&path).json()["state"], "CANCELED");
    assert_eq!(patch("?mode=cancel").status, 202, "who has not heard the answer may ask again");
    let [_, finished, _] = server.fake.ids();
    let late = server.send("PATCH", &format!("/api/v1/jobs/{finished}?mode=cancel"), &[], "");
    assert!(late.problem(409, "not-cancellable").contains("FINISHED"));
}

#[test]
fn actors_can_be_killed_only_where_chaos_is_allowed() {
    let (calm, chaos) = (TestServer::start(false), TestServer::start(true));
    let kill = |server: &TestServer, actor: &str| {
        let [running, ..] = server.fake.ids();
        server.send("DELETE", &format!("/api/v1/jobs/{running}/actors/{actor}"), &[], "")
    };
    assert!(kill(&calm, "v1-0").problem(403, "chaos-disabled").contains("--chaos"));
    assert!(kill(&chaos, "v9-9").problem(404, "unknown-actor").contains("v1-0"));
    assert_eq!(kill(&chaos, "v1-0").status, 202);
    let [running, ..] = chaos.fake.ids();
    let exceptions = chaos.get(&format!("/api/v1/jobs/{running}/exceptions")).json();
    assert_eq!(
        (&exceptions["exceptions"][0]["actor"], &exceptions["exceptions"][0]["kind"]),
        (&json!("v1-0"), &json!("kill"))
    );
}

#[test]
fn what_is_not_there_is_404_and_says_where_to_look() {
    let server = TestServer::start(false);
    for part in ["", "/checkpoints", "/exceptions"] {
        server.get(&format!("{NO_JOB}{part}")).problem(404, "unknown-job");
    }
    server.send("PATCH", &format!("{NO_JOB}?mode=cancel"), &[], "").problem(404, "unknown-job");
    assert!(server.get("/api/v1/jobs/nonsense").problem(404, "unknown-job").contains("32 hex"));
    server.get("/api/v1/events?job=nonsense").problem(404, "unknown-job");
    server.get(&format!("/api/v1/events?job={}", &NO_JOB[13..])).problem(404, "unknown-job");
    for path in ["/api/v1/job", "/api/v2/jobs", "/nowhere", "/static/nothing.js"] {
        assert!(server.get(path).problem(404, "unknown-path").contains("/api/v1"), "{path}");
    }
}

#[test]
fn a_bad_submission_is_refused_by_what_is_wrong_with_it() {
    let server = TestServer::start(false);
    let post = |body: &str| server.post("/api/v1/jobs", body);
    let unknown = post(r#"{"program": "socket-wordcount"}"#).problem(400, "unknown-program");
    assert!(
        unknown.contains("`socket-wordcount`") && unknown.contains("did you mean `socket-word-count`?"),
        "{unknown}"
    );
    let argument = post(r#"{"program": "generator", "args": {"speed": 1}}"#).problem(400, "bad-argument");
    assert!(argument.contains("`speed`"), "{argument}");
    let shape = post(r#"{"program": "generator", "args": {"rate": {}}}"#).problem(400, "bad-argument");
    assert!(shape.contains("argument `rate`: expected"), "{shape}");
    let json = post("{\"program\":\n\"generator\",,}").problem(400, "malformed-json");
    assert!(json.contains("line 2 column 13"), "{json}");
    let field = post(r#"{"program": "generator", "arg": {}}"#).problem(400, "invalid-request");
    assert!(field.contains("did you mean `args`?"), "{field}");
    let option = post(r#"{"program": "generator", "options": {"state.backend.typ": "hashmap"}}"#);
    assert!(option.problem(400, "bad-option").contains("did you mean `state.backend.type`?"));
}

#[test]
fn a_body_must_be_json_and_of_bounded_size() {
    let server = TestServer::start(false);
    let body = r#"{"program": "generator"}"#;
    for headers in [
        &[][..],
        &[("Content-Type", "text/plain")][..],
        &[("Content-Type", "application/x-www-form-urlencoded")][..],
    ] {
        server.send("POST", "/api/v1/jobs", headers, body).problem(415, "unsupported-media-type");
    }
    server.send("POST", "/api/v1/jobs", &[], "").problem(415, "unsupported-media-type");
    let long = format!(r#"{{"program": "{}"}}"#, "x".repeat(1 << 20));
    server.post("/api/v1/jobs", &long).problem(413, "body-too-large");
    let with_charset = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(server.send("POST", "/api/v1/jobs", &with_charset, body).status, 201);
}

#[test]
fn a_path_says_which_methods_it_takes() {
    let server = TestServer::start(false);
    let deleted = server.send("DELETE", "/api/v1/jobs", &[], "");
    deleted.problem(405, "method-not-allowed");
    assert_eq!(deleted.header("allow"), "GET, HEAD, POST");
    let got = server.get(&format!("{NO_JOB}/actors/v0-0"));
    got.problem(405, "method-not-allowed");
    assert_eq!(got.header("allow"), "DELETE");
}

#[test]
fn other_sites_cannot_reach_the_server_through_a_browser() {
    let server = TestServer::start(false);
    let rebound = [("Host", "evil.example:8081")];
    assert!(server.send("GET", "/", &rebound, "").problem(421, "host-not-allowed").contains("evil.example"));
    server.send("GET", "/api/v1/jobs", &rebound, "").problem(421, "host-not-allowed");
    assert_eq!(server.send("GET", "/readyz", &[("Host", "localhost:1234")], "").status, 200);

    let [running, ..] = server.fake.ids();
    let path = format!("/api/v1/jobs/{running}?mode=cancel");
    for foreign in [
        ("Origin", "http://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        server.send("PATCH", &path, &[foreign], "").problem(403, "cross-origin");
    }
    assert_eq!(
        server.get(&format!("/api/v1/jobs/{running}")).json()["state"],
        "RUNNING",
        "nothing was cancelled"
    );
    let own = format!("http://{}", server.address);
    let ours = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(server.send("PATCH", &path, &ours, "").status, 202);
}

#[test]
fn a_dispatcher_that_does_not_answer_in_time_is_503() {
    let server = TestServer::start(false);
    server.fake.time_out();
    for path in ["/api/v1/jobs", "/api/v1/overview", "/api/v1/slots"] {
        let answer = server.get(path);
        assert!(answer.problem(503, "dispatcher-timeout").contains("5000 ms"));
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[test]
fn events_begin_with_the_present_and_follow_every_change() {
    let server = TestServer::start(true);
    let [running, ..] = server.fake.ids();
    let mut overview = server.open("GET", "/api/v1/events", &[], "");
    let began = read_until(&mut overview, |text| text.contains("\n\n\r\n"));
    assert!(began.contains("text/event-stream") && began.contains("event: overview\ndata: {"), "{began}");

    let mut job = server.open("GET", &format!("/api/v1/events?job={running}"), &[], "");
    let began = read_until(&mut job, |text| text.contains("\n\n\r\n"));
    assert!(
        began.contains("event: job\n")
            && began.contains("\"checkpoints\":[{")
            && began.contains("\"exceptions\":[{")
    );

    assert_eq!(server.send("PATCH", &format!("/api/v1/jobs/{running}?mode=cancel"), &[], "").status, 202);
    read_until(&mut overview, |text| text.contains("\"CANCELED\":1"));
    read_until(&mut job, |text| text.contains("\"state\":\"CANCELED\""));
}

#[test]
fn a_burst_of_changes_becomes_few_events_and_the_last_state_is_among_them() {
    let server = TestServer::start(true);
    let [running, ..] = server.fake.ids();
    let mut stream = server.open("GET", "/api/v1/events", &[], "");
    read_until(&mut stream, |text| text.contains("event: overview"));
    for _ in 0..200 {
        server.fake.advance(1);
    }
    server.send("PATCH", &format!("/api/v1/jobs/{running}?mode=cancel"), &[], "");
    let text = read_until(&mut stream, |text| text.contains("\"CANCELED\":1"));
    let events = text.matches("event: overview").count();
    assert!(events < 100, "{events} events for 201 changes");
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let error = listen(([0, 0, 0, 0], 0).into(), false).unwrap_err();
    assert!(matches!(error, ApiError::NotLoopback(_)));
    assert!(error.to_string().contains("expected a loopback address"), "{error}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let server = TestServer::start(false);
    let error = listen(server.address, false).unwrap_err();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[test]
fn the_page_is_embedded_cached_by_its_contents_and_confined() {
    let server = TestServer::start(false);
    for path in ["/", "/jobs/0123"] {
        let page = server.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    let script = server.get("/static/app.js");
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    let again = server.send("GET", "/static/app.js", &[("If-None-Match", script.header("etag"))], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[test]
fn what_holds_a_job_back_is_told_with_its_subjects_and_what_to_do() {
    let server = TestServer::start(false);
    let jobs = server.get("/api/v1/jobs").json();
    let of_state = |state: &str| {
        let mut jobs = jobs["jobs"].as_array().unwrap().iter();
        jobs.find(|job| job["state"] == state).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let running = of_state("RUNNING");
    let why = server.get(&format!("/api/v1/jobs/{running}/why")).json();
    assert_eq!(why["findings"][0]["sentence"], why["summary"]);
    let first =
        why["findings"].as_array().unwrap().iter().find(|finding| finding["kind"] == "bottleneck").unwrap();
    assert_eq!((&first["severity"], &first["subtask"]), (&json!("warning"), &json!("v1-0")));
    assert!(first["advice"].is_string() && first["numbers"]["busy_share"].is_f64(), "{first}");
    let failed = server.get(&format!("/api/v1/jobs/{}/why", of_state("FAILED"))).json();
    assert_eq!(failed["findings"][0]["kind"], "failed");
    let job = server.get(&format!("/api/v1/jobs/{running}")).json();
    let operator = &job["vertices"][1]["subtasks"][0];
    assert_eq!(operator["queued_records"], 2 * 16_384);
    assert_eq!(
        (&operator["activity"], &operator["next_timer_domain"]),
        (&json!("processing"), &json!("event"))
    );
    assert_eq!(operator["current_input_watermarks"][1]["from"], "v0-1");
    assert_eq!(job["vertices"][0]["subtasks"][1]["blocked_on"], json!(["v1-0"]));
    server.get("/api/v1/jobs/00000000000000000000000000000000/why").problem(404, "unknown-job");
}

#[test]
fn the_timeline_tells_of_every_failure_how_far_the_job_is_with_mending_it() {
    let server = TestServer::start(false);
    let jobs = server.get("/api/v1/jobs").json();
    let id =
        jobs["jobs"].as_array().unwrap().iter().find(|job| job["state"] == "RUNNING").unwrap()["id"].clone();
    let restarts = server.get(&format!("/api/v1/jobs/{}/restarts", id.as_str().unwrap())).json();
    let restarts = restarts["restarts"].as_array().unwrap();
    let task = restarts.iter().find(|restart| restart["attempt"].is_number()).unwrap();
    assert_eq!((&task["phase"], &task["detected_after_us"]), (&json!("caught-up"), &json!(900)));
    let recovery = &task["recovery"];
    assert_eq!(
        (&recovery["records_replayed"], &recovery["restored_checkpoint"]),
        (&json!(91_402), &json!(30))
    );
    assert_eq!(recovery["tasks"].as_array().unwrap().len(), 6);
}
