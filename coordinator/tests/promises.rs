//! What is promised of jobs that end: deletions, what is remembered, and submissions that are sent again.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::{sync::atomic::Ordering, time::Duration};

use common::{Process, SHUFFLE, World, spec, subtask};
use headwater_coordinator::{
    IdempotencyKey, RememberedJobs,
    handle::DispatcherError,
    view::{DeleteView, JobEventKind},
};
use headwater_core::{
    ids::JobId,
    job::{JobSpec, JobStatus},
    options::RestartOptions,
    store::StoreError,
};
use tokio::time::sleep;

fn fragile() -> JobSpec {
    let mut fragile = spec(SHUFFLE);
    fragile.options.restart = RestartOptions::None;
    fragile
}

/// Submits a job, and lets it fail once it has completed a checkpoint.
async fn failed(process: &Process) -> JobId {
    let job = process.handle.submit(fragile()).await.unwrap();
    process.next_completed(job).await;
    process.worker.fail(subtask(1, 0), "no space left");
    let summary = process.handle.wait_for_end(job).await.unwrap();
    assert_eq!(summary.status, JobStatus::Failed);
    job
}

async fn kinds(process: &Process, job: JobId) -> Vec<JobEventKind> {
    process.handle.events(job).await.unwrap().into_iter().map(|event| event.kind).collect()
}

#[test]
fn only_an_ended_job_can_be_deleted_and_nothing_of_it_comes_back() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let refused = process.handle.delete(job, None).await;
        assert_eq!(refused, Err(DispatcherError::NotEnded { job, status: JobStatus::Running }));
        process.handle.cancel(job, None).await.unwrap();
        process.handle.wait_for_end(job).await.unwrap();
        process.handle.delete(job, None).await.unwrap();
        assert_eq!(process.handle.job(job).await, Err(DispatcherError::UnknownJob(job.to_string())));
        assert!(process.world.checkpoints.of(job).is_empty());

        let kept = failed(&process).await;
        process.handle.delete(kept, None).await.unwrap();
        assert!(process.world.checkpoints.of(kept).is_empty(), "those of a failed job go with it");
        // What was under way when the jobs were deleted has time to do its worst.
        sleep(Duration::from_secs(60)).await;
        job
    });
    world.run(async |process| {
        assert_eq!(process.handle.jobs().await.unwrap(), []);
        assert_eq!(process.handle.delete(job, None).await, Err(DispatcherError::UnknownJob(job.to_string())));
    });
    assert_eq!(world.store.keys(), ["process"]);
}

#[test]
fn a_long_deletion_goes_on_after_its_answer_and_after_its_process() {
    let world = World::default();
    let is_slow = |is_slow| world.checkpoints.is_slow_to_delete.store(is_slow, Ordering::SeqCst);
    let job = world.run(async |process| {
        let job = failed(&process).await;
        is_slow(true);
        let by = Some("ada".to_owned());
        assert_eq!(process.handle.delete(job, by).await, Ok(DeleteView { is_done: false }));
        assert_eq!(process.handle.delete(job, None).await, Ok(DeleteView { is_done: false }));
        let deletion = process.details(job).await.summary.deletion.unwrap();
        assert_eq!(deletion.failure, None);
        let restarted = process.handle.restart(job, None, None).await;
        assert_eq!(restarted, Err(DispatcherError::BeingDeleted(job)));
        let requested = [JobEventKind::DeleteRequested];
        assert!(kinds(&process, job).await.ends_with(&requested), "it was asked for once");
        job
    });
    world.run(async |process| {
        assert!(process.details(job).await.summary.deletion.is_some());
        is_slow(false);
        process.until("the job is gone", async || process.handle.job(job).await.is_err()).await;
        let told = process.handle.told_since(0).events.pop().unwrap();
        assert_eq!((told.event.kind, told.event.by.as_deref()), (JobEventKind::Deleted, Some("ada")));
    });
    assert_eq!(world.checkpoints.of(job), []);
    assert_eq!(world.store.keys(), ["process"]);
}

#[test]
fn a_deletion_that_fails_says_so_and_can_be_asked_for_again() {
    World::default().run(async |process| {
        let job = failed(&process).await;
        let refuse = |is| process.world.checkpoints.is_refusing_to_delete.store(is, Ordering::SeqCst);
        refuse(true);
        let refused = process.handle.delete(job, None).await;
        assert_eq!(refused, Err(DispatcherError::Store(StoreError("disk gone".to_owned()))));
        let deletion = process.details(job).await.summary.deletion.unwrap();
        assert_eq!(deletion.failure.as_deref(), Some("disk gone"));
        assert!(kinds(&process, job).await.contains(&JobEventKind::DeleteFailed));
        refuse(false);
        assert_eq!(process.handle.delete(job, None).await, Ok(DeleteView { is_done: true }));
        assert_eq!(process.handle.job(job).await, Err(DispatcherError::UnknownJob(job.to_string())));
    });
}

