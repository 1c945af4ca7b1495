//! What users ask of jobs that are there, and what is remembered of them.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

mod common;

use std::{sync::atomic::Ordering::SeqCst, time::Duration};

use common::{Process, SHUFFLE, World, spec, subtask};
use headwater_coordinator::{
    handle::DispatcherError,
    view::{CheckpointStatus, JobEventKind, JobEventView},
};
use headwater_core::{
    execution::ExecutionState,
    gateway::FromWorker,
    ids::JobId,
    job::{JobSpec, JobStatus},
    options::RestartOptions,
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
fn a_failed_job_is_restarted_from_its_newest_checkpoint_in_this_process_and_the_next() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = failed(&process).await;
        let newest = *process.world.checkpoints.of(job).last().unwrap();
        let restarted = process.handle.restart(job, None, Some("ada".to_owned())).await.unwrap();
        assert_eq!((restarted.job, restarted.checkpoint), (job, Some(newest)));
        process.until_status(job, JobStatus::Running).await;
        let summary = process.details(job).await.summary;
        assert_eq!((summary.failure, summary.ended_at_ms, summary.restarts), (None, None, 1));
        let deployed = process.worker.deployments().last().unwrap().clone();
        assert!(deployed.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == newest));
        let events = process.handle.events(job).await.unwrap();
        let requested = events.iter().find(|event| event.kind == JobEventKind::RestartRequested).unwrap();
        assert_eq!(requested.by.as_deref(), Some("ada"));

        process.worker.fail(subtask(1, 0), "again");
        process.handle.wait_for_end(job).await.unwrap();
        job
    });
    world.run(async |process| {
        assert_eq!(process.status(job).await, JobStatus::Failed);
        let newest = *process.world.checkpoints.of(job).last().unwrap();
        process.handle.restart(job, None, None).await.unwrap();
        process.until_status(job, JobStatus::Running).await;
        let deployed = process.worker.deployments().last().unwrap().clone();
        assert!(deployed.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == newest));
        assert!(
            process.handle.exceptions(job).await.unwrap().iter().all(|failure| failure.actor != "process")
        );
    });
}

#[test]
fn the_hours_until_a_failed_job_is_restarted_are_no_recovery() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = failed(&process).await;
        sleep(Duration::from_secs(3 * 3_600)).await;
        process.handle.restart(job, None, None).await.unwrap();
        process.until_status(job, JobStatus::Running).await;
        assert_eq!(process.handle.exceptions(job).await.unwrap()[0].recovery, None);
        sleep(Duration::from_secs(5)).await;
        job
    });
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        let exceptions = process.handle.exceptions(job).await.unwrap();
        let mended: Vec<_> =
            exceptions.iter().map(|failure| (failure.actor.as_str(), failure.recovery.is_some())).collect();
        assert_eq!(mended, [("process", true), ("v1-0", false)]);
    });
}

#[test]
fn a_task_has_run_for_as_long_when_the_wall_clock_is_set() {
    const HOUR_MS: i64 = 3_600_000;
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let since = async || process.details(job).await.vertices[0][0].state_since_ms.unwrap();
        let report = || process.worker.emit(FromWorker::Metrics { job, at_ms: 0, tasks: Vec::new() });
        let before_ms = since().await;
        report();
        process.next_completed(job).await;
        assert_eq!(since().await, before_ms);
        process.world.clock_set_by_ms.store(-HOUR_MS, SeqCst);
        report();
        process.until("the time is moved along", async || since().await == before_ms - HOUR_MS).await;
    });
}

