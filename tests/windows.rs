//! Windows against the same computation in plain code.

mod common;

use std::collections::BTreeMap;

use common::{BACKENDS, Feed, assert_same_lines, lines, seeds, sorted, with_server};
use headwater::{
    connectors::generator::random_at,
    core::{
        job::JobStatus,
        time::{MAX_WATERMARK, NO_TIMESTAMP},
    },
    prelude::*,
};
use headwater_coordinator::view::JobDetails;

type Event = (u64, u64, TimestampMs);

/// The number of a window's events and the sum of their values.
#[derive(Clone)]
struct CountAndSum;

impl AggregateFunction for CountAndSum {
    type In = Event;
    type Acc = (u64, u64);
    type Out = (u64, u64);

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, accumulator: &mut (u64, u64), (_, value, _): Event) {
        self.merge(accumulator, (1, value));
    }

    fn merge(&self, accumulator: &mut (u64, u64), (count, sum): (u64, u64)) {
        accumulator.0 += count;
        accumulator.1 += sum;
    }

    fn result(&self, accumulator: &(u64, u64)) -> (u64, u64) {
        *accumulator
    }
}

fn line(key: u64, start: TimestampMs, end: TimestampMs, count: u64, sum: u64) -> String {
    format!("{key} {start}..{end} {count} {sum}")
}

/// A random stream and windows over it.
#[derive(Clone, Copy, Debug)]
struct Case {
    seed: u64,
    records: u64,
    keys: u64,
    bound_ms: u64,
    size_ms: u64,
    slide_ms: u64,
}

impl Case {
    fn random(seed: u64) -> Self {
        let pick = |at, from: u64, to: u64| from + random_at(seed, u64::MAX - at) % (to - from + 1);
        let size_ms = pick(0, 1, 400);
        Self {
            seed,
            records: pick(1, 20_000, 60_000),
            keys: pick(2, 1, 50),
            bound_ms: pick(3, 0, 500),
            size_ms,
            slide_ms: size_ms,
        }
    }

    fn sliding_by(self, slide_ms: u64) -> Self {
        Self { slide_ms: slide_ms.max(1), ..self }
    }

    /// One event each millisecond, late by up to the bound.
    fn event(self, index: u64) -> Event {
        let random = |salt| random_at(self.seed ^ salt, index);
        let at = index as i64 - (random(1) % (self.bound_ms + 1)) as i64;
        (random(2) % self.keys, random(3) % 1000, at)
    }

    fn windows(self) -> WindowAssigner {
        let (size, slide) = (Duration::from_millis(self.size_ms), Duration::from_millis(self.slide_ms));
        if self.size_ms == self.slide_ms {
            TumblingEventTimeWindows::of(size)
        } else {
            SlidingEventTimeWindows::of(size, slide)
        }
    }

    fn expected(self) -> Vec<String> {
        let (size, slide) = (self.size_ms as i64, self.slide_ms as i64);
        let mut windows: BTreeMap<(u64, i64), (u64, u64)> = BTreeMap::new();
        for (key, value, at) in (0..self.records).map(|index| self.event(index)) {
            let mut start = at.div_euclid(slide) * slide;
            while start + size > at {
                let (count, sum) = windows.entry((key, start)).or_default();
                *count += 1;
                *sum += value;
                start -= slide;
            }
        }
        let line = |((key, start), (count, sum))| line(key, start, start + size, count, sum);
        sorted(windows.into_iter().map(line))
    }
}

/// The records that a job's window operators have dropped, all other things being as they should.
fn late_records(job: &JobDetails) -> u64 {
    job.vertices.iter().flatten().map(|subtask| subtask.metrics.late_records).sum()
}