#[test]
fn so_many_jobs_are_remembered_and_so_long() {
    let remembered_jobs = RememberedJobs { max: 120, for_ms: Some(3_600_000) };
    let world = World { remembered_jobs, ..World::default() };
    let key = || Some(IdempotencyKey { key: "the first".to_owned(), body_hash: 1 });
    world.run(async |process| {
        let first = process.handle.submit_once(spec(SHUFFLE), key(), None).await.unwrap().job;
        let mut last = first;
        for _ in 0..125 {
            process.handle.cancel(last, None).await.unwrap();
            process.handle.wait_for_end(last).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            last = process.submit(SHUFFLE).await;
        }
        assert_eq!(process.handle.jobs().await.unwrap().len(), 121);
        assert_eq!(process.handle.job(first).await, Err(DispatcherError::UnknownJob(first.to_string())));
        let overview = process.handle.overview().await.unwrap();
        assert_eq!((overview.jobs.len(), overview.jobs[0].id), (101, last), "a glance is bounded");
        assert_eq!(overview.jobs_by_status, [(JobStatus::Canceled, 120), (JobStatus::Running, 1)]);
        let again = process.handle.submit_once(spec(SHUFFLE), key(), None).await;
        assert_eq!(again, Err(DispatcherError::JobGone { key: "the first".to_owned(), job: first }));
        let remembered = async || process.handle.jobs().await.unwrap().len();
        sleep(Duration::from_secs(3_600)).await;
        process.until("those that ended are forgotten", async || remembered().await == 1).await;
        process.until_status(last, JobStatus::Running).await;
    });
}

#[test]
fn the_same_key_with_the_same_body_is_the_same_job_for_a_day_whatever_dies() {
    let world = World::default();
    let key = |body_hash| Some(IdempotencyKey { key: "order-66".to_owned(), body_hash });
    let job = world.run(async |process| {
        let first = process.handle.submit_once(spec(SHUFFLE), key(1), None).await.unwrap();
        let again = process.handle.submit_once(spec(SHUFFLE), key(1), None).await.unwrap();
        assert_eq!((first.is_replay, again.is_replay, again.job), (false, true, first.job));
        first.job
    });
    world.run(async |process| {
        let again = process.handle.submit_once(spec(SHUFFLE), key(1), None).await.unwrap();
        assert_eq!((again.is_replay, again.job), (true, job));
        let other = process.handle.submit_once(spec(SHUFFLE), key(2), None).await;
        assert_eq!(other, Err(DispatcherError::IdempotencyKeyReused { key: "order-66".to_owned(), job }));
        assert_eq!(process.handle.jobs().await.unwrap().len(), 1);
        sleep(Duration::from_secs(24 * 60 * 60)).await;
        let later = process.handle.submit_once(spec(SHUFFLE), key(2), None).await.unwrap();
        assert_eq!((later.is_replay, later.job == job), (false, false));
    });
}

#[test]
fn what_was_submitted_does_not_run_twice_because_it_was_deleted() {
    let world = World::default();
    let key = |body_hash| Some(IdempotencyKey { key: "order-66".to_owned(), body_hash });
    let gone = |job| Err(DispatcherError::JobGone { key: "order-66".to_owned(), job });
    let job = world.run(async |process| {
        let job = process.handle.submit_once(spec(SHUFFLE), key(1), None).await.unwrap().job;
        process.handle.cancel(job, None).await.unwrap();
        process.handle.wait_for_end(job).await.unwrap();
        process.handle.delete(job, None).await.unwrap();
        assert_eq!(process.handle.submit_once(spec(SHUFFLE), key(1), None).await, gone(job));
        job
    });
    world.run(async |process| {
        assert_eq!(process.handle.submit_once(spec(SHUFFLE), key(1), None).await, gone(job));
        let other = process.handle.submit_once(spec(SHUFFLE), key(2), None).await;
        assert_eq!(other, Err(DispatcherError::IdempotencyKeyReused { key: "order-66".to_owned(), job }));
        assert_eq!(process.handle.jobs().await.unwrap(), []);
        sleep(Duration::from_secs(24 * 60 * 60)).await;
        let later = process.handle.submit_once(spec(SHUFFLE), key(1), None).await.unwrap();
        assert!(!later.is_replay);
    });
}

#[test]
fn a_job_that_is_submitted_again_under_a_key_is_submitted_once() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.handle.cancel(job, None).await.unwrap();
        process.handle.wait_for_end(job).await.unwrap();
        let key = || Some(IdempotencyKey { key: "again".to_owned(), body_hash: 5 });
        let first = process.handle.restart(job, key(), None).await.unwrap();
        assert_eq!(process.handle.restart(job, key(), None).await, Ok(first));
        assert_eq!(process.handle.jobs().await.unwrap().len(), 2);
    });
}
