//! What a job that failed for good says of the record that it failed at.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use common::{TestServer, with_server};
use headwater::{
    core::{execution::FailureKind, job::JobStatus, time::NO_TIMESTAMP},
    prelude::*,
};
use headwater_core::ids::CheckpointId;

/// Runs a program whose first failure is its last; returns the cause that the job shows, which the exceptions show, too.
async fn root_cause(
    test: &TestServer,
    kind: FailureKind,
    program: impl FnOnce(&StreamExecutionEnvironment),
) -> String {
    let job = test
        .submit(|env| {
            env.set_option("restart-strategy.type", "none").unwrap();
            program(env);
        })
        .await;
    let summary = test.ended(job).await;
    assert_eq!(summary.status, JobStatus::Failed);
    let exceptions = test.exceptions(job).await;
    let root = exceptions.last().unwrap();
    assert_eq!(root.kind, kind, "{root:#?}");
    let cause = summary.failure.unwrap();
    assert!(cause.ends_with(&root.message), "`{cause}` ends with `{}`", root.message);
    root.message.clone()
}

async fn panic_of(test: &TestServer, program: impl FnOnce(&StreamExecutionEnvironment)) -> String {
    root_cause(test, FailureKind::Panic, program).await
}

#[test]
fn a_panic_in_the_source_s_chain_names_the_record_s_number_and_its_place_in_the_source() {
    with_server(async |test| {
        let in_a_chain = panic_of(test, |env| {
            env.set_parallelism(2);
            env.generate(Some(100_000), |index| (index, NO_TIMESTAMP))
                .map(|number| number + 1)
                .filter(|number| *number != 5_001 || panic!("cannot take {number}"))
                .discard();
        })
        .await;
        let place = "at record 2501 of subtask 0, attempt 0 (generator index 5000)";
        assert_eq!(in_a_chain, format!("cannot take 5001, {place}"));

        let in_the_generator = panic_of(test, |env| {
            let make = |index| {
                assert!(index < 5_000, "cannot make {index}");
                (index, NO_TIMESTAMP)
            };
            env.generate(None, make).discard();
        })
        .await;
        let place = "at record 5001 of subtask 0, attempt 0 (generator index 5000)";
        assert_eq!(in_the_generator, format!("cannot make 5000, {place}"));
    });
}

#[test]
fn a_panic_at_a_line_names_its_file_and_byte_also_if_it_is_the_decoder_s() {
    with_server(async |test| {
        let input = test.folder("input.txt");
        let lines: Vec<String> = (0..5_000).map(|line| line.to_string()).collect();
        std::fs::write(&input, lines.join("\n")).unwrap();
        let offset = lines[..3_000].join("\n").len() + 1;
        let place = format!("(`{}`, byte {offset})", input.display());
        let in_a_chain = panic_of(test, |env| {
            env.read_text_file(&input).map(|line| assert_ne!(line, "3000")).discard();
        })
        .await;
        assert!(in_a_chain.contains(", at record 3001 of subtask 0, attempt 0 "), "{in_a_chain}");
        assert!(in_a_chain.ends_with(&place), "{in_a_chain}");

        let in_the_decoder = panic_of(test, |env| {
            let source = FileSource::new(&input).decode(|line| match line {
                "3000" => panic!("cannot decode it"),
                line => line.parse::<u64>(),
            });
            env.from_source("Numbers", source).discard();
        })
        .await;
        let place = format!("at record 3001 of subtask 0, attempt 0 {place}");
        assert_eq!(in_the_decoder, format!("cannot decode it, {place}"));
    });
}

#[test]
fn a_panic_behind_a_shuffle_names_the_task_that_the_record_came_from_and_its_timestamp() {
    with_server(async |test| {
        let in_a_chain = panic_of(test, |env| {
            env.generate(Some(10_000), |index| (index, index as i64 * 10))
                .rebalance(1)
                .map(|number| number)
                .set_parallelism(2)
                .map(|number| if number == 7_000 { panic!("cannot take it") } else { number })
                .discard();
        })
        .await;
        assert!(in_a_chain.starts_with("cannot take it, at record "), "{in_a_chain}");
        assert!(in_a_chain.ends_with(" from v1-0, timestamp 70000)"), "{in_a_chain}");

        let in_a_rolling_sum = panic_of(test, |env| {
            env.generate(Some(10_000), |index| (index, index as i64 * 10))
                .key_by(|_| 0u8)
                .reduce(|_, number| assert_ne!(number, 7_000, "no sum"))
                .discard();
        })
        .await;
        let place = "at record 7001 of subtask 0, attempt 0 (number 7001 from v0-0, timestamp 70000)";
        assert!(in_a_rolling_sum.ends_with(place), "{in_a_rolling_sum}");
    });
}