#[test]
fn a_running_job_is_restarted_without_counting_as_a_failure() {
    World::default().run(async |process| {
        let job = process.handle.submit(fragile()).await.unwrap();
        let checkpoint = process.next_completed(job).await;
        let restarted = process.handle.restart(job, None, None).await.unwrap();
        assert_eq!((restarted.job, restarted.checkpoint), (job, Some(checkpoint)));
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.until_status(job, JobStatus::Running).await;
        assert_eq!(process.handle.exceptions(job).await.unwrap(), []);
        assert!(kinds(&process, job).await.contains(&JobEventKind::Restarted));
        let attempts = process.handle.attempts(job, subtask(0, 1)).await.unwrap().unwrap();
        let numbers: Vec<(u32, ExecutionState)> =
            attempts.iter().map(|attempt| (attempt.number, attempt.state)).collect();
        assert_eq!(numbers, [(1, ExecutionState::Running), (0, ExecutionState::Canceled)]);
        assert!(attempts[1].ended_at_ms.is_some() && attempts[0].restored_checkpoint.is_some());
        assert_eq!(process.handle.attempts(job, subtask(7, 0)).await.unwrap(), None);
    });
}

#[test]
fn a_cancelled_job_is_submitted_again_as_another_one() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.handle.cancel(job, None).await.unwrap();
        process.handle.wait_for_end(job).await.unwrap();
        let restarted = process.handle.restart(job, None, None).await.unwrap();
        assert_ne!(restarted.job, job);
        assert_eq!(restarted.checkpoint, None);
        process.until_status(restarted.job, JobStatus::Running).await;
        assert_eq!(process.status(job).await, JobStatus::Canceled);
    });
}

#[test]
fn of_a_cancel_and_a_restart_at_once_the_later_one_is_refused() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.worker.behave(|behaviour| behaviour.is_deaf = true);
        let cancel = process.handle.cancel(job, None);
        let (cancelled, restarted) = tokio::join!(cancel, process.handle.restart(job, None, None));
        assert_eq!(cancelled, Ok(()));
        let status = JobStatus::Cancelling;
        assert_eq!(restarted, Err(DispatcherError::NotRestartable { job, status }));
        assert!(!kinds(&process, job).await.contains(&JobEventKind::RestartRequested));
        assert_eq!(process.handle.cancel(job, None).await, Ok(()), "that is what happens anyway");
        let requests = kinds(&process, job).await;
        let cancels = requests.iter().filter(|kind| **kind == JobEventKind::CancelRequested);
        assert_eq!(cancels.count(), 1);
        assert_eq!(process.handle.wait_for_end(job).await.unwrap().status, JobStatus::Canceled);
    });
}

#[test]
fn a_checkpoint_that_was_asked_for_is_found_after_its_process_was_killed() {
    let world = World::default();
    let (job, checkpoint) = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.next_completed(job).await;
        process.worker.behave(|behaviour| behaviour.is_mute = true);
        let triggered = async || process.handle.trigger_checkpoint(job, None).await;
        process.until("one can be taken", async || triggered().await.is_ok()).await;
        (job, triggered().await.unwrap().checkpoint)
    });
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        process.next_completed(job).await;
        let view = process.checkpoint(job, checkpoint).await;
        assert!(matches!(view.status, CheckpointStatus::Failed(_)), "{view:#?}");
        assert_eq!(view.duration_us, None, "nobody knows");
    });
}

#[test]
fn no_number_of_an_event_is_that_of_another_whatever_was_not_saved() {
    let world = World::default();
    let mut seen: Vec<JobEventView> = Vec::new();
    let mut processes = Vec::new();
    let job = world.run(async |process| process.submit(SHUFFLE).await);
    for _ in 0..3 {
        // Killed before anything is saved.
        world.run(async |process| {
            process.until_status(job, JobStatus::Running).await;
            for event in process.handle.events(job).await.unwrap() {
                match seen.iter().find(|known| known.id == event.id) {
                    Some(known) => assert_eq!(*known, event),
                    None => seen.push(event),
                }
            }
            assert!(seen.is_sorted_by_key(|event| event.id), "{seen:#?}");
            processes.push(process.handle.told_since(0).process);
        });
    }
    assert!(seen.len() > 3 && processes.is_sorted_by(|one, next| one < next), "{processes:?}");
}

