//! What becomes of a job when one of its tasks dies.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread::sleep,
};

use common::{TestServer, assert_same_lines, lines, sorted, with_server};
use headwater::{
    core::{
        execution::{ExecutionState, FailureKind},
        ids::JobId,
        job::JobStatus,
        time::NO_TIMESTAMP,
    },
    prelude::*,
};
use headwater_coordinator::view::{ExceptionView, JobDetails};

const KEYS: u64 = 50;

/// Takes about a second: a job that is alive while things go wrong.
const PACED_RECORDS: u64 = 20_000;
const PACED_RATE: f64 = 20_000.0;

fn paced() -> GeneratorSource<impl Fn(u64) -> (u64, TimestampMs) + Clone + Send + Sync + 'static> {
    GeneratorSource::new(|index| (index, NO_TIMESTAMP)).count(PACED_RECORDS).rate(PACED_RATE)
}

/// Counts by key on the way from `numbers` to a file sink: any record lost or doubled shows.
fn count_into<C: Chain<Out = u64>>(numbers: DataStream<C>, folder: &std::path::Path) {
    numbers
        .key_by(|number| number % KEYS)
        .count()
        .map(|(key, count)| format!("{key} {count}"))
        .write_as_text(folder);
}

fn expected_counts(records: u64) -> Vec<String> {
    sorted((0..KEYS).flat_map(|key| (1..=records / KEYS).map(move |count| format!("{key} {count}"))))
}

fn attempts(job: &JobDetails) -> Vec<u32> {
    job.vertices.iter().flatten().map(|subtask| subtask.attempt).collect()
}

fn has_checkpoint(job: &JobDetails) -> bool {
    job.last_completed_checkpoint.is_some()
}

/// The only failure of a job that came back from it.
async fn only_failure(test: &TestServer, job: JobId) -> ExceptionView {
    let mut exceptions = test.exceptions(job).await;
    assert_eq!(exceptions.len(), 1, "{exceptions:#?}");
    exceptions.remove(0)
}

#[test]
fn a_function_that_panics_once_leaves_no_trace_in_the_output() {
    with_server(async |test| {
        for backend in common::BACKENDS {
            let folder = test.folder(backend);
            let may_panic = Arc::new(AtomicBool::new(false));
            let panics = may_panic.clone();
            let job = test
                .submit(|env| {
                    env.set_parallelism(2).enable_checkpointing(20);
                    env.set_option("state.backend.type", backend).unwrap();
                    let numbers =
                        env.from_source("Paced", paced().rate(PACED_RATE / 2.0)).map(move |number| {
                            if panics.swap(false, SeqCst) {
                                panic!("record {number} is too much");
                            }
                            number
                        });
                    count_into(numbers, &folder);
                })
                .await;
            test.until_job(job, "there is a checkpoint", has_checkpoint).await;
            may_panic.store(true, SeqCst);
            let details = test.finished(job).await;
            assert_same_lines(&lines(&folder), &expected_counts(PACED_RECORDS), backend);
            assert_eq!(details.summary.restarts, 1);
            let failure = only_failure(test, job).await;
            assert_eq!(failure.kind, FailureKind::Panic);
            assert!(failure.message.contains("is too much, at record "), "{}", failure.message);
            let recovery = failure.recovery.unwrap();
            assert!(recovery.restored_checkpoint.is_some());
            assert_eq!(recovery.tasks_restarted, 4);
        }
    });
}

#[test]
fn a_function_that_always_panics_fails_its_job_and_no_other() {
    with_server(async |test| {
        let folder = test.folder("out");
        let other = test
            .submit(|env| {
                env.enable_checkpointing(50);
                count_into(env.from_source("Paced", paced()), &folder);
            })
            .await;
        let job = test
            .submit(|env| {
                env.set_option("restart-strategy.type", "fixed-delay").unwrap();
                env.set_option("restart-strategy.fixed-delay.attempts", "2").unwrap();
                env.set_option("restart-strategy.fixed-delay.delay", "1 ms").unwrap();
                env.generate(None, |index| (index, NO_TIMESTAMP))
                    .map(|number: u64| -> u64 { panic!("cannot take {number}") })
                    .discard();
            })
            .await;
        let summary = test.ended(job).await;
        assert_eq!(summary.status, JobStatus::Failed);
        assert_eq!(summary.restarts, 2);
        let cause = summary.failure.unwrap();
        assert!(cause.contains("cannot take 0"), "{cause}");
        let exceptions = test.exceptions(job).await;
        let kinds: Vec<_> = exceptions.iter().map(|exception| exception.kind).collect();
        assert_eq!(kinds, [FailureKind::Panic; 3]);

        let other = test.finished(other).await;
        assert_eq!((other.summary.restarts, attempts(&other)), (0, vec![0, 0]));
        assert_same_lines(&lines(&folder), &expected_counts(PACED_RECORDS), "the other job");
    });
}

