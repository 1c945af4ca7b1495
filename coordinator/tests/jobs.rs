//! A job's life: it is submitted, runs, is cancelled, finishes, and goes on in the next process.

mod common;

use std::{sync::atomic::Ordering, time::Duration};

use common::{REGIONS, SHUFFLE, World, spec, subtask};
use headwater_coordinator::handle::DispatcherError;
use headwater_core::{
    execution::ExecutionState,
    gateway::ToWorker,
    ids::JobId,
    job::{JobStatus, PlanError},
    store::DurableStore,
};

#[test]
fn a_job_runs_takes_checkpoints_and_is_cancelled() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let first = process.next_completed(job).await;
        let second = process.next_completed(job).await;
        let third = process.next_completed(job).await;
        assert_eq!((first.0, second.0, third.0), (1, 2, 3));
        let view = process.checkpoint(job, second).await;
        assert_eq!((view.acknowledged, view.expected, view.is_final), (4, 4, false));
        assert_eq!((view.sync_us_max, view.async_us_max, view.alignment_us_max), (1, 2, 3));
        let kept = [second, third];
        process.until("the first is pruned", async || process.world.checkpoints.of(job) == kept).await;

        let details = process.details(job).await;
        assert_eq!(details.summary.tasks, [(ExecutionState::Running, 4)]);
        assert!(details.actors.iter().all(|actor| actor.state == "RUNNING"), "{:#?}", details.actors);
        assert_eq!(process.handle.overview().await.unwrap().slots_used, 2);

        process.handle.cancel(job, None).await.unwrap();
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!(summary.status, JobStatus::Canceled);
        assert_eq!(summary.tasks, [(ExecutionState::Canceled, 4)]);
        process
            .until("its checkpoints are removed", async || process.world.checkpoints.of(job).is_empty())
            .await;
        assert_eq!(process.worker.releases(), [true]);
        let again = process.handle.cancel(job, None).await;
        assert_eq!(again, Ok(()), "who has not heard the answer may ask again");
    });
}

#[test]
fn a_bounded_job_finishes_only_after_its_final_checkpoint_was_committed() {
    World::default().run(async |process| {
        process.worker.behave(|behaviour| behaviour.is_bounded = true);
        let mut bounded = spec(REGIONS);
        bounded.options.checkpointing.interval_ms = None;
        let job = process.handle.submit(bounded).await.unwrap();
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!(summary.status, JobStatus::Finished);
        assert_eq!(summary.tasks, [(ExecutionState::Finished, 4)]);
        let late = process.handle.cancel(job, None).await;
        assert_eq!(late, Err(DispatcherError::NotCancellable { job, status: JobStatus::Finished }));
        assert_eq!(process.worker.completions().len(), 1);
        assert!(process.worker.completions()[0].1, "the only checkpoint is final");
        process
            .until("its checkpoints are removed", async || process.world.checkpoints.of(job).is_empty())
            .await;
    });
}

#[test]
fn a_task_that_finishes_before_its_output_is_committed_has_failed() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let attempt = process.worker.attempt(subtask(0, 0));
        process.worker.report(job, attempt, ExecutionState::Finished);
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        let message = &process.handle.exceptions(job).await.unwrap()[0].message;
        assert!(message.contains("before its output was committed"), "{message}");
    });
}

#[test]
fn a_task_that_dies_while_the_others_commit_sends_all_back_to_the_final_checkpoint() {
    World::default().run(async |process| {
        process.worker.behave(|behaviour| {
            behaviour.is_bounded = true;
            behaviour.never_finishes = true;
        });
        let job = process.handle.submit(spec(REGIONS)).await.unwrap();
        process.until("tasks are told to finish", async || !process.worker.completions().is_empty()).await;
        let finished = process.worker.attempt(subtask(0, 1));
        process.worker.behave(|behaviour| behaviour.never_finishes = false);
        process.worker.report(job, finished, ExecutionState::Finished);
        process.worker.fail(subtask(0, 0), "commit failed");
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!(summary.status, JobStatus::Finished);
        let finals: Vec<u64> = process.worker.completions().iter().map(|(id, _)| id.0).collect();
        assert_eq!(finals, [1, 2], "a further final checkpoint follows");
        let second = &process.worker.deployments()[1];
        assert_eq!(second.len(), 4);
        assert!(second.iter().all(|task| task.restore.as_ref().unwrap().checkpoint.0 == 1));
    });
}

#[test]
fn tasks_that_are_told_to_finish_and_never_do_are_restarted() {
    World::default().run(async |process| {
        process.worker.behave(|behaviour| {
            behaviour.is_bounded = true;
            behaviour.never_finishes = true;
        });
        let job = process.handle.submit(spec(SHUFFLE)).await.unwrap();
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.worker.behave(|behaviour| behaviour.never_finishes = false);
        assert_eq!(process.handle.wait_for_end(job).await.unwrap().status, JobStatus::Finished);
    });
}

