//! What a scrape reads, and the history.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use headwater_api::HistoryConfig;
use serde_json::Value;

use crate::{
    exposition::{Sample, parse},
    fake::Fake,
    http::{DEADLINE, TestServer},
};

/// Looks again until `found` gives something.
pub fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn scrape(server: &TestServer) -> Vec<Sample> {
    let answer = server.get("/metrics");
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "text/plain; version=0.0.4; charset=utf-8")
    );
    parse(&answer.body)
}

/// The one sample of this name with these labels, among others.
fn value(samples: &[Sample], name: &str, labels: &[(&str, &str)]) -> f64 {
    let found: Vec<&Sample> = samples
        .iter()
        .filter(|sample| sample.name == name)
        .filter(|sample| {
            labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|found| found == value))
        })
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    found[0].value
}

#[test]
fn a_scrape_says_what_rest_says_under_flinks_names() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let samples = scrape(&server);
    let overview = server.get("/api/v1/overview").json();
    let slots = (overview["slots_total"].as_f64().unwrap(), overview["slots_used"].as_f64().unwrap());
    assert_eq!(value(&samples, "flink_jobmanager_taskSlotsTotal", &[]), slots.0);
    assert_eq!(value(&samples, "flink_jobmanager_taskSlotsAvailable", &[]), slots.0 - slots.1);
    assert_eq!(value(&samples, "flink_jobmanager_numRunningJobs", &[]), 1.0);

    let job = server.get(&format!("/api/v1/jobs/{running}")).json();
    let checkpoints = server.get(&format!("/api/v1/jobs/{running}/checkpoints")).json();
    let last = checkpoints["checkpoints"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["status"] == "COMPLETED")
        .unwrap();
    let id = running.to_string();
    let of_job = [("job_id", id.as_str()), ("job_name", "Socket word count")];
    let shown = |name: &str| value(&samples, &format!("flink_jobmanager_job_{name}"), &of_job);
    assert_eq!(shown("numRestarts"), job["restarts"].as_f64().unwrap());
    assert_eq!(shown("lastCheckpointDuration"), last["duration_us"].as_f64().unwrap() / 1e3);
    assert_eq!(shown("lastCheckpointFullSize"), last["state_bytes"].as_f64().unwrap());
    assert_eq!(shown("lastCheckpointSize"), last["new_bytes"].as_f64().unwrap());
    assert!(shown("uptime") >= 700_000.0);

    let mut subtasks = 0;
    for vertex in job["vertices"].as_array().unwrap() {
        for subtask in vertex["subtasks"].as_array().unwrap() {
            subtasks += 1;
            let index = subtask["index"].to_string();
            let labels = [
                ("job_id", id.as_str()),
                ("task_id", vertex["id"].as_str().unwrap()),
                ("task_name", vertex["name"].as_str().unwrap()),
                ("subtask_index", index.as_str()),
            ];
            let shown = |name: &str| value(&samples, &format!("flink_taskmanager_job_task_{name}"), &labels);
            for (name, field) in [
                ("numRecordsIn", "records_in"),
                ("numRecordsOut", "records_out"),
                ("currentInputWatermark", "watermark_ms"),
                ("operator_numLateRecordsDropped", "late_records"),
            ] {
                assert_eq!(shown(name), subtask[field].as_f64().unwrap(), "{name} of {}", subtask["id"]);
            }
        }
    }
    assert_eq!(subtasks, 6);
    assert!(value(&samples, "process_resident_memory_bytes", &[]) > 1e6);
}