#[test]
fn event_time_windows_equal_the_plain_computation() {
    with_server(async |test| {
        for seed in seeds() {
            let tumbling = Case::random(seed);
            let overlapping = tumbling.sliding_by(tumbling.size_ms * (1 + seed % 4) / 5);
            let with_gaps = tumbling.sliding_by(tumbling.size_ms + 1 + seed % 100);
            for case in [tumbling, overlapping, with_gaps] {
                for (number, backend) in BACKENDS.into_iter().enumerate() {
                    for parallelism in [1, 2] {
                        let name = format!("{case:?} {backend} {parallelism}");
                        let folder = test.folder(&name);
                        let job = test
                            .run(|env| {
                                env.set_parallelism(parallelism).enable_checkpointing(5 + 10 * number as u64);
                                env.set_option("state.backend.type", backend).unwrap();
                                let bound = Duration::from_millis(case.bound_ms);
                                env.generate(Some(case.records), move |index| {
                                    (case.event(index), NO_TIMESTAMP)
                                })
                                .assign_timestamps_and_watermarks(
                                    WatermarkStrategy::for_bounded_out_of_orderness(bound)
                                        .with_timestamp_assigner(|(_, _, at): &Event| *at),
                                )
                                .key_by(|(key, _, _)| *key)
                                .window(case.windows())
                                .aggregate(CountAndSum, |key, window, (count, sum)| {
                                    line(*key, window.start_ms, window.end_ms, count, sum)
                                })
                                .write_as_text(&folder);
                            })
                            .await;
                        assert_same_lines(&lines(&folder), &case.expected(), &name);
                        assert_eq!(late_records(&job), 0, "{name}");
                    }
                }
            }
        }
    });
}

#[test]
fn late_records_are_dropped_and_counted() {
    const RECORDS: u64 = 200_000;
    const SIZE_MS: i64 = 1_000;
    /// Every hundredth event belongs to the first window, which soon has fired.
    fn timestamp(index: u64) -> TimestampMs {
        if index.is_multiple_of(100) { 0 } else { index as TimestampMs }
    }
    with_server(async |test| {
        for parallelism in [1, 2] {
            let folder = test.folder(&format!("out-{parallelism}"));
            let job = test
                .run(|env| {
                    env.set_parallelism(parallelism);
                    env.generate(Some(RECORDS), |index| ((index % 7, 1, timestamp(index)), timestamp(index)))
                        .assign_timestamps_and_watermarks(
                            WatermarkStrategy::<Event>::for_monotonous_timestamps(),
                        )
                        .key_by(|(key, _, _)| *key)
                        .window(TumblingEventTimeWindows::of(Duration::from_millis(SIZE_MS as u64)))
                        .aggregate(CountAndSum, |_, window, (count, _)| {
                            format!("{} {count}", window.start_ms)
                        })
                        .write_as_text(&folder);
                })
                .await;
            let mut counted: BTreeMap<TimestampMs, u64> = BTreeMap::new();
            for line in lines(&folder) {
                let (start, count) = line.split_once(' ').unwrap();
                *counted.entry(start.parse().unwrap()).or_default() += count.parse::<u64>().unwrap();
            }
            let mut expected: BTreeMap<TimestampMs, u64> = BTreeMap::new();
            for at in (0..RECORDS).map(timestamp) {
                *expected.entry(at / SIZE_MS * SIZE_MS).or_default() += 1;
            }
            let (in_time, all) = (counted.remove(&0).unwrap(), expected.remove(&0).unwrap());
            assert_eq!(counted, expected, "only the first window has late records");
            assert!(in_time < all, "no record was late: {in_time}");
            assert_eq!(in_time + late_records(&job), all);
        }
    });
}

#[test]
fn an_idle_source_subtask_does_not_hold_windows_back() {
    let feed = Feed::new(2);
    feed.send(0, (0..100u64).map(|at| ((at % 2, 1, at as i64), at as i64)));
    with_server(async |test| {
        let folder = test.folder("out");
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(10);
                env.from_source("Feed", feed.clone())
                    .assign_timestamps_and_watermarks(
                        WatermarkStrategy::<Event>::for_monotonous_timestamps()
                            .with_idleness(Duration::from_millis(20)),
                    )
                    .key_by(|(key, _, _)| *key)
                    .window(TumblingEventTimeWindows::of(Duration::from_millis(10)))
                    .aggregate(CountAndSum, |key, window, (count, sum)| {
                        line(*key, window.start_ms, window.end_ms, count, sum)
                    })
                    .write_as_text(&folder);
            })
            .await;
        let windows = |ends: i64| {
            let starts = (0..ends).step_by(10);
            sorted(starts.flat_map(|start| [0, 1].map(|key| line(key, start, start + 10, 5, 5))))
        };
        common::until("all windows but the last are out", || lines(&folder) == windows(90)).await;

        // Rows of the subtask that was idle count as long as their windows have not fired.
        feed.send(1, (100..110u64).map(|at| ((at % 2, 1, at as i64), at as i64)));
        feed.close();
        test.finished(job).await;
        assert_same_lines(&lines(&folder), &windows(110), "after the end");
    });
}