#[test]
fn a_killed_process_resumes_its_jobs_and_never_reuses_a_checkpoint_id() {
    let world = World::default();
    let (job, completed) = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.next_completed(job).await;
        let completed = process.next_completed(job).await;
        process.worker.behave(|behaviour| behaviour.is_mute = true);
        process.until("one more is triggered", async || process.worker.triggered().len() == 3).await;
        (job, completed)
    });
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        let restored = &process.worker.deployments()[0];
        assert!(restored.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == completed));
        let snapshot = &restored[0].restore.as_ref().unwrap().snapshot;
        assert_eq!(snapshot.operator_state, b"v0-0@2");
        assert_eq!(process.next_completed(job).await.0, 4, "3 was given to a checkpoint that died");
        assert_eq!(process.details(job).await.summary.restarts, 1);
    });
}

#[test]
fn a_shutdown_stops_the_tasks_and_leaves_the_job_to_the_next_process() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.next_completed(job).await;
        process.handle.shutdown(Duration::from_secs(30)).await;
        assert_eq!(process.status(job).await, JobStatus::Suspended);
        assert!(process.worker.live().is_empty());
        assert_eq!(process.worker.releases(), [false], "nothing of a job that goes on is removed");
        job
    });
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        assert!(process.worker.deployments()[0][0].restore.is_some());
    });
}

#[test]
fn a_job_whose_cancelling_a_crash_interrupted_ends_as_canceled() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.worker.behave(|behaviour| behaviour.is_deaf = true);
        process.handle.cancel(job, None).await.unwrap();
        assert_eq!(process.status(job).await, JobStatus::Cancelling);
        job
    });
    world.run(async |process| {
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!(summary.status, JobStatus::Canceled);
        assert!(process.worker.deployments().is_empty());
    });
}

#[test]
fn a_job_that_is_planned_otherwise_after_a_restart_fails_with_the_reason() {
    let world = World::default();
    let job = world.run(async |process| process.submit(SHUFFLE).await);
    world.catalog.is_new_version.store(true, Ordering::SeqCst);
    world.run(async |process| {
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!(summary.status, JobStatus::Failed);
        assert!(summary.failure.unwrap().contains("not planned as it was"));
        assert!(process.worker.live().is_empty());
    });
    world.run(async |process| {
        let jobs = process.handle.jobs().await.unwrap();
        assert_eq!((jobs[0].id, jobs[0].status), (job, JobStatus::Failed), "ended jobs stay as history");
        assert_eq!(jobs[0].tasks.iter().map(|(_, count)| count).sum::<usize>(), 4);
    });
}

#[test]
fn cancelling_goes_on_without_tasks_that_do_not_answer() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.worker.behave(|behaviour| behaviour.is_deaf = true);
        process.handle.cancel(job, None).await.unwrap();
        process.worker.fail(subtask(0, 0), "dies while it is cancelled");
        assert_eq!(process.handle.wait_for_end(job).await.unwrap().status, JobStatus::Canceled);
    });
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    World::default().run(async |process| {
        let unknown = process.handle.submit(spec("nonsense")).await;
        assert!(matches!(unknown, Err(DispatcherError::Plan(PlanError::UnknownProgram { .. }))));
        let job = JobId::random();
        assert_eq!(process.handle.cancel(job, None).await, Err(DispatcherError::UnknownJob(job.to_string())));
        let job = process.submit(SHUFFLE).await;
        let Err(DispatcherError::UnknownActor { known, .. }) =
            process.handle.kill_actor(job, "v9-9", None).await
        else {
            panic!("expected v9-9 to be unknown");
        };
        assert_eq!(known, "job-master, checkpoint-coordinator, v0-0, v0-1, v1-0, v1-1");
        assert!(!process.worker.log().iter().any(|message| matches!(message, ToWorker::Kill { .. })));
    });
}

#[test]
fn a_job_whose_record_is_damaged_is_shown_and_the_others_run() {
    let world = World::default();
    let job = world.run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.until_status(job, JobStatus::Running).await;
        process.handle.shutdown(Duration::from_secs(10)).await;
        job
    });
    world.store.put("job/0123", b"no record").unwrap();
    world.run(async |process| {
        process.until_status(job, JobStatus::Running).await;
        let overview = process.handle.overview().await.unwrap();
        assert_eq!(overview.jobs.len(), 1);
        let [unreadable] = &overview.unreadable_jobs[..] else { panic!("{overview:#?}") };
        assert_eq!(unreadable.id, "0123");
        assert!(unreadable.reason.contains("the record `job/0123` cannot be read"), "{}", unreadable.reason);
    });
}
