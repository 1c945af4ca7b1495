//! Whatever dies is rebuilt, and the job goes on from its last completed checkpoint.

mod common;

use std::{collections::BTreeSet, sync::atomic::Ordering};

use common::{REGIONS, SHUFFLE, World, spec, subtask};
use headwater_coordinator::view::CheckpointStatus;
use headwater_core::{
    checkpoint::CheckpointFailure,
    execution::{ExecutionState, FailureKind},
    gateway::ToWorker,
    ids::CheckpointId,
    job::JobStatus,
    options::RestartOptions,
};

#[test]
fn a_failed_task_takes_its_region_back_to_the_last_completed_checkpoint_with_new_attempts() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let completed = process.next_completed(job).await;
        let old = process.worker.live();
        process.worker.fail(subtask(1, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.until_status(job, JobStatus::Running).await;

        let new = &process.worker.deployments()[1];
        assert_eq!(new.len(), 4);
        assert!(new.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == completed));
        assert!(new.iter().all(|task| task.attempt.attempt == 1));
        assert!(old.is_disjoint(&process.worker.live()));

        let exception = process.handle.exceptions(job).await.unwrap().remove(0);
        assert_eq!((exception.actor.as_str(), exception.attempt), ("v1-0", Some(0)));
        assert_eq!((exception.kind, exception.message.as_str()), (FailureKind::Panic, "boom"));
        let recovery = exception.recovery.unwrap();
        assert_eq!((recovery.restored_checkpoint, recovery.tasks_restarted), (Some(completed), 4));
        assert!(recovery.running_after_us.unwrap() >= 10_000, "the restart strategy's delay is part of it");
        assert!(recovery.first_record_after_us.is_some());
        assert!(process.next_completed(job).await > completed);
    });
}

#[test]
fn a_failure_does_not_touch_other_regions() {
    World::default().run(async |process| {
        let job = process.submit(REGIONS).await;
        process.next_completed(job).await;
        let untouched = [process.worker.attempt(subtask(0, 1)), process.worker.attempt(subtask(1, 1))];
        process.worker.fail(subtask(0, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.next_completed(job).await;
        let redeployed: BTreeSet<_> =
            process.worker.deployments()[1].iter().map(|task| task.attempt.subtask).collect();
        assert_eq!(redeployed, BTreeSet::from([subtask(0, 0), subtask(1, 0)]));
        for message in process.worker.log() {
            if let ToWorker::Cancel { attempts, .. } = message {
                assert!(untouched.iter().all(|attempt| !attempts.contains(attempt)));
            }
        }
        assert!(untouched.iter().all(|attempt| process.worker.live().contains(attempt)));
    });
}

#[test]
fn an_exhausted_restart_budget_fails_the_job_with_its_root_cause() {
    World::default().run(async |process| {
        process.worker.behave(|behaviour| behaviour.stillborn = BTreeSet::from([subtask(1, 1)]));
        let mut fragile = spec(SHUFFLE);
        fragile.options.restart = RestartOptions::FixedDelay { attempts: 2, delay_ms: 5 };
        let job = process.handle.submit(fragile).await.unwrap();
        let summary = process.handle.wait_for_end(job).await.unwrap();
        assert_eq!((summary.status, summary.restarts), (JobStatus::Failed, 2));
        assert_eq!(summary.failure.as_deref(), Some("v1-1 (n1): error: stillborn"));
        assert_eq!(process.handle.exceptions(job).await.unwrap().len(), 3);
        assert!(process.worker.live().is_empty());
    });
}

#[test]
fn a_killed_job_master_is_rebuilt_and_restarts_its_tasks_from_the_last_completed_checkpoint() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let completed = process.next_completed(job).await;
        let old = process.worker.live();
        process.handle.kill_actor(job, "job-master", None).await.unwrap();
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.until_status(job, JobStatus::Running).await;
        assert!(old.is_disjoint(&process.worker.live()), "the old attempts were cancelled");
        assert!(process.worker.live().iter().all(|attempt| attempt.attempt == 1));

        let details = process.details(job).await;
        assert_eq!((details.actors[0].restarts, details.actors[0].state), (1, "RUNNING"));
        let exception = process.handle.exceptions(job).await.unwrap().remove(0);
        assert_eq!((exception.actor.as_str(), exception.kind), ("job-master", FailureKind::Kill));
        let recovery = exception.recovery.unwrap();
        assert_eq!((recovery.restored_checkpoint, recovery.tasks_restarted), (Some(completed), 4));
        assert!(recovery.running_after_us.is_some());
        assert!(process.next_completed(job).await > completed);
    });
}

