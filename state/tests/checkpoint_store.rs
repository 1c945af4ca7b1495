//! Which checkpoints are found again.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::collections::BTreeMap;

use common::World;
use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle, Manifest, SubtaskSnapshot},
    ids::{CheckpointId, JobId},
    store::{CheckpointStore, LatestCheckpoint},
};
use headwater_state::FileCheckpointStore;

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// A checkpoint of one file, which is written, too.
fn checkpoint(world: &World, id: u64) -> Manifest {
    let folder = world.checkpoint_folder(CheckpointId(id)).join("v1-0-0");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("state-1.heap"), "state").unwrap();
    let file = FileRef { path: "v1-0-0/state-1.heap".to_owned(), bytes: 5, crc32: 0 };
    let keyed_state = Some(KeyedStateHandle::Heap { files: vec![file], new_bytes: 5 });
    let snapshot = SubtaskSnapshot { keyed_state, operator_state: vec![1, 2, 3], committable: None };
    Manifest {
        job: world.job,
        checkpoint: CheckpointId(id),
        triggered_at_ms: 1,
        max_parallelism: 8,
        is_final: false,
        subtasks: BTreeMap::from([(("count".to_owned(), 0), snapshot)]),
    }
}

fn store_with(world: &World, ids: impl IntoIterator<Item = u64>) -> FileCheckpointStore {
    let store = FileCheckpointStore::new(world.env.clone());
    for id in ids {
        let bytes = block_on(store.write_manifest(checkpoint(world, id))).unwrap();
        let file = world.checkpoint_folder(CheckpointId(id)).join("manifest");
        assert_eq!(std::fs::metadata(file).unwrap().len(), bytes);
    }
    store
}

fn latest(world: &World, store: &FileCheckpointStore) -> (Option<u64>, Vec<u64>) {
    let LatestCheckpoint { manifest, damaged } = block_on(store.latest(world.job)).unwrap();
    let manifest = manifest.map(|manifest| {
        assert_eq!(manifest, checkpoint(world, manifest.checkpoint.0));
        manifest.checkpoint.0
    });
    (manifest, damaged.into_iter().map(|(id, _)| id.0).collect())
}

#[test]
fn the_latest_checkpoint_is_the_newest_by_number_and_other_jobs_do_not_count() {
    let (world, other) = (World::new(), JobId::random());
    let store = store_with(&world, [9, 10, 2]);
    assert_eq!(latest(&world, &store), (Some(10), vec![]));
    assert_eq!(block_on(store.list(world.job)).unwrap(), [2, 9, 10].map(CheckpointId));
    let none = LatestCheckpoint { manifest: None, damaged: vec![] };
    assert_eq!(block_on(store.latest(other)).unwrap(), none);
}

#[test]
fn damaged_checkpoints_are_passed_over_and_reported() {
    let world = World::new();
    let store = store_with(&world, 1..=6);
    let manifest = |id| world.checkpoint_folder(CheckpointId(id)).join("manifest");
    let state = |id| world.checkpoint_folder(CheckpointId(id)).join("v1-0-0/state-1.heap");
    let mut flipped = std::fs::read(manifest(6)).unwrap();
    *flipped.last_mut().unwrap() ^= 1;
    std::fs::write(manifest(6), flipped).unwrap();
    std::fs::write(manifest(5), "").unwrap();
    std::fs::copy(manifest(1), manifest(4)).unwrap();
    std::fs::remove_file(state(3)).unwrap();
    std::fs::write(state(2), "stat").unwrap();
    assert_eq!(latest(&world, &store), (Some(1), vec![6, 5, 4, 3, 2]));
    std::fs::remove_file(manifest(1)).unwrap();
    assert_eq!(latest(&world, &store), (None, vec![6, 5, 4, 3, 2]));
}

#[test]
fn a_checkpoint_that_is_marked_as_damaged_is_found_no_more_and_stays_until_the_job_goes() {
    let world = World::new();
    let store = store_with(&world, [1, 2, 3]);
    block_on(store.mark_damaged(world.job, CheckpointId(3))).unwrap();
    block_on(store.mark_damaged(world.job, CheckpointId(3))).unwrap();
    assert_eq!(latest(&world, &store), (Some(2), vec![]));
    assert_eq!(block_on(store.list(world.job)).unwrap(), [1, 2].map(CheckpointId));
    block_on(store.delete_incomplete(world.job, CheckpointId(9))).unwrap();
    let folder = world.checkpoint_folder(CheckpointId(3));
    assert!(folder.join("manifest.damaged").exists() && folder.join("v1-0-0/state-1.heap").exists());
    block_on(store.delete_job(world.job)).unwrap();
    assert!(!folder.exists());
}

#[test]
fn a_checkpoint_without_a_manifest_never_was_and_can_be_cleared_away() {
    let world = World::new();
    let store = store_with(&world, [1, 2]);
    checkpoint(&world, 3);
    std::fs::write(world.checkpoint_folder(CheckpointId(3)).join("manifest.new"), "half").unwrap();
    assert_eq!(latest(&world, &store), (Some(2), vec![]));
    assert_eq!(block_on(store.list(world.job)).unwrap(), [1, 2].map(CheckpointId));
    block_on(store.delete_incomplete(world.job, CheckpointId(3))).unwrap();
    assert!(world.checkpoint_folder(CheckpointId(3)).exists(), "it may be under way");
    block_on(store.delete_incomplete(world.job, CheckpointId(4))).unwrap();
    assert!(!world.checkpoint_folder(CheckpointId(3)).exists());
    assert_eq!(latest(&world, &store), (Some(2), vec![]));
}

#[test]
fn deleting_removes_a_checkpoint_or_all_and_does_not_mind_if_there_is_none() {
    let world = World::new();
    let store = store_with(&world, [1, 2, 3]);
    block_on(store.delete(world.job, CheckpointId(2))).unwrap();
    block_on(store.delete(world.job, CheckpointId(2))).unwrap();
    assert!(!world.checkpoint_folder(CheckpointId(2)).exists());
    assert_eq!(block_on(store.list(world.job)).unwrap(), [1, 3].map(CheckpointId));
    block_on(store.delete_job(world.job)).unwrap();
    block_on(store.delete_job(world.job)).unwrap();
    assert!(!world.checkpoint_folder(CheckpointId(1)).parent().unwrap().exists());
    assert_eq!(latest(&world, &store), (None, vec![]));
}
