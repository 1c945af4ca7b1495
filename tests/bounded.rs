//! Bounded jobs: how they end, and when their output can be seen.

mod common;

use common::{Feed, assert_same_lines, committed_files, lines, sorted, with_server};
use headwater::{
    core::{execution::ExecutionState, time::NO_TIMESTAMP},
    prelude::*,
};

#[test]
fn a_bounded_job_finishes_with_or_without_checkpoints_on_the_way() {
    with_server(async |test| {
        for interval_ms in [0, 10] {
            let folder = test.folder(&format!("out-{interval_ms}"));
            let job = test
                .run(|env| {
                    env.set_parallelism(2).enable_checkpointing(interval_ms);
                    env.generate(Some(50_000), |index| (index % 100, NO_TIMESTAMP))
                        .key_by(|key| *key)
                        .window(EndOfStreamWindows::get())
                        .count()
                        .map(|(key, count)| format!("{key} {count}"))
                        .write_as_text(&folder);
                })
                .await;
            assert_same_lines(&lines(&folder), &sorted((0..100).map(|key| format!("{key} 500"))), "counts");
            assert!(job.last_completed_checkpoint.is_some(), "the last one commits the output");
            let states = job.vertices.iter().flatten().map(|subtask| subtask.state);
            assert!(states.into_iter().all(|state| state == ExecutionState::Finished));
        }
    });
}

#[test]
fn an_empty_input_finishes_without_an_output_file() {
    with_server(async |test| {
        let folder = test.folder("out");
        test.run(|env| {
            env.set_parallelism(2);
            env.generate(Some(0), |index| (index, NO_TIMESTAMP))
                .key_by(|key| *key)
                .window(EndOfStreamWindows::get())
                .count()
                .map(|(key, count)| format!("{key} {count}"))
                .write_as_text(&folder);
        })
        .await;
        let entries: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
        assert!(entries.is_empty(), "{entries:?}");
    });
}

#[test]
fn output_can_be_seen_once_it_is_committed_and_not_before() {
    let feed = Feed::new(1);
    with_server(async |test| {
        let folder = test.folder("out");
        let job = test
            .submit(|env| {
                env.enable_checkpointing(0);
                env.from_source("Feed", feed.clone()).write_as_text(&folder);
            })
            .await;
        feed.send_untimed(0, 0..5_000);
        test.until_job(job, "the rows are written", |job| job.vertices[0][0].metrics.records_out == 5_000)
            .await;
        assert_eq!(committed_files(&folder), Vec::<std::path::PathBuf>::new());
        feed.close();
        test.finished(job).await;
        assert_same_lines(&lines(&folder), &sorted((0..5_000).map(|row| row.to_string())), "after the end");
    });
}

#[test]
fn a_checkpoint_commits_what_came_before_it_while_the_job_runs() {
    let feed = Feed::new(1);
    with_server(async |test| {
        let folder = test.folder("out");
        let job = test
            .submit(|env| {
                env.enable_checkpointing(10);
                env.from_source("Feed", feed.clone()).write_as_text(&folder);
            })
            .await;
        for number in 1..=3 {
            feed.send_untimed(0, [number]);
            common::until("the row is committed", || lines(&folder).len() == number).await;
        }
        feed.close();
        test.finished(job).await;
        assert_eq!(lines(&folder), ["1", "2", "3"]);
    });
}

#[test]
fn a_job_is_cancelled_whatever_its_source_waits_for() {
    let feed = Feed::<u64>::new(1);
    with_server(async |test| {
        let folder = test.folder("out");
        let job = test
            .submit(|env| {
                env.enable_checkpointing(0);
                env.from_source("Feed", feed.clone()).write_as_text(&folder);
            })
            .await;
        feed.send_untimed(0, 0..10);
        test.until_job(job, "the rows are written", |job| job.vertices[0][0].metrics.records_out == 10).await;
        test.server.dispatcher.cancel(job, None).await.unwrap();
        let summary = test.ended(job).await;
        assert_eq!(summary.status, headwater::core::job::JobStatus::Canceled);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "what was not committed is gone");
    });
}
