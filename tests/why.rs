//! What is said of jobs that something holds back, and how their way back from failures is told.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use common::{DEADLINE, Feed, TestServer, with_server};
use headwater::{
    core::{
        ids::{JobId, SubtaskId, VertexId},
        time::{Clock, NO_TIMESTAMP, SystemClock},
    },
    prelude::*,
};
use headwater_coordinator::why::{Diagnosis, Finding, FindingKind, diagnose};
use tokio::time::{sleep, timeout};

fn subtask(vertex: u32, index: u32) -> SubtaskId {
    SubtaskId { vertex: VertexId(vertex), index }
}

async fn why(test: &TestServer, job: JobId) -> Diagnosis {
    let details = test.details(job).await;
    let checkpoints = test.server.dispatcher.checkpoints(job).await.unwrap();
    diagnose(&details, &checkpoints, &test.exceptions(job).await, SystemClock.now_ms())
}

/// Waits until this is what is most pressing.
async fn until_first(test: &TestServer, job: JobId, kind: FindingKind, subtask: SubtaskId) -> Finding {
    let found = async {
        loop {
            let first = why(test, job).await.findings.swap_remove(0);
            if (first.kind, first.subtask) == (kind, Some(subtask)) {
                return first;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    match timeout(DEADLINE, found).await {
        Ok(finding) => finding,
        Err(_) => panic!("{kind:?} of {subtask} was not found first: {:#?}", why(test, job).await),
    }
}

/// A sink that takes its time for every batch.
#[derive(Clone)]
struct SlowSink(Duration);

impl Sink<u64> for SlowSink {
    type Writer = Self;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<Self, TaskError> {
        Ok(self.clone())
    }
}

impl SinkWriter<u64> for SlowSink {
    fn write(&mut self, batch: &mut Batch<u64>) -> Result<(), TaskError> {
        thread::sleep(self.0);
        batch.clear();
        Ok(())
    }
}

#[test]
fn a_slow_sink_is_the_bottleneck() {
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.enable_checkpointing(1_000);
                env.generate(None, |index| (index, NO_TIMESTAMP))
                    .set_parallelism(2)
                    .sink_to("Slow", SlowSink(Duration::from_millis(2)))
                    .set_parallelism(1);
            })
            .await;
        let finding = until_first(test, job, FindingKind::Bottleneck, subtask(1, 0)).await;
        assert!(finding.others.contains(&subtask(0, 0)), "{finding:#?}");
        let task = test.details(job).await.vertices[1][0].metrics.clone();
        assert_eq!(task.busy_us + task.idle_us + task.backpressured_us, task.running_us);
        assert!(task.bytes_in >= 16 * task.records_in / 2 && task.batches_in > 0, "{task:?}");
        test.server.dispatcher.cancel(job, None).await.unwrap();
        test.ended(job).await;
    });
}

#[test]
fn an_operator_that_does_not_return_is_the_first_to_be_named() {
    let is_released = Arc::new(AtomicBool::new(false));
    let feed = Feed::new(1);
    feed.send_untimed(0, [1u64]);
    with_server(async |test| {
        let job = test
            .submit(|env| {
                let is_released = is_released.clone();
                env.enable_checkpointing(100);
                env.from_source("Feed", feed.clone())
                    .rebalance(1)
                    .map(move |number| {
                        while !is_released.load(SeqCst) {
                            thread::sleep(Duration::from_millis(1));
                        }
                        number
                    })
                    .discard();
            })
            .await;
        let finding = until_first(test, job, FindingKind::StuckTask, subtask(1, 0)).await;
        assert!(finding.sentence.contains("is processing records for"), "{}", finding.sentence);
        // A checkpoint waits for it, too, and says so.
        let found = async {
            while !why(test, job).await.findings.iter().any(|finding| {
                finding.kind == FindingKind::CheckpointWaiting && finding.subtask == Some(subtask(1, 0))
            }) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(DEADLINE, found).await.is_ok(), "{:#?}", why(test, job).await);
        is_released.store(true, SeqCst);
        feed.close();
        test.finished(job).await;
        assert_eq!(why(test, job).await.findings[0].kind, FindingKind::Ended);
    });
}

#[test]
fn a_checkpoint_that_is_stuck_behind_records_names_the_one_that_has_to_work_through_them() {
    // The other partition's subtask has a thread of its own, and so fills its channel while the sink works.
    let feed = Feed::new(2);
    feed.send_untimed(1, 0..200_000u64);
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(50);
                env.from_source("Feed", feed.clone())
                    .rebalance(1)
                    .sink_to("Slow", SlowSink(Duration::from_millis(400)));
            })
            .await;
        let finding = until_first(test, job, FindingKind::CheckpointWaiting, subtask(1, 0)).await;
        assert!(finding.checkpoint.is_some() && finding.others.contains(&subtask(1, 0)), "{finding:#?}");
        test.server.dispatcher.cancel(job, None).await.unwrap();
        test.ended(job).await;
    });
}

