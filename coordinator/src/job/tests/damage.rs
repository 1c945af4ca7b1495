//! Tasks that find their checkpoint damaged.

use std::collections::BTreeSet;

use headwater_core::{
    execution::{ExecutionState, Failure, FailureKind},
    ids::CheckpointId,
    job::JobStatus,
    options::RestartOptions,
};

use super::{super::failover::Goal, World, damage, failure, running};

/// Lets the tasks be deployed, and one of them find its checkpoint damaged.
fn find_damage(world: &mut World) -> CheckpointId {
    world.settle_until_deployed();
    let attempt = world.nth_alive(0).unwrap();
    let restored = world.restored[&attempt];
    world.report(attempt, ExecutionState::Failed, Some(damage()));
    restored
}

#[test]
fn a_damaged_checkpoint_is_given_up_for_the_one_before_without_using_up_the_budget() {
    let mut world = World::new(RestartOptions::None, 0, false);
    assert_eq!(find_damage(&mut world), CheckpointId(3));
    assert_eq!(find_damage(&mut world), CheckpointId(2));
    world.settle();
    assert_eq!((world.status, world.ended), (JobStatus::Running, None));
    let restored: BTreeSet<CheckpointId> =
        world.alive.keys().map(|attempt| world.restored[attempt]).collect();
    // The other region was not touched.
    assert_eq!(restored, BTreeSet::from([CheckpointId(1), CheckpointId(3)]));
}

#[test]
fn a_job_whose_checkpoints_are_all_damaged_fails_and_does_not_begin_anew() {
    let mut world = World::new(RestartOptions::FixedDelay { attempts: 9, delay_ms: 0 }, 0, false);
    for _ in 0..3 {
        find_damage(&mut world);
    }
    world.settle();
    assert_eq!((world.ended, world.has_root_cause), (Some(Goal::Failed), true));
}

#[test]
fn damage_that_no_restart_can_mend_fails_the_job_at_once() {
    let mut world = running();
    let failed = world.nth_alive(0).unwrap();
    let failure = Failure { kind: FailureKind::DataLoss, message: "journal gone".into(), at_ms: 0 };
    world.report(failed, ExecutionState::Failed, Some(failure));
    assert_eq!(world.status, JobStatus::Failing);
}

#[test]
fn an_error_after_the_restore_is_no_damage_of_the_checkpoint() {
    let mut world = running();
    let failed = world.nth_alive(0).unwrap();
    world.report(failed, ExecutionState::Failed, Some(failure()));
    world.settle();
    assert_eq!(world.usable.len(), 3);
}
