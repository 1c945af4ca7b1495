//! Looking into jobs of a real server: taps on what passes, and the state in checkpoints.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use common::{BACKENDS, DEADLINE, Feed, TestServer, with_server};
use headwater::stream::*;
use serde_json::Value;

/// Asks the server, which is on this thread, from another one.
async fn get(test: &TestServer, path: String) -> (u16, Value) {
    let url = format!("http://{}/api/v1{path}", test.server.address);
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(url).call().unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&body).unwrap())
    });
    asked.await.unwrap()
}

async fn get_ok(test: &TestServer, path: String) -> Value {
    let (status, body) = get(test, path).await;
    assert_eq!(status, 200, "{body}");
    body
}

/// The events of a tap, as they come: their names and data.
struct Tapped(Receiver<(String, Value)>);

impl Tapped {
    fn open(test: &TestServer, path: String) -> Self {
        let url = format!("http://{}/api/v1{path}", test.server.address);
        let (sender, events) = channel();
        thread::spawn(move || {
            let body = ureq::get(url).call().unwrap().into_body();
            let mut name = String::new();
            for line in BufReader::new(body.into_reader()).lines() {
                // The server may have been stopped.
                let Ok(line) = line else { return };
                if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ")
                    && sender.send((name.clone(), serde_json::from_str(data).unwrap())).is_err()
                {
                    return;
                }
            }
        });
        Self(events)
    }

    /// Waits for an event of this name that is as wanted; `meanwhile` is done again and again.
    async fn wait(&self, wanted: &str, is_it: impl Fn(&Value) -> bool, meanwhile: impl Fn()) -> Value {
        let found = async {
            loop {
                meanwhile();
                while let Ok((name, data)) = self.0.try_recv() {
                    if name == wanted && is_it(&data) {
                        return data;
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("no `{wanted}` in time"))
    }
}

/// Waits until a checkpoint shows what is wanted.
async fn until_state(test: &TestServer, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let (status, body) = get(test, path.to_owned()).await;
            if status == 200 && is_it(&body) {
                return body;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("{path} never is as expected"))
}

fn count(body: &Value) -> usize {
    body["entries"].as_array().unwrap().len()
}

#[test]
fn a_tap_shows_records_of_a_program_and_goes_on_after_the_task_was_killed() {
    let feed = Feed::new(2);
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(20);
                env.from_source("Feed", feed.clone())
                    .map(|number: u64| (format!("key-{}", number % 10), number))
                    .key_by(|(key, _)| key.clone())
                    .count()
                    .map(|(key, count)| format!("{key}: {count}"))
                    .write_as_text(test.folder("out"));
            })
            .await;
        let more = || {
            feed.send_untimed(0, 0..50);
            feed.send_untimed(1, 50..100);
        };
        let tap = Tapped::open(test, format!("/jobs/{job}/vertices/v0/tap?limit=100000&per_second=50"));
        let first = tap.wait("record", |_| true, more).await;
        let [key, number] = [&first["value"][0], &first["value"][1]];
        assert_eq!(*key, format!("key-{}", number.as_u64().unwrap() % 10), "{first}");
        assert_eq!(first["to"], "v1");

        // What goes into a sink is seen as well.
        let sink = Tapped::open(test, format!("/jobs/{job}/vertices/v1/tap?limit=1"));
        let written = sink.wait("record", |_| true, more).await;
        assert!(written["value"].as_str().unwrap().starts_with("key-"), "{written}");
        assert!(written["to"].is_null());
        assert_eq!(sink.wait("end", |_| true, || {}).await["records"], 1);

        test.server.dispatcher.kill_actor(job, "v0-0", None).await.unwrap();
        tap.wait("record", |record| record["subtask"] == 0 && record["attempt"] != 0, more).await;
        feed.close();
        let end = tap.wait("end", |_| true, || {}).await;
        assert_eq!(end["reason"], "the job is FINISHED");
        assert!(end["passed"].as_u64() >= end["records"].as_u64());
        test.finished(job).await;

        let (status, problem) = get(test, format!("/jobs/{job}/vertices/v0/tap")).await;
        assert_eq!((status, &problem["type"]), (409, &Value::from("urn:headwater:error:job-has-ended")));
    });
}