#[test]
fn the_watermark_is_shown_of_every_task() {
    let feed = Feed::new(1);
    feed.send(0, [((0, 1, 5_000), 5_000)]);
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.from_source("Feed", feed.clone())
                    .assign_timestamps_and_watermarks(WatermarkStrategy::<Event>::for_monotonous_timestamps())
                    .key_by(|(key, _, _)| *key)
                    .window(TumblingEventTimeWindows::of(Duration::from_secs(1)))
                    .count()
                    .discard();
            })
            .await;
        let all_show = |watermark| {
            move |job: &JobDetails| {
                job.vertices.iter().flatten().all(|task| task.metrics.watermark_ms == Some(watermark))
            }
        };
        test.until_job(job, "the watermark is shown", all_show(4_999)).await;
        feed.close();
        assert!(all_show(MAX_WATERMARK)(&test.finished(job).await));
    });
}

#[test]
fn a_record_without_a_timestamp_fails_a_job_with_event_time_windows() {
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.set_option("restart-strategy.type", "none").unwrap();
                env.generate(Some(10), |index| (index, NO_TIMESTAMP))
                    .key_by(|value| *value)
                    .window(TumblingEventTimeWindows::of(Duration::from_secs(1)))
                    .count()
                    .discard();
            })
            .await;
        let summary = test.ended(job).await;
        assert_eq!(summary.status, JobStatus::Failed);
        let cause = summary.failure.unwrap();
        assert!(cause.contains("a record without a timestamp came to an event-time window"), "{cause}");
        assert!(cause.contains("assign_timestamps_and_watermarks"), "it says what to do: {cause}");
    });
}

#[test]
fn processing_time_windows_count_every_record_in_exactly_as_many_windows_as_hold_it() {
    const RECORDS: u64 = 6_000;
    const KEYS: u64 = 5;
    let (size, slide) = (Duration::from_millis(40), Duration::from_millis(10));
    let tumbling = (TumblingProcessingTimeWindows::of(size), 1);
    let sliding = (SlidingProcessingTimeWindows::of(size, slide), 4);
    with_server(async |test| {
        for (assigner, windows_per_record) in [tumbling, sliding] {
            for parallelism in [1, 2] {
                let folder = test.folder(&format!("out-{windows_per_record}-{parallelism}"));
                let source = GeneratorSource::new(|index| ((index % KEYS, 1, 0), NO_TIMESTAMP));
                let job = test
                    .run(|env| {
                        env.set_parallelism(parallelism).enable_checkpointing(50);
                        env.from_source("Generator", source.count(RECORDS).rate(20_000.0))
                            .key_by(|(key, _, _): &Event| *key)
                            .window(assigner.clone())
                            .aggregate(CountAndSum, |key, window, (count, _)| {
                                format!("{key} {} {} {count}", window.start_ms, window.end_ms)
                            })
                            .write_as_text(&folder);
                    })
                    .await;
                let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
                let mut windows: Vec<(u64, i64)> = Vec::new();
                for line in lines(&folder) {
                    let fields: Vec<i64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
                    assert_eq!(fields[2] - fields[1], size.as_millis() as i64);
                    windows.push((fields[0] as u64, fields[1]));
                    *counts.entry(fields[0] as u64).or_default() += fields[3] as u64;
                }
                let per_key = RECORDS / KEYS * windows_per_record;
                assert_eq!(counts, (0..KEYS).map(|key| (key, per_key)).collect());
                let shown = windows.len();
                windows.sort_unstable();
                windows.dedup();
                assert_eq!(windows.len(), shown, "a window fires once per key");
                assert_eq!(late_records(&job), 0);
            }
        }
    });
}