#[test]
fn a_checkpoint_is_taken_when_it_is_asked_for() {
    World::default().run(async |process| {
        let mut without_interval = spec(SHUFFLE);
        without_interval.options.checkpointing.interval_ms = None;
        let job = process.handle.submit(without_interval).await.unwrap();
        process.until_status(job, JobStatus::Running).await;
        let triggered = async || process.handle.trigger_checkpoint(job, None).await;
        process.until("the coordinator knows that", async || triggered().await.is_ok()).await;
        assert_eq!(process.next_completed(job).await.0, 1);
        let view = process.checkpoint(job, headwater_core::ids::CheckpointId(1)).await;
        assert_eq!(view.subtasks.len(), 4);
        for part in view.subtasks.iter() {
            let ack = part.ack.as_ref().unwrap();
            assert_eq!((part.attempt, ack.sync_us, ack.async_us, ack.alignment_us), (0, 1, 2, 3));
            assert!(ack.at_ms >= view.triggered_at_ms);
        }
        let again = triggered().await.unwrap();
        assert_eq!((again.checkpoint.0, again.was_under_way), (2, false));
        assert!(kinds(&process, job).await.contains(&JobEventKind::CheckpointTriggered));
        process.handle.cancel(job, None).await.unwrap();
        process.handle.wait_for_end(job).await.unwrap();
        let late = triggered().await;
        assert_eq!(late, Err(DispatcherError::NotRunning { job, status: JobStatus::Canceled }));
    });
}

#[test]
fn a_job_s_history_outlives_a_process_that_is_killed() {
    let world = World::default();
    let (job, exceptions, checkpoints, attempts) = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.next_completed(job).await;
        process.worker.fail(subtask(1, 0), "connection reset");
        let restarts = async || process.details(job).await.summary.restarts;
        process.until("the job has restarted", async || restarts().await == 1).await;
        process.until_status(job, JobStatus::Running).await;
        process.next_completed(job).await;
        sleep(Duration::from_secs(5)).await;
        let exceptions = process.handle.exceptions(job).await.unwrap();
        let checkpoints = process.handle.checkpoints(job).await.unwrap();
        let attempts = process.handle.attempts(job, subtask(1, 0)).await.unwrap().unwrap();
        (job, exceptions, checkpoints, attempts)
    });
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        let found = process.handle.exceptions(job).await.unwrap();
        assert_eq!(found[0].actor, "process");
        assert_eq!(found[1..], exceptions);
        let found = process.handle.checkpoints(job).await.unwrap();
        for known in checkpoints.iter().filter(|view| view.status == CheckpointStatus::Completed).skip(2) {
            let again = found.iter().find(|view| view.id == known.id).unwrap();
            assert_eq!((&again.status, again.duration_us), (&known.status, known.duration_us));
        }
        let found = process.handle.attempts(job, subtask(1, 0)).await.unwrap().unwrap();
        assert_eq!(found.len(), attempts.len() + 1);
        assert_eq!(found[1].state, ExecutionState::Failed, "it died with its process");
        assert!(found[2].failure.as_ref().unwrap().contains("connection reset"), "{found:#?}");
        let kinds = kinds(&process, job).await;
        assert_eq!(kinds[0], JobEventKind::Submitted);
        assert!(kinds.contains(&JobEventKind::Failed) && kinds.contains(&JobEventKind::TakenOver));
        let ids: Vec<u64> = process.handle.events(job).await.unwrap().iter().map(|event| event.id).collect();
        assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    });
}

#[test]
fn those_who_follow_miss_nothing_that_is_still_known_and_learn_what_they_have_missed() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let page = process.handle.told_since(0);
        assert_eq!((page.missed, page.events[0].job, page.events[0].number), (0, job, 1));
        for _ in 0..300 {
            process.handle.restart(job, None, None).await.unwrap();
            process.until_status(job, JobStatus::Running).await;
        }
        let later = process.handle.told_since(page.newest);
        assert!(later.missed > 0);
        assert_eq!(later.events[0].number, page.newest + later.missed + 1);
        assert_eq!(process.handle.told_since(later.newest).events, []);
    });
}