#[test]
fn a_hung_function_is_found_and_its_slot_replaced() {
    let (may_hang, is_released) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    // Held by every task that has a copy of the function, by the program and by the test.
    let presence = Arc::new(());
    with_server(async |test| {
        let [folder, neighbours_folder] = ["out", "neighbour"].map(|name| test.folder(name));
        let job = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(20);
                env.set_option("task.stall-timeout", "500 ms").unwrap();
                let (hangs, is_released, presence) =
                    (may_hang.clone(), is_released.clone(), presence.clone());
                let numbers = env.from_source("Paced", paced().rate(PACED_RATE / 4.0)).map(move |number| {
                    let _present = &presence;
                    if hangs.swap(false, SeqCst) {
                        while !is_released.load(SeqCst) {
                            sleep(Duration::from_millis(1));
                        }
                    }
                    number
                });
                count_into(numbers, &folder);
            })
            .await;
        let neighbour = test
            .submit(|env| {
                env.set_parallelism(2).enable_checkpointing(20);
                count_into(env.from_source("Paced", paced().rate(PACED_RATE / 4.0)), &neighbours_folder);
            })
            .await;
        for id in [job, neighbour] {
            test.until_job(id, "there is a checkpoint", has_checkpoint).await;
        }
        may_hang.store(true, SeqCst);
        let details = test.finished(job).await;
        assert_same_lines(&lines(&folder), &expected_counts(PACED_RECORDS), "the job whose function hung");
        assert_eq!(details.summary.restarts, 1);
        let exceptions = test.exceptions(job).await;
        let root = exceptions.last().unwrap();
        assert_eq!(root.kind, FailureKind::Stall);
        assert_eq!(root.message, "made no progress for 500 ms");

        // The other job's tasks in that slot went down with it, and came back like any other.
        let neighbour_details = test.finished(neighbour).await;
        assert_same_lines(&lines(&neighbours_folder), &expected_counts(PACED_RECORDS), "its neighbour");
        assert_eq!(neighbour_details.summary.restarts, 1);
        let lost = test.exceptions(neighbour).await.remove(0);
        assert_eq!(lost.kind, FailureKind::Stall);
        assert!(lost.message.ends_with("which hung"), "{}", lost.message);

        // Once the function returns after all, its task finds itself fenced.
        is_released.store(true, SeqCst);
        common::until("the hung task is gone", || Arc::strong_count(&presence) == 2).await;
        assert_same_lines(&lines(&folder), &expected_counts(PACED_RECORDS), "after the hung task's return");
        assert_eq!(test.details(job).await.summary.restarts, 1);
    });
}

#[test]
fn a_killed_task_takes_only_its_own_region_down() {
    with_server(async |test| {
        let [one, other] = ["one", "other"].map(|name| test.folder(name));
        let job = test
            .submit(|env| {
                env.enable_checkpointing(20);
                count_into(env.from_source("One", paced()), &one);
                count_into(env.from_source("Other", paced()), &other);
            })
            .await;
        test.until_job(job, "there is a checkpoint", has_checkpoint).await;
        // The pipelines are v0 and v2, v1 and v3: sinks are placed when the program is complete.
        let edges: Vec<_> =
            test.details(job).await.graph.edges.iter().map(|edge| (edge.from.0, edge.to.0)).collect();
        let downstream = edges.iter().find(|(from, _)| *from == 0).unwrap().1;
        test.server.dispatcher.kill_actor(job, &format!("v{downstream}-0"), None).await.unwrap();
        let in_region = |vertex: u32| u32::from(vertex == 0 || vertex == downstream);
        let attempts_after: Vec<u32> = (0..4).map(in_region).collect();
        test.until_job(job, "the region runs again", |job| {
            let all_run = job.vertices.iter().flatten().all(|task| task.state == ExecutionState::Running);
            attempts(job) == attempts_after && all_run
        })
        .await;
        let details = test.finished(job).await;
        assert_eq!(attempts(&details), attempts_after);
        let failure = only_failure(test, job).await;
        assert_eq!(failure.kind, FailureKind::Kill);
        assert_eq!(failure.recovery.unwrap().tasks_restarted, 2);
        for folder in [one, other] {
            assert_same_lines(
                &lines(&folder),
                &expected_counts(PACED_RECORDS),
                &folder.display().to_string(),
            );
        }
    });
}