#[test]
fn a_killed_checkpoint_coordinator_is_rebuilt_without_touching_the_tasks() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let completed = process.next_completed(job).await;
        let tasks = process.worker.live();
        process.worker.behave(|behaviour| behaviour.is_mute = true);
        process.until("one more is triggered", async || process.worker.triggered().len() == 2).await;
        process.handle.kill_actor(job, "checkpoint-coordinator", None).await.unwrap();
        process.until("it is aborted", async || !process.failed_checkpoints(job).await.is_empty()).await;
        let aborted = process.failed_checkpoints(job).await.remove(0);
        assert_eq!(aborted.id, completed.next());
        assert_eq!(aborted.status, CheckpointStatus::Failed(CheckpointFailure::CoordinatorFailed));
        let tell = |message: &ToWorker| {
            matches!(message, ToWorker::CheckpointAborted { checkpoint, .. } if *checkpoint == aborted.id)
        };
        process.until("the tasks are told", async || process.worker.log().iter().any(tell)).await;

        process.worker.behave(|behaviour| behaviour.is_mute = false);
        assert_eq!(process.next_completed(job).await, aborted.id.next(), "ids go on");
        assert_eq!(process.worker.live(), tasks);
        assert_eq!(process.details(job).await.summary.restarts, 0);
        let recovery = process.handle.exceptions(job).await.unwrap().remove(0).recovery.unwrap();
        assert_eq!((recovery.restored_checkpoint, recovery.tasks_restarted), (None, 0));
        assert!(recovery.running_after_us.is_some());
    });
}

#[test]
fn a_checkpoint_that_became_durable_as_its_coordinator_died_is_still_told_to_the_tasks() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.world.checkpoints.is_hanging.store(true, Ordering::SeqCst);
        process.until("one is durable", async || !process.world.checkpoints.of(job).is_empty()).await;
        process.handle.kill_actor(job, "checkpoint-coordinator", None).await.unwrap();
        let is_rebuilt = async || process.details(job).await.actors[1].restarts == 1;
        process.until("the coordinator is rebuilt", is_rebuilt).await;
        assert_eq!(process.worker.completions(), []);
        process.world.checkpoints.is_hanging.store(false, Ordering::SeqCst);
        let told = async || process.worker.completions().first() == Some(&(CheckpointId(1), false));
        process.until("the tasks are told", told).await;
        assert_eq!(process.checkpoint(job, CheckpointId(1)).await.status, CheckpointStatus::Completed);
    });
}

#[test]
fn a_coordinator_that_dies_over_and_over_fails_the_job() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let actor = "checkpoint-coordinator";
        process
            .until("the job fails", async || {
                // Once the job has ended there is nobody left to kill.
                let _ = process.handle.kill_actor(job, actor, None).await;
                process.status(job).await == JobStatus::Failed
            })
            .await;
        let failure = process.details(job).await.summary.failure.unwrap();
        assert_eq!(failure, "checkpoint-coordinator: kill: killed on purpose");
    });
}

#[test]
fn messages_of_attempts_that_are_not_current_are_ignored() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let old = process.worker.attempt(subtask(0, 0));
        process.worker.fail(subtask(1, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.until_status(job, JobStatus::Running).await;
        process.worker.behave(|behaviour| behaviour.is_mute = true);
        process.until("one is triggered", async || !process.worker.triggered().is_empty()).await;
        let checkpoint = *process.worker.triggered().last().unwrap();
        for attempt in process.worker.live() {
            if attempt.subtask != old.subtask {
                process.worker.acknowledge(job, attempt, checkpoint);
            }
        }
        process.worker.acknowledge(job, old, checkpoint);
        process.worker.report(job, old, ExecutionState::Failed);
        let acknowledged = async || process.checkpoint(job, checkpoint).await.acknowledged;
        process.until("three count", async || acknowledged().await == 3).await;
        process.worker.acknowledge(job, process.worker.attempt(old.subtask), checkpoint);
        assert_eq!(process.next_completed(job).await, checkpoint);
        assert_eq!(process.details(job).await.summary.restarts, 1, "an old attempt's death concerns nobody");
    });
}

#[test]
fn a_manifest_that_cannot_be_written_fails_the_checkpoint_and_not_the_job_if_tolerated() {
    World::default().run(async |process| {
        let mut tolerant = spec(SHUFFLE);
        tolerant.options.checkpointing.tolerable_failures = 2;
        let job = process.handle.submit(tolerant).await.unwrap();
        process.world.checkpoints.is_refusing_writes.store(true, Ordering::SeqCst);
        process.until("two fail", async || process.failed_checkpoints(job).await.len() == 2).await;
        process.world.checkpoints.is_refusing_writes.store(false, Ordering::SeqCst);
        assert_eq!(process.next_completed(job).await, CheckpointId(3));
        let failed = process.failed_checkpoints(job).await;
        let refused = CheckpointFailure::Storage("disk full".into());
        assert!(failed.iter().all(|view| view.status == CheckpointStatus::Failed(refused.clone())));
        assert_eq!(process.details(job).await.summary.restarts, 0);
    });
}

