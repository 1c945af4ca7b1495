//! What becomes of records that a source cannot decode, in whole jobs that are killed meanwhile.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::{collections::BTreeSet, fs, io::Write, net::TcpListener, path::Path, thread};

use common::{TestServer, assert_same_lines, lines, sorted, with_server};
use headwater::{
    core::{ids::JobId, job::JobStatus},
    prelude::*,
};
use headwater_coordinator::view::JobDetails;

const LINES: u32 = 6_000;

fn is_good(line: &u32) -> bool {
    line % 3 != 1
}

/// Numbers, and lines that are none.
fn text() -> String {
    (0..LINES).map(|line| if is_good(&line) { format!("{line}\n") } else { format!("no {line}\n") }).collect()
}

fn good() -> Vec<String> {
    sorted((0..LINES).filter(is_good).map(|line| line.to_string()))
}

/// The dead letters' lines, which are JSON, reduced to the record.
fn dead(folder: &Path) -> Vec<String> {
    let text = |letter: String| -> String {
        let letter: serde_json::Value = serde_json::from_str(&letter).unwrap();
        letter["text"].as_str().unwrap().to_owned()
    };
    sorted(lines(folder).into_iter().map(text))
}

fn expected_dead() -> Vec<String> {
    sorted((0..LINES).filter(|line| !is_good(line)).map(|line| format!("no {line}")))
}

fn malformed(job: &JobDetails) -> u64 {
    job.vertices.iter().flatten().map(|subtask| subtask.metrics.malformed_records).sum()
}

/// Kills the source again and again, each time with another checkpoint behind it.
async fn kill_source(test: &TestServer, job: JobId, times: u32) {
    let mut seen = BTreeSet::new();
    for _ in 0..times {
        test.until_job(job, "there is a new checkpoint with malformed records", |job| {
            job.last_completed_checkpoint.is_some_and(|checkpoint| !seen.contains(&checkpoint))
                && malformed(job) > 0
        })
        .await;
        let details = test.details(job).await;
        seen.extend(details.last_completed_checkpoint);
        test.server.dispatcher.kill_actor(job, "v0-0", None).await.unwrap();
        let attempt = details.vertices[0][0].attempt;
        test.until_job(job, "the source is a new one", |job| job.vertices[0][0].attempt > attempt).await;
    }
}

#[test]
fn a_killed_file_source_doubles_no_row_and_no_dead_letter() {
    with_server(async |test| {
        let (input, out, letters) = (test.folder("input.txt"), test.folder("out"), test.folder("letters"));
        fs::write(&input, text()).unwrap();
        let job = test
            .submit(|env| {
                env.enable_checkpointing(10);
                env.set_option("source.malformed-records", "dead-letter").unwrap();
                env.set_option("source.dead-letter.path", letters.to_str().unwrap()).unwrap();
                let source = FileSource::new(&input).decode(|line| line.parse::<u32>()).rate(6_000.0);
                env.from_source("Numbers", source).write_as_text(&out);
            })
            .await;
        kill_source(test, job, 3).await;
        assert!(test.finished(job).await.summary.restarts >= 3);
        assert_same_lines(&lines(&out), &good(), "rows");
        assert_same_lines(&dead(&letters), &expected_dead(), "dead letters");
    });
}

#[test]
fn a_killed_socket_source_doubles_no_row_and_no_dead_letter() {
    with_server(async |test| {
        let (out, letters) = (test.folder("out"), test.folder("letters"));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // All lines on the first connection; the later ones stay silent.
        thread::spawn(move || {
            let connections: Vec<_> = listener
                .incoming()
                .enumerate()
                .map(|(number, connection)| {
                    let mut connection = connection.unwrap();
                    if number == 0 {
                        connection.write_all(text().as_bytes()).unwrap();
                    }
                    connection
                })
                .collect();
            drop(connections);
        });
        let job = test
            .submit(|env| {
                env.enable_checkpointing(500);
                let source = SocketSource::new("127.0.0.1", port)
                    .decode(|line| line.parse::<u32>())
                    .on_malformed(MalformedRecords::DeadLetter(letters.clone()));
                env.from_source("Numbers", source).write_as_text(&out);
            })
            .await;
        // Most likely no checkpoint covers anything yet: all comes again from the journal.
        test.until_job(job, "there are malformed records", |job| malformed(job) > 0).await;
        test.server.dispatcher.kill_actor(job, "v0-0", None).await.unwrap();
        kill_source(test, job, 1).await;
        common::until("all is committed", || dead(&letters).len() + lines(&out).len() >= LINES as usize)
            .await;
        assert_same_lines(&lines(&out), &good(), "rows");
        assert_same_lines(&dead(&letters), &expected_dead(), "dead letters");
        test.server.dispatcher.cancel(job, None).await.unwrap();
        assert_eq!(test.ended(job).await.status, JobStatus::Canceled);
    });
}

#[test]
fn skipped_records_are_counted_and_by_default_the_first_one_fails_the_job() {
    with_server(async |test| {
        let (input, out) = (test.folder("input.txt"), test.folder("out"));
        fs::write(&input, text()).unwrap();
        let source = || FileSource::new(&input).decode(|line| line.parse::<u32>());
        let skipping = test
            .run(|env| {
                env.set_parallelism(2);
                let source = source().on_malformed(MalformedRecords::Skip);
                env.from_source("Numbers", source).write_as_text(&out);
            })
            .await;
        assert_eq!(malformed(&skipping), expected_dead().len() as u64);
        assert_same_lines(&lines(&out), &good(), "rows");

        let failing = test
            .submit(|env| {
                env.set_option("restart-strategy.type", "none").unwrap();
                env.from_source("Numbers", source()).discard();
            })
            .await;
        let summary = test.ended(failing).await;
        assert_eq!(summary.status, JobStatus::Failed);
        let cause = summary.failure.unwrap();
        let expected = format!("malformed record at `{}`, byte 2: invalid digit", input.display());
        assert!(cause.contains(&expected) && !cause.contains(", after record"), "{cause}");
    });
}