#[test]
fn a_silent_partition_is_named_as_what_holds_event_time_back() {
    let feed = Feed::new(2);
    feed.send(0, (0..100u64).map(|at| (at, at as i64)));
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(1_000);
                env.from_source("Feed", feed.clone())
                    .assign_timestamps_and_watermarks(WatermarkStrategy::<u64>::for_monotonous_timestamps())
                    .key_by(|number| *number % 7)
                    .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
                    .count()
                    .discard();
            })
            .await;
        let finding = until_first(test, job, FindingKind::WatermarkHeldBack, subtask(0, 1)).await;
        assert!(finding.sentence.contains("ends at 1970-01-01 00:00:00.009"), "{}", finding.sentence);
        let next = test.details(job).await.vertices[1][0].metrics.gauges;
        assert_eq!(next.next_timer.map(|timer| timer.at_ms), Some(9));
        assert!(next.state_entries > Some(0));
        feed.close();
        test.finished(job).await;
    });
}

#[test]
fn a_query_tells_when_its_next_window_fires_and_what_is_left_to_read() {
    const DAY_MS: i64 = 86_400_000;
    with_server(async |test| {
        let script = "CREATE TABLE clicks (page BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen', \
             'rows-per-second' = '100', 'number-of-rows' = '1000000000'); \
             CREATE TABLE counts (page BIGINT, ends TIMESTAMP(3), n BIGINT) WITH ('connector' = 'blackhole'); \
             INSERT INTO counts SELECT page, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(at), \
             INTERVAL '1' DAY)) GROUP BY page, window_start, window_end;";
        let job = test.submit_sql(script.to_owned(), "rocksdb").await;
        let next_window = async {
            loop {
                let found = why(test, job).await.findings;
                let next = found.into_iter().find(|finding| finding.kind == FindingKind::NextWindow);
                if let Some(next) = next.filter(|next| !next.sentence.contains("no watermark")) {
                    return next;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        let next = timeout(DEADLINE, next_window).await.unwrap();
        assert!(next.sentence.contains("23:59:59.999"), "{}", next.sentence);
        let subtask = next.subtask.unwrap();
        let details = test.details(job).await;
        let windows = &details.vertices[subtask.vertex.0 as usize][subtask.index as usize].metrics.gauges;
        assert_eq!(windows.next_timer.map(|timer| timer.at_ms % DAY_MS), Some(DAY_MS - 1));
        assert!(windows.state_entries > Some(0), "{windows:?}");
        let source = &details.vertices[0][0].metrics.gauges;
        assert!((400_000_000..=500_000_000).contains(&source.pending_records.unwrap()), "{source:?}");
        assert_eq!(source.state_entries, None);
        test.server.dispatcher.cancel(job, None).await.unwrap();
        test.ended(job).await;
    });
}

#[test]
fn a_restart_tells_what_is_read_again_and_when_the_job_had_caught_up() {
    const RECORDS: u64 = 5_000;
    let feed = Feed::new(2);
    for subtask in 0..2 {
        feed.send_untimed(subtask, 0..RECORDS);
    }
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(3_600_000);
                env.from_source("Feed", feed.clone()).key_by(|number| *number % 7).count().discard();
            })
            .await;
        let are_read = |job: &headwater_coordinator::view::JobDetails| {
            job.vertices[0].iter().all(|source| source.metrics.records_in == RECORDS)
        };
        test.until_job(job, "all is read", are_read).await;
        test.server.dispatcher.kill_actor(job, "v1-1", None).await.unwrap();
        let caught_up = async {
            loop {
                let failure = test.exceptions(job).await.into_iter().next();
                let recovery = failure.as_ref().and_then(|failure| failure.recovery.as_ref());
                if recovery.is_some_and(|recovery| recovery.caught_up_after_us.is_some()) {
                    return failure.unwrap();
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        let failure = timeout(DEADLINE, caught_up).await.expect("the job catches up");
        assert_eq!((failure.actor.as_str(), failure.detected_after_us.is_some()), ("v1-1", true));
        let recovery = failure.recovery.unwrap();
        assert_eq!(recovery.records_replayed, Some(2 * RECORDS), "there was no checkpoint");
        assert_eq!(recovery.tasks, [subtask(0, 0), subtask(0, 1), subtask(1, 0), subtask(1, 1)]);
        assert!(recovery.caught_up_after_us >= recovery.running_after_us, "{recovery:?}");
        feed.close();
        test.finished(job).await;
    });
}