#[test]
fn more_failed_checkpoints_than_are_tolerated_fail_the_job_over() {
    World::default().run(async |process| {
        let mut expiring = spec(SHUFFLE);
        expiring.options.checkpointing.timeout_ms = 500;
        process.worker.behave(|behaviour| behaviour.is_mute = true);
        let job = process.handle.submit(expiring).await.unwrap();
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.worker.behave(|behaviour| behaviour.is_mute = false);
        let exception = process.handle.exceptions(job).await.unwrap().remove(0);
        assert_eq!(exception.actor, "checkpoint-coordinator");
        assert!(exception.message.contains("expired"), "{}", exception.message);
        process.next_completed(job).await;
    });
}

#[test]
fn a_write_whose_outcome_stays_unknown_fails_the_job_over_to_whatever_became_durable() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.world.checkpoints.is_hanging.store(true, Ordering::SeqCst);
        process.until("the job restarts", async || process.status(job).await == JobStatus::Restarting).await;
        assert_eq!(process.worker.completions(), [], "nobody is told of an outcome that is not known");
        process.world.checkpoints.is_hanging.store(false, Ordering::SeqCst);
        process.until_status(job, JobStatus::Running).await;
        let restored = process.worker.deployments().pop().unwrap();
        assert!(restored.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == CheckpointId(1)));
    });
}

#[test]
fn damaged_checkpoints_are_passed_over_and_reported() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let older = process.next_completed(job).await;
        let newer = process.next_completed(job).await;
        process.world.checkpoints.damage(job, newer);
        process.worker.fail(subtask(0, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        let restored = process.worker.deployments().pop().unwrap();
        assert!(restored.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == older));
        let exceptions = process.handle.exceptions(job).await.unwrap();
        let told = exceptions.iter().find(|told| told.message.contains("checkpoint 2 is damaged"));
        let told = told.unwrap_or_else(|| panic!("{exceptions:#?}"));
        assert_eq!(told.kind, FailureKind::DamagedCheckpoint);
        assert_eq!(told.recovery.as_ref().unwrap().restored_checkpoint, Some(older));
    });
}

#[test]
fn a_checkpoint_that_has_vanished_is_missed_and_without_any_left_the_job_fails() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        let older = process.next_completed(job).await;
        let newer = process.next_completed(job).await;
        process.world.checkpoints.lose(job, newer);
        process.worker.fail(subtask(0, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        let restored = process.worker.deployments().pop().unwrap();
        assert!(restored.iter().all(|task| task.restore.as_ref().unwrap().checkpoint == older));
        let exceptions = process.handle.exceptions(job).await.unwrap();
        let is_told = exceptions.iter().any(|told| told.message.contains("its manifest is missing"));
        assert!(is_told, "{exceptions:#?}");

        let checkpoints = &process.world.checkpoints;
        checkpoints.of(job).into_iter().for_each(|checkpoint| checkpoints.lose(job, checkpoint));
        process.worker.fail(subtask(0, 0), "boom");
        process.until_status(job, JobStatus::Failed).await;
        let cause = process.details(job).await.summary.failure.unwrap();
        assert!(cause.contains("no checkpoint is left to go on from"), "{cause}");
    });
}

#[test]
fn tasks_that_do_not_answer_are_fenced_and_the_job_goes_on() {
    World::default().run(async |process| {
        let job = process.submit(SHUFFLE).await;
        process.worker.behave(|behaviour| behaviour.is_deaf = true);
        process.worker.fail(subtask(0, 0), "boom");
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        process.until_status(job, JobStatus::Running).await;
    });
}

#[test]
fn a_killed_task_is_restarted_and_shown_as_killed() {
    World::default().run(async |process| {
        let job = process.submit(REGIONS).await;
        process.handle.kill_actor(job, "v1-1", None).await.unwrap();
        process
            .until("the job has restarted", async || process.details(job).await.summary.restarts == 1)
            .await;
        let exception = process.handle.exceptions(job).await.unwrap().remove(0);
        assert_eq!((exception.actor.as_str(), exception.kind), ("v1-1", FailureKind::Kill));
        let details = process.details(job).await;
        let killed = details.actors.iter().find(|actor| actor.id == "v1-1").unwrap();
        assert_eq!((killed.restarts, killed.last_failure.as_deref()), (1, Some("killed on purpose")));
    });
}