#[test]
fn a_tap_shows_rows_of_a_query_as_changes_without_what_is_redacted() {
    with_server(async |test| {
        let clicks = "CREATE TABLE clicks (id BIGINT, name STRING, password STRING) WITH ('connector' = 'datagen', \
             'rows-per-second' = '200', 'fields.id.min' = '1', 'fields.id.max' = '5'); ";
        let copy = "CREATE TABLE copies (id BIGINT, name STRING, password STRING) WITH ('connector' = 'blackhole'); \
             INSERT INTO copies SELECT * FROM clicks;";
        let job = test.submit_sql([clicks, copy].concat(), "hashmap").await;
        assert_eq!(test.details(job).await.graph.vertices.len(), 1, "the source and the sink are one vertex");
        let rows = Tapped::open(test, format!("/jobs/{job}/vertices/v0/tap?redact=NAME"));
        let row = rows.wait("record", |_| true, || {}).await;
        assert_eq!((&row["kind"], &row["to"]), (&Value::from("+I"), &Value::Null), "{row}");
        assert!((1..=5).contains(&row["value"]["id"].as_i64().unwrap()), "{row}");
        assert_eq!((&row["value"]["name"], &row["value"]["password"]), (&"******".into(), &"******".into()));
        test.server.dispatcher.cancel(job, None).await.unwrap();
        assert_eq!(rows.wait("end", |_| true, || {}).await["reason"], "the job is CANCELED");

        let counts = "CREATE TABLE counts (id BIGINT, n BIGINT) WITH ('connector' = 'print'); \
             INSERT INTO counts SELECT id, COUNT(*) AS n FROM clicks GROUP BY id;";
        let job = test.submit_sql([clicks, counts].concat(), "hashmap").await;
        let last = test.details(job).await.graph.vertices.last().unwrap().id;
        let changes =
            Tapped::open(test, format!("/jobs/{job}/vertices/{last}/tap?limit=1000&per_second=100"));
        let is_update = |change: &Value| change["kind"] == "+U" && change["value"]["n"].as_i64() > Some(5);
        changes.wait("record", is_update, || {}).await;
        test.server.dispatcher.cancel(job, None).await.unwrap();
        test.ended(job).await;
    });
}

#[test]
fn the_state_of_a_program_is_listed_paged_and_looked_up_with_both_backends() {
    for backend in BACKENDS {
        let feed = Feed::new(2);
        with_server(async |test| {
            let job = test
                .submit(|env| {
                    env.set_parallelism(2)
                        .enable_checkpointing(20)
                        .set_option("state.backend.type", backend)
                        .unwrap();
                    env.from_source("Feed", feed.clone())
                        .assign_timestamps_and_watermarks(
                            WatermarkStrategy::for_monotonous_timestamps()
                                .with_timestamp_assigner(|(_, at): &(String, i64)| *at),
                        )
                        .key_by(|(key, _)| key.clone())
                        .window(SlidingEventTimeWindows::of(Duration::from_secs(10), Duration::from_secs(5)))
                        .count()
                        .map(|(key, count)| format!("{key}: {count}"))
                        .write_as_text(test.folder("out"));
                })
                .await;
            // Every key has as many records as its number says, all within one slice.
            let records = (1..=100).flat_map(|key| (0..key).map(move |_| (format!("key-{key}"), 1_000i64)));
            feed.send_untimed(0, records);

            let state = format!("/jobs/{job}/state/v1/window-contents");
            until_state(test, &format!("{state}?limit=1000"), |page| count(page) == 100).await;
            let states = get_ok(test, format!("/jobs/{job}/state")).await;
            let contents = &states["vertices"][1]["states"][0];
            assert_eq!(
                (&contents["kind"], &contents["key_type"]),
                (&Value::from("window"), &Value::from("String"))
            );

            let found = get_ok(test, format!("{state}?key=key-42")).await;
            assert_eq!(count(&found), 1, "{found}");
            let entry = &found["entries"][0];
            assert_eq!((&entry["key"], &entry["value"]), (&Value::from("key-42"), &Value::from(42)));
            assert_eq!(
                (&entry["namespace"]["start_ms"], &entry["namespace"]["end_ms"]),
                (&0.into(), &5_000.into())
            );
            let windows = entry["namespace"]["windows"].as_array().unwrap();
            assert_eq!(windows.len(), 2, "{entry}");
            assert_eq!((&windows[1]["start_ms"], &windows[1]["end_ms"]), (&0.into(), &10_000.into()));
            assert_eq!(count(&get_ok(test, format!("{state}?key=other")).await), 0);

            let mut seen = std::collections::BTreeMap::new();
            let mut page = get_ok(test, format!("{state}?limit=7")).await;
            loop {
                for entry in page["entries"].as_array().unwrap() {
                    let key = entry["key"].as_str().unwrap().to_owned();
                    assert!(seen.insert(key, entry["value"].as_u64().unwrap()).is_none(), "{entry}");
                }
                let Some(next) = page["next"].as_str() else { break };
                let (status, body) = get(test, format!("{state}?limit=7&after={next}")).await;
                if status == 404 {
                    // Checkpoints come and go quickly here: begin anew.
                    seen.clear();
                    page = get_ok(test, format!("{state}?limit=7")).await;
                    continue;
                }
                page = body;
            }
            assert_eq!(seen, (1..=100).map(|key| (format!("key-{key}"), key)).collect());

            let parts = get_ok(test, format!("/jobs/{job}/state/v1/operator-state")).await;
            assert_eq!(parts["entries"][0]["key"], "windows-fired-up-to-ms", "{parts}");
            let (status, problem) = get(test, format!("/jobs/{job}/state/v1/contents")).await;
            assert_eq!(status, 404);
            assert!(problem["detail"].as_str().unwrap().contains("`window-contents`"), "{problem}");
            let (status, problem) = get(test, format!("{state}?checkpoint=999999")).await;
            assert_eq!(
                (status, &problem["type"]),
                (404, &Value::from("urn:headwater:error:unknown-checkpoint"))
            );
            assert_eq!(test.details(job).await.summary.restarts, 0, "the job was not disturbed");
            feed.close();
            test.finished(job).await;
        });
    }
}