#[test]
fn the_newer_format_is_given_to_who_asks_for_it() {
    let server = TestServer::start(false);
    let accept = [("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let answer = server.send("GET", "/metrics", &accept, "");
    assert_eq!(answer.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(answer.body.ends_with("# EOF\n"));
    assert!(answer.body.contains("# TYPE process_cpu_seconds counter\n"));
    let older = server.get("/metrics").body;
    assert!(older.contains("# TYPE process_cpu_seconds_total counter\n"), "{older}");
    server.send("POST", "/metrics", &[], "").problem(405, "method-not-allowed");
}

#[test]
fn names_of_jobs_cannot_break_out_of_their_labels() {
    let server = TestServer::start(false);
    let name = "a\" } evil{} 1 # x \\ <img onerror=alert(1)>";
    let body = serde_json::json!({"program": "socket-word-count", "name": name, "args": {"port": 9000}});
    assert_eq!(server.post("/api/v1/jobs", &body.to_string()).status, 201);
    let samples = scrape(&server);
    assert_eq!(value(&samples, "flink_jobmanager_job_numRestarts", &[("job_name", name)]), 2.0);
}

#[test]
fn no_series_is_there_twice() {
    let server = TestServer::start(false);
    let mut seen = BTreeMap::new();
    for sample in scrape(&server) {
        let key = (sample.name.clone(), sample.labels.clone());
        assert!(seen.insert(key, sample.value).is_none(), "{sample:?}");
    }
    assert!(seen.len() > 100, "{}", seen.len());
}

#[test]
fn rates_are_what_the_counters_grew_by() {
    let server = TestServer::start(false);
    let name = "flink_taskmanager_job_task_numRecordsInPerSecond";
    let busy = "flink_taskmanager_job_task_busyTimeMsPerSecond";
    let labels = [("task_id", "v0"), ("subtask_index", "0")];
    let samples = wait_for("a rate", || {
        // By the fake's own clock, so that it does not matter how fast this test runs.
        server.fake.advance(1_000);
        Some(scrape(&server)).filter(|samples| samples.iter().any(|sample| sample.name == name))
    });
    assert_eq!(value(&samples, name, &labels), 1_900_000.0);
    assert!((value(&samples, busy, &labels) - 180.0).abs() < 1e-6);
    assert!(
        (value(&samples, "flink_taskmanager_job_task_idleTimeMsPerSecond", &labels) - 370.0).abs() < 1e-6
    );
}

#[test]
fn history_is_there_after_the_next_start_too() {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::new(false);
    let [running, finished, _] = fake.ids();
    let history = Some(HistoryConfig::in_data_dir(folder.path()));
    let mut server = TestServer::of(fake.clone(), history.clone());
    let path = format!("/api/v1/jobs/{running}/metrics");
    let rates = |history: &Value| -> Vec<f64> {
        let series = history["series"].as_array().unwrap().iter();
        let mut found =
            series.filter(|series| series["vertex"].is_null() && series["name"] == "records_in_per_second");
        let values =
            found.next().map(|series| series["values"].as_array().unwrap().clone()).unwrap_or_default();
        values.iter().filter_map(|value| value[1].as_f64()).collect()
    };
    let before = wait_for("a rate", || {
        fake.advance(1_000);
        Some(server.get(&path).json()).filter(|history| !rates(history).is_empty())
    });
    // Two sources; a sample may see one of them a step further.
    assert!(rates(&before)[0] >= 1_900_000.0, "{before}");
    server.stop();
    drop(server);

    let server = TestServer::of(fake, history);
    let after = server.get(&path).json();
    assert_eq!(rates(&after)[0], rates(&before)[0]);
    let busy = after["series"]
        .as_array()
        .unwrap()
        .iter()
        .find(|series| series["vertex"] == "v1" && series["name"] == "busy_max");
    assert_eq!((&busy.unwrap()["unit"], &busy.unwrap()["fold"]), (&"share".into(), &"max".into()));

    let of_vertex = server.get(&format!("{path}?vertex=v1&name=busy_max,busy_mean&points=10")).json();
    assert_eq!(of_vertex["series"].as_array().unwrap().len(), 2, "{of_vertex}");
    let cluster = server.get("/api/v1/metrics/history").json();
    assert!(cluster["series"].as_array().unwrap().iter().any(|series| series["name"] == "memory_bytes"));
    let ended = server.get(&format!("/api/v1/jobs/{finished}/metrics")).json();
    assert_eq!(ended["series"], serde_json::json!([]), "it ended before anything was measured");
}

#[test]
fn a_question_about_history_that_makes_no_sense_is_refused() {
    let server = TestServer::start(false);
    let [running, ..] = server.fake.ids();
    let path = format!("/api/v1/jobs/{running}/metrics");
    for (query, expected) in [
        ("points=0", "1 to 10000"),
        ("points=many", "invalid digit"),
        ("from_ms=2&to_ms=2", "before `to_ms`"),
    ] {
        let detail = server.get(&format!("{path}?{query}")).problem(400, "invalid-request");
        assert!(detail.contains(expected), "{query}: {detail}");
    }
    for vertex in ["v9", "../.."] {
        let unknown = server.get(&format!("{path}?vertex={vertex}"));
        assert!(unknown.problem(404, "unknown-vertex").contains("v0, v1, v2"));
    }
    server.get(&path).problem(404, "unknown-path");
    server.get("/api/v1/jobs/00000000000000000000000000000000/metrics").problem(404, "unknown-job");
}