/// Counts, and panics at what its field says.
#[derive(Clone, Copy, PartialEq)]
enum Fragile {
    Merge,
    Result,
}

impl AggregateFunction for Fragile {
    type In = u64;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    fn add(&self, count: &mut u64, _: u64) {
        *count += 1;
    }

    fn merge(&self, _: &mut u64, _: u64) {
        assert!(*self != Self::Merge, "cannot merge");
    }

    fn result(&self, count: &u64) -> u64 {
        assert!(*self != Self::Result, "no result");
        *count
    }
}

#[test]
fn a_panic_in_a_window_names_what_it_merged_or_that_it_was_at_no_record() {
    with_server(async |test| {
        let windows = async |fragile: Fragile, window: fn() -> WindowAssigner| {
            panic_of(test, move |env| {
                env.generate(Some(100_000), |index| (index, index as i64))
                    .set_parallelism(2)
                    .assign_timestamps_and_watermarks(WatermarkStrategy::for_monotonous_timestamps())
                    .key_by(|_| 0u8)
                    .window(window())
                    .aggregate(fragile, |_, _, count| count)
                    .set_parallelism(1)
                    .discard();
            })
            .await
        };
        let event_time = || TumblingEventTimeWindows::of(Duration::from_secs(10));
        let in_the_merge = windows(Fragile::Merge, event_time).await;
        let part = "merged from rows before the shuffle, of the window slice that ends at ";
        assert!(in_the_merge.starts_with("cannot merge, at record "), "{in_the_merge}");
        assert!(in_the_merge.contains(" from v0-") && in_the_merge.contains(part), "{in_the_merge}");

        let at_a_watermark = windows(Fragile::Result, event_time).await;
        let part = "no result, at no record, but when event time had reached ";
        assert!(at_a_watermark.starts_with(part), "{at_a_watermark}");

        let at_the_end = windows(Fragile::Result, EndOfStreamWindows::get).await;
        assert_eq!(at_the_end, "no result, at no record, but when the input had ended");

        let timer = || TumblingProcessingTimeWindows::of(Duration::from_millis(10));
        let at_a_timer = windows(Fragile::Result, timer).await;
        assert!(at_a_timer.starts_with("no result, at no record, but when "), "{at_a_timer}");
    });
}

#[test]
fn an_endless_job_s_timer_says_that_it_was_at_no_record() {
    with_server(async |test| {
        let at_a_timer = panic_of(test, |env| {
            env.from_source("Paced", GeneratorSource::new(|index| (index, NO_TIMESTAMP)).rate(1_000.0))
                .key_by(|_| 0u8)
                .window(TumblingProcessingTimeWindows::of(Duration::from_millis(10)))
                .aggregate(Fragile::Result, |_, _, count| count)
                .discard();
        })
        .await;
        assert!(
            at_a_timer.starts_with("no result, at no record, but when a timer fired at "),
            "{at_a_timer}"
        );
    });
}

/// A sink that fails as it is told to.
#[derive(Clone, Copy)]
enum BrokenSink {
    Write,
    Prepare,
}

impl<T: 'static> Sink<T> for BrokenSink {
    type Writer = Self;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<Self, TaskError> {
        Ok(*self)
    }
}

impl<T: 'static> SinkWriter<T> for BrokenSink {
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError> {
        batch.clear();
        match self {
            Self::Write => Err(TaskError::Connector("the disk is full".to_owned())),
            Self::Prepare => Ok(()),
        }
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Option<Vec<u8>>, TaskError> {
        panic!("cannot prepare")
    }
}

#[test]
fn a_sink_s_failure_names_the_last_record_before_it_or_the_checkpoint() {
    with_server(async |test| {
        let numbers = |env: &StreamExecutionEnvironment, sink| {
            env.generate(Some(100), |index| (index, NO_TIMESTAMP)).sink_to("Broken", sink);
        };
        let error = root_cause(test, FailureKind::Error, |env| numbers(env, BrokenSink::Write)).await;
        let place = "after record 100 of subtask 0, attempt 0 (generator index 99)";
        assert_eq!(error, format!("the disk is full, {place}"));

        let at_a_checkpoint = panic_of(test, |env| numbers(env, BrokenSink::Prepare)).await;
        assert!(
            at_a_checkpoint.starts_with("cannot prepare, at no record, but when checkpoint "),
            "{at_a_checkpoint}"
        );
    });
}