#[test]
fn the_state_of_a_query_has_columns_by_their_names_with_both_backends() {
    for backend in BACKENDS {
        with_server(async |test| {
            let script = "CREATE TABLE orders (id BIGINT, city STRING, cents BIGINT) WITH ('connector' = 'datagen', \
                 'rows-per-second' = '500', 'fields.id.min' = '1', 'fields.id.max' = '20', 'fields.city.length' = '1', \
                 'fields.cents.min' = '3', 'fields.cents.max' = '3'); \
                 CREATE TABLE totals (id BIGINT, orders BIGINT, cents BIGINT) WITH ('connector' = 'blackhole'); \
                 INSERT INTO totals SELECT id, COUNT(*) AS orders, SUM(cents) AS cents FROM orders GROUP BY id;";
            let job = test.submit_sql(script.to_owned(), backend).await;
            let graph = test.details(job).await.graph;
            let vertex = graph.vertices[1].id;
            let states = until_state(test, &format!("/jobs/{job}/state"), |_| true).await;
            let name = states["vertices"][1]["states"][0]["name"].as_str().unwrap().to_owned();
            assert_eq!(states["vertices"][1]["states"][0]["key_type"], "(id Int64)", "{states}");
            let state = format!("/jobs/{job}/state/{vertex}/{name}");
            until_state(test, &format!("{state}?limit=1000"), |page| count(page) == 20).await;
            for key in ["7", "[7]", "{\"id\":7}"] {
                let encoded: String = key.bytes().map(|byte| format!("%{byte:02x}")).collect();
                let found = get_ok(test, format!("{state}?key={encoded}")).await;
                let entry = &found["entries"][0];
                assert_eq!((count(&found), &entry["key"]["id"]), (1, &Value::from(7)), "{found}");
                let (aggregates, rows) =
                    (&entry["value"]["aggregates"], entry["value"]["rows"].as_i64().unwrap());
                assert_eq!(aggregates["count(Int64(1))"], rows, "{entry}");
                assert_eq!(aggregates["sum(orders.cents)"]["sum"], 3 * rows, "{entry}");
            }
            let (status, problem) = get(test, format!("{state}?key=%7B%22x%22%3A7%7D")).await;
            assert_eq!(status, 400);
            assert!(problem["detail"].as_str().unwrap().contains("(id Int64)"), "{problem}");
            let position =
                get_ok(test, format!("/jobs/{job}/state/v0/operator-state?key=source-position")).await;
            assert!(position["entries"][0]["value"].is_object(), "{position}");
            test.server.dispatcher.cancel(job, None).await.unwrap();
            test.ended(job).await;
        });
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn a_damaged_file_is_told_of_and_does_not_end_anything() {
    for (backend, suffix) in [("hashmap", ".heap"), ("rocksdb", "MANIFEST")] {
        let feed = Feed::new(1);
        with_server(async |test| {
            let job = test
                .submit(|env| {
                    env.set_parallelism(1)
                        .enable_checkpointing(20)
                        .set_option("state.backend.type", backend)
                        .unwrap();
                    env.from_source("Feed", feed.clone()).key_by(|number: &u64| *number).count().discard();
                })
                .await;
            feed.send_untimed(0, 0..100);
            let state = format!("/jobs/{job}/state/v1/rolling-value");
            until_state(test, &format!("{state}?limit=1000"), |page| count(page) == 100).await;
            // No checkpoint follows: the job is stopped, and what it has is not restored.
            let states = get_ok(test, format!("/jobs/{job}/state")).await;
            let checkpoint = states["checkpoint"].as_u64().unwrap();
            let folder = test.folder("data").join("checkpoints").join(job.to_string());
            let damaged = async {
                loop {
                    // The newest may be gone before its files are damaged.
                    for file in files_below(&folder) {
                        if file.to_string_lossy().contains(suffix)
                            && let Ok(mut bytes) = std::fs::read(&file)
                            && !bytes.is_empty()
                        {
                            let middle = bytes.len() / 2;
                            bytes[middle] ^= 1;
                            let _ = std::fs::write(&file, bytes);
                        }
                    }
                    let (status, body) = get(test, state.clone()).await;
                    if body["type"] == "urn:headwater:error:damaged-checkpoint" {
                        return (status, body);
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let (status, body) = tokio::time::timeout(DEADLINE, damaged).await.unwrap();
            assert_eq!(status, 500, "after checkpoint {checkpoint}: {body}");
            assert!(body["detail"].as_str().unwrap().contains("damaged checkpoint file"), "{body}");
            assert_eq!(test.details(job).await.summary.restarts, 0);
            test.server.dispatcher.cancel(job, None).await.unwrap();
            test.ended(job).await;
        });
    }
}
